//! Whole-product scenarios: everything real, over the doors a user has.

mod authority;
mod faults;
mod organisations;
mod process;
mod support;
