//! The driver against the simulated server.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod contract;
mod find;
mod losses;
mod plant;
mod proxy;
mod running;
