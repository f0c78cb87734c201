//! What the historian promises, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod damage;
mod faults;
mod fixture;
mod model;
mod seeds;
mod store;
mod support;
