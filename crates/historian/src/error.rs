//! What can go wrong, in words that say what, where and what to do next.

use std::{fmt, io, path::Path, path::PathBuf};

use types::{ColumnsError, PointId, SourceId, Time};

/// Why a store cannot be opened. A crash is never a reason: see [`crate::Recovery`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{dir} is in use by another process: stop that one first, or choose another data directory")]
    InUse {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The list of segments is gone while data is there.
    #[error("{dir} holds data but no MANIFEST: restore it from a backup; nothing was changed")]
    ManifestMissing {
        /// The store's directory.
        dir: PathBuf,
    },
    /// Both copies inside the manifest are damaged.
    #[error("{file} is damaged ({cause}): restore it from a backup; nothing was changed")]
    ManifestDamaged {
        /// The manifest.
        file: PathBuf,
        /// What does not fit.
        cause: String,
    },
    /// Written by a later release.
    #[error("{file} has format version {found}, this release reads up to {known}: install the later release")]
    Newer {
        /// The file.
        file: PathBuf,
        /// Version in the file.
        found: u32,
        /// Latest version known here.
        known: u32,
    },
    /// The disk failed.
    #[error("{action} {file}: {source}: check the disk and the rights of the directory, then start again")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let file = file.to_path_buf();
        move |source| OpenError::Io { action, file, source }
    }
}

/// Why a batch was not stored. Nothing of it is visible, now or after a restart, unless noted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Its columns do not agree.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// Its bytes exceed [`crate::RECORD_BYTES_MAX`].
    #[error("a batch of {bytes} bytes: send at most {max} bytes at once")]
    TooLarge {
        /// Bytes of this batch as a log record.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The source has started anew since this batch was made.
    #[error("source {} sent epoch {epoch}, epoch {known} is known: drop this batch, its sender was replaced", source_id.0)]
    Stale {
        /// Who sent it.
        source_id: SourceId,
        /// Epoch of the batch.
        epoch: u32,
        /// Epoch that is current.
        known: u32,
    },
    /// Some rows are stored already and some are not.
    #[error("source {} sent rows from sequence {first}, expected next is {expected}: cut the batch there", source_id.0)]
    Overlap {
        /// Who sent it.
        source_id: SourceId,
        /// First sequence of the batch.
        first: u64,
        /// The sequence that the next new row must have.
        expected: u64,
    },
    /// The numbering would pass 2^64.
    #[error("source {} numbers rows past 2^64: start a new epoch", source_id.0)]
    SequenceExhausted {
        /// Who sent it.
        source_id: SourceId,
    },
    /// The disk is full. Reading goes on; appends work again once space is free.
    #[error("the disk is full ({cause}): free space or raise the quota, then send the batch again")]
    DiskFull {
        /// What the system said.
        cause: String,
    },
    /// Memory is full because segments cannot be written. Reading goes on; each append tries again.
    #[error(
        "memory is full and segments cannot be written ({cause}): free space or check the disk, then send the batch again"
    )]
    MemoryFull {
        /// What the system said.
        cause: String,
    },
    /// The disk refused a write.
    #[error("the log cannot be written ({cause}): check the disk, then send the batch again")]
    Refused {
        /// What the system said.
        cause: String,
    },
    /// The disk took the bytes and then failed to make them durable: they may or may not survive a crash, so send the
    /// same batch again. The log goes on in a fresh file.
    #[error("the disk failed to make the log durable ({cause}): check it, then send the batch again")]
    SyncFailed {
        /// What the system said.
        cause: String,
    },
    /// The historian was closed.
    #[error("the historian is closed: nothing was stored")]
    Closed,
}

/// Why a query has no answer. A damaged chunk is not among these: it is a gap, listed by [`crate::Historian::damaged`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More buckets than a screen or a report can use.
    #[error(
        "{points} points x {buckets} buckets: ask for 1 to {max} buckets a point and {total_max} in all",
        max = crate::AggregateQuery::BUCKETS_MAX, total_max = crate::AggregateQuery::BUCKETS_TOTAL_MAX
    )]
    Buckets {
        /// Points asked for.
        points: usize,
        /// Buckets asked for, each point.
        buckets: u32,
    },
    /// More columns than a screen can use.
    #[error(
        "{points} points x {columns} columns: ask for 1 to {max} columns a point and {total_max} in all",
        max = crate::TrendQuery::COLUMNS_MAX, total_max = crate::TrendQuery::COLUMNS_TOTAL_MAX
    )]
    Columns {
        /// Points asked for.
        points: usize,
        /// Columns asked for, each point.
        columns: u32,
    },
    /// The disk failed to read.
    #[error("reading {file}: {cause}: check the disk and ask again")]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The reading task ended before its answer: the process ends, or a fault of ours that the log tells more about.
    #[error("the query was stopped before it had an answer: ask again")]
    Stopped,
}

