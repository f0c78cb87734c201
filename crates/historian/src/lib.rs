//! The historian: samples on disk. Acknowledged means durable; what cannot be read is a gap, never a wrong value.
//!
//! ```text
//! append ─► queue (bounded) ─► writer thread: log, one write and one sync a group ─► memory ─► acknowledged
//!           memory full ─► frozen ─► flush thread: a segment ─► manifest ─► log let go
//!           segments ─► compaction thread, within its budget: fewer, larger, with summaries ─► manifest
//! range, aggregate, trend ─► a view of memory and segments ─► merged in time order
//! ```
//!
//! Every row has two times: when it was true and when we learnt it. What a later row replaced, and what was deleted, is
//! kept beside the current rows for a while, so that it can be asked what was known at an instant.

mod admission;
mod backup;
mod chunk;
mod codec;
mod column;
mod compact;
mod compactor;
mod deletion;
mod disk;
mod error;
mod flush;
mod format;
mod index;
mod log;
mod manifest;
mod memory;
mod merge;
mod open;
mod options;
mod plan;
mod query;
mod read;
mod replay;
mod rewrite;
mod rows;
mod segment;
mod segment_writer;
mod shared;
pub mod sim;
mod snapshot;
mod summary;
mod trend;
mod upkeep;
mod versions;
mod walk;
mod writer;

