//! From memory to a segment: what is flushed leaves the log.
//!
//! Full memory is frozen and a thread of its own writes it out, while appends go on into fresh memory. The order is the
//! guarantee: the segment durable, and the snapshot of latest values if there is one, then the manifest, then memory and log
//! let go. A stop anywhere leaves either the old manifest with its log, or the new one.

mod job;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use types::Time;

use crate::{
    FlushError,
    compactor::Request,
    format::file_name,
    manifest::{NAME, SegmentEntry, StoreError},
    memory::LatestTable,
    segment::Segment,
    shared::{Frozen, Shared},
    writer::Writer,
};
use job::Job;

/// A snapshot of latest values is written with every so many flushes: it costs as much as there are points. What a start
/// must read instead is so many segments less one.
pub(crate) const LATEST_EVERY: usize = 4;
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

/// A flush under way; `None` when no thread could be had.
pub(crate) type Flushing = JoinHandle<FlushDone>;

/// What came of it.
pub(crate) struct FlushDone {
    made: Vec<PathBuf>,
    written: Result<Written, FlushError>,
}

/// Files that are durable but for the directory.
struct Written {
    /// `None` when there were no rows.
    segment: Option<Segment>,
    /// Number of the snapshot, when one was written.
    latest_number: Option<u64>,
    latest: LatestTable,
}

impl Writer {
    /// Puts all rows in memory into segments and waits for it. After an error everything is as before, in memory and in
    /// the log.
    pub(crate) fn flush(&mut self) -> Result<(), FlushError> {
        self.end_flush()?;
        loop {
            self.freeze(self.is_latest_wrong());
            if self.shared.state().frozen.is_none() {
                self.let_go();
                return Ok(());
            }
            self.begin_flush(true)?;
            self.end_flush()?;
        }
    }

    /// Makes room in memory that is full, where that can be done: rows go to a flush, which is waited for only when the
    /// one before it is not through.
    pub(crate) fn make_memory(&mut self) -> Result<(), FlushError> {
        self.end_flush()?;
        if self.shared.state().frozen.is_some() {
            // The one before failed.
            self.begin_flush(false)?;
            self.end_flush()?;
        }
        self.freeze(false);
        self.begin_flush(false)
    }

    /// Whether the snapshot of latest values was made without a deletion.
    pub(crate) fn is_latest_wrong(&self) -> bool {
        let known = self.shared.latest_order.load(Ordering::Relaxed);
        self.manifest.format > 1 && self.manifest.deletions.iter().any(|deletion| deletion.order > known)
    }

    /// Sets the rows in memory aside, unless there are some aside; none at all only when `even_none`.
    pub(crate) fn freeze(&mut self, even_none: bool) {
        let mut state = self.shared.state_mut();
        if state.frozen.is_some() || (state.table.rows() == 0 && !even_none) {
            return;
        }
        let table = std::mem::take(&mut state.table);
        let (order, log_end, sources) =
            (self.manifest.next_order, self.log.next_lsn(), state.sources.clone());
        state.frozen = Some(Arc::new(Frozen { table, order, log_end, sources }));
        drop(state);
        self.manifest.next_order += 1;
        self.log.close_current();
    }

    /// Starts to write out the rows that are set aside; with a snapshot of latest values when `whole`, or when several
    /// segments came without one.
    pub(crate) fn begin_flush(&mut self, whole: bool) -> Result<(), FlushError> {
        let known = self.shared.latest_order.load(Ordering::Relaxed);
        let unknown = self.manifest.segments.iter().filter(|segment| segment.order.1 > known).count();
        let with_latest = whole || known == 0 || unknown + 1 >= LATEST_EVERY || self.manifest.format == 1;
        let state = self.shared.state();
        let Some(frozen) = state.frozen.clone() else { return Ok(()) };
        let job = Job {
            shared: self.shared.clone(),
            dir: self.dir.clone(),
            store_id: self.manifest.store_id,
            format: self.manifest.format,
            chunk_rows: self.chunk_rows,
            frozen,
            latest: state.latest.clone(),
            segments: state.segments.clone(),
            deletions: state.deletions.clone(),
            latest_order: known,
            with_latest,
            wake: self.wake.clone(),
        };
        drop(state);
        let thread = thread::Builder::new().name("historian-flush".into());
        let flushing =
            thread.spawn(move || job.run()).map_err(FlushError::io("starting a thread for", &self.dir))?;
        self.flushing = Some(flushing);
        Ok(())
    }

