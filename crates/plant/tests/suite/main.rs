//! The plant model over a real store: two organisations in every suite.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod assets;
mod catalogue;
mod devices;
mod events;
mod point_list;
mod points;
mod world;
