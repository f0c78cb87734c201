//! OPC UA, client side; and a simulated server for tests and demo plants.

pub mod address;
mod browse;
mod certificate;
pub mod config;
mod der;
mod device;
mod facts;
mod fault;
mod history;
mod inspect;
mod pages;
mod probe;
mod rows;
mod session;
pub mod sim;
mod subscription;
mod value;
mod wire;
mod write;

use sdk::Driver;

/// The descriptor.
pub fn driver() -> Driver {
    Driver {
        id: "opcua",
        name: ("OPC UA", "OPC UA"),
        config_schema: sdk::http::json_schema::<config::Config>,
        check_config: |json| config::Config::parse(json).map(drop),
        check_address: |text| match address::Address::parse(text) {
            Ok(address) => Ok(address.facts()),
            Err(error) => Err(error.fault(text)),
        },
        run: |task| Box::pin(device::run(task)),
        probe: |probe| Box::pin(probe::probe(probe)),
        inspect: |inspect| Box::pin(inspect::inspect(inspect)),
        browse: Some(|browse| Box::pin(browse::browse(browse))),
    }
}
