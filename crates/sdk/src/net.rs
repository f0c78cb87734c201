//! Ways out and in for drivers: TCP, and serial ports that are lent.

use serde::{Deserialize, Serialize};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedMutexGuard,
};

use crate::BoxFuture;

/// A two-way byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What stands behind a [`Net`].
pub trait NetPort: Send + Sync {
    /// Opens a TCP connection without delay of small packets. `TimedOut` when it takes longer than `timeout`.
    fn connect_tcp(
        &self,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
    /// Listens at `address`, such as `127.0.0.1:1883`.
    fn listen_tcp(&self, address: &str) -> BoxFuture<'_, io::Result<Listener>>;
    /// The bus behind a serial port. One port is one bus, however many devices name it.
    fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>>;
}

/// The network handle.
#[derive(Clone)]
pub struct Net(Arc<dyn NetPort>);

impl Net {
    /// Over a port.
    pub fn new(port: Arc<dyn NetPort>) -> Net {
        Net(port)
    }
    /// See [`NetPort::connect_tcp`].
    pub fn connect_tcp(
        &self,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        self.0.connect_tcp(host, port, timeout)
    }
    /// See [`NetPort::listen_tcp`].
    pub fn listen_tcp(&self, address: &str) -> BoxFuture<'_, io::Result<Listener>> {
        self.0.listen_tcp(address)
    }
    /// See [`NetPort::serial`].
    pub fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>> {
        self.0.serial(settings)
    }
}

/// What stands behind a [`Listener`].
pub trait ListenerPort: Send + Sync {
    /// The next connection, without delay of small packets. Out of file descriptors it waits; an error is the end.
    fn accept(&self) -> BoxFuture<'_, io::Result<(Box<dyn Stream>, SocketAddr)>>;
    /// Where it listens.
    fn local_address(&self) -> SocketAddr;
}

/// A listening socket; closed when dropped.
pub struct Listener(Box<dyn ListenerPort>);

impl Listener {
    /// Over a port.
    pub fn new(port: Box<dyn ListenerPort>) -> Listener {
        Listener(port)
    }
    /// See [`ListenerPort::accept`].
    pub fn accept(&self) -> BoxFuture<'_, io::Result<(Box<dyn Stream>, SocketAddr)>> {
        self.0.accept()
    }
    /// See [`ListenerPort::local_address`].
    pub fn local_address(&self) -> SocketAddr {
        self.0.local_address()
    }
}

/// How a serial port is set. Two devices on one port must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SerialSettings {
    /// Such as `/dev/ttyUSB0`.
    pub path: String,
    /// Bits per second.
    #[serde(default = "baud")]
    pub baud: u32,
    /// 7 or 8.
    #[serde(default = "data_bits")]
    pub data_bits: u8,
    /// Parity bit.
    #[serde(default)]
    pub parity: Parity,
    /// 1 or 2.
    #[serde(default = "stop_bits")]
    pub stop_bits: u8,
}

fn baud() -> u32 {
    9_600
}
fn data_bits() -> u8 {
    8
}
fn stop_bits() -> u8 {
    1
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// No parity bit.
    #[default]
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// What stands behind a [`SerialBus`].
pub trait SerialBusPort: Send + Sync {
    /// Waits for its turn and lends the line; the line is given back when the guard drops. Opens the port again
    /// when it was lost.
    fn lend(&self) -> BoxFuture<'_, io::Result<OwnedMutexGuard<Box<dyn Stream>>>>;
}

/// A serial line that is lent for one request and its reply, so that two protocols can share one RS-485 bus.
#[derive(Clone)]
pub struct SerialBus(Arc<dyn SerialBusPort>);

impl SerialBus {
    /// Over a port.
    pub fn new(port: Arc<dyn SerialBusPort>) -> SerialBus {
        SerialBus(port)
    }
    /// See [`SerialBusPort::lend`].
    pub fn lend(&self) -> BoxFuture<'_, io::Result<OwnedMutexGuard<Box<dyn Stream>>>> {
        self.0.lend()
    }
}
