//! Why a command stops: one sentence that ends with the next action.

use std::{fmt, io, path::Path};

/// What went wrong and what to do about it, for the person at the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub String);

/// What every command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// From anything that reads as text.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure(text.into())
    }
    /// A file operation that failed, with its place.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
        move |error| Failure(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Failure {}
