//! One connection: reads packets in batches, acts on them, writes what others left in its buffer.
//!
//! A future by hand instead of two tasks with channels: an idle connection is one small allocation without buffers, and a
//! batch of packets costs one read, one lock for each receiver and one write.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    buffers,
    client::{Client, Turn},
    desk::Desk,
    limits,
    link::Put,
    route::{Aftermath, Routes},
    session::Delivery,
    settling::Unsettled,
    shared::{By, Shared},
};
use crate::wire::{self, Reason, Version};

/// Retained messages are put into the buffer in parts of this many.
const BACKLOG_PART: usize = 256;
/// Acknowledgements that may wait for a client that does not read, in bytes; then nothing more is read from it.
const REPLIES_BYTES_MAX: usize = 64 * 1_024;
/// Stands for a time at which something was heard while we do not listen: later than any time there is.
const HELD: u64 = u64::MAX;
/// An input buffer larger than this is not kept when it is empty.
const INPUT_BYTES_KEPT: usize = 1_024;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// DISCONNECT came.
    Left { with_will: bool, expiry_s: Option<u32> },
    /// The stream ended or broke.
    Lost,
    /// We end it, and say why.
    Cut(Reason),
}

impl From<Reason> for End {
    fn from(reason: Reason) -> End {
        End::Cut(reason)
    }
}

/// A connection after CONNECT.
pub(crate) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) desk: Arc<Desk>,
    /// Gone when the connection has ended.
    stream: Option<Box<dyn sdk::Stream>>,
    pub(super) client: Arc<Client>,
    pub(super) generation: u64,
    pub(super) version: Version,
    pub(super) by: By,
    /// How long the session outlives the connection, as CONNECT said.
    pub(super) expiry_s: u32,
    /// Start of a packet that is not complete, or packets that wait for room.
    input: Vec<u8>,
    /// `input` begins with whole packets.
    parked: bool,
    /// Whole packets on their way into the socket.
    writing: Vec<u8>,
    written: usize,
    /// How much of `writing` came from the client's buffer.
    taken: usize,
    /// Bytes the socket took that the client's pace does not know of yet.
    drained: usize,
    /// Acknowledgements for the client.
    pub(super) replies: Vec<u8>,
    pub(super) routes: Option<Box<Routes>>,
    /// Topics by alias.
    pub(super) aliases: Vec<Option<Arc<str>>>,
    /// Retained messages that a subscription asked for.
    pub(super) backlog: VecDeque<Delivery>,
    /// A receiver that publishers had better wait for.
    pub(super) full: Option<Arc<Client>>,
    /// The account's inbox is full.
    pub(super) inbox_full: bool,
    /// Messages that wait for the disk, or for those before them, to be acknowledged.
    pub(super) unsettled: VecDeque<Unsettled>,
    /// The account's newest ticket when the connection began.
    pub(super) since_ticket: u64,
    /// A stranger that has sent something.
    pub(super) was_heard: bool,
    end: Option<End>,
}

