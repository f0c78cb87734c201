//! Compaction of some segments: their rows, merged and written as few larger chunks, with summaries.

use std::{
    collections::BTreeMap,
    io, mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use types::{PointId, Time, ValueType};

use crate::{
    Damage,
    chunk::{Kind, Layout},
    column::Effort,
    deletion::{Deletion, Hold},
    disk::Disk,
    flush::day,
    format::file_name,
    manifest::{SegmentEntry, Window},
    merge::{Direction, Waiting, merge},
    plan::{Target, window_of},
    rewrite::Rewrite,
    rows::{NEVER, Rows, steps_after},
    segment::Segment,
    segment_writer::SegmentWriter,
    walk::{Piece, Walk},
};

/// Why segments were not compacted. They stay as they are.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The store is being closed.
    Stopped,
    /// The disk failed.
    Io(io::Error),
    /// A segment holds damage: what is left of it is not touched.
    Damaged { segment: u64, damage: Damage },
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

/// All that a compaction needs.
pub(crate) struct Work<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) dir: &'a Path,
    pub(crate) store_id: [u8; 16],
    pub(crate) format: u32,
    /// By order.
    pub(crate) inputs: &'a [Arc<Segment>],
    pub(crate) into: Target,
    pub(crate) today: i64,
    pub(crate) deletions: &'a [Deletion],
    pub(crate) holds: &'a [Hold],
    /// Rows that were replaced before this are dropped.
    pub(crate) corrections_from: Time,
    pub(crate) chunk_rows: usize,
    pub(crate) next_number: &'a dyn Fn() -> u64,
    /// Told after every bit of work; gives whether to go on.
    pub(crate) pace: &'a mut dyn FnMut(u64) -> bool,
    /// Names of files that were made.
    pub(crate) made: &'a mut Vec<PathBuf>,
}

/// The files being written.
pub(crate) type Outputs = BTreeMap<Window, Output>;

/// One of them.
pub(crate) struct Output {
    path: PathBuf,
    pub(crate) writer: SegmentWriter,
}

