//! The host's own clock and sockets, for suites that run against real peers.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use types::Time;

use crate::{
    Arrivals, BoxFuture, Clock, ClockPort, Hall, Ids, Listener, ListenerPort, Net, NetPort, Reach, SerialBus,
    SerialSettings, Stream, fake,
};

/// What a driver reaches in a suite: the host's clock and sockets, secrets in memory, a trust list that approves nobody.
pub fn host_reach(hall: Hall) -> Reach {
    let clock = host_clock();
    Reach {
        ids: Ids::new(clock.clone(), fake::seeded_random(1)),
        clock,
        net: host_net(),
        hall,
        arrivals: Arrivals::default(),
        secrets: fake::secrets(),
        trust: fake::TrustList::default().handle(),
    }
}

/// The host's own clock, for suites that run against real peers.
pub fn host_clock() -> Clock {
    Clock::new(Arc::new(HostClock(Instant::now())))
}

struct HostClock(Instant);

impl ClockPort for HostClock {
    #[allow(clippy::disallowed_methods, reason = "this is where a suite's clock comes from")]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Time(0).plus(since.unwrap_or_default())
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until((self.0 + at).into()))
    }
}

/// The host's own sockets; no serial ports.
pub fn host_net() -> Net {
    Net::new(Arc::new(HostNet))
}

struct HostNet;

impl NetPort for HostNet {
    fn connect_tcp(
        &self,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        let host = host.to_string();
        Box::pin(async move {
            let connect = tokio::net::TcpStream::connect((host.as_str(), port));
            let stream =
                tokio::time::timeout(timeout, connect).await.map_err(|_| io::ErrorKind::TimedOut)??;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
    fn listen_tcp(&self, address: &str) -> BoxFuture<'_, io::Result<Listener>> {
        let address = address.to_string();
        Box::pin(async move {
            let listener = tokio::net::TcpListener::bind(address).await?;
            let local = listener.local_addr()?;
            Ok(Listener::new(Box::new(HostListener { listener, local })))
        })
    }
    fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>> {
        let path = settings.path.clone();
        Box::pin(async move {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("no serial port {path} here")))
        })
    }
}

struct HostListener {
    listener: tokio::net::TcpListener,
    local: SocketAddr,
}

impl ListenerPort for HostListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Box<dyn Stream>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as Box<dyn Stream>, from))
        })
    }
    fn local_address(&self) -> SocketAddr {
        self.local
    }
}
