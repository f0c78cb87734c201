//! The plant model over a real store: two organisations in every suite.

mod assets;
mod catalogue;
mod devices;
mod events;
mod point_list;
mod points;
mod world;
