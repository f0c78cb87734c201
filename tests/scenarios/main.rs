//! Whole-product scenarios: everything real, over the doors a user has.
#![allow(clippy::print_stdout, reason = "tests say what they measured and what they passed over")]

mod authority;
mod fake_commands;
mod fake_records;
mod fake_samples;
mod faults;
mod gone;
mod kill;
mod ledger;
mod organisations;
#[path = "../peers/start.rs"]
mod peers;
mod postgres;
mod process;
mod soak;
mod support;
mod writes;
