//! The historian: samples on disk. Acknowledged means durable; what cannot be read is a gap, never a wrong value.
//!
//! ```text
//! append ─► queue (bounded) ─► writer thread: log, one write and one sync a group ─► memory, latest ─► acknowledged
//!                                             memory full ─► segments ─► manifest ─► log let go
//! range, aggregate ─► a view of memory and segments ─► merged in time order
//! ```
//!
//! Deliberately absent so far: compaction, a pyramid for trends, retention; and chunks still hold plain columns, while the
//! codecs for them are ready in [`column`]. They change what is inside the files' chunks and how many files there are,
//! not this interface.

mod admission;
mod chunk;
mod codec;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "chunks are written with it from segment format 2 on, which is not there yet"
    )
)]
mod column;
mod disk;
mod error;
mod flush;
mod format;
mod log;
mod manifest;
mod memory;
mod open;
mod query;
mod read;
mod replay;
mod rows;
mod segment;
mod segment_writer;
mod shared;
pub mod sim;
mod snapshot;
mod writer;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::{AppendError, Damage, FlushError, OpenError, ReadError};
pub use query::{AggregateQuery, Appended, RangeQuery, Recovery, SourceState, Stats};

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use tokio::sync::{Semaphore, mpsc, oneshot};
use types::{Aggregate, Latest, Now, PointId, SampleBatch, Section, SourceId};

use crate::{
    shared::Shared,
    writer::{Command, Entry},
};

/// A boxed future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Rows that may wait in memory for a segment when the owner names no figure: 64 MiB.
pub const MEMORY_BYTES: usize = 64 << 20;
/// Batches that may wait for the log; the next append waits for a place.
const QUEUE_BATCHES_MAX: usize = 1024;
/// Bytes of log records that may wait for the log; the next append waits for a place.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Queries that read at the same time; the next one waits.
const READERS_MAX: usize = 4;
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

/// A store of samples: a cheap handle, to be cloned. The store closes when the last one is dropped; rows in memory then
/// stay in the log and are read back at the next open. That drop waits for the writer thread to finish the group at hand.
/// [`Historian::close`] leaves nothing to read back.
#[derive(Clone)]
pub struct Historian {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// `None` only while being dropped.
    queue: Option<mpsc::Sender<Command>>,
    queue_bytes: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    /// Waits until the writer thread has ended, which it does at once when nobody can ask it for more.
    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!(
                "the writer thread of the historian panicked; what was acknowledged is in the log"
            );
        }
    }

    async fn send(&self, command: Command) -> Option<()> {
        self.queue.as_ref()?.send(command).await.ok()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        self.join();
    }
}

impl Historian {
    /// Opens a store, or makes one in an empty directory, and reads the log back.
    ///
    /// A crash is no reason to fail: what it left behind is in [`Recovery`].
    pub fn open(options: Options) -> Result<(Historian, Recovery), OpenError> {
        let dir = options.dir.clone();
        let (writer, recovery) = open::open(options)?;
        let shared = writer.shared.clone();
        let (queue, commands) = mpsc::channel(QUEUE_BATCHES_MAX);
        let thread = thread::Builder::new()
            .name("historian-log".into())
            .spawn(move || writer.run(commands))
            .map_err(OpenError::io("starting the writer thread for", &dir))?;
        let inner = Inner {
            shared,
            queue: Some(queue),
            queue_bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            thread: Mutex::new(Some(thread)),
        };
        Ok((Historian { inner: Arc::new(inner) }, recovery))
    }

    /// Stores a batch. Resolves once it is durable and visible to every query; all of it, or none.
    ///
    /// The batch is stored even if the future is dropped after its first poll, so repeat it when in doubt: a batch of
    /// the same source, epoch and first sequence is acknowledged as a duplicate. Waits while the queue is full.
    ///
    /// A source numbers on: a batch behind what it has sent counts as stored. After a refusal send the refused batch
    /// again before any later one; later ones that were under way already are refused with it.
    pub fn append(&self, batch: SampleBatch) -> BoxFuture<Result<Appended, AppendError>> {
        let inner = self.inner.clone();
        // At the call, not at the first poll: what the caller knows is what counts.
        let failures_seen = inner.shared.failures.load(Ordering::SeqCst);
        Box::pin(async move {
            batch.check()?;
            // Encoded here, on the caller's thread: the writer thread does nothing but write and sync.
            let record = log::encode_record(&batch);
            let bytes = record.len();
            if bytes > RECORD_BYTES_MAX {
                return Err(AppendError::TooLarge { bytes, max: RECORD_BYTES_MAX });
            }
            let share = u32::try_from(bytes.min(QUEUE_BYTES_MAX)).unwrap_or(u32::MAX);
            let permit = inner.queue_bytes.clone().acquire_many_owned(share).await;
            let permit = permit.map_err(|_| AppendError::Closed)?;
            let (reply, answer) = oneshot::channel();
            let rows = batch.rows();
            let entry = Entry {
                header: batch.header,
                rows,
                sections: batch.sections,
                record,
                failures_seen,
                reply,
                permit,
            };
            inner.send(Command::Append(entry)).await.ok_or(AppendError::Closed)?;
            answer.await.unwrap_or(Err(AppendError::Closed))
        })
    }

