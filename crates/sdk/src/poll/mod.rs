//! Polling, shared by every driver that asks: planner, schedule, loop, scaling.
//!
//! A driver turns its points into [`Span`]s and implements [`Polled`]; [`serve`] does the rest.

mod plan;
mod scale;
mod schedule;
mod serve;

pub use plan::{Block, Holes, Limits, Plan, Span, plan};
pub use scale::{ScaleError, fit, scale, unscale};
pub use schedule::{Due, Schedule};
pub use serve::{BlockReply, Polled, RECHECK_PERIOD, RECHECKS_MAX, Refusal, Wiring, WriteFailure, serve};
