//! One connection to one device: sends requests, waits for their replies, and nothing else. The only file with IO.
//!
//! Whatever does not match what was asked ends the connection. On TCP a new one is the only sure way to get back in
//! step; on a serial line the bytes that are left over are thrown away before the next request.

use sdk::{Clock, DeviceCounters, Reach, SerialBus, Stream};
use std::{io, pin::Pin, sync::Arc, task::Poll, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use types::Time;

use crate::{
    config::{Config, Transport},
    dtu::{Dtus, Line as DtuLine, Turn},
    fault::Trouble,
    frame::{FRAME_BYTES_MAX, Framing, Side, match_reply},
    pdu::{FrameError, Reply, Request},
};

/// How often a request is sent again on a serial line, also behind a DTU, where a disturbed frame is nothing unusual. Reads only: a
/// write whose reply was lost may have been done.
const SERIAL_RETRIES: u32 = 1;
/// A connection gets at least this long: a first packet that was lost is sent again after one second (RFC 6298), and a
/// plant that starts all at once loses some.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_secs(3);
/// The most stray bytes that are thrown away before one request; a line that never falls silent is no Modbus line.
const STRAY_BYTES_MAX: usize = 4_096;
/// A silent interval on a fast line (MODBUS over Serial Line V1.02, 2.5.1.1: above 19200 baud fixed at 1.75 ms).
const SILENCE_MIN: Duration = Duration::from_micros(1_750);

/// An open connection.
pub(crate) struct Session {
    line: Line,
    framing: Framing,
    unit: u8,
    timeout: Duration,
    pause: Duration,
    retries: u32,
    transaction: u16,
    inbox: Vec<u8>,
    clock: Clock,
    counters: Arc<DeviceCounters>,
}

enum Line {
    Own(Box<dyn Stream>),
    Lent(SerialBus),
    /// Whatever connection the DTU has when it is asked.
    Dialled {
        dtus: Arc<Dtus>,
        id: String,
    },
    /// Out of step: a reply may still be on its way, and must not pass for the reply to the next request.
    Gone,
}

impl Session {
    /// Opens the connection that `config` names.
    pub(crate) async fn open(
        config: &Config,
        reach: &Reach,
        counters: Arc<DeviceCounters>,
    ) -> Result<Session, Trouble> {
        let pause = Duration::from_millis(u64::from(config.inter_frame_delay_ms));
        let (line, framing, pause) = match (&config.serial, config.transport) {
            (Some(settings), Transport::Serial) => {
                let bus = reach.net.serial(settings).await.map_err(Trouble::Serial)?;
                (Line::Lent(bus), Framing::Rtu, pause.max(silence(settings.baud)))
            }
            (_, Transport::Dtu) => {
                let dtus = reach.hall.of::<Dtus>().ok_or(Trouble::NoDoor)?;
                (Line::Dialled { dtus, id: config.dtu_id().to_string() }, Framing::Rtu, pause)
            }
            (_, transport) => {
                let host = config.host.as_deref().unwrap_or_default().trim();
                let timeout = config.timeout().max(CONNECT_TIMEOUT_MIN);
                let connect = reach.net.connect_tcp(host, config.port(), timeout);
                let stream = match reach.clock.timeout(timeout, connect).await {
                    Ok(connected) => connected.map_err(Trouble::Connect)?,
                    Err(_) => return Err(Trouble::Connect(io::ErrorKind::TimedOut.into())),
                };
                let framing = if transport == Transport::Tcp { Framing::Mbap } else { Framing::Rtu };
                (Line::Own(stream), framing, pause)
            }
        };
        Ok(Session {
            line,
            framing,
            unit: config.unit_id,
            timeout: config.timeout(),
            pause,
            retries: SERIAL_RETRIES,
            transaction: 0,
            inbox: Vec::with_capacity(FRAME_BYTES_MAX),
            clock: reach.clock.clone(),
            counters,
        })
    }

    fn is_dialled(&self) -> bool {
        matches!(self.line, Line::Dialled { .. })
    }

    /// Tries once and waits so long, from now on: for a question that may well have no answer.
    pub(crate) fn ask_once_within(&mut self, timeout: Duration) {
        self.timeout = timeout;
        self.retries = 0;
    }

    /// Sends one request and waits for its reply.
    pub(crate) async fn ask_one(&mut self, request: &Request) -> Result<(Time, Reply), Trouble> {
        let mut replies = self.ask(std::slice::from_ref(request)).await?;
        replies.pop().ok_or(Trouble::Frame(FrameError::Empty))
    }

    /// Sends requests and waits for all replies, each with the time when it came; in the order of the requests. After
    /// an error on TCP the session is of no more use.
    pub(crate) async fn ask(&mut self, requests: &[Request]) -> Result<Vec<(Time, Reply)>, Trouble> {
        let mut replies = Vec::with_capacity(requests.len());
        match self.framing {
            Framing::Mbap => self.ask_mbap(requests, &mut replies).await,
            Framing::Rtu => self.ask_rtu(requests, &mut replies).await,
        }
        .inspect_err(|_| {
            DeviceCounters::count(&self.counters.failures);
            if matches!(self.line, Line::Own(_)) {
                self.line = Line::Gone;
            }
        })?;
        for (_, reply) in &replies {
            if matches!(reply, Reply::Refused(_)) {
                DeviceCounters::count(&self.counters.failures);
            }
        }
        Ok(replies)
    }

    async fn ask_mbap(
        &mut self,
        requests: &[Request],
        replies: &mut Vec<(Time, Reply)>,
    ) -> Result<(), Trouble> {
        let Line::Own(stream) = &mut self.line else { return Err(Trouble::Closed) };
        let first = self.transaction;
        self.transaction = self.transaction.wrapping_add(requests.len() as u16);
        let transactions = (0..requests.len() as u16).map(|i| first.wrapping_add(i));
        let mut bytes = Vec::new();
        for (transaction, request) in transactions.zip(requests) {
            self.framing.encode(transaction, self.unit, &mut bytes, |to| request.encode(to));
            DeviceCounters::count(&self.counters.requests);
        }
        if !self.pause.is_zero() {
            self.clock.sleep(self.pause).await;
        }
        self.inbox.clear();
        if stray_bytes(stream.as_mut())? > 0 {
            return Err(Trouble::Frame(FrameError::Unasked));
        }
        let mut waiting: Vec<Option<(Time, Reply)>> = vec![None; requests.len()];
        let send = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        self.clock.timeout(self.timeout, send).await.map_err(|_| Trouble::Timeout)??;
        for _ in requests {
            let receive = receive(stream.as_mut(), &mut self.inbox, self.framing);
            let end = self.clock.timeout(self.timeout, receive).await.map_err(|_| Trouble::Timeout)??;
            let Some(frame) = self.framing.decode(&self.inbox, Side::Reply)? else {
                return Err(Trouble::Closed);
            };
            // Replies may come in any order, but each must answer one request that still waits.
            let index = usize::from(frame.transaction.wrapping_sub(first));
            let (Some(slot), Some(request)) = (waiting.get_mut(index), requests.get(index)) else {
                return Err(FrameError::Transaction { wanted: first, got: frame.transaction }.into());
            };
            let reply = match_reply(&frame, (frame.transaction, self.unit), request)?;
            if slot.replace((self.clock.now(), reply)).is_some() {
                return Err(FrameError::Transaction { wanted: first, got: frame.transaction }.into());
            }
            self.inbox.drain(..end);
        }
        if !self.inbox.is_empty() {
            return Err(Trouble::Frame(FrameError::Unasked));
        }
        replies.extend(waiting.into_iter().flatten());
        Ok(())
    }

    async fn ask_rtu(
        &mut self,
        requests: &[Request],
        replies: &mut Vec<(Time, Reply)>,
    ) -> Result<(), Trouble> {
        for request in requests {
            let shared = matches!(self.line, Line::Lent(_) | Line::Dialled { .. });
            let repeatable = shared && matches!(request, Request::Read { .. });
            let mut tries = 1 + if repeatable { self.retries } else { 0 };
            let reply = loop {
                tries -= 1;
                match self.ask_rtu_once(request).await {
                    Err(trouble @ (Trouble::Timeout | Trouble::Frame(_))) if tries > 0 => {
                        DeviceCounters::count(&self.counters.failures);
                        if matches!(trouble, Trouble::Timeout) {
                            // A reply that is only late must come now, or it would be taken for a later one.
                            self.clock.sleep(self.timeout).await;
                        }
                    }
                    // The DTU dialled in anew: the old connection can answer nothing any more.
                    Err(Trouble::Closed | Trouble::Broken(_)) if tries > 0 && self.is_dialled() => {}
                    outcome => break outcome?,
                }
            };
            replies.push((self.clock.now(), reply));
        }
        Ok(())
    }

    async fn ask_rtu_once(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let mut lent;
        let mut turn: Turn;
        // Waiting for one's turn on a bus is not the device's fault, so it has no deadline.
        let (stream, dialled): (&mut dyn Stream, Option<&DtuLine>) = match &mut self.line {
            Line::Gone => return Err(Trouble::Closed),
            Line::Own(stream) => (stream.as_mut(), None),
            Line::Lent(bus) => {
                lent = bus.lend().await.map_err(Trouble::Serial)?;
                (lent.as_mut(), None)
            }
            Line::Dialled { dtus, id } => {
                let away = Trouble::Away { listening: dtus.is_listening() };
                turn = dtus.lend(id, self.unit, &self.clock).await.ok_or(away)?;
                let (stream, line) = turn.parts();
                (stream, Some(line))
            }
        };
        if !self.pause.is_zero() {
            self.clock.sleep(self.pause).await;
        }
        self.inbox.clear();
        stray_bytes(stream)?;
        let mut bytes = Vec::with_capacity(FRAME_BYTES_MAX);
        self.framing.encode(0, self.unit, &mut bytes, |to| request.encode(to));
        DeviceCounters::count(&self.counters.requests);
        let asked = || dialled.inspect(|line| line.asked(self.unit, self.clock.monotonic() + self.timeout));
        asked();
        let exchange = async {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            match dialled {
                None => receive(stream, &mut self.inbox, self.framing).await,
                Some(line) => {
                    let reply = |came: &[u8]| line.heartbeats().reply(came, self.unit, request);
                    receive_among(stream, &mut self.inbox, reply).await
                }
            }
        };
        let Ok(received) = self.clock.timeout(self.timeout, exchange).await else {
            // It may still come, as late again.
            asked();
            return Err(Trouble::Timeout);
        };
        let end = received?;
        let Some(frame) = self.framing.decode(&self.inbox, Side::Reply)? else { return Err(Trouble::Closed) };
        let reply = match_reply(&frame, (0, self.unit), request)?;
        if self.inbox.len() > end {
            return Err(Trouble::Frame(FrameError::Unasked));
        }
        dialled.inspect(|line| line.answered(self.unit));
        Ok(reply)
    }
}

/// Reads until one frame is complete; says where it ends.
async fn receive(stream: &mut dyn Stream, inbox: &mut Vec<u8>, framing: Framing) -> Result<usize, Trouble> {
    loop {
        if let Some(frame) = framing.decode(inbox, Side::Reply)? {
            return Ok(frame.bytes);
        }
        if stream.read_buf(inbox).await? == 0 {
            return Err(Trouble::Closed);
        }
    }
}

/// Reads until the reply is complete that `reply` finds among what comes, and leaves only that; says how long it is.
async fn receive_among(
    stream: &mut dyn Stream,
    inbox: &mut Vec<u8>,
    reply: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, FrameError>,
) -> Result<usize, Trouble> {
    loop {
        if let Some(found) = reply(inbox)? {
            *inbox = found;
            return Ok(inbox.len());
        }
        if stream.read_buf(inbox).await? == 0 {
            return Err(Trouble::Closed);
        }
    }
}

/// Takes what lies in the stream already, without waiting; says how much it was.
fn stray_bytes(stream: &mut dyn Stream) -> Result<usize, Trouble> {
    let mut total = 0;
    let mut space = [0; 256];
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while total < STRAY_BYTES_MAX {
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut *stream).poll_read(&mut context, &mut buffer) {
            Poll::Pending => return Ok(total),
            Poll::Ready(read) => read?,
        }
        match buffer.filled().len() {
            0 => return Err(Trouble::Closed),
            bytes => total += bytes,
        }
    }
    Err(Trouble::Frame(FrameError::Unasked))
}

/// Three and a half characters of eleven bits, and no less than the fixed figure for fast lines.
fn silence(baud: u32) -> Duration {
    Duration::from_micros(38_500_000 / u64::from(baud.max(1))).max(SILENCE_MIN)
}
