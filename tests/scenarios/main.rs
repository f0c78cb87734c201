//! Whole-product scenarios: everything real, over the doors a user has.

mod authority;
mod faults;
mod kill;
mod ledger;
mod organisations;
#[path = "../peers/start.rs"]
mod peers;
mod process;
mod soak;
mod support;
mod writes;
