//! The host's network and serial ports behind [`sdk::Net`].

use sdk::{
    BoxFuture, Listener, ListenerPort, Net, NetPort, Parity, SerialBus, SerialBusPort, SerialSettings, Stream,
};
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedMutexGuard,
};
use tokio_serial::SerialPortBuilderExt;

/// The host's network as a handle.
pub fn host_net() -> Net {
    Net::new(Arc::new(HostNet::default()))
}

#[derive(Default)]
struct HostNet {
    /// Weak: a port that no device uses any more is closed.
    buses: Mutex<HashMap<String, Weak<HostBus>>>,
}

impl NetPort for HostNet {
    fn connect_tcp(
        &self,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        let host = host.to_string();
        Box::pin(async move {
            let connect = TcpStream::connect((host.as_str(), port));
            let stream = tokio::time::timeout(timeout, connect).await.map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection request")
            })??;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn listen_tcp(&self, address: &str) -> BoxFuture<'_, io::Result<Listener>> {
        let address = address.to_string();
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            let local = listener.local_addr()?;
            Ok(Listener::new(Box::new(HostListener { listener, local })))
        })
    }

    fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>> {
        let settings = settings.clone();
        Box::pin(async move {
            let mut buses = self.buses.lock().unwrap_or_else(PoisonError::into_inner);
            buses.retain(|_, bus| bus.strong_count() > 0);
            let in_use = buses.get(&settings.path).and_then(Weak::upgrade);
            if let Some(bus) = in_use {
                if bus.settings != settings {
                    let message = format!(
                        "{} is in use with {} baud, {:?} parity: devices on one port must agree",
                        settings.path, bus.settings.baud, bus.settings.parity
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
                }
                return Ok(SerialBus::new(bus));
            }
            let line: Box<dyn Stream> = Box::new(Closed);
            let path = settings.path.clone();
            let bus = Arc::new(HostBus { settings, line: Arc::new(tokio::sync::Mutex::new(line)) });
            buses.insert(path, Arc::downgrade(&bus));
            Ok(SerialBus::new(bus))
        })
    }
}

struct HostListener {
    listener: TcpListener,
    local: SocketAddr,
}

/// Out of descriptors, a listener waits this long before it tries again: other connections will have ended.
const DESCRIPTORS_WAIT: Duration = Duration::from_millis(100);

impl ListenerPort for HostListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Box<dyn Stream>, SocketAddr)>> {
        Box::pin(async move {
            loop {
                match self.listener.accept().await {
                    Ok((stream, from)) => {
                        // A caller that is gone already is noticed at the first read.
                        let _set = stream.set_nodelay(true);
                        return Ok((Box::new(stream) as Box<dyn Stream>, from));
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) if is_out_of_descriptors(&error) => {
                        tokio::time::sleep(DESCRIPTORS_WAIT).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }
    fn local_address(&self) -> SocketAddr {
        self.local
    }
}

/// EMFILE and ENFILE of POSIX; the standard library has no kind for them.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

struct HostBus {
    settings: SerialSettings,
    line: Arc<tokio::sync::Mutex<Box<dyn Stream>>>,
}

impl HostBus {
    fn open(&self) -> io::Result<Box<dyn Stream>> {
        let s = &self.settings;
        let data_bits = match s.data_bits {
            7 => tokio_serial::DataBits::Seven,
            _ => tokio_serial::DataBits::Eight,
        };
        let stop_bits = match s.stop_bits {
            2 => tokio_serial::StopBits::Two,
            _ => tokio_serial::StopBits::One,
        };
        let parity = match s.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        };
        let port =
            tokio_serial::new(&s.path, s.baud).data_bits(data_bits).stop_bits(stop_bits).parity(parity);
        Ok(Box::new(port.open_native_async()?))
    }
}

impl SerialBusPort for HostBus {
    fn lend(&self) -> BoxFuture<'_, io::Result<OwnedMutexGuard<Box<dyn Stream>>>> {
        Box::pin(async move {
            let mut line = self.line.clone().lock_owned().await;
            if is_dead(&mut line).await {
                *line = self.open()?;
            }
            Ok(line)
        })
    }
}

/// A line that reads end-of-file or an error at once is closed or unplugged. What else waits there is left from an
/// earlier request that gave up, and belongs to nobody.
async fn is_dead(line: &mut Box<dyn Stream>) -> bool {
    use tokio::io::AsyncReadExt;
    let mut stale = [0; 256];
    match tokio::time::timeout(Duration::ZERO, line.read(&mut stale)).await {
        Err(_nothing_waits) => false,
        Ok(Ok(0) | Err(_)) => true,
        Ok(Ok(_)) => false,
    }
}

/// A line that was never opened: reads as ended.
struct Closed;

impl tokio::io::AsyncRead for Closed {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
impl tokio::io::AsyncWrite for Closed {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
