//! Whole-product scenarios: everything real, over the doors a user has.
#![allow(clippy::print_stdout, reason = "tests say what they measured and what they passed over")]

mod alarms;
mod authority;
mod doors;
mod duckdb;
mod exported;
mod fake_commands;
mod fake_records;
mod fake_samples;
mod faults;
mod gone;
mod kill;
mod kill_mqtt;
mod ledger;
mod lines;
#[path = "../../drivers/opcua/tests/peers/ready.rs"]
#[allow(dead_code, reason = "other suites start more of these peers")]
mod opcua;
mod organisations;
#[path = "../peers/start.rs"]
mod peers;
mod postgres;
mod power;
mod process;
mod python;
mod slt;
mod soak;
mod sql;
mod sql_clients;
mod sql_postgres;
mod support;
mod telegraf;
mod trust;
mod writes;

// The name under which peers of one protocol look for what they all share.
use peers as start;
