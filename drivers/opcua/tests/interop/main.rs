//! The driver against servers that other people wrote: asyncua (Python) and node-opcua (JavaScript).
//!
//! The servers are made ready on first use, see `tests/peers/ready.rs`. Where that is not possible the test says so
//! and passes, unless `CI=true`, where it fails.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it passed over"
)]

mod losses;
mod peers;
#[path = "../main/proxy.rs"]
#[allow(dead_code, reason = "shared with the other test program")]
mod proxy;
#[path = "../main/running.rs"]
#[allow(dead_code, reason = "shared with the other test program")]
mod running;
mod security;
mod values;
