//! What the historian promises, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a long run says how far it is")]

mod crash;
mod damage;
mod faults;
mod fixture;
mod kill;
mod model;
#[path = "../../../../tests/scenarios/power.rs"]
mod power;
mod seeds;
#[path = "../../../../tests/scenarios/soak.rs"]
#[allow(dead_code, reason = "shared with the scenarios, which use all of it")]
mod soak;
mod store;
mod support;
