//! What builds, checks and extends this repository: `cargo x help` lists it. The rule tests use its parts as well.
//!
//! Deliberately light: the standard library, serde and `cargo metadata`. Anything heavier would be paid for by
//! everybody before the first line of the product compiles.

#![allow(clippy::print_stdout, reason = "a command line tool talks on standard output")]

mod browser;
mod check;
mod console;
mod demo;
mod failure;
pub mod generate;
pub mod leaf;
mod new;
mod provision;
mod run;
mod size;
mod skips;
mod soak;
pub mod source;
pub mod tree;

pub use browser::browser;
pub use check::{check, test};
pub use demo::demo;
pub use failure::{Failure, Outcome};
pub use new::{new, scaffold};
pub use size::{is_test_file, size, source_lines};
pub use soak::soak;
