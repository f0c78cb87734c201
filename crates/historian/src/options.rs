//! How a store is opened.

use std::{path::PathBuf, sync::Arc};

use types::Now;

use crate::{Budget, Disk, RealDisk, Terms};

/// Rows that may wait in memory for a segment when the owner names no figure: 256 MiB, about 10 million samples.
pub const MEMORY_BYTES: usize = 256 << 20;
/// Rows of a chunk, and so the most that one damaged place can hide.
pub const CHUNK_ROWS: usize = 4096;
/// The same of a chunk that compaction wrote.
pub const COMPACT_CHUNK_ROWS: usize = 16_384;

/// How to open a store.
pub struct Options {
    /// Where its files are. Made when absent.
    pub dir: PathBuf,
    /// The clock that stamps what is appended.
    pub now: Now,
    /// Names the store for good; used only when it is created.
    pub store_id: [u8; 16],
    /// Rows that may wait in memory for a segment, in bytes; half of it for those that are on their way.
    pub memory_bytes: usize,
    /// Rows of one chunk, at most [`CHUNK_ROWS`].
    pub chunk_rows: usize,
    /// How long rows are kept.
    pub terms: Terms,
    /// What compaction may take of the machine; `None`: it works only when asked.
    pub budget: Option<Budget>,
    /// Raises a store of an earlier format version to the current one, after which earlier releases refuse it. Without,
    /// it keeps its version, and does without what came later: compaction, deletion, knowledge of what was replaced.
    pub confirm_format: bool,
    /// Files.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// The real disk and the defaults.
    pub fn new(dir: impl Into<PathBuf>, now: Now, store_id: [u8; 16]) -> Options {
        Options {
            dir: dir.into(),
            now,
            store_id,
            memory_bytes: MEMORY_BYTES,
            chunk_rows: CHUNK_ROWS,
            terms: Terms::default(),
            budget: Some(Budget::default()),
            confirm_format: false,
            disk: Arc::new(RealDisk),
        }
    }
}
