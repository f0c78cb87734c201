//! A simulated device: the other side of the protocol, for tests and for trying the driver without a machine.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::frame::{LINE_BYTES_MAX, Reply, Request};

/// Connections served at once; further ones wait.
pub const CONNECTIONS_MAX: usize = 64;

/// A simulated device: its values and its connections. Clones share both.
#[derive(Clone, Default)]
pub struct Device(Arc<Shared>);

#[derive(Default)]
struct Shared {
    values: Mutex<BTreeMap<String, String>>,
    connections: AtomicUsize,
}

impl Device {
    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }
    /// Sets a value, making it if it was not there.
    pub fn set(&self, name: &str, value: &str) {
        self.lock().insert(name.to_string(), value.to_string());
    }
    /// The value as it stands.
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, line: &str) -> Reply {
        let unknown = || Reply::Refused("unknown name".into());
        match Request::decode(line) {
            Some(Request::Identify) => Reply::Ok("simulated @name@".into()),
            Some(Request::Get(name)) => self.get(name).map_or_else(unknown, Reply::Ok),
            Some(Request::Set(name, value)) if self.get(name).is_some() => {
                self.set(name, value);
                Reply::Ok(value.into())
            }
            Some(Request::Set(..)) => unknown(),
            None => Reply::Refused("unknown request".into()),
        }
    }
}

/// Serves until it is dropped, and with it every connection.
pub async fn serve(listener: TcpListener, device: Device) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let (stream, _) = listener.accept().await?;
        let open = Open::of(&device);
        connections.spawn(async move {
            // A client that goes away mid-line is none of the device's concern.
            let _gone = connection(stream, &open.0).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Counts a connection for as long as it lives, however it ends.
struct Open(Device);

impl Open {
    fn of(device: &Device) -> Open {
        device.0.connections.fetch_add(1, Ordering::Relaxed);
        Open(device.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(stream: TcpStream, device: &Device) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut bytes = Vec::new();
        (&mut stream).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut bytes).await?;
        let Some(line) = bytes.strip_suffix(b"\n") else { return Ok(()) };
        let line = String::from_utf8_lossy(line);
        stream.write_all(&device.answer(line.trim_end_matches('\r')).encode()).await?;
        stream.flush().await?;
    }
}
