//! Modbus: TCP, RTU over TCP, serial RTU and RTU behind DTUs that dial in, client side; and a simulated device for tests
//! and demo plants.

pub mod address;
pub mod config;
mod device;
pub mod devices;
pub mod dtu;
mod fault;
mod find;
pub mod frame;
mod inspect;
pub mod pdu;
mod plan;
mod probe;
mod session;
pub mod sim;
pub mod value;

use sdk::{Door, Driver, Hall};

/// The descriptor.
pub fn driver() -> Driver {
    Driver {
        id: "modbus",
        name: ("Modbus", "Modbus"),
        config_schema: sdk::http::json_schema::<config::Config>,
        check_config: |json| config::Config::parse(json).map(drop),
        check_address: |text| match address::Address::parse(text) {
            Ok(address) => Ok(address.facts()),
            Err(error) => Err(error.fault(text)),
        },
        run: |task| Box::pin(device::run(task)),
        probe: |probe| Box::pin(probe::probe(probe)),
        inspect: |inspect| Box::pin(inspect::inspect(inspect)),
        browse: None,
    }
}

/// The descriptor of the listener that DTUs dial.
pub fn door() -> Door {
    Door {
        id: "modbus",
        name: ("DTU 接入（Modbus RTU）", "DTU dial-in (Modbus RTU)"),
        config_schema: sdk::http::json_schema::<dtu::config::DoorConfig>,
        check_config: |json| dtu::config::DoorConfig::parse(json).map(drop),
        default_config: || serde_json::to_value(dtu::config::DoorConfig::start()).unwrap_or_default(),
        hall: || Hall::of_value(dtu::Dtus::default()),
        run: |task| Box::pin(dtu::listen(task)),
    }
}
