//! Polling, shared by every driver that asks: planner, schedule, loop, scaling.
//!
//! A driver turns its points into [`Span`]s and implements [`Polled`]; [`serve`] does the rest.

mod plan;
mod polled;
mod scale;
mod schedule;
mod serve;

pub use plan::{Block, Holes, Limits, Plan, Span, plan};
pub use polled::{BlockReply, Polled, Refusal, Wiring, WriteFailure};
pub use scale::{ScaleError, fit, scale, unscale};
pub use schedule::{Due, Schedule};
pub use serve::{RECHECK_PERIOD, RECHECKS_MAX, serve};
