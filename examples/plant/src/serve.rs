//! The shell: opens the ports, runs the devices and the plant's clock.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driver_mqtt::sim as mqtt;
use sdk::{BoxFuture, Clock, Net};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::desk::{Cuts, Desk, serve_control};
use crate::door::Door;
use crate::entries::Link;
use crate::manifest::{Manifest, ManifestError};
use crate::model::Ports;
use crate::plant::Plant;
use crate::registers::{Endpoint, SharedPlant};
use crate::tags::Tags;

/// The only address it listens on: nothing here asks who is there.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Steps of a host that slept are left out beyond this.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);
/// How often a meter publishes all its values.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Plant time that passes before the doors open, so that temperatures and pressures have settled, in s.
const WARM_UP_S: u32 = 3_600;

/// How to start the plant.
#[derive(Clone)]
pub struct Options {
    /// The same seed gives the same plant.
    pub seed: u64,
    /// Endpoints take this port and the next ones; 0 takes free ones.
    pub first_port: u16,
    /// The control port; 0 takes a free one.
    pub control_port: u16,
    /// Port of the MQTT broker on this machine that the meters connect to, whenever it is there.
    pub mqtt_port: u16,
    /// Time.
    pub clock: Clock,
    /// Ways out.
    pub net: Net,
}

/// Why the plant does not start or no longer runs.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum ServeError {
    #[error("ports from {0} on reach beyond 65535: choose a lower first port")]
    NoPorts(u16),
    #[error("cannot listen on {address} for {endpoint}: {error}; choose another port, or 0 for a free one")]
    Listen { endpoint: String, address: SocketAddr, error: std::io::Error },
    #[error("{endpoint} stopped listening: {error}; start the plant again")]
    Stopped { endpoint: String, error: std::io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// For callers that only show it.
impl From<ServeError> for String {
    fn from(error: ServeError) -> String {
        error.to_string()
    }
}

/// A plant whose ports are open.
pub struct Started {
    /// Where it listens.
    pub ports: Ports,
    /// Moves and serves the plant while it is polled; dropping it closes every connection. Ends only when a listener
    /// fails, with a sentence that says what to do.
    pub run: BoxFuture<'static, Result<(), String>>,
}

/// Opens every port on the loopback address.
///
/// # Errors
/// [`ServeError`] when a port is taken or a data file is wrong.
pub async fn start(options: Options) -> Result<Started, ServeError> {
    let manifest = Manifest::load()?;
    let plant: SharedPlant = Arc::new(Mutex::new(warm_plant(&options)));
    let mut doors = Vec::new();
    let mut ports = BTreeMap::new();
    for (key, offset) in manifest.endpoints().into_iter().zip(0..) {
        let port = match options.first_port {
            0 => 0,
            first => first.checked_add(offset).ok_or(ServeError::NoPorts(first))?,
        };
        let (listener, address) = listen(key, port).await?;
        ports.insert(key.to_string(), address.port());
        doors.push((key.to_string(), door(&manifest, key, listener, address, &plant)?));
    }
    for device in &manifest.devices {
        if let Link::Mqtt { token } = &device.link {
            let tags = Tags::new(manifest.rows(device)?, plant.clone());
            let meter = Box::new(meter(&device.key, token, options.mqtt_port));
            let door = Door::Mqtt { device: meter, tags, net: options.net.clone() };
            doors.push((device.network().to_string(), door));
        }
    }
    let (control, control_address) = listen("control", options.control_port).await?;
    let desk = Desk {
        plant,
        speed: AtomicU32::new(1),
        cuts: Cuts::new(),
        devices: manifest.devices.iter().map(|d| (d.key.clone(), d.network().to_string())).collect(),
        seed: options.seed,
        clock: options.clock,
    };
    let ports = Ports { host: HOST, endpoints: ports, control: control_address.port() };
    Ok(Started { ports, run: Box::pin(async { Err(run(doors, control, desk).await.into()) }) })
}

/// What listens at an endpoint: a machine with a server of its own, or devices of registers.
fn door(
    manifest: &Manifest,
    key: &str,
    listener: TcpListener,
    address: SocketAddr,
    plant: &SharedPlant,
) -> Result<Door, ManifestError> {
    let server = manifest
        .devices
        .iter()
        .find(|device| matches!(&device.link, Link::Opcua { endpoint } if endpoint == key));
    let (endpoint, plant) = (key.to_string(), plant.clone());
    Ok(match server {
        Some(device) => {
            let tags = Tags::new(manifest.rows(device)?, plant);
            Door::Opcua { key: endpoint, address, listener, tags }
        }
        None => {
            let registers = Arc::new(Endpoint::new(manifest, key, plant)?);
            Door::Modbus { key: endpoint, address, listener, registers }
        }
    })
}

/// A meter as it introduces itself.
fn meter(key: &str, token: &str, port: u16) -> mqtt::Device {
    mqtt::Device {
        host: HOST.to_string(),
        port,
        client_id: key.to_string(),
        username: Some(token.to_string()),
        password: None,
        style: mqtt::Style::Thingsboard,
        period: PUBLISH_EVERY,
    }
}

fn warm_plant(options: &Options) -> Plant {
    const SECOND: Duration = Duration::from_secs(1);
    let mut plant = Plant::new(options.seed);
    let now = options.clock.now();
    for ago in (0..WARM_UP_S).rev() {
        plant.step(SECOND, now.minus(ago * SECOND));
    }
    plant
}

async fn listen(endpoint: &str, port: u16) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = SocketAddr::new(HOST, port);
    let wrong = |error| ServeError::Listen { endpoint: endpoint.into(), address, error };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    Ok((listener, bound))
}

async fn run(doors: Vec<(String, Door)>, control: TcpListener, mut desk: Desk) -> ServeError {
    let mut tasks = JoinSet::new();
    for (network, door) in doors {
        let (sender, cut) = watch::channel(Duration::ZERO);
        desk.cuts.insert(network, sender);
        tasks.spawn(door.serve(cut, desk.clock.clone()));
    }
    let desk = Arc::new(desk);
    tasks.spawn(serve_control(control, desk.clone()));
    tasks.spawn(advance(desk));
    match tasks.join_next().await {
        Some(Ok(error)) => error,
        ended => {
            let error = std::io::Error::other(format!("a task ended: {ended:?}"));
            ServeError::Stopped { endpoint: "the plant".into(), error }
        }
    }
}

/// Moves the plant on in step with the clock.
async fn advance(desk: Arc<Desk>) -> ServeError {
    let clock = &desk.clock;
    let mut at = clock.now();
    let mut due = clock.monotonic();
    loop {
        due += Plant::STEP;
        clock.sleep_until(due).await;
        if clock.monotonic() > due + CATCH_UP_MAX {
            due = clock.monotonic();
            at = at.max(clock.now());
        }
        let mut plant = desk.plant.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..desk.speed.load(Ordering::Relaxed) {
            at = at.plus(Plant::STEP);
            plant.step(Plant::STEP, at);
        }
    }
}
