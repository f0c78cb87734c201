//! One connection that a DTU dialled: lent for one request at a time, watched while nobody asks, closed from outside.

use sdk::{BoxFuture, Clock, Stream};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Mutex, Notify, OwnedMutexGuard, watch},
};

use super::heartbeat::Heartbeats;

/// A connection whose DTU is known.
pub(crate) struct Line {
    /// Registration id.
    pub(super) id: String,
    /// Where it dialled from.
    pub(super) from: SocketAddr,
    /// What it sends on its own account.
    pub(super) heartbeats: Heartbeats,
    wire: Arc<Mutex<Box<dyn Stream>>>,
    /// Somebody waits for the wire.
    call: Notify,
    closed: Arc<watch::Sender<bool>>,
    heard_ms: Arc<AtomicU64>,
    /// Units that were asked and have not answered, and until when they still may. One each, so at most 256.
    open: std::sync::Mutex<Vec<(u8, Duration)>>,
}

/// The turn of one request: nobody else has the wire.
pub(crate) struct Turn {
    line: Arc<Line>,
    wire: OwnedMutexGuard<Box<dyn Stream>>,
}

impl Turn {
    /// The wire, and the line that it belongs to.
    pub(crate) fn parts(&mut self) -> (&mut dyn Stream, &Line) {
        (self.wire.as_mut(), &self.line)
    }
}

/// What happened on a wire that nobody used.
pub(super) enum Idle {
    /// Somebody wants it, or `until` is over.
    Nothing,
    /// Bytes came that nobody asked for.
    Bytes(usize),
    /// The other side is gone.
    Ended,
}

impl Line {
    pub(super) fn new(
        id: String,
        from: SocketAddr,
        heartbeats: Heartbeats,
        stream: Box<dyn Stream>,
        clock: Clock,
    ) -> Arc<Line> {
        let heard_ms = Arc::new(AtomicU64::new(millis(clock.monotonic())));
        let closed = Arc::new(watch::Sender::new(false));
        let wire = Wire {
            stream: Some(stream),
            closed: closed.clone(),
            until_closed: Box::pin(until_true(closed.subscribe())),
            heard_ms: heard_ms.clone(),
            clock,
        };
        let wire: Box<dyn Stream> = Box::new(wire);
        let wire = Arc::new(Mutex::new(wire));
        Arc::new(Line {
            id,
            from,
            heartbeats,
            wire,
            call: Notify::new(),
            closed,
            heard_ms,
            open: Default::default(),
        })
    }

    /// Waits for the wire. Everybody gets it in the order of asking.
    pub(super) async fn turn(self: &Arc<Line>) -> Turn {
        let mut wire = std::pin::pin!(self.wire.clone().lock_owned());
        // Queue first, then call: who watches gives the wire to the next in the queue.
        let queued = std::future::poll_fn(|context| Poll::Ready(wire.as_mut().poll(context))).await;
        let wire = match queued {
            Poll::Ready(wire) => wire,
            Poll::Pending => {
                self.call.notify_one();
                wire.await
            }
        };
        Turn { line: self.clone(), wire }
    }

    /// What is to be left out of what it carries.
    pub(crate) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// A unit is asked now; whatever becomes of whoever asks, it may answer until then.
    pub(crate) fn asked(&self, unit: u8, until: Duration) {
        let mut open = self.open();
        open.retain(|(other, _)| *other != unit);
        open.push((unit, until));
    }
    /// It answered.
    pub(crate) fn answered(&self, unit: u8) {
        self.open().retain(|(other, _)| *other != unit);
    }
    /// Until when an answer of this unit may be one to an earlier request. RTU has no number by which to tell, and a
    /// mobile network is slow; other units are told by theirs.
    pub(crate) fn open_until(&self, unit: u8) -> Option<Duration> {
        self.open().iter().find(|(other, _)| *other == unit).map(|(_, until)| *until)
    }
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<(u8, Duration)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what comes while nobody asks, until somebody does, something comes, or `until` is over.
    pub(super) async fn idle(&self, space: &mut [u8], mut until: BoxFuture<'static, ()>) -> Idle {
        use tokio::io::AsyncReadExt;
        let mut wire = tokio::select! {
            wire = self.wire.lock() => wire,
            () = &mut until => return Idle::Nothing,
        };
        tokio::select! {
            // Reading goes first: an end is noticed even while many ask.
            biased;
            read = wire.read(space) => match read {
                Ok(0) | Err(_) => Idle::Ended,
                Ok(bytes) => Idle::Bytes(bytes),
            },
            () = self.call.notified() => Idle::Nothing,
            () = &mut until => Idle::Nothing,
        }
    }

    /// Closes the connection: whoever waits for a reply hears it at once. The socket goes with the next look at it, or
    /// with [`Line::end`].
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
    /// Closes the connection and its socket, whoever still holds the line.
    pub(super) async fn end(&self) {
        self.close();
        *self.wire.lock().await = Box::new(tokio::io::empty());
    }
    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
    /// Waits until it is closed.
    pub(super) fn until_closed(&self) -> impl Future<Output = ()> + Send + 'static {
        until_true(self.closed.subscribe())
    }
    /// When the last byte came, on the steady clock.
    pub(super) fn heard(&self) -> Duration {
        Duration::from_millis(self.heard_ms.load(Ordering::Relaxed))
    }
}

async fn until_true(mut flag: watch::Receiver<bool>) {
    // Without a sender there is no line any more, which is as good as closed.
    let _closed = flag.wait_for(|closed| *closed).await;
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The stream itself, which ends when the line is closed, closes the line when it ends, and notes when it was last heard.
struct Wire {
    /// `None` once closed, so that the socket goes with it.
    stream: Option<Box<dyn Stream>>,
    closed: Arc<watch::Sender<bool>>,
    until_closed: BoxFuture<'static, ()>,
    heard_ms: Arc<AtomicU64>,
    clock: Clock,
}

impl Wire {
    fn open(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut Box<dyn Stream>>> {
        if self.stream.is_some() && self.until_closed.as_mut().poll(context).is_ready() {
            self.stream = None;
        }
        let gone = || io::Error::new(io::ErrorKind::ConnectionAborted, "the connection of the DTU is gone");
        self.stream.as_mut().map(Pin::new).ok_or_else(gone)
    }
    /// What ended once has no more to say.
    fn end(&mut self) {
        self.stream = None;
        self.closed.send_replace(true);
    }
    fn unless_failed<T>(&mut self, outcome: io::Result<T>) -> Poll<io::Result<T>> {
        if outcome.is_err() {
            self.end();
        }
        Poll::Ready(outcome)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(wire.open(context)?.poll_read(context, buffer));
        if buffer.filled().len() > before {
            wire.heard_ms.store(millis(wire.clock.monotonic()), Ordering::Relaxed);
        } else if buffer.remaining() > 0 {
            wire.end();
        }
        wire.unless_failed(read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let written = ready!(wire.open(context)?.poll_write(context, bytes));
        wire.unless_failed(written)
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().open(context)?.poll_flush(context)
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().open(context)?.poll_shutdown(context)
    }
}
