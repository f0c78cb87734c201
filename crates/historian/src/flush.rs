//! From memory to segments: what is flushed leaves the log.
//!
//! The order is the guarantee: segments and snapshot durable, then the manifest, then memory and log let go. A stop
//! anywhere leaves either the old manifest with its log, or the new one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use types::{PointId, Time, Values};

use crate::{
    FlushError,
    disk::{Disk, write_whole},
    format::file_name,
    manifest::{NAME, SegmentEntry, StoreError},
    memory::{Sorted, Table},
    segment::Segment,
    segment_writer::SegmentWriter,
    snapshot,
    writer::Writer,
};

/// The most files of one flush: rows of a UTC day share one, and the days with the fewest rows share the last.
const FILES_MAX: usize = 32;
/// Bytes of text and bytes after which a chunk is closed.
const CHUNK_VALUE_BYTES: usize = 1 << 20;
const DAY_NS: i64 = 86_400_000_000_000;

impl Writer {
    /// Puts all rows in memory into segments. After an error everything is as before, in memory and in the log.
    pub(crate) fn flush(&mut self) -> Result<(), FlushError> {
        if self.shared.state().table.rows() == 0 {
            self.let_go();
            return Ok(());
        }
        let mut made = Vec::new();
        match self.write_files(&mut made) {
            Ok(()) => {}
            Err((error, doubtful)) => {
                if doubtful {
                    self.doubtful.append(&mut made);
                }
                self.remove(made);
                return Err(error);
            }
        }
        self.let_go();
        Ok(())
    }

    /// Writes and installs; `made` gathers the files, the flag says whether the new manifest may stand all the same.
    fn write_files(&mut self, made: &mut Vec<PathBuf>) -> Result<(), (FlushError, bool)> {
        let sure = |error| (error, false);
        let mut next = self.manifest.clone();
        next.generation += 1;
        let state = self.shared.state();
        let first_number = self.next_number;
        // A file that failed may be in the way of its number.
        self.next_number += FILES_MAX as u64;
        let entries = write_segments(&state.table, first_number, made, self).map_err(sure)?;
        next.latest_number = first_number + entries.len() as u64;
        next.next_number = next.latest_number + 1;
        next.log_start = self.log.next_lsn();
        next.sources = state.sources.clone();
        let path = self.dir.join(file_name(next.latest_number, "latest"));
        let snapshot = snapshot::encode(&state.latest, next.store_id, next.latest_number);
        drop(state);
        self.next_number = next.next_number;
        made.push(path.clone());
        let disk = self.shared.disk.clone();
        write_whole(&*disk, &path, &snapshot).map_err(FlushError::io("writing", &path)).map_err(sure)?;
        disk.sync_dir(&self.dir).map_err(FlushError::io("syncing", &self.dir)).map_err(sure)?;
        let opened = self.open_segments(&entries).map_err(sure)?;
        next.segments.extend(entries);
        next.store(&*disk, &self.dir).map_err(|error| {
            let doubtful = matches!(error, StoreError::During(_));
            (FlushError::io("replacing", &self.dir.join(NAME))(error.into_io()), doubtful)
        })?;
        let old_latest = std::mem::replace(&mut self.manifest, next).latest_number;
        if old_latest != 0 {
            self.doubtful.push(self.dir.join(file_name(old_latest, "latest")));
        }
        let mut state = self.shared.state_mut();
        state.segments = state.segments.iter().cloned().chain(opened).collect();
        let table = std::mem::take(&mut state.table);
        drop(state);
        drop(table);
        Ok(())
    }

    /// Reads back what was just written the way a reader will.
    fn open_segments(&self, entries: &[SegmentEntry]) -> Result<Vec<Arc<Segment>>, FlushError> {
        let open = |entry: &SegmentEntry| {
            let (path, mut damaged) = (self.dir.join(file_name(entry.number, "seg")), Vec::new());
            let wrong = |cause: String| FlushError::Io { action: "reading back", file: path.clone(), cause };
            let disk = &*self.shared.disk;
            let segment = Segment::open(disk, &self.dir, self.manifest.store_id, entry.clone(), &mut damaged)
                .map_err(|error| wrong(error.to_string()))?
                .map_err(|error| wrong(error.to_string()))?;
            match damaged.first() {
                Some(damage) => Err(wrong(damage.cause.clone())),
                None => Ok(Arc::new(segment)),
            }
        };
        entries.iter().map(open).collect()
    }

    /// Removes what the manifest no longer needs and brings the figures up to date.
    fn let_go(&mut self) {
        let no_longer_needed = std::mem::take(&mut self.doubtful);
        self.remove(no_longer_needed);
        self.log.close_current();
        self.log.retire(self.manifest.log_start);
        self.refresh_stats();
    }

