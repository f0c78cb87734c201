//! Access over a real store: two organisations in every suite, a clock that is set, hashes that take no time.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod events;
mod keys;
mod links;
mod sessions;
mod setup;
mod tokens;
mod users;
mod world;
