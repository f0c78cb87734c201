//! The peers of the whole product's tests, as the drivers of these tests need them.

#[path = "../../../../tests/peers/start.rs"]
mod start;

use serde_json::{Value as Json, json};
use std::sync::OnceLock;

pub(crate) use start::{Program, Server, pymodbus, unless_ci};

/// libmodbus at `line`: a port, or the path of a serial port.
pub(crate) fn libmodbus(line: &str) -> Result<Program, String> {
    // Compiled once: a program that runs cannot be written again.
    static COMPILED: OnceLock<Result<Program, String>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(start::libmodbus).clone()?;
    Ok(Program { arguments: vec![line.into()], ..compiled })
}

/// The config of a device on this server.
pub(crate) fn tcp_config(server: &Server, more: Json) -> Json {
    let mut config =
        json!({"transport": "tcp", "host": "127.0.0.1", "port": server.port(), "timeout_ms": 1500});
    config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    config
}