/// What a connection is made of.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) stream: Box<dyn sdk::Stream>,
    pub(crate) client: Arc<Client>,
    pub(crate) generation: u64,
    pub(crate) version: Version,
    pub(crate) by: By,
    pub(crate) expiry_s: u32,
    /// What came behind CONNECT.
    pub(crate) input: Vec<u8>,
    /// CONNACK.
    pub(crate) replies: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(parts: Parts) -> Connection {
        let Parts { shared, desk, stream, client, generation, version, by, expiry_s, input, replies } = parts;
        let since_ticket = by.account.as_ref().map_or(0, |account| account.newest_ticket());
        Connection {
            since_ticket,
            shared,
            desk,
            stream: Some(stream),
            client,
            generation,
            version,
            by,
            expiry_s,
            parked: !input.is_empty(),
            input,
            writing: replies,
            written: 0,
            taken: 0,
            drained: 0,
            replies: Vec::new(),
            routes: None,
            aliases: Vec::new(),
            backlog: VecDeque::new(),
            full: None,
            inbox_full: false,
            unsettled: VecDeque::new(),
            was_heard: false,
            end: None,
        }
    }

    /// Goes on as far as it can.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.advance(cx) {
            Ok(()) => Poll::Pending,
            Err(end) => {
                self.say_goodbye(end, cx);
                self.end = Some(end);
                Poll::Ready(())
            }
        }
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let mut reads = limits::READS_A_TURN;
        loop {
            self.settle_tickets(cx.waker())?;
            let blocked = !self.write(cx)?;
            if blocked {
                let drained = std::mem::take(&mut self.drained);
                if let Some(reason) = self.client.keep_waker(self.generation, cx.waker(), drained) {
                    return Err(reason.into());
                }
            }
            if !self.may_read(cx.waker()) {
                return Ok(());
            }
            if self.parked {
                self.parked = false;
                let input = std::mem::take(&mut self.input);
                let used = self.process(&input);
                self.keep_input(&input, used?);
            } else if reads == 0 {
                cx.waker().wake_by_ref();
                return Ok(());
            } else if !self.read(cx)? {
                if blocked || self.replies.is_empty() {
                    return Ok(());
                }
            } else {
                reads -= 1;
            }
        }
    }

    /// Writes all there is; false when the socket takes no more now.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        loop {
            let stream = self.stream.as_mut().ok_or(End::Lost)?;
            while self.written < self.writing.len() {
                match Pin::new(&mut *stream).poll_write(cx, &self.writing[self.written..]) {
                    Poll::Ready(Ok(n)) if n > 0 => {
                        self.written += n;
                        self.drained += n;
                    }
                    Poll::Ready(_) => return Err(End::Lost),
                    Poll::Pending => return Ok(false),
                }
            }
            if self.written > 0 {
                match Pin::new(&mut *stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Err(End::Lost),
                    Poll::Pending => return Ok(false),
                }
                buffers::give(std::mem::take(&mut self.writing));
                self.written = 0;
                self.shared.freed(std::mem::take(&mut self.taken));
            }
            if !self.fetch(cx)? {
                return Ok(true);
            }
        }
    }

    /// Fetches what is to be written; false when there is nothing.
    fn fetch(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        self.feed_backlog();
        std::mem::swap(&mut self.writing, &mut self.replies);
        let own = self.writing.len();
        let (mut put, mut wakers) = (Put::default(), Vec::new());
        let moment = self.shared.moment();
        let (to, drained) = (&mut self.writing, std::mem::take(&mut self.drained));
        let turn = self.client.turn(self.generation, cx.waker(), drained, to, moment, &mut put, &mut wakers);
        self.shared.enter(&self.client, put);
        wakers.into_iter().for_each(Waker::wake);
        match turn {
            Turn::Cut(reason) => Err(reason.into()),
            Turn::Write => {
                self.taken = self.writing.len() - own;
                Ok(true)
            }
            Turn::Idle => Ok(!self.writing.is_empty()),
        }
    }

    /// Puts retained messages into the buffer while there is room.
    fn feed_backlog(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        // The next look is when something was written or acknowledged, which makes room.
        if !self.client.takes_more() {
            return;
        }
        let mut bytes = 0;
        let mut part = |delivery: &Delivery| {
            bytes += delivery.publish.weight();
            bytes < limits::OUT_BYTES_SMALL
        };
        let n = self.backlog.iter().take(BACKLOG_PART).take_while(|d| part(d)).count().max(1);
        let mut wakers = Vec::new();
        let put = self.client.put_deliveries(self.backlog.drain(..n), self.shared.moment(), &mut wakers);
        self.shared.enter(&self.client, put);
        wakers.into_iter().for_each(Waker::wake);
        if self.backlog.is_empty() {
            self.backlog = VecDeque::new();
        }
    }

    /// Whether it may take more from its client now. While others keep us from reading, its silence is ours.
    fn may_read(&mut self, waker: &Waker) -> bool {
        if self.replies.len() > REPLIES_BYTES_MAX {
            return false;
        }
        if self.unsettled.len() >= limits::UNSETTLED_MAX || !self.has_room(waker) {
            self.client.heard_ms.store(HELD, Relaxed);
            return false;
        }
        if self.client.heard_ms.load(Relaxed) == HELD {
            self.client.heard_ms.store(self.shared.now().as_millis() as u64, Relaxed);
        }
        true
    }

    /// Whether those who get what it reads have room.
    fn has_room(&mut self, waker: &Waker) -> bool {
        if let Some(full) = &self.full {
            if !full.has_room(waker, self.shared.moment().out_high) {
                return false;
            }
            self.full = None;
        }
        if self.inbox_full
            && let Some(account) = &self.by.account
        {
            if !account.has_room(waker) {
                return false;
            }
            self.inbox_full = false;
        }
        true
    }

    /// Reads once and acts on what is complete; false when nothing is there.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        buffers::reading(|buffer| {
            // What is left of the last read goes in front, so that packets are whole; unless it is much.
            let front = if self.input.len() <= buffer.len() / 2 { self.input.len() } else { 0 };
            buffer[..front].copy_from_slice(&self.input[..front]);
            let mut into = ReadBuf::new(&mut buffer[front..]);
            let stream = self.stream.as_mut().ok_or(End::Lost)?;
            let n = match Pin::new(stream).poll_read(cx, &mut into) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) if !into.filled().is_empty() => into.filled().len(),
                Poll::Ready(_) => return Err(End::Lost),
            };
            self.client.heard_ms.store(self.shared.now().as_millis() as u64, Relaxed);
            if front == self.input.len() {
                self.input.clear();
                let used = self.process(&buffer[..front + n])?;
                self.keep_input(&buffer[..front + n], used);
            } else {
                self.input.extend_from_slice(&buffer[..n]);
                let input = std::mem::take(&mut self.input);
                if self.is_worth_a_look(&input)? {
                    let used = self.process(&input)?;
                    self.keep_input(&input, used);
                } else {
                    self.input = input;
                }
            }
            Ok(true)
        })
    }

    /// A long packet comes in many reads: it is not parsed before it is whole.
    fn is_worth_a_look(&self, input: &[u8]) -> Result<bool, Reason> {
        Ok(wire::frame(input, self.desk.policy.packet_bytes_max as usize)?.is_some())
    }

    fn keep_input(&mut self, input: &[u8], used: usize) {
        let rest = &input[used..];
        if rest.is_empty() {
            if self.input.capacity() > INPUT_BYTES_KEPT {
                self.input = Vec::new();
            }
            return;
        }
        self.input.clear();
        self.input.extend_from_slice(rest);
        self.parked = self.inbox_full || self.full.is_some();
    }

    /// Sends what is left and the reason, as far as the socket takes it at once: nobody waits for a client that is cut.
    fn say_goodbye(&mut self, end: End, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else { return };
        if let End::Cut(reason) = end {
            self.writing.append(&mut self.replies);
            wire::put_disconnect(self.version, reason, &mut self.writing);
            while self.written < self.writing.len() {
                match Pin::new(&mut *stream).poll_write(cx, &self.writing[self.written..]) {
                    Poll::Ready(Ok(n)) if n > 0 => self.written += n,
                    _ => break,
                }
            }
        }
        if end != End::Lost {
            let _closing = Pin::new(stream).poll_shutdown(cx);
        }
    }

    /// Gives the session back, and the stream if its client is still to read why it was cut.
    pub(crate) fn into_lingering(mut self: Box<Self>) -> Option<Box<dyn sdk::Stream>> {
        let stream = self.stream.take();
        stream.filter(|_| matches!(self.end, Some(End::Cut(_))))
    }

    /// Wakes who got something, and remembers who is full.
    pub(super) fn settle(&mut self, after: Aftermath) {
        after.wakers.into_iter().for_each(Waker::wake);
        if after.full.is_some() {
            self.full = after.full;
        }
    }
}

impl Drop for Connection {
    // Also when the listener is stopped and the future is dropped.
    fn drop(&mut self) {
        self.shared.freed(self.taken);
        let (expiry_s, leaves_will, reason) = match self.end {
            Some(End::Left { with_will, expiry_s }) => (expiry_s, with_will, Reason::SUCCESS),
            Some(End::Cut(reason)) => (None, true, reason),
            Some(End::Lost) => (None, true, Reason::UNSPECIFIED),
            // We leave, not the client: its will is not due.
            None => (None, false, Reason::SHUTTING_DOWN),
        };
        self.shared.detach(&self.client, self.generation, expiry_s, leaves_will, reason);
    }
}
