//! The driver against programs that other people wrote: the mosquitto broker, devices with Eclipse Paho and with the
//! unmodified ThingsBoard client.
//!
//! mosquitto is Debian's package; the Python devices are made ready on first use, in environments under
//! `$XDG_CACHE_HOME/sinew/peers` (or `~/.cache/sinew/peers`) with exactly the pinned packages of `tests/peers/mqtt`. Where
//! that is not possible the test says so and passes, unless `CI=true`, where it fails.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it passed over"
)]

mod devices;
#[allow(dead_code, reason = "shared with the tests that need no foreign program")]
#[path = "../main/harness.rs"]
mod harness;
mod mosquitto;
mod peers;
