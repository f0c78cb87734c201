//! DTUs: cellular and serial boxes that dial in, say who they are and then are a serial line to RTU devices.
//!
//! ```text
//! dial-in ─► door: who is it? ─► table: id ─► line ─► lent for one request at a time ─► session
//!             registration            (the hall)        heartbeats left out of replies
//! ```

mod admission;
pub mod config;
mod door;
pub mod heartbeat;
mod introduction;
mod line;
pub mod pattern;
pub mod registration;
mod run;
mod table;

pub(crate) use door::run as listen;
pub(crate) use line::{Line, Turn};
pub(crate) use run::run;
pub(crate) use table::Dtus;
