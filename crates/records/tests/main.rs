//! The conformance suite on both engines, and what is particular to each.
#![allow(clippy::unwrap_used, reason = "the suite is test code, also where clippy sees plain functions")]

mod conformance;
mod engine;
mod postgres;
mod sqlite;
