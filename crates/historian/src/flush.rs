//! From memory to a segment: what is flushed leaves the log.
//!
//! Full memory is frozen and a thread of its own writes it out, while appends go on into fresh memory. The order is the
//! guarantee: segment and snapshot durable, then the manifest, then memory and log let go. A stop anywhere leaves either
//! the old manifest with its log, or the new one.

use std::{
    io,
    ops::Range,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;
use types::{PointId, Time, ValueType};

use crate::{
    Deletion, FlushError,
    chunk::{Kind, Layout},
    column::Effort,
    compactor::Request,
    disk::write_whole,
    format::file_name,
    manifest::{NAME, SegmentEntry, StoreError},
    memory::{LatestTable, Place},
    rows::{Rows, rows_of_bytes},
    segment::Segment,
    segment_writer::SegmentWriter,
    shared::{Frozen, Shared},
    snapshot,
    writer::{Command, Writer},
};

/// Bytes of text and bytes after which a chunk is closed.
const CHUNK_VALUE_BYTES: usize = 1 << 20;
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
    segment: Segment,
    /// Number of the snapshot, when one was written.
    latest_number: Option<u64>,
    latest: LatestTable,
}

/// All that a flush needs.
struct Job {
    shared: Arc<Shared>,
    dir: PathBuf,
    store_id: [u8; 16],
    format: u32,
    chunk_rows: usize,
    frozen: Arc<Frozen>,
    latest: Arc<LatestTable>,
    deletions: Arc<[Deletion]>,
    /// Write a snapshot of latest values.
    with_latest: bool,
    wake: mpsc::WeakSender<Command>,
}

