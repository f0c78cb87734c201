//! Questions and small answers: the words of the interface.

use std::time::Duration;

use types::{PointId, SourceId, Time};

use crate::Summary;

/// Rows of some points in a span of source time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeQuery {
    /// Which points, in the order wanted.
    pub points: Vec<PointId>,
    /// Start, inclusive.
    pub from: Time,
    /// End, exclusive.
    pub to: Time,
    /// The most rows in the whole answer, counted in the order given; [`RangeQuery::ROWS_MAX`] holds whatever is asked.
    pub limit_rows: usize,
    /// Per point from the newest row back, instead of from the oldest on.
    pub newest_first: bool,
    /// As it was known at that instant, to the minute: rows that were learnt later are not there, rows that were
    /// replaced or deleted later are. `None`: as it is known now.
    pub known_at: Option<Time>,
}

impl RangeQuery {
    /// The most rows in one answer: 4 Mi rows are about 100 MB.
    pub const ROWS_MAX: usize = 4 << 20;
}

/// Equal spans of source time for some points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateQuery {
    /// Which points, in the order wanted.
    pub points: Vec<PointId>,
    /// Start, inclusive.
    pub from: Time,
    /// End, exclusive.
    pub to: Time,
    /// Into how many spans, 1 to [`AggregateQuery::BUCKETS_MAX`].
    pub buckets: u32,
}

impl AggregateQuery {
    /// The most buckets a point: more than any screen has columns.
    pub const BUCKETS_MAX: u32 = 10_000;
    /// The most buckets in one answer: about 100 MB.
    pub const BUCKETS_TOTAL_MAX: usize = 1 << 20;
}

/// What a chart of some points needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendQuery {
    /// Which points, in the order wanted.
    pub points: Vec<PointId>,
    /// Start, inclusive.
    pub from: Time,
    /// End, exclusive.
    pub to: Time,
    /// Columns of the chart, 1 to [`TrendQuery::COLUMNS_MAX`].
    pub columns: u32,
    /// Each row in its own column, which costs reading the rows at the columns' edges. Without, rows may be counted to
    /// the column beside theirs: [`Trend::shift_ns`] says how far.
    pub exact: bool,
}

impl TrendQuery {
    /// The most columns a point.
    pub const COLUMNS_MAX: u32 = 10_000;
    /// The most columns in one answer: about 60 MB.
    pub const COLUMNS_TOTAL_MAX: usize = 1 << 18;
}

/// The chart of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Which point.
    pub point: PointId,
    /// What each column comes to; one without rows has none. Column `i` of `n` starts `i * (to - from) / n` after `from`,
    /// rounded up to a nanosecond. No minimum, maximum or Bad row is ever missing.
    pub columns: Vec<Summary>,
    /// How far the rows counted to a column reach beyond it at most: less than the width of a column, and 0 when exact.
    pub shift_ns: i64,
}

/// A batch that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Rows that this call stored: 0 for a duplicate.
    pub rows: usize,
    /// When the log learnt it; for a duplicate, when it was recognised.
    pub recorded: Time,
    /// The batch was durable before; nothing was stored again.
    pub duplicate: bool,
}

/// How far a source has got: what it must send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// The source's current epoch.
    pub epoch: u32,
    /// The sequence of the next new row in that epoch.
    pub next_sequence: u64,
}

/// Figures of a running store, all since it was opened unless noted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Rows made durable.
    pub rows_appended: u64,
    /// Batches that were durable already.
    pub batches_duplicate: u64,
    /// Rows that sources left out of their numbering: they were lost before they came here.
    pub sequence_gap_rows: u64,
    /// Well-formed batches that were not stored: out of place in their source's numbering, or the disk refused.
    pub batches_refused: u64,
    /// Syncs of the log: many batches share one.
    pub syncs: u64,
    /// Bytes in log files now, without the zeroed room ahead of the records: at most 4 MiB and a group more.
    pub log_bytes: u64,
    /// Bytes of rows in memory that no segment holds yet, and of the table of latest values.
    pub memory_bytes: usize,
    /// Rows in memory that no segment holds yet.
    pub memory_rows: u64,
    /// The version that the store is written in.
    pub format: u32,
    /// Rows in segments that others took the place of, or that were deleted, and are kept for a while.
    pub replaced_rows: u64,
    /// Segments now.
    pub segments: usize,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Their rows; a row that was overwritten in a later segment still counts.
    pub segment_rows: u64,
    /// Damaged places found while reading: see [`crate::Historian::damaged`].
    pub damaged: u64,
    /// Syncs that failed; each poisoned a log file.
    pub log_files_poisoned: u64,
    /// Why appends are refused just now; `None` when they work.
    pub refusing: Option<String>,
}

/// What was found and done when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The store was made by this call.
    pub created: bool,
    /// Rows taken back from the log into memory.
    pub rows_replayed: u64,
    /// Bytes of an unfinished write cut off the end of the log; they were never acknowledged.
    pub torn_bytes: u64,
    /// Names of files moved (or, for a damaged log, copied) to `quarantine/`.
    pub quarantined: Vec<String>,
    /// Places that do not hold what was written.
    pub damaged: Vec<crate::Damage>,
}

/// What compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Times that segments were replaced by others.
    pub jobs: u64,
    /// Bytes of the segments that were replaced.
    pub bytes_read: u64,
    /// Bytes of those that took their place.
    pub bytes_written: u64,
}

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Since their source time; `None` is for ever. Whole segments go, so that some rows stay longer.
    pub keep: Option<Duration>,
    /// Rows that were replaced or deleted, since then.
    pub corrections: Duration,
}

impl Default for Terms {
    /// Rows for ever, corrections for 90 days.
    fn default() -> Terms {
        Terms { keep: None, corrections: Duration::from_secs(90 * 86_400) }
    }
}

/// Whose state: one row of the manifest.
pub(crate) type Sources = std::collections::BTreeMap<SourceId, SourceState>;