/// Why memory did not reach the segments. Nothing is lost: the rows stay in memory and in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// The disk failed or is full.
    #[error("{action} {file}: {cause}: free space or check the disk; the rows are kept in the log meanwhile")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        file: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The historian was closed.
    #[error("the historian is closed")]
    Closed,
}

impl FlushError {
    pub(crate) fn io(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> FlushError {
        let file = file.to_path_buf();
        move |error| FlushError::Io { action, file, cause: error.to_string() }
    }
}

/// Why segments were not compacted. Nothing is lost: they stay as they are, and it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// The store is of a version that knows no compaction.
    #[error("the store has format version {found}: confirm the current one first, then compact it")]
    Format {
        /// The store's version.
        found: u32,
    },
    /// Too many ask for it at once.
    #[error("{max} requests for compaction wait already: ask again once they are done")]
    Busy {
        /// Requests that may wait.
        max: usize,
    },
    /// The disk failed or is full.
    #[error("compaction: {cause}: free space or check the disk; the segments stay as they are")]
    Io {
        /// What the system said.
        cause: String,
    },
    /// The historian was closed.
    #[error("the historian is closed")]
    Closed,
}

/// Why a deletion, a hold or a backup was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpkeepError {
    /// The store is of a version that does not know it.
    #[error(
        "the store has format version 1, which knows neither deletions nor holds: confirm the current one first"
    )]
    Format,
    /// The span is empty.
    #[error("the span from {from} to {to} is empty: the end must be later than the start")]
    NoSpan {
        /// Start, inclusive.
        from: Time,
        /// End, exclusive.
        to: Time,
    },
    /// Nobody is named, no reason is given, or both are too long.
    #[error("say who asks and why, in {max} bytes at most")]
    Reason {
        /// The bound, for both together.
        max: usize,
    },
    /// Too much is on the list.
    #[error(
        "at most {marks} deletions and holds wait at a time, and each names at most {points} points: compact first, or name fewer"
    )]
    TooMany {
        /// Deletions that may wait, and holds that may stand.
        marks: usize,
        /// Points that one may name.
        points: usize,
    },
    /// Someone has put a hold on some of it.
    #[error("hold {number} by {who} ({why}) stands on some of these rows: release it first")]
    Held {
        /// Which hold.
        number: u64,
        /// Who placed it.
        who: String,
        /// What for.
        why: String,
    },
    /// There is no such hold.
    #[error("there is no hold {number}: list the holds")]
    NoHold {
        /// The number given.
        number: u64,
    },
    /// The rows in memory cannot be flushed.
    #[error("rows in memory cannot be made part of it ({cause})")]
    Flush {
        /// Why not.
        cause: String,
    },
    /// The folder for a backup has files already.
    #[error("{dir} is not empty: name a folder that is empty or absent")]
    TargetInUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The disk failed or is full.
    #[error("{file}: {cause}: check the disk and ask again")]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The historian was closed.
    #[error("the historian is closed: nothing was changed")]
    Closed,
}

/// Bytes on disk that do not hold what was written. What they held is a gap; what is around them is not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Name of the file inside the store.
    pub file: String,
    /// Whose rows are missing; `None` when that cannot be known.
    pub point: Option<PointId>,
    /// Source times of the missing rows, both inclusive; `None` when that cannot be known.
    pub span: Option<(Time, Time)>,
    /// What does not fit.
    pub cause: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.cause)?;
        if let Some(point) = self.point {
            write!(f, ", point {}", point.0)?;
        }
        match self.span {
            Some((from, to)) => write!(f, ", rows from {from} to {to} are missing"),
            None => Ok(()),
        }
    }
}
