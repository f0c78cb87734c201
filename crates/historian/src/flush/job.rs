//! One flush at work, in a thread of its own: rows that are set aside become a segment, and the latest values learn of
//! them. Nothing of it counts before the writer names it in the manifest.

use std::{
    io,
    ops::Range,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::mpsc;
use types::{PointId, Time, ValueType};

use super::{FlushDone, Written, day, read_back};
use crate::{
    Deletion, FlushError,
    chunk::{Kind, Layout},
    column::Effort,
    disk::write_whole,
    format::file_name,
    manifest::SegmentEntry,
    memory::{LatestEntry, LatestTable, Place},
    read::View,
    rows::{Rows, rows_of_bytes},
    segment::Segment,
    segment_writer::SegmentWriter,
    shared::{Frozen, Shared},
    snapshot,
    writer::Command,
};

/// Bytes of text and bytes after which a chunk is closed.
const CHUNK_VALUE_BYTES: usize = 1 << 20;

/// All that a flush needs.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) dir: PathBuf,
    pub(super) store_id: [u8; 16],
    pub(super) format: u32,
    pub(super) chunk_rows: usize,
    pub(super) frozen: Arc<Frozen>,
    pub(super) latest: Arc<LatestTable>,
    pub(super) segments: Arc<[Arc<Segment>]>,
    pub(super) deletions: Arc<[Deletion]>,
    /// Deletions of a higher order are not in the latest values.
    pub(super) latest_order: u64,
    /// Write a snapshot of latest values.
    pub(super) with_latest: bool,
    pub(super) wake: mpsc::WeakSender<Command>,
}

impl Job {
    pub(super) fn run(self) -> FlushDone {
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
        let mut entry = None;
        if self.frozen.table.rows() > 0 {
            let path = self.dir.join(file_name(first_number, "seg"));
            let temporary = path.with_added_extension("tmp");
            made.push(temporary.clone());
            entry = Some(self.write_segment(first_number).map_err(FlushError::io("writing", &temporary))?);
            made.push(path.clone());
            disk.rename(&temporary, &path).map_err(FlushError::io("renaming", &temporary))?;
        }
        let latest = self.join_latest();
        let latest_number = self.with_latest.then_some(first_number + 1);
        if let Some(number) = latest_number {
            let path = self.dir.join(file_name(number, "latest"));
            let bytes = snapshot::encode(&latest, self.frozen.order, self.format, self.store_id, number);
            made.push(path.clone());
            write_whole(&**disk, &path, &bytes).map_err(FlushError::io("writing", &path))?;
        }
        disk.sync_dir(&self.dir).map_err(FlushError::io("syncing", &self.dir))?;
        let read_back = |entry| read_back(&self.shared, &self.dir, self.store_id, entry);
        let segment = entry.map(read_back).transpose()?;
        Ok(Written { segment, latest_number, latest })
    }

    /// Writes all rows, under a temporary name, durable but for the directory.
    fn write_segment(&self, number: u64) -> io::Result<SegmentEntry> {
        let path = self.dir.join(file_name(number, "seg")).with_added_extension("tmp");
        let (order, table) = (self.frozen.order, &self.frozen.table);
        let settled = self.deletions.iter().map(|deletion| deletion.order).max().unwrap_or(0);
        let entry = SegmentEntry { settled, ..SegmentEntry::new(number, self.format, (order, order), None) };
        let layout = if self.format == 1 { Layout::V1 } else { Layout::V2(Effort::Hot) };
        let mut writer =
            SegmentWriter::new(&*self.shared.disk, &path, self.store_id, entry, layout, self.chunk_rows)?;
        for (point, places) in table.sorted().iter() {
            if !self.write_few(&mut writer, point, places)? {
                self.write_point(&mut writer, point)?;
            }
        }
        writer.finish()
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

    /// The latest values with those of the rows that are written out, and without what was deleted or replaced.
    fn join_latest(&self) -> LatestTable {
        let mut latest = LatestTable::clone(&self.latest);
        let table = &self.frozen.table;
        let points: Vec<PointId> = table.points().collect();
        latest.0.each(&points, |at, entry| table.latest(points[at], entry));
        let deletions: Vec<&Deletion> =
            self.deletions.iter().filter(|deletion| deletion.order > self.latest_order).collect();
        let is_wrong = |(point, entry): (PointId, &Option<LatestEntry>)| {
            let entry = entry.as_ref()?;
            let is_deleted = |d: &&Deletion| {
                d.covers(point, entry.quality_time)
                    || (entry.value.is_some() && d.covers(point, entry.value_time))
            };
            let recorded = deletions.iter().filter(|d| is_deleted(d)).map(|d| d.recorded).max();
            match recorded {
                Some(recorded) => Some((point, recorded)),
                None => entry.is_replaced.then_some((point, entry.recorded)),
            }
        };
        let wrong: Vec<(PointId, Time)> = latest.0.iter().filter_map(is_wrong).collect();
        for (point, recorded) in wrong {
            let memory = table.rows_of(point, Time::MIN, Time::MAX, None, &self.deletions);
            let view = View {
                segments: self.segments.clone(),
                memory: vec![memory.into_iter().map(|rows| (0, rows)).collect()],
                deletions: self.deletions.clone(),
                known_at: None,
            };
            let mut damaged = Vec::new();
            match view.latest(point, recorded, &mut damaged) {
                Ok(entry) => *latest.0.entry(point) = entry,
                Err(error) => tracing::warn!(%error, ?point, "its latest value cannot be worked out anew"),
            }
            self.shared.report(damaged);
        }
        latest
    }
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
