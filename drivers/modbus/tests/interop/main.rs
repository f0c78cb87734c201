//! The driver against servers that other people wrote: pymodbus and libmodbus.
//!
//! The servers are made ready on first use: a Python environment under `$XDG_CACHE_HOME/sinew/peers` (or
//! `~/.cache/sinew/peers`) with exactly `tests/peers/modbus/requirements.txt`, and a C program linked to libmodbus.
//! Where that is not possible the test says so and passes, unless `CI=true`, where it fails.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it passed over"
)]

mod dtu;
mod peers;
#[path = "../main/running.rs"]
mod running;
mod serial;
mod tcp;