    /// What is known of some points now, from memory, in the order asked; `None` for a point without rows.
    pub fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>> {
        let state = self.inner.shared.state();
        points.iter().map(|point| state.latest.get(*point)).collect()
    }

    /// Rows of some points. The sections, one after the other, give the rows point by point in the order asked, and
    /// per point in time order; a new section begins where the type changes. Of rows with the same point and source
    /// time the one written last is there alone. What is damaged is missing here and listed by [`Historian::damaged`].
    pub fn range(&self, query: RangeQuery) -> BoxFuture<Result<Vec<Section>, ReadError>> {
        self.read(move |shared| {
            let view = shared.view(&query.points, query.from, query.to);
            let mut damaged = Vec::new();
            let sections = view.range(&query, &mut damaged);
            shared.report(damaged);
            sections
        })
    }

    /// Equal spans of some points, in the order asked. Bucket `i` of `n` starts `i * (to - from) / n` after `from`,
    /// rounded up to a nanosecond. Booleans count as 0 and 1; of text and bytes only Bad rows count. Rows pass by and
    /// are not kept.
    pub fn aggregate(&self, query: AggregateQuery) -> BoxFuture<Result<Vec<Aggregate>, ReadError>> {
        let (points, buckets) = (query.points.len(), query.buckets);
        let total = points.saturating_mul(buckets as usize);
        if !(1..=AggregateQuery::BUCKETS_MAX).contains(&buckets) || total > AggregateQuery::BUCKETS_TOTAL_MAX
        {
            return Box::pin(async move { Err(ReadError::Buckets { points, buckets }) });
        }
        self.read(move |shared| {
            let view = shared.view(&query.points, query.from, query.to);
            let mut damaged = Vec::new();
            let aggregates = view.aggregate(&query, &mut damaged);
            shared.report(damaged);
            aggregates
        })
    }

    /// Reads on a thread that may block, so that a slow disk never holds up the caller's other tasks.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, ReadError> + Send + 'static,
    ) -> BoxFuture<Result<T, ReadError>> {
        let (shared, readers) = (self.inner.shared.clone(), self.inner.readers.clone());
        Box::pin(async move {
            let permit = readers.acquire_owned().await.map_err(|_| ReadError::Stopped)?;
            let work = move || {
                let _reading = permit;
                work(&shared)
            };
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime.spawn_blocking(work).await.map_err(|_| ReadError::Stopped)?,
                // Without a runtime there are no other tasks to hold up.
                Err(_) => work(),
            }
        })
    }

    /// How far a source has got, from memory; kept across restarts. `None` when it never sent a row.
    pub fn source_state(&self, source: SourceId) -> Option<SourceState> {
        self.inner.shared.state().sources.get(&source).copied()
    }

    /// Figures of this store.
    pub fn stats(&self) -> Stats {
        let (memory_bytes, memory_rows) = {
            let state = self.inner.shared.state();
            (state.table.bytes() + state.latest.0.bytes(), u64::from(state.table.rows()))
        };
        Stats { memory_bytes, memory_rows, ..self.inner.shared.stats().clone() }
    }

    /// Places found, since the store was opened, that do not hold what was written: gaps with their cause.
    pub fn damaged(&self) -> Vec<Damage> {
        self.inner.shared.damaged()
    }

    /// Puts all rows in memory into segments. Happens by itself when memory is full.
    pub fn flush(&self) -> BoxFuture<Result<(), FlushError>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            inner.send(Command::Flush(reply)).await.ok_or(FlushError::Closed)?;
            answer.await.unwrap_or(Err(FlushError::Closed))
        })
    }

    /// Flushes, ends the writer thread and lets another process in. Appends through other handles are refused from then
    /// on; queries go on. The store is closed even when the flush fails: the rows are in the log.
    pub fn close(self) -> BoxFuture<Result<(), FlushError>> {
        let inner = self.inner;
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            inner.send(Command::Close(reply)).await.ok_or(FlushError::Closed)?;
            let flushed = answer.await.unwrap_or(Err(FlushError::Closed));
            inner.join();
            flushed
        })
    }
}