impl Work<'_> {
    /// Writes the outputs under final names, durable but for the directory.
    pub(crate) fn run(&mut self) -> Result<Vec<SegmentEntry>, Failure> {
        let mut walks = Vec::new();
        for (rank, segment) in self.inputs.iter().enumerate() {
            // What was replaced in a file is older than what is current in it.
            walks.push(Walk::new(segment, Kind::History, 2 * rank)?);
            walks.push(Walk::new(segment, Kind::Current, 2 * rank + 1)?);
        }
        let (mut outputs, mut pieces) = (Outputs::new(), Vec::new());
        loop {
            let mut next: Option<PointId> = None;
            for walk in &mut walks {
                next = [next, walk.next_point()?].into_iter().flatten().min();
            }
            let Some(point) = next else { break };
            self.point(point, &mut walks, &mut pieces, &mut outputs)?;
        }
        self.finish(outputs)
    }

    fn point(
        &mut self,
        point: PointId,
        walks: &mut [Walk<'_>],
        pieces: &mut Vec<(usize, Piece)>,
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        pieces.clear();
        for (at, walk) in walks.iter_mut().enumerate() {
            while let Some(piece) = walk.take_of(point)? {
                pieces.push((at, piece));
            }
        }
        if self.copy_few(point, pieces, outputs)? {
            return Ok(());
        }
        let waiting = pieces.drain(..).map(|(at, piece)| Waiting {
            first: piece.first().0,
            rank: walks[at].rank,
            source: (walks[at].segment, piece),
        });
        let deletions: Vec<&Deletion> = self.deletions.iter().filter(|d| d.names(point)).collect();
        let mut open = |(segment, piece): (&Arc<Segment>, Piece)| {
            let mut rows = piece.rows(segment)?;
            for deletion in deletions.iter().filter(|d| segment.entry.is_hidden_by(d)) {
                delete(&mut rows, point, deletion);
            }
            Ok::<_, Failure>(Some(rows))
        };
        let waiting = waiting.collect();
        let mut rewrite = Rewrite::new(self, point, outputs);
        merge(waiting, &mut open, Direction { newest_first: false }, &mut rewrite)?;
        rewrite.finish()
    }

    /// Copies the rows of a point when they are few, of a fixed width, and nothing has to be settled: parts of shared
    /// chunks, one after the other in time, of one type and one window. Otherwise nothing.
    fn copy_few(
        &mut self,
        point: PointId,
        pieces: &mut [(usize, Piece)],
        outputs: &mut Outputs,
    ) -> Result<bool, Failure> {
        pieces.sort_by_key(|(_, piece)| piece.first());
        let (Some((_, first)), Some((_, last))) = (pieces.first(), pieces.last()) else { return Ok(true) };
        let of = first.shared_type();
        let is_fixed = of.is_some_and(|of| !matches!(of, Some(ValueType::String | ValueType::Bytes)));
        let is_plain = is_fixed
            && pieces.iter().all(|(_, piece)| piece.shared_type() == of)
            && pieces.windows(2).all(|pair| pair[0].1.last() < pair[1].1.first())
            && !self.deletions.iter().any(|deletion| deletion.names(point));
        let window = match self.into {
            Target::One(window) => window,
            Target::ByDay => window_of(day(first.first()), self.today),
        };
        let is_inside =
            matches!(self.into, Target::One(_)) || window.end().is_none_or(|end| last.last() < end);
        let (Some(of), true, true) = (of, is_plain, is_inside) else { return Ok(false) };
        let rows = pieces.iter().map(|(_, piece)| piece.shared_rows()).sum();
        let writer = &mut self.output(outputs, window)?.writer;
        if !writer.are_few(rows) {
            return Ok(false);
        }
        let before = writer.bytes();
        let shared = writer.shared(of, rows)?;
        for (_, piece) in &*pieces {
            if let Piece::Part(chunk, range) = piece {
                shared.extend(&chunk.rows, range.clone());
            }
        }
        writer.name_owner(of, point);
        let bytes = writer.bytes();
        if bytes != before && !(self.pace)(bytes) { Err(Failure::Stopped) } else { Ok(true) }
    }

    pub(crate) fn output<'o>(
        &mut self,
        outputs: &'o mut Outputs,
        window: Window,
    ) -> io::Result<&'o mut Output> {
        use std::collections::btree_map::Entry;
        let vacant = match outputs.entry(window) {
            Entry::Occupied(entry) => return Ok(entry.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let number = (self.next_number)();
        let path = self.dir.join(file_name(number, "seg"));
        let temporary = path.with_added_extension("tmp");
        let order = (
            self.inputs.iter().map(|input| input.entry.order.0).min().unwrap_or(0),
            self.inputs.iter().map(|input| input.entry.order.1).max().unwrap_or(0),
        );
        let entry = SegmentEntry {
            settled: self.deletions.iter().map(|deletion| deletion.order).max().unwrap_or(0),
            ..SegmentEntry::new(number, self.format, order, Some(window))
        };
        self.made.push(temporary.clone());
        let layout = Layout::V2(Effort::Cold);
        let writer =
            SegmentWriter::new(&**self.disk, &temporary, self.store_id, entry, layout, self.chunk_rows)?;
        Ok(vacant.insert(Output { path, writer }))
    }

    fn finish(&mut self, outputs: Outputs) -> Result<Vec<SegmentEntry>, Failure> {
        let mut entries = Vec::new();
        for Output { path, writer } in outputs.into_values() {
            entries.push(writer.finish()?);
            self.made.push(path.clone());
            self.disk.rename(&path.with_added_extension("tmp"), &path)?;
        }
        self.disk.sync_dir(self.dir)?;
        Ok(entries)
    }
}

/// Ends the rows that a deletion covers.
fn delete(rows: &mut Rows, point: PointId, deletion: &Deletion) {
    let (Some(first), Some(last)) = (rows.times.first(), rows.times.last()) else { return };
    if !deletion.touches(point, *first, Time(last.0.saturating_add(1))) {
        return;
    }
    let mut until = mem::take(&mut rows.known.until);
    until.resize(rows.len(), NEVER);
    for (time, until) in rows.times.iter().zip(&mut until) {
        if deletion.covers(point, *time) {
            *until = (*until).min(steps_after(*time, deletion.recorded));
        }
    }
    rows.known.until = until;
}
