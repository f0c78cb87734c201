//! The historian: samples on disk. Acknowledged means durable; what cannot be read is a gap, never a wrong value.

mod disk;
mod error;
mod query;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::{AppendError, Damage, FlushError, OpenError, ReadError};
pub use query::{AggregateQuery, Appended, RangeQuery, Recovery, SourceState, Stats};

use std::{path::PathBuf, pin::Pin, sync::Arc};
use types::{Aggregate, Latest, Now, PointId, SampleBatch, Section, SourceId};

/// A boxed future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Rows that may wait in memory for a segment when the owner names no figure: 64 MiB.
pub const MEMORY_BYTES: usize = 64 << 20;
/// The largest batch, as bytes of its log record.
pub const RECORD_BYTES_MAX: usize = 64 << 20;
/// Rows of a chunk, and so the most that one damaged place can hide.
pub const CHUNK_ROWS: usize = 4096;

/// How to open a store.
pub struct Options {
    /// Where its files are. Made when absent.
    pub dir: PathBuf,
    /// The clock that stamps what is appended.
    pub now: Now,
    /// Names the store for good; used only when it is created.
    pub store_id: [u8; 16],
    /// Rows that may wait in memory for a segment, in bytes.
    pub memory_bytes: usize,
    /// Rows of one chunk, at most [`CHUNK_ROWS`].
    pub chunk_rows: usize,
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
            disk: Arc::new(RealDisk),
        }
    }
}

/// A store of samples: a cheap handle, to be cloned.
#[derive(Clone)]
pub struct Historian {}

#[allow(missing_docs, unused_variables)]
impl Historian {
    pub fn open(options: Options) -> Result<(Historian, Recovery), OpenError> {
        unimplemented!()
    }
    pub fn append(&self, batch: SampleBatch) -> BoxFuture<Result<Appended, AppendError>> {
        unimplemented!()
    }
    pub fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>> {
        unimplemented!()
    }
    pub fn range(&self, query: RangeQuery) -> BoxFuture<Result<Vec<Section>, ReadError>> {
        unimplemented!()
    }
    pub fn aggregate(&self, query: AggregateQuery) -> BoxFuture<Result<Vec<Aggregate>, ReadError>> {
        unimplemented!()
    }
    pub fn source_state(&self, source: SourceId) -> Option<SourceState> {
        unimplemented!()
    }
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }
    pub fn damaged(&self) -> Vec<Damage> {
        unimplemented!()
    }
    pub fn flush(&self) -> BoxFuture<Result<(), FlushError>> {
        unimplemented!()
    }
    pub fn close(self) -> BoxFuture<Result<(), FlushError>> {
        unimplemented!()
    }
}
