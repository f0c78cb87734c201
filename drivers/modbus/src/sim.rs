//! A simulated device: the server side over any registers, with faults that can be switched on. Serves the tests and
//! the demo plant; one task a connection, one small buffer each, so hundreds cost little.

use sdk::Clock;
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use crate::{
    frame::{FRAME_BYTES_MAX, Framing, Side},
    pdu::{Exception, FrameError, Reply, Request, Table, pack_bits},
};

/// Connections served at once; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 1_024;

/// What a simulated device holds. Bits are 0 or 1.
pub trait Registers: Send + Sync {
    /// Whether anybody answers to this unit id; a real device ignores requests for others.
    fn answers(&self, unit: u8) -> bool {
        let _any = unit;
        true
    }
    /// `count` cells from `start`, or a refusal.
    fn read(&self, unit: u8, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception>;
    /// Takes cells from `start` on, or refuses all of them.
    fn write(&self, unit: u8, table: Table, start: u16, values: &[u16]) -> Result<(), Exception>;
}

/// Cells in memory, by unit. A cell that was never set does not exist: reading it is exception 2.
#[derive(Default)]
pub struct Image(Mutex<BTreeMap<u8, Cells>>);

type Cells = BTreeMap<(Table, u16), u16>;

impl Image {
    /// Without any unit.
    pub fn new() -> Image {
        Image::default()
    }
    /// Sets cells from `start` on, making those that did not exist.
    pub fn set(&self, unit: u8, table: Table, start: u16, values: &[u16]) {
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = units.entry(unit).or_default();
        cells.extend((start..=u16::MAX).zip(values).map(|(at, value)| ((table, at), *value)));
    }
    /// Takes cells away: a hole.
    pub fn remove(&self, unit: u8, table: Table, start: u16, count: u16) {
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = start.saturating_add(count);
        if let Some(cells) = units.get_mut(&unit) {
            cells.retain(|(of, at), _| *of != table || !(start..end).contains(at));
        }
    }
}

impl Registers for Image {
    fn answers(&self, unit: u8) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&unit)
    }
    fn read(&self, unit: u8, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = units.get(&unit).ok_or(Exception::GATEWAY_TARGET)?;
        let last = start.checked_add(count.saturating_sub(1)).ok_or(Exception::ILLEGAL_ADDRESS)?;
        let found: Vec<u16> = cells.range((table, start)..=(table, last)).map(|(_, value)| *value).collect();
        if found.len() == usize::from(count) { Ok(found) } else { Err(Exception::ILLEGAL_ADDRESS) }
    }
    fn write(&self, unit: u8, table: Table, start: u16, values: &[u16]) -> Result<(), Exception> {
        self.read(unit, table, start, u16::try_from(values.len()).unwrap_or(u16::MAX))?;
        self.set(unit, table, start, values);
        Ok(())
    }
}

/// Faults that can be switched while serving, and counts of what was seen.
#[derive(Debug, Default)]
pub struct Faults {
    /// Waits before each reply, in ms.
    pub delay_ms: AtomicU32,
    /// Closes new connections at once.
    pub refuse_connections: AtomicBool,
    /// Closes a connection instead of replying.
    pub drop_connections: AtomicBool,
    /// Takes requests and never replies.
    pub silent: AtomicBool,
    /// Replies with bytes that are no Modbus.
    pub garbage: AtomicBool,
    /// Replies with the next transaction id (TCP) or unit id (RTU) instead of the one asked.
    pub wrong_transaction: AtomicBool,
    /// Sends all but the last byte of each reply.
    pub truncate: AtomicBool,
    /// Sends each reply twice.
    pub duplicate: AtomicBool,
    /// Sends each reply byte by byte.
    pub split: AtomicBool,
    /// Refuses every request with this exception; 0 for none.
    pub exception: AtomicU8,
    /// Requests seen.
    pub requests: AtomicU64,
    /// Connections open now.
    pub connections: AtomicU32,
}

/// How a simulated device behaves.
#[derive(Clone)]
pub struct Behaviour {
    /// Modbus TCP or RTU over TCP.
    pub framing: Framing,
    /// Time, for delays.
    pub clock: Clock,
    /// Faults.
    pub faults: Arc<Faults>,
}

impl Behaviour {
    /// Modbus TCP without faults.
    pub fn tcp(clock: Clock) -> Behaviour {
        Behaviour { framing: Framing::Mbap, clock, faults: Arc::default() }
    }
}

/// Serves until dropped, which closes every connection; returns only when the listener fails.
pub async fn serve(listener: TcpListener, units: Arc<dyn Registers>, behaviour: Behaviour) -> io::Error {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let refused = behaviour.faults.refuse_connections.load(Ordering::Relaxed);
                    if refused || connections.len() >= CONNECTIONS_MAX || stream.set_nodelay(true).is_err() {
                        continue;
                    }
                    connections.spawn(serve_stream(stream, units.clone(), behaviour.clone()));
                }
                Err(error) => return error,
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Counts a connection while it lives.
struct Open(Arc<Faults>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one stream, such as a serial line, until it ends or carries something that is no Modbus.
pub async fn serve_stream<S>(mut stream: S, units: Arc<dyn Registers>, behaviour: Behaviour) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    behaviour.faults.connections.fetch_add(1, Ordering::Relaxed);
    let _open = Open(behaviour.faults.clone());
    let mut inbox = Vec::with_capacity(FRAME_BYTES_MAX);
    let mut outbox = Vec::with_capacity(FRAME_BYTES_MAX);
    loop {
        outbox.clear();
        let Some(consumed) = answer_one(&inbox, &*units, &behaviour, &mut outbox)? else {
            if stream.read_buf(&mut inbox).await? == 0 {
                return Ok(());
            }
            continue;
        };
        inbox.drain(..consumed);
        if !outbox.is_empty() {
            send(&mut stream, &mut outbox, &behaviour).await?;
        }
    }
}

