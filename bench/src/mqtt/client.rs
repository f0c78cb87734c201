//! One blocking connection, and a reader that looks at every packet of a large buffer.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::packets::{self, Packet, Qos};

/// As long as a broker may take for CONNACK, SUBACK or to take a batch.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// Large enough that a reader costs little beside the broker.
const BUFFER: usize = 256 << 10;
/// Idle connections come by the thousand.
const SMALL_BUFFER: usize = 512;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Client {
    /// Connects with a clean session and waits for CONNACK.
    ///
    /// # Errors
    /// The broker refuses, or does not answer in time.
    pub(crate) fn connect(address: SocketAddr, client_id: &str) -> Result<Client, String> {
        Client::with_buffer(address, client_id, BUFFER)
    }
    /// The same with little memory of its own.
    pub(crate) fn connect_small(address: SocketAddr, client_id: &str) -> Result<Client, String> {
        Client::with_buffer(address, client_id, SMALL_BUFFER)
    }
    fn with_buffer(address: SocketAddr, client_id: &str, size: usize) -> Result<Client, String> {
        let io = |e: std::io::Error| format!("{client_id}: {e}");
        let stream = TcpStream::connect(address).map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN)).map_err(io)?;
        stream.set_write_timeout(Some(ANSWERS_WITHIN)).map_err(io)?;
        let mut client = Client { stream, buffer: vec![0; size], filled: 0 };
        client.send(&packets::connect(client_id))?;
        let accepted = client.answer(packets::CONNACK)?.get(1) == Some(&0);
        if accepted { Ok(client) } else { Err(format!("{client_id}: the broker refused the connection")) }
    }

    /// Subscribes and waits for SUBACK.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub(crate) fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<(), String> {
        self.send(&packets::subscribe(1, filter, qos))?;
        let granted = self.answer(packets::SUBACK)?.get(2).is_some_and(|code| *code <= 2);
        if granted { Ok(()) } else { Err(format!("the broker refused to subscribe `{filter}`")) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|e| format!("sending: {e}"))
    }

    /// The body of the one packet that is due.
    fn answer(&mut self, kind: u8) -> Result<Vec<u8>, String> {
        let mut found = None;
        while found.is_none() {
            let seen = self.read(|packet| {
                if packet.kind() == kind {
                    found = Some(packet.body.to_vec());
                }
            })?;
            if seen.is_none() {
                return Err(format!("no answer of kind {kind} within {ANSWERS_WITHIN:?}"));
            }
        }
        found.ok_or_else(|| "no answer".into())
    }

    /// Reads once and shows every whole packet. `None` when nothing came within the read timeout, else bytes read.
    ///
    /// # Errors
    /// The connection ended.
    pub(crate) fn read(&mut self, mut show: impl FnMut(&Packet)) -> Result<Option<usize>, String> {
        let read = match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err("the broker closed the connection".into()),
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            Err(e) => return Err(format!("reading: {e}")),
        };
        self.filled += read;
        let mut at = 0;
        while let Some(packet) = Packet::parse(&self.buffer[at..self.filled]) {
            show(&packet);
            at += packet.length;
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        if self.filled == self.buffer.len() {
            return Err(format!("a packet of more than {} bytes", self.buffer.len()));
        }
        Ok(Some(read))
    }
}
