//! The simulated device of the tests, which can be killed.

use driver_modbus::{
    frame::Framing,
    pdu::Table,
    sim::{Behaviour, Faults, Image, Registers, serve},
};
use sdk::{
    BoxFuture,
    contract::driver::{Peer, host_clock},
};
use serde_json::json;
use std::sync::{Arc, Mutex, atomic::Ordering};
use tokio::{net::TcpListener, task::JoinHandle};

/// Of the peers here, short so that tests are.
pub(crate) const TIMEOUT_MS: u64 = 300;

/// A simulated device on a free port.
pub(crate) struct SimPeer {
    pub(crate) image: Arc<Image>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) port: u16,
    framing: Framing,
    server: Mutex<Option<JoinHandle<std::io::Error>>>,
}

impl SimPeer {
    pub(crate) async fn start(image: Image, framing: Framing) -> Arc<SimPeer> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (image, faults) = (Arc::new(image), Arc::new(Faults::default()));
        let peer = SimPeer {
            port: listener.local_addr().unwrap().port(),
            image,
            faults,
            framing,
            server: Mutex::default(),
        };
        peer.listen(listener);
        Arc::new(peer)
    }
    fn listen(&self, listener: TcpListener) {
        let behaviour = Behaviour { framing: self.framing, clock: host_clock(), faults: self.faults.clone() };
        let units: Arc<dyn Registers> = self.image.clone();
        *self.server.lock().unwrap() = Some(tokio::spawn(serve(listener, units, behaviour)));
    }
    pub(crate) fn config_with(&self, more: serde_json::Value) -> serde_json::Value {
        let transport = if self.framing == Framing::Mbap { "tcp" } else { "rtu_over_tcp" };
        let mut config = json!({
            "transport": transport, "host": "127.0.0.1", "port": self.port, "timeout_ms": TIMEOUT_MS,
        });
        let more = more.as_object().cloned().unwrap_or_default();
        config.as_object_mut().unwrap().extend(more);
        config
    }
}

impl Peer for SimPeer {
    fn config(&self) -> serde_json::Value {
        self.config_with(json!({}))
    }
    fn connections(&self) -> usize {
        self.faults.connections.load(Ordering::Relaxed) as usize
    }
    fn kill(&self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.abort();
        }
    }
}

/// Registers and bits with a hole at holding register 20.
pub(crate) fn image() -> Image {
    let image = Image::new();
    let registers: Vec<u16> = (0..60).map(|i| 1_000 + i).collect();
    image.set(1, Table::HoldingRegisters, 0, &registers);
    image.set(1, Table::InputRegisters, 0, &registers);
    image.set(1, Table::Coils, 0, &[1, 0, 1, 1, 0, 0, 0, 0, 1, 0]);
    image.set(1, Table::DiscreteInputs, 0, &[0, 1, 0]);
    image.remove(1, Table::HoldingRegisters, 20, 1);
    image
}

pub(crate) fn start_peer(framing: Framing) -> BoxFuture<'static, Arc<dyn Peer>> {
    Box::pin(async move { SimPeer::start(image(), framing).await as Arc<dyn Peer> })
}
