//! Contract suites: what every leaf of a kind must do. A leaf's own tests call them.

pub mod app;

pub mod driver;
mod host;