    /// Brings the figures that change with files up to date.
    pub(crate) fn refresh_stats(&self) {
        let mut stats = self.shared.stats();
        stats.log_bytes = self.log.bytes();
        stats.segments = self.manifest.segments.len();
        stats.segment_bytes = self.manifest.segments.iter().map(|segment| segment.bytes).sum();
        stats.segment_rows = self.manifest.segments.iter().map(|segment| segment.rows).sum();
    }

    /// Best effort: what stays behind is removed or set aside at the next open.
    fn remove(&self, files: Vec<PathBuf>) {
        for file in files {
            if let Err(error) = self.shared.disk.remove(&file)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = %file.display(), %error, "a file that is no longer needed cannot be removed");
            }
        }
    }
}

/// Writes one segment a day, under final names, durable but for the directory.
fn write_segments(
    table: &Table,
    first_number: u64,
    made: &mut Vec<PathBuf>,
    of: &Writer,
) -> Result<Vec<SegmentEntry>, FlushError> {
    let disk: &dyn Disk = &*of.shared.disk;
    let days = own_days(table);
    let mut writers: BTreeMap<Option<i64>, (PathBuf, SegmentWriter)> = BTreeMap::new();
    for point in table.points() {
        for sorted in table.sorted(point, Time::MIN, None) {
            for range in chunk_ranges(&sorted, of.chunk_rows) {
                let day = Some(day(sorted.rows.times[range.start])).filter(|day| days.contains(day));
                let number = first_number + writers.len() as u64;
                let (path, writer) = match writers.entry(day) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        let path = of.dir.join(file_name(number, "seg")).with_added_extension("tmp");
                        made.push(path.clone());
                        let writer = SegmentWriter::new(disk, &path, of.manifest.store_id, number)
                            .map_err(FlushError::io("creating", &path))?;
                        entry.insert((path, writer))
                    }
                };
                write_chunk(writer, table, point, &sorted, range).map_err(FlushError::io("writing", path))?;
            }
        }
    }
    let mut entries = Vec::new();
    for (temporary, writer) in writers.into_values() {
        entries.push(writer.finish().map_err(FlushError::io("writing", &temporary))?);
        let path = temporary.with_extension("");
        made.push(path.clone());
        disk.rename(&temporary, &path).map_err(FlushError::io("renaming", &temporary))?;
    }
    entries.sort_by_key(|entry| entry.number);
    Ok(entries)
}

fn write_chunk(
    writer: &mut SegmentWriter,
    table: &Table,
    point: PointId,
    sorted: &Sorted,
    range: Range<usize>,
) -> io::Result<()> {
    let stamps = table.stamps(&sorted.ordinals[range.clone()]);
    writer.chunk(point, &sorted.rows, range, stamps)
}

/// Days that have a file of their own.
fn own_days(table: &Table) -> HashSet<i64> {
    let mut rows: HashMap<i64, u64> = HashMap::new();
    // Rows come day by day, mostly: one look-up a run of them.
    let (mut today, mut run) = (0, 0);
    for time in table.times() {
        if day(time) != today {
            *rows.entry(today).or_default() += run;
            (today, run) = (day(time), 0);
        }
        run += 1;
    }
    *rows.entry(today).or_default() += run;
    rows.retain(|_, rows| *rows > 0);
    let mut days: Vec<(u64, i64)> = rows.into_iter().map(|(day, rows)| (rows, day)).collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    let own = if days.len() > FILES_MAX { FILES_MAX - 1 } else { FILES_MAX };
    days.into_iter().take(own).map(|(_, day)| day).collect()
}

fn day(time: Time) -> i64 {
    time.0.div_euclid(DAY_NS)
}

/// Cuts sorted rows into chunks: none crosses a day, none is larger than its bounds.
fn chunk_ranges(sorted: &Sorted, chunk_rows: usize) -> Vec<Range<usize>> {
    let (times, mut start, mut ranges) = (&sorted.rows.times, 0, Vec::new());
    while let Some(first) = times.get(start) {
        let today = day(*first);
        let mut end = start + times[start..].partition_point(|time| day(*time) == today);
        end = end.min(start + chunk_rows);
        let mut bytes = 0;
        for row in start..end {
            bytes += match &sorted.rows.values {
                Values::String(v) => v[row].len(),
                Values::Bytes(v) => v[row].len(),
                _ => break,
            };
            if bytes > CHUNK_VALUE_BYTES {
                end = (row + 1).min(end);
                break;
            }
        }
        ranges.push(start..end);
        start = end;
    }
    ranges
}
