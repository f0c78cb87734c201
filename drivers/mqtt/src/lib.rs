//! MQTT: the broker of this node, and the devices behind it or behind a broker outside.

mod address;
pub mod broker;
mod claim;
mod client;
mod client_tls;
mod config;
mod device;
mod door;
mod fault;
mod inspect;
mod json;
mod link;
mod look;
mod mapping;
mod message;
mod packet;
mod probe;
mod profile;
mod session;
pub mod sim;
mod stamp;
mod topic;
mod value;
pub mod wire;
mod write;

/// The descriptor of the broker of this node.
pub fn door() -> sdk::Door {
    door::door()
}

/// The descriptor of the driver.
pub fn driver() -> sdk::Driver {
    device::driver()
}
