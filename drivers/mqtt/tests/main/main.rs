//! The devices and the broker from outside, over real sockets on this machine; no foreign program is needed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod faults;
mod harness;
mod inside;
