//! The demo plant: a small physical simulation of a works, served over real protocols.
//!
//! [`Plant`] is the physics: explicit state, fixed steps, no clock, no sockets. [`model`] is what an engineer would
//! enter to connect it. [`start`] opens its ports. What is simulated and how is in README.md, and where each formula
//! stands, its source stands beside it.

mod air;
mod calendar;
mod compressor;
mod control;
mod desk;
mod door;
mod entries;
mod line;
mod machine;
mod malfunction;
mod manifest;
mod model;
mod noise;
mod plant;
mod power;
mod pump;
mod registers;
mod serve;
mod tags;
mod tooling;
mod water;

pub use calendar::Period;
pub use compressor::CompressorState;
pub use control::{CUT_S_DEFAULT, CUT_S_MAX, Command, CommandError, LINE_BYTES_MAX, SPEED_MAX, help};
pub use desk::{CONTROL_CONNECTIONS_MAX, CONTROL_SILENCE_MAX};
pub use line::BUFFER_PARTS_MAX;
pub use machine::MachineState;
pub use malfunction::Malfunction;
pub use manifest::ManifestError;
pub use model::{Model, ModelDevice, ModelPlace, ModelPoint, ModelRule, Ports, model};
pub use plant::{Balances, Plant, Refused};
pub use serve::{Options, ServeError, Started, start};
