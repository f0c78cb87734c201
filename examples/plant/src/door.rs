//! Where a device meets the network: one that listens, or one that connects to the node's broker. Its network can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use driver_modbus::sim;
use driver_mqtt::sim as mqtt;
use driver_opcua::sim as opcua;
use sdk::{Clock, Net};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::registers::Endpoint;
use crate::serve::ServeError;
use crate::tags::Tags;

/// Between attempts to take a port back after a cut, or to reach the broker.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// One way into the plant.
pub(crate) enum Door {
    /// Devices of registers behind one TCP port.
    Modbus { key: String, address: SocketAddr, listener: TcpListener, registers: Arc<Endpoint> },
    /// A machine with a server of its own.
    Opcua { key: String, address: SocketAddr, listener: TcpListener, tags: Tags },
    /// A device that publishes.
    Mqtt { device: Box<mqtt::Device>, tags: Tags, net: Net },
}

impl Door {
    /// Serves; while it is cut, nobody listens and nobody is connected. Ends only when a listener breaks.
    pub(crate) async fn serve(self, mut cut: watch::Receiver<Duration>, clock: Clock) -> ServeError {
        match self {
            Door::Modbus { key, address, mut listener, registers } => loop {
                let serving = sim::serve(listener, registers.clone(), sim::Behaviour::tcp(clock.clone()));
                tokio::select! {
                    error = serving => return ServeError::Stopped { endpoint: key, error },
                    () = begins(&mut cut, &clock) => {}
                }
                listener = reopen(address, &mut cut, &clock).await;
            },
            Door::Opcua { key, address, mut listener, tags } => loop {
                tokio::select! {
                    error = show(listener, &tags, &clock) => {
                        return ServeError::Stopped { endpoint: key, error };
                    }
                    () = begins(&mut cut, &clock) => {}
                }
                listener = reopen(address, &mut cut, &clock).await;
            },
            Door::Mqtt { device, mut tags, net } => loop {
                tokio::select! {
                    () = publish(&device, &mut tags, &net, &clock) => {}
                    () = begins(&mut cut, &clock) => {}
                }
                over(&mut cut, &clock).await;
            },
        }
    }
}

/// Serves the values of one machine until the listener breaks. Open to anybody: it listens on loopback only.
async fn show(listener: TcpListener, tags: &Tags, clock: &Clock) -> std::io::Error {
    let access = opcua::Access { open: true, user: None };
    match opcua::simulate(listener, &tags.nodes(), &access, clock.clone()) {
        Ok((server, serving)) => tokio::select! {
            error = serving => error,
            () = tags.mirror(&server, clock) => std::io::ErrorKind::Interrupted.into(),
        },
        Err(error) => error,
    }
}

/// Publishes, whenever there is a broker.
async fn publish(device: &mqtt::Device, tags: &mut Tags, net: &Net, clock: &Clock) {
    loop {
        // The node says why a device is not there; a device has nobody to tell.
        let _lost = device.run(tags, net, clock).await;
        clock.sleep(RETRY_EVERY).await;
    }
}

/// Listens again once the cut is over, as soon as the port can be had.
async fn reopen(address: SocketAddr, cut: &mut watch::Receiver<Duration>, clock: &Clock) -> TcpListener {
    loop {
        over(cut, clock).await;
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        clock.sleep(RETRY_EVERY).await;
    }
}

/// Waits until nothing is cut.
async fn over(cut: &mut watch::Receiver<Duration>, clock: &Clock) {
    loop {
        let until = *cut.borrow_and_update();
        if until <= clock.monotonic() {
            return;
        }
        tokio::select! {
            () = clock.sleep_until(until) => {}
            Ok(()) = cut.changed() => {}
        }
    }
}

async fn begins(cut: &mut watch::Receiver<Duration>, clock: &Clock) {
    let begun = cut.wait_for(|until| *until > clock.monotonic()).await.is_ok();
    if !begun {
        // The control port is gone and with it anybody who could cut.
        std::future::pending::<()>().await;
    }
}