impl Writer {
    /// Puts all rows in memory into segments and waits for it. After an error everything is as before, in memory and in
    /// the log.
    pub(crate) fn flush(&mut self) -> Result<(), FlushError> {
        self.end_flush()?;
        loop {
            self.freeze();
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
        self.freeze();
        self.begin_flush(false)
    }

    /// Sets the rows in memory aside, unless there are some aside or there are none.
    pub(crate) fn freeze(&mut self) {
        let mut state = self.shared.state_mut();
        if state.frozen.is_some() || state.table.rows() == 0 {
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
            deletions: state.deletions.clone(),
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
        next.segments.push(written.segment.entry.clone());
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
        let added = Arc::new(written.segment);
        state.segments = sorted(state.segments.iter().cloned().chain([added]));
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

impl Job {
    fn run(self) -> FlushDone {
        let mut made = Vec::new();
        let written = self.write(&mut made);
        // A writer that is busy looks by itself; one that is gone has no use for it.
        if let Some(queue) = self.wake.upgrade() {
            let _ = queue.try_send(Command::Look);
        }
        FlushDone { made, written }
    }

    fn write(&self, made: &mut Vec<PathBuf>) -> Result<Written, FlushError> {
        let disk = &self.shared.disk;
        let first_number = self.shared.next_number.fetch_add(2, Ordering::Relaxed);
        let path = self.dir.join(file_name(first_number, "seg"));
        let temporary = path.with_added_extension("tmp");
        made.push(temporary.clone());
        let (entry, latest) =
            self.write_segment(first_number).map_err(FlushError::io("writing", &temporary))?;
        made.push(path.clone());
        disk.rename(&temporary, &path).map_err(FlushError::io("renaming", &temporary))?;

        let latest_number = self.with_latest.then_some(first_number + 1);
        if let Some(number) = latest_number {
            let path = self.dir.join(file_name(number, "latest"));
            let bytes = snapshot::encode(&latest, self.frozen.order, self.format, self.store_id, number);
            made.push(path.clone());
            write_whole(&**disk, &path, &bytes).map_err(FlushError::io("writing", &path))?;
        }
        disk.sync_dir(&self.dir).map_err(FlushError::io("syncing", &self.dir))?;
        let segment = read_back(&self.shared, &self.dir, self.store_id, entry)?;
        Ok(Written { segment, latest_number, latest })
    }

    /// Writes all rows, under a temporary name, durable but for the directory; with the latest of each point.
    fn write_segment(&self, number: u64) -> io::Result<(SegmentEntry, LatestTable)> {
        let path = self.dir.join(file_name(number, "seg")).with_added_extension("tmp");
        let (order, table) = (self.frozen.order, &self.frozen.table);
        let settled = self.deletions.iter().map(|deletion| deletion.order).max().unwrap_or(0);
        let entry = SegmentEntry { settled, ..SegmentEntry::new(number, self.format, (order, order), None) };
        let layout = if self.format == 1 { Layout::V1 } else { Layout::V2(Effort::Hot) };
        let mut writer =
            SegmentWriter::new(&*self.shared.disk, &path, self.store_id, entry, layout, self.chunk_rows)?;
        let sorted = table.sorted();
        for (point, places) in sorted.iter() {
            if !self.write_few(&mut writer, point, places)? {
                self.write_point(&mut writer, point)?;
            }
        }
        let mut latest = LatestTable::clone(&self.latest);
        let points: Vec<PointId> = sorted.iter().map(|(point, _)| point).collect();
        latest.0.each(&points, |at, entry| table.latest(points[at], entry));
        Ok((writer.finish()?, latest))
    }

    /// Writes the rows of a point when they are few, plain and of a fixed width; otherwise nothing.
    fn write_few(&self, writer: &mut SegmentWriter, point: PointId, places: &[Place]) -> io::Result<bool> {
        let table = &self.frozen.table;
        let plain = table.plain(point, &self.deletions).filter(|_| writer.are_few(places.len()));
        let Some(of) = plain.filter(|of| !matches!(of, Some(ValueType::String | ValueType::Bytes))) else {
            return Ok(false);
        };
        let rows = writer.shared(of, places.len())?;
        let before = rows.len();
        table.append(places, rows);
        if !rows.times[before..].is_sorted_by(|a, b| a < b) {
            rows.truncate(before);
            return Ok(false);
        }
        writer.name_owner(of, point);
        Ok(true)
    }

    fn write_point(&self, writer: &mut SegmentWriter, point: PointId) -> io::Result<()> {
        let split = self.frozen.table.split(point, &self.deletions);
        let few = writer.are_few(split.current.iter().map(Rows::len).sum());
        for rows in split.current {
            if few && writer.are_small(&rows) {
                let of = rows.values.value_type();
                writer.shared(of, rows.len())?.extend(&rows, 0..rows.len());
                writer.name_owner(of, point);
            } else {
                self.write_chunks(writer, Kind::Current, point, rows)?;
            }
        }
        if self.format > 1 {
            for rows in split.history {
                self.write_chunks(writer, Kind::History, point, rows)?;
            }
        }
        Ok(())
    }

    fn write_chunks(
        &self,
        writer: &mut SegmentWriter,
        kind: Kind,
        point: PointId,
        rows: Rows,
    ) -> io::Result<()> {
        for range in chunk_ranges(&rows, self.chunk_rows) {
            if range.len() == rows.len() {
                return writer.chunk(kind, point, &rows);
            }
            writer.chunk(kind, point, &rows.slice(range))?;
        }
        Ok(())
    }
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

/// Cuts sorted rows into chunks: none crosses a day, none is larger than its bounds.
fn chunk_ranges(rows: &Rows, chunk_rows: usize) -> Vec<Range<usize>> {
    let (times, mut start, mut ranges) = (&rows.times, 0, Vec::new());
    while let Some(first) = times.get(start) {
        let today = day(*first);
        let mut end = start + times[start..].partition_point(|time| day(*time) == today);
        end = end.min(start + chunk_rows);
        end = start + rows_of_bytes(&rows.values, start..end, CHUNK_VALUE_BYTES);
        ranges.push(start..end);
        start = end;
    }
    ranges
}