/// Writes the answer to the first request in `inbox`, if it is complete; says how many bytes it took.
fn answer_one(
    inbox: &[u8],
    units: &dyn Registers,
    behaviour: &Behaviour,
    outbox: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    let framing = behaviour.framing;
    let frame = match framing.decode(inbox, Side::Request) {
        Ok(Some(frame)) => frame,
        Ok(None) => return Ok(None),
        // On a line with several devices one also hears what others say: skip it and find the next start.
        Err(_) if framing == Framing::Rtu => return Ok(Some(inbox.len())),
        Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    };
    behaviour.faults.requests.fetch_add(1, Ordering::Relaxed);
    if !units.answers(frame.unit) || behaviour.faults.silent.load(Ordering::Relaxed) {
        return Ok(Some(frame.bytes));
    }
    let wrong = u16::from(behaviour.faults.wrong_transaction.load(Ordering::Relaxed));
    let transaction = frame.transaction.wrapping_add(wrong);
    let unit = if framing == Framing::Rtu { frame.unit.wrapping_add(wrong as u8) } else { frame.unit };
    let forced = behaviour.faults.exception.load(Ordering::Relaxed);
    framing.encode(transaction, unit, outbox, |to| match Request::decode(frame.pdu) {
        Ok(request) => {
            let outcome =
                if forced == 0 { obey(units, frame.unit, &request) } else { Err(Exception(forced)) };
            outcome.unwrap_or_else(Reply::Refused).encode(&request, to);
        }
        Err(error) => {
            let exception = match error {
                FrameError::UnknownFunction(_) => Exception::ILLEGAL_FUNCTION,
                _ => Exception::ILLEGAL_VALUE,
            };
            to.extend([frame.pdu.first().copied().unwrap_or(0) | 0x80, exception.0]);
        }
    });
    Ok(Some(frame.bytes))
}

fn obey(units: &dyn Registers, unit: u8, request: &Request) -> Result<Reply, Exception> {
    use Table::{Coils, HoldingRegisters};
    let read = |table: Table, start, count| {
        let cells = units.read(unit, table, start, count)?;
        Ok(Reply::Data(match table.is_bits() {
            true => pack_bits(cells.into_iter().map(|cell| cell != 0)),
            false => cells.into_iter().flat_map(u16::to_be_bytes).collect(),
        }))
    };
    match request {
        Request::Read { table, start, count } => return read(*table, *start, *count),
        Request::WriteCoil { address, value } => units.write(unit, Coils, *address, &[u16::from(*value)])?,
        Request::WriteRegister { address, value } => {
            units.write(unit, HoldingRegisters, *address, &[*value])?
        }
        Request::WriteCoils { start, values } => {
            let cells: Vec<u16> = values.iter().map(|on| u16::from(*on)).collect();
            units.write(unit, Coils, *start, &cells)?;
        }
        Request::WriteRegisters { start, values } => units.write(unit, HoldingRegisters, *start, values)?,
        Request::MaskWrite { address, and, or } => {
            let old = units.read(unit, HoldingRegisters, *address, 1)?;
            let old = old.first().copied().ok_or(Exception::DEVICE_FAILURE)?;
            units.write(unit, HoldingRegisters, *address, &[(old & and) | (or & !and)])?;
        }
        Request::ReadWrite { read_start, read_count, write_start, values } => {
            units.write(unit, HoldingRegisters, *write_start, values)?;
            return read(HoldingRegisters, *read_start, *read_count);
        }
    }
    Ok(Reply::Written)
}

async fn send<S>(stream: &mut S, bytes: &mut Vec<u8>, behaviour: &Behaviour) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
{
    let faults = &behaviour.faults;
    let delay_ms = faults.delay_ms.load(Ordering::Relaxed);
    if delay_ms > 0 {
        behaviour.clock.sleep(Duration::from_millis(u64::from(delay_ms))).await;
    }
    if faults.drop_connections.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    if faults.garbage.load(Ordering::Relaxed) {
        bytes.clear();
        bytes.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    if faults.truncate.load(Ordering::Relaxed) {
        bytes.pop();
    }
    if faults.duplicate.load(Ordering::Relaxed) {
        bytes.extend_from_within(..);
    }
    if faults.split.load(Ordering::Relaxed) {
        for byte in bytes.iter() {
            stream.write_all(&[*byte]).await?;
            stream.flush().await?;
            tokio::task::yield_now().await;
        }
        return Ok(());
    }
    stream.write_all(bytes).await?;
    stream.flush().await
}
