//! Modbus: TCP, RTU over TCP and serial RTU, client side; and a simulated device for tests and demo plants.

pub mod address;
pub mod config;
mod device;
pub mod devices;
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

use sdk::Driver;

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
