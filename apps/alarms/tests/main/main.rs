//! The app from outside. Pure parts against texts that a process engineer can read; the rest on a node in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod evaluate;
mod given;
mod node;
mod outage;
mod rules;
mod states;
mod task;
