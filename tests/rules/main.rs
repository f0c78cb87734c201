//! The rules of this repository as ordinary tests: a rule that is not a test is not a rule.
//!
//! Each test reads the tree as text or asks cargo for its graph, and its failure says what to change. What a rule
//! lets pass for a reason stands in a file with that reason: `docs/dependencies.toml`, `ratchet.toml`.

#![allow(
    clippy::print_stdout,
    reason = "rules print what they counted; the harness shows it on failure or on demand"
)]

mod advisories;
mod dependencies;
mod floors;
mod fresh;
mod languages;
mod map;
mod names;
mod size;
mod tree;
