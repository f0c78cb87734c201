//! The driver against a simulated device: contract, round trips, faults, frames.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod dial;
mod dtu;
mod dtu_many;
mod dtu_packets;
mod faults;
mod frames;
mod plant;
mod polling;
mod round_trip;
mod running;
mod serial;
