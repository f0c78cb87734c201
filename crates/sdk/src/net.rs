//! Ways out for drivers: TCP, and serial ports that are lent.

use serde::{Deserialize, Serialize};
use std::{io, sync::Arc, time::Duration};
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
    /// See [`NetPort::serial`].
    pub fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>> {
        self.0.serial(settings)
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
