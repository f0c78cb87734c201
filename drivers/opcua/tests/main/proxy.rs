//! A TCP proxy with faults that can be switched: it counts, cuts, delays, swallows and truncates.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What goes wrong.
#[derive(Default)]
pub(crate) struct Faults {
    /// Takes connections and bytes, and passes nothing on.
    pub(crate) silent: AtomicBool,
    /// Waits before passing on, in ms.
    pub(crate) delay_ms: AtomicU64,
    /// Passes on so many bytes from the server, then closes; 0 for never.
    pub(crate) truncate_after: AtomicUsize,
    /// Connections open now.
    pub(crate) connections: AtomicUsize,
    /// Connections ever.
    pub(crate) accepted: AtomicUsize,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) faults: Arc<Faults>,
    cut: watch::Sender<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// In front of a port of this machine.
    pub(crate) async fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let faults = Arc::<Faults>::default();
        let cut = watch::Sender::new(0);
        let task = tokio::spawn(serve(listener, to, faults.clone(), cut.clone()));
        Proxy { port, faults, cut, task }
    }
    /// Of an endpoint behind it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("opc.tcp://127.0.0.1:{}/{path}", self.port)
    }
    /// Closes every connection; new ones are taken.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
    /// Closes every connection and takes no more.
    pub(crate) fn kill(&self) {
        self.task.abort();
        self.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn serve(listener: TcpListener, to: u16, faults: Arc<Faults>, cut: watch::Sender<u64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let (faults, mut cut) = (faults.clone(), cut.subscribe());
                connections.spawn(async move {
                    faults.connections.fetch_add(1, Relaxed);
                    faults.accepted.fetch_add(1, Relaxed);
                    tokio::select! {
                        _ended = pass(client, to, &faults) => {}
                        _cut = cut.changed() => {}
                    }
                    faults.connections.fetch_sub(1, Relaxed);
                });
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, to: u16, faults: &Faults) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
    let mut passed = 0;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let bytes = read?;
                if bytes == 0 {
                    return Ok(());
                }
                if !faults.silent.load(Relaxed) {
                    server.write_all(&up[..bytes]).await?;
                }
            }
            read = server.read(&mut down) => {
                let mut bytes = read?;
                if bytes == 0 {
                    return Ok(());
                }
                let delay_ms = faults.delay_ms.load(Relaxed);
                if delay_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                }
                let most = faults.truncate_after.load(Relaxed);
                let end = most > 0 && passed + bytes > most;
                if end {
                    bytes = most.saturating_sub(passed).min(bytes);
                }
                if !faults.silent.load(Relaxed) {
                    client.write_all(&down[..bytes]).await?;
                }
                passed += bytes;
                if end {
                    return Ok(());
                }
            }
        }
    }
}