    /// Waits for the flush that is under way, if any, and brings what it wrote into force.
    pub(crate) fn end_flush(&mut self) -> Result<(), FlushError> {
        let Some(flushing) = self.flushing.take() else { return Ok(()) };
        let Ok(FlushDone { mut made, written }) = flushing.join() else {
            return Err(FlushError::Io {
                action: "writing segments in",
                file: self.dir.clone(),
                cause: "the thread panicked; the log tells more".into(),
            });
        };
        let installed = match written {
            Ok(written) => self.install_flush(written),
            Err(error) => Err((error, false)),
        };
        match installed {
            Ok(()) => {
                self.let_go();
                // One request says as much as many; one that is busy looks again by itself.
                if !self.signals.look.swap(true, Ordering::Relaxed) {
                    let _ = self.compactor.try_send(Request::Look);
                }
                Ok(())
            }
            Err((error, doubtful)) => {
                if doubtful {
                    self.doubtful.append(&mut made);
                }
                self.remove(made);
                Err(error)
            }
        }
    }

    /// Brings what a flush wrote into force; the flag says whether the new manifest may stand all the same.
    fn install_flush(&mut self, written: Written) -> Result<(), (FlushError, bool)> {
        let Some(frozen) = self.shared.state().frozen.clone() else { return Ok(()) };
        let mut next = self.manifest.clone();
        next.segments.extend(written.segment.iter().map(|segment| segment.entry.clone()));
        next.log_start = frozen.log_end;
        next.sources = frozen.sources.clone();
        let old_latest =
            written.latest_number.map(|number| std::mem::replace(&mut next.latest_number, number));
        self.replace_manifest(next).map_err(|error| {
            let doubtful = matches!(error, StoreError::During(_));
            (FlushError::io("replacing", &self.dir.join(NAME))(error.into_io()), doubtful)
        })?;
        if let Some(old) = old_latest {
            self.shared.latest_order.store(frozen.order, Ordering::Relaxed);
            if old != 0 {
                self.doubtful.push(self.dir.join(file_name(old, "latest")));
            }
        }
        let mut state = self.shared.state_mut();
        state.segments = sorted(state.segments.iter().cloned().chain(written.segment.map(Arc::new)));
        state.latest = Arc::new(written.latest);
        let flushed = state.frozen.take();
        drop(state);
        drop(flushed);
        Ok(())
    }

    /// Removes what the manifest no longer needs and brings the figures up to date.
    fn let_go(&mut self) {
        let no_longer_needed = std::mem::take(&mut self.doubtful);
        self.remove(no_longer_needed);
        self.log.retire(self.manifest.log_start);
        self.refresh_stats();
    }

    /// Brings the figures that change with files up to date.
    pub(crate) fn refresh_stats(&self) {
        let segments = &self.manifest.segments;
        let mut stats = self.shared.stats();
        stats.format = self.manifest.format;
        stats.log_bytes = self.log.bytes();
        stats.segments = segments.len();
        stats.segment_bytes = segments.iter().map(|segment| segment.bytes).sum();
        stats.segment_rows = segments.iter().map(|segment| segment.rows).sum();
        stats.replaced_rows = segments.iter().map(|segment| segment.history_rows).sum();
    }

    /// Best effort: what stays behind is removed or set aside at the next open.
    pub(crate) fn remove(&self, files: Vec<PathBuf>) {
        for file in files {
            if let Err(error) = self.shared.disk.remove(&file)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = %file.display(), %error, "a file that is no longer needed cannot be removed");
            }
        }
    }
}

/// By order: see manifest.rs.
pub(crate) fn sorted(segments: impl Iterator<Item = Arc<Segment>>) -> Arc<[Arc<Segment>]> {
    let mut segments: Vec<_> = segments.collect();
    segments.sort_by_key(|segment| (segment.entry.order.1, segment.entry.number));
    segments.into()
}

/// Opens what was just written the way a reader will.
pub(crate) fn read_back(
    shared: &Shared,
    dir: &std::path::Path,
    store_id: [u8; 16],
    entry: SegmentEntry,
) -> Result<Segment, FlushError> {
    let (path, mut damaged) = (dir.join(file_name(entry.number, "seg")), Vec::new());
    let wrong = |cause: String| FlushError::Io { action: "reading back", file: path.clone(), cause };
    let segment = Segment::open(&shared.disk, dir, store_id, entry, &mut damaged)
        .map_err(|error| wrong(error.to_string()))?
        .map_err(|error| wrong(error.to_string()))?;
    match damaged.first() {
        Some(damage) => Err(wrong(damage.cause.clone())),
        None => Ok(segment),
    }
}

pub(crate) fn day(time: Time) -> i64 {
    time.0.div_euclid(DAY_NS)
}
