//! The broker, packet by packet, over streams in memory and a clock that only moves when told to; and against clients
//! that other people wrote.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it passed over"
)]

mod accounts;
mod corpus;
mod door;
mod flow;
mod hostile;
mod interop;
mod peer;
mod random;
mod resume;
mod retained;
mod routing;
mod sessions;
