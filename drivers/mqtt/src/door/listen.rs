//! Accepts connections and runs each in a task of its own, all of which end with the listener.

use sdk::{DoorStatus, Net, Outage};
use std::{net::SocketAddr, sync::Arc};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use types::Fault;

use crate::broker::{Broker, Desk, limits};

/// One listener.
pub(super) struct Listening {
    pub(super) broker: Broker,
    pub(super) desk: Arc<Desk>,
    /// Connections that have not said CONNECT yet; of all listeners together.
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) address: String,
    /// Encrypts.
    pub(super) acceptor: Option<TlsAcceptor>,
}

/// How often the counts are shown.
const COUNT_PERIOD: std::time::Duration = std::time::Duration::from_secs(1);

/// All listeners, until one breaks.
pub(super) async fn all(listening: Vec<Listening>, net: &Net, status: &DoorStatus) -> Outage {
    let mut running = JoinSet::new();
    for one in listening {
        let listener = match net.listen_tcp(&one.address).await {
            Ok(listener) => listener,
            Err(error) => return cannot_listen(&one.address, &error),
        };
        status.listening(listener.local_address());
        running.spawn(one.accept(listener));
    }
    match running.join_next().await {
        Some(Ok(outage)) => outage,
        _ => ended(),
    }
}

impl Listening {
    async fn accept(self, listener: sdk::Listener) -> Outage {
        let mut connections = JoinSet::new();
        loop {
            // The next one waits in the kernel while too many are at the door.
            let Ok(permit) = self.handshakes.clone().acquire_owned().await else { return ended() };
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => return cannot_listen(&self.address, &error),
            };
            while connections.try_join_next().is_some() {}
            if connections.len() >= limits::CONNECTIONS_MAX {
                continue;
            }
            let (broker, desk, acceptor) = (self.broker.clone(), self.desk.clone(), self.acceptor.clone());
            connections.spawn(serve(broker, desk, acceptor, stream, from, permit));
        }
    }
}

async fn serve(
    broker: Broker,
    desk: Arc<Desk>,
    acceptor: Option<TlsAcceptor>,
    stream: Box<dyn sdk::Stream>,
    from: SocketAddr,
    permit: tokio::sync::OwnedSemaphorePermit,
) {
    let stream = match acceptor {
        None => stream,
        Some(acceptor) => {
            let encrypting = Box::pin(acceptor.accept(stream));
            match desk.clock.timeout(limits::CONNECT_TIMEOUT, encrypting).await {
                Ok(Ok(encrypted)) => Box::new(encrypted),
                _ => return,
            }
        }
    };
    broker.serve(desk, stream, from, Some(permit)).await;
}

/// Shows the counts.
pub(super) async fn count(broker: &Broker, desk: &Desk, status: &DoorStatus) {
    loop {
        let view = broker.view();
        for (name, count) in [
            ("clients", view.clients),
            ("sessions", view.sessions),
            ("quarantined", view.quarantined),
            ("retained", view.retained),
            ("messages_in", view.messages_in),
            ("messages_out", view.messages_out),
            ("dropped_messages", view.dropped),
            ("refused_connections", view.refused),
            ("denied", view.denied),
        ] {
            status.count(name, count);
        }
        desk.clock.sleep(COUNT_PERIOD).await;
    }
}

fn cannot_listen(address: &str, error: &std::io::Error) -> Outage {
    let next = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another program listens there: end it, or choose another port",
        std::io::ErrorKind::PermissionDenied => "this port needs more rights: choose one above 1023",
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have this address: correct it",
        _ => "check the address and the network of this machine",
    };
    let detail = format!("the broker cannot listen at {address} ({error}): {next}");
    Outage::configuration(
        Fault::new("mqtt.cannot-listen", detail).arg("address", address).arg("reason", error.to_string()),
    )
}

/// A part that never ends by itself has ended.
pub(super) fn ended() -> Outage {
    Outage::connection(Fault::new(types::codes::INTERNAL, "the broker's listener ended; it starts again"))
}