pub use compactor::Budget;
pub use deletion::{Deletion, Hold, Scope};
pub use disk::{Disk, DiskFile, RealDisk};
pub use error::{AppendError, CompactError, Damage, FlushError, OpenError, ReadError, UpkeepError};
pub use format::VERSION as FORMAT;
pub use options::{CHUNK_ROWS, COMPACT_CHUNK_ROWS, MEMORY_BYTES, Options};
pub use query::{
    AggregateQuery, Appended, Compacted, RangeQuery, Recovery, SourceState, Stats, Terms, Trend, TrendQuery,
};
pub use summary::{At, Summary, Weighted};

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering,
        mpsc::{TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::{Semaphore, mpsc, oneshot};
use types::{Aggregate, Latest, PointId, SampleBatch, Section, SourceId};

use crate::{
    compactor::{Compactor, CompactorThread, Request, Signals},
    shared::Shared,
    writer::{Command, Entry},
};

/// A boxed future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Batches that may wait for the log; the next append waits for a place.
const QUEUE_BATCHES_MAX: usize = 1024;
/// Bytes, of log records and their rows in memory, that may wait for the log; the next append waits for a place.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Queries that read at the same time; the next one waits.
const READERS_MAX: usize = 4;
/// The largest batch, as bytes of its log record.
pub const RECORD_BYTES_MAX: usize = 64 << 20;
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
    compactor: CompactorThread,
    dir: PathBuf,
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
        // While the writer still answers.
        self.compactor.join();
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
        let (queue, commands) = mpsc::channel(QUEUE_BATCHES_MAX);
        let (requests, asked) = sync_channel(compactor::REQUESTS_MAX);
        let signals = Arc::new(Signals::default());
        let (now, terms, budget) = (options.now.clone(), options.terms, options.budget);
        let chunk_rows = (options.chunk_rows * 4).clamp(1, COMPACT_CHUNK_ROWS);
        let (writer, recovery) = open::open(options, queue.downgrade(), requests.clone(), signals.clone())?;
        let shared = writer.shared.clone();
        let thread = thread::Builder::new()
            .name("historian-log".into())
            .spawn(move || writer.run(commands))
            .map_err(OpenError::io("starting the writer thread for", &dir))?;
        let compactor = Compactor {
            shared: shared.clone(),
            dir: dir.clone(),
            now,
            terms,
            chunk_rows,
            budget,
            queue: queue.downgrade(),
            signals: signals.clone(),
            spared: Vec::new(),
        };
        let compacting = thread::Builder::new()
            .name("historian-compact".into())
            .spawn(move || compactor.run(asked))
            .map_err(OpenError::io("starting the compaction thread for", &dir))?;
        let compactor = CompactorThread { requests, signals, thread: Mutex::new(Some(compacting)) };
        let inner = Inner {
            shared,
            queue: Some(queue),
            compactor,
            dir,
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
            let record = log::encode_record(&batch, inner.shared.format.load(Ordering::Relaxed));
            if record.len() > RECORD_BYTES_MAX {
                return Err(AppendError::TooLarge { bytes: record.len(), max: RECORD_BYTES_MAX });
            }
            let bytes = record.len() + batch.sections.iter().map(memory::section_bytes).sum::<usize>();
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
                bytes,
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
        self.inner.shared.latest(points)
    }

    /// Rows of some points. The sections, one after the other, give the rows point by point in the order asked, and
    /// per point in time order; a new section begins where the type changes. Of rows with the same point and source
    /// time the one written last is there alone. What is damaged is missing here and listed by [`Historian::damaged`].
    pub fn range(&self, query: RangeQuery) -> BoxFuture<Result<Vec<Section>, ReadError>> {
        self.read(move |shared| {
            let view = shared.view(&query.points, query.from, query.to, query.known_at);
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
            let view = shared.view(&query.points, query.from, query.to, None);
            let mut damaged = Vec::new();
            let aggregates = view.aggregate(&query, &mut damaged);
            shared.report(damaged);
            aggregates
        })
    }

    /// What a chart of some points needs, in the order asked: first, smallest, largest and last value of each column, and
    /// what else a [`Summary`] tells. Years are answered from summaries; rows that lie across others, because they came
    /// late or were corrected, are read until compaction has put them in order.
    pub fn trend(&self, query: TrendQuery) -> BoxFuture<Result<Vec<Trend>, ReadError>> {
        let (points, columns) = (query.points.len(), query.columns);
        let total = points.saturating_mul(columns as usize);
        if !(1..=TrendQuery::COLUMNS_MAX).contains(&columns) || total > TrendQuery::COLUMNS_TOTAL_MAX {
            return Box::pin(async move { Err(ReadError::Columns { points, columns }) });
        }
        self.read(move |shared| {
            let view = shared.view(&query.points, query.from, query.to, None);
            let mut damaged = Vec::new();
            let trends = view.trend(&query, &mut damaged);
            shared.report(damaged);
            trends
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
            (state.memory_bytes(), state.memory_rows())
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

    /// Merges all segments that can be merged, at once and at full speed. Happens by itself, within its budget, when it is
    /// due.
    pub fn compact(&self) -> BoxFuture<Result<Compacted, CompactError>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            inner.compactor.signals.hurry.store(true, Ordering::Relaxed);
            inner.compactor.requests.try_send(Request::All(reply)).map_err(|error| match error {
                TrySendError::Full(_) => CompactError::Busy { max: compactor::REQUESTS_MAX },
                TrySendError::Disconnected(_) => CompactError::Closed,
            })?;
            answer.await.unwrap_or(Err(CompactError::Closed))
        })
    }

    /// Deletes all rows of a scope that are stored by now; what comes later stays. Durable when it resolves. The rows are
    /// kept for the correction term and answer a query for what was known before. `who` and `why` are kept with it.
    /// [`Historian::latest`] then gives the newest rows that are left, which become the latest with the deletion.
    pub fn delete(&self, scope: Scope, who: &str, why: &str) -> BoxFuture<Result<(), UpkeepError>> {
        let reason = [who.to_string(), why.to_string()];
        self.upkeep(|reply| Command::Delete(scope, reason, reply))
    }

    /// Keeps all rows of a scope from being deleted, by hand or by age, until it is released; gives the hold's number.
    pub fn hold(&self, scope: Scope, who: &str, why: &str) -> BoxFuture<Result<u64, UpkeepError>> {
        let reason = [who.to_string(), why.to_string()];
        self.upkeep(|reply| Command::Hold(scope, reason, reply))
    }

    /// Ends a hold.
    pub fn release(&self, number: u64) -> BoxFuture<Result<(), UpkeepError>> {
        self.upkeep(|reply| Command::Release(number, reply))
    }

    /// Copies the store, with all that is acknowledged by now, into a folder that is empty or absent: a store of its own,
    /// to be opened like this one. By hard links where the file system has them, so that it takes next to no space.
    pub fn backup(&self, target: PathBuf) -> BoxFuture<Result<(), UpkeepError>> {
        let holding = self.upkeep(Command::Backup);
        let (disk, dir) = (self.inner.shared.disk.clone(), self.inner.dir.clone());
        Box::pin(async move {
            let holding = holding.await?;
            let work = move || backup::backup(&*disk, &dir, &holding, &target);
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime.spawn_blocking(work).await.map_err(|_| UpkeepError::Closed)?,
                Err(_) => work(),
            }
        })
    }

    fn upkeep<T: Send + 'static>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, UpkeepError>>) -> Command,
    ) -> BoxFuture<Result<T, UpkeepError>> {
        let inner = self.inner.clone();
        let (reply, answer) = oneshot::channel();
        let command = command(reply);
        Box::pin(async move {
            inner.send(command).await.ok_or(UpkeepError::Closed)?;
            answer.await.unwrap_or(Err(UpkeepError::Closed))
        })
    }

    /// Flushes, ends the writer thread and lets another process in. Appends through other handles are refused from then
    /// on; queries go on. The store is closed even when the flush fails: the rows are in the log.
    pub fn close(self) -> BoxFuture<Result<(), FlushError>> {
        let inner = self.inner;
        Box::pin(async move {
            inner.compactor.join();
            let (reply, answer) = oneshot::channel();
            inner.send(Command::Close(reply)).await.ok_or(FlushError::Closed)?;
            let flushed = answer.await.unwrap_or(Err(FlushError::Closed));
            inner.join();
            flushed
        })
    }
}
