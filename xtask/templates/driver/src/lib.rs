//! The @name@ driver: a device that answers one line at a time over TCP. See README.md for the protocol.

mod address;
mod config;
mod frame;
mod session;
pub mod sim;
mod value;

use sdk::{AddressFacts, Driver};
use types::Fault;

use crate::{address::Address, config::Config};

/// The descriptor.
pub fn driver() -> Driver {
    Driver {
        id: "@name@",
        name: ("@name@ 协议", "@name@"),
        config_schema: sdk::http::json_schema::<Config>,
        check_config: |json| Config::parse(json).map(|_checked| ()),
        check_address,
        run: |task| Box::pin(session::run(task)),
        probe: |probe| Box::pin(session::probe(probe)),
        inspect: |inspect| Box::pin(session::inspect(inspect)),
        browse: None,
    }
}

fn check_address(text: &str) -> Result<AddressFacts, Fault> {
    let address = Address::parse(text)?;
    Ok(AddressFacts { canonical: address.to_string(), value_type: address.value_type, writable: true })
}
