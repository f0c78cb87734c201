//! Point lists as CSV, as engineers keep them in a spreadsheet: out and, forgivingly, in again.
//!
//! A list that was exported and is imported unchanged changes nothing.

mod cell;
mod column;
mod export;
mod import;
mod places;
mod reading;
mod table;

use serde::{Deserialize, Serialize};
use types::Fault;

/// The largest file that is taken.
pub const IMPORT_BYTES_MAX: usize = 64 << 20;
/// Faults that are reported one by one; the rest is counted in a last one.
pub const IMPORT_FAULTS_MAX: usize = 1_000;

/// What an import did or, as a dry run, would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImportReport {
    /// Rows that made a new point.
    pub created: usize,
    /// Rows that changed a point.
    pub updated: usize,
    /// Rows that say what is there already.
    pub unchanged: usize,
    /// Rows that were left out and why; the path is `line 7, column unit`.
    pub errors: Vec<Fault>,
}
