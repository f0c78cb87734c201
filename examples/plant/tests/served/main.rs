//! The plant as others see it: over its protocols, over the control port, and as a model to provision.

mod model;
mod ports;
mod protocols;

use std::net::SocketAddr;
use std::time::Duration;

use example_plant::{Model, Options, model, start};
use sdk::contract::driver::{host_clock, host_reach};
use sdk::{Driver, Hall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Times to look before giving up, 10 ms apart: generous, for machines that are busy with other tests.
const ATTEMPTS: usize = 500;

fn options() -> Options {
    let net = host_reach(Hall::none()).net;
    // No broker waits at port 1.
    Options { seed: 4, first_port: 0, control_port: 0, mqtt_port: 1, clock: host_clock(), net }
}

async fn any_model() -> Model {
    let served = start(options()).await.expect("free ports");
    model(&served.ports).expect("good data files")
}

/// One line to the control port; its answer.
async fn say(control: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(control).await.expect("the control port is open");
    stream.write_all(format!("{line}\n").as_bytes()).await.expect("it takes a line");
    stream.shutdown().await.expect("it lets go");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.trim_end().into()
}

/// Looks until there is something.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..ATTEMPTS {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited for: {what}");
}

/// The driver of a device of the model.
fn driver(id: &str) -> Driver {
    let all = [driver_modbus::driver(), driver_opcua::driver(), driver_mqtt::driver()];
    all.into_iter().find(|driver| driver.id == id).unwrap_or_else(|| panic!("no driver {id}"))
}
