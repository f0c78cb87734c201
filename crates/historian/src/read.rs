//! Answers: chunks and memory merged in time order.

use std::{io, ops::ControlFlow, ops::Range, sync::Arc};

use types::{Aggregate, Bucket, PointId, Section, Time, Values};

use crate::{
    AggregateQuery, Damage, Deletion, RangeQuery, ReadError,
    chunk::{Chunk, ChunkEntry, Kind, Want},
    memory::LatestEntry,
    merge::{Direction, Sink, Waiting, merge},
    rows::{NEVER, Rows, instant_after, is_known},
    segment::{ReadFailure, Segment},
};

/// All that is known of some points at one instant: no later append, flush or compaction changes it.
pub(crate) struct View {
    /// By order: see manifest.rs.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    /// Rows of each asked point that no segment holds yet, with how late they were written: all after the segments.
    pub(crate) memory: Vec<Vec<(usize, Rows)>>,
    pub(crate) deletions: Arc<[Deletion]>,
    /// As it was known then; `None`: as it is known now.
    pub(crate) known_at: Option<Time>,
}

/// Where rows are.
pub(crate) enum Source {
    /// Of the segment that is so many in the view.
    Chunk(usize, ChunkEntry),
    Memory(Rows),
}

/// A damaged chunk: what older files say of its span may have been replaced by it, and is a gap as well.
struct Gap {
    rank: usize,
    first: Time,
    last: Time,
}

/// A chunk cannot be read.
struct IsDamaged;

/// One query at work.
pub(crate) struct Reader<'a> {
    pub(crate) view: &'a View,
    pub(crate) damaged: &'a mut Vec<Damage>,
    /// The chunk of several points that was read last, of each segment: the next point is in it more often than not.
    shared: Vec<Option<(u64, Chunk)>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(view: &'a View, damaged: &'a mut Vec<Damage>) -> Reader<'a> {
        Reader { view, damaged, shared: view.segments.iter().map(|_| None).collect() }
    }
}

/// Hands each current row on.
struct Current<'a> {
    take: &'a mut dyn FnMut(&Rows, Range<usize>) -> ControlFlow<()>,
}

impl Sink for Current<'_> {
    fn run(&mut self, rows: &Rows, range: Range<usize>) -> ControlFlow<()> {
        (self.take)(rows, range)
    }
    fn tie(&mut self, tied: &[(&Rows, usize)]) -> ControlFlow<()> {
        match tied.last() {
            Some((rows, row)) => (self.take)(rows, *row..*row + 1),
            None => ControlFlow::Continue(()),
        }
    }
}

impl View {
    /// Answers a range query; gaps by damage go to `damaged`.
    pub(crate) fn range(
        mut self,
        query: &RangeQuery,
        damaged: &mut Vec<Damage>,
    ) -> Result<Vec<Section>, ReadError> {
        let memory = std::mem::take(&mut self.memory);
        let mut reader = Reader::new(&self, damaged);
        let direction = Direction { newest_first: query.newest_first };
        let mut left = query.limit_rows.min(RangeQuery::ROWS_MAX);
        let mut sections = Vec::new();
        for (point, memory) in query.points.iter().zip(memory) {
            if left == 0 {
                break;
            }
            reader.current(*point, memory, query.from..query.to, direction, &mut |rows, run| {
                let run = run.start..run.end.min(run.start + left);
                left -= run.len();
                rows.append_to(run, *point, &mut sections);
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        Ok(sections)
    }

    /// The latest of a point by reading its rows, from the newest back; it counts as known since `recorded`.
    pub(crate) fn latest(
        mut self,
        point: PointId,
        recorded: Time,
        damaged: &mut Vec<Damage>,
    ) -> Result<Option<LatestEntry>, ReadError> {
        let memory = self.memory.pop().unwrap_or_default();
        let (mut reader, mut entry) = (Reader::new(&self, damaged), None::<LatestEntry>);
        let direction = Direction { newest_first: true };
        reader.current(point, memory, Time::MIN..Time::MAX, direction, &mut |rows, mut run| {
            let is_done = run.any(|row| {
                let (time, quality) = (rows.times[row], rows.quality(row));
                LatestEntry::row(&mut entry, time, quality, recorded, || rows.values.get(row));
                entry.as_ref().is_some_and(|entry| entry.value.is_some())
            });
            if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(entry)
    }

    /// Answers an aggregate query whose bounds were checked; gaps by damage go to `damaged`.
    pub(crate) fn aggregate(
        mut self,
        query: &AggregateQuery,
        damaged: &mut Vec<Damage>,
    ) -> Result<Vec<Aggregate>, ReadError> {
        let memory = std::mem::take(&mut self.memory);
        let mut reader = Reader::new(&self, damaged);
        let direction = Direction { newest_first: false };
        let mut out = Vec::with_capacity(query.points.len());
        for (point, memory) in query.points.iter().zip(memory) {
            let mut spans = Spans::new(query);
            reader.current(*point, memory, query.from..query.to, direction, &mut |rows, run| {
                spans.add(rows, run);
                ControlFlow::Continue(())
            })?;
            out.push(Aggregate { point: *point, buckets: spans.buckets });
        }
        Ok(out)
    }
}

impl Reader<'_> {
    /// Hands the rows of a point to `take`, run by run, in the order of `direction`. Of equal times the row written
    /// last is there alone.
    pub(crate) fn current(
        &mut self,
        point: PointId,
        memory: Vec<(usize, Rows)>,
        span: Range<Time>,
        direction: Direction,
        take: &mut dyn FnMut(&Rows, Range<usize>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if span.is_empty() {
            return Ok(());
        }
        let waiting = self.find(point, memory, &span, direction)?;
        let gaps = self.gaps(point, &waiting)?;
        let mut open = |source| self.open(point, source, &span, direction, &gaps);
        merge(waiting, &mut open, direction, &mut Current { take })
    }

    /// Everything that may hold rows of a point in a span.
    fn find(
        &mut self,
        point: PointId,
        memory: Vec<(usize, Rows)>,
        span: &Range<Time>,
        direction: Direction,
    ) -> Result<Vec<Waiting<Source>>, ReadError> {
        let mut waiting = Vec::new();
        let kinds: &[Kind] = match self.view.known_at {
            None => &[Kind::Current],
            Some(_) => &[Kind::Current, Kind::History],
        };
        let segments = self.view.segments.clone();
        for (rank, segment) in segments.iter().enumerate() {
            if !segment.may_hold(point, span.start, span.end) {
                continue;
            }
            for kind in kinds {
                for chunk in self.chunks(segment, *kind, point, span)? {
                    let edge = if direction.newest_first { chunk.last } else { chunk.first };
                    let source = Source::Chunk(rank, chunk);
                    waiting.push(Waiting { first: direction.key(edge), rank, source });
                }
            }
        }
        for (later, rows) in memory {
            let edge = if direction.newest_first { rows.times.last() } else { rows.times.first() };
            if let Some(edge) = edge {
                let (first, rank) = (direction.key(*edge), segments.len() + later);
                waiting.push(Waiting { first, rank, source: Source::Memory(rows) });
            }
        }
        Ok(waiting)
    }

    /// Damaged chunks among those that lie over others: to know of them before anything is answered, these are read twice.
    fn gaps<'w>(&mut self, point: PointId, waiting: &'w [Waiting<Source>]) -> Result<Vec<Gap>, ReadError> {
        let chunk_of = |w: &'w Waiting<Source>| match &w.source {
            Source::Chunk(rank, chunk) => Some((*rank, chunk)),
            Source::Memory(_) => None,
        };
        let mut chunks: Vec<(usize, &ChunkEntry)> = waiting.iter().filter_map(chunk_of).collect();
        chunks.sort_by_key(|(_, chunk)| (chunk.first, chunk.last));
        let (mut open, mut over): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for (at, (rank, chunk)) in chunks.iter().enumerate() {
            open.retain(|before| chunks[*before].1.last >= chunk.first);
            for before in open.iter().filter(|before| chunks[**before].0 != *rank) {
                over.push(if chunks[*before].0 > *rank { *before } else { at });
            }
            open.push(at);
        }
        over.sort_unstable();
        over.dedup();
        let mut gaps = Vec::new();
        for (rank, chunk) in over.into_iter().map(|at| chunks[at]) {
            if self.chunk(point, rank, chunk)?.is_err() {
                gaps.push(Gap { rank, first: chunk.first, last: chunk.last });
            }
        }
        Ok(gaps)
    }

    /// Chunks of a point in a span; none when the file is gone, which was reported when the store was opened.
    pub(crate) fn chunks(
        &mut self,
        segment: &Segment,
        kind: Kind,
        point: PointId,
        span: &Range<Time>,
    ) -> Result<Vec<ChunkEntry>, ReadError> {
        match segment.chunks(kind, point, span.start, span.end, self.damaged) {
            Ok(chunks) => Ok(chunks),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(read_error(segment, &error)),
        }
    }

    /// The rows of a source that are inside the span and were known, in the order wanted; `None` when there are none.
    fn open(
        &mut self,
        point: PointId,
        source: Source,
        span: &Range<Time>,
        direction: Direction,
        gaps: &[Gap],
    ) -> Result<Option<Rows>, ReadError> {
        let mut rows = match source {
            Source::Memory(rows) => rows,
            Source::Chunk(rank, entry) => match self.chunk(point, rank, &entry)? {
                Ok(Some(rows)) => {
                    let segment = &self.view.segments[rank];
                    let rows = self.still_there(point, segment, span, inside(rows, span));
                    let later = gaps.iter().filter(|gap| gap.rank > rank);
                    later.fold(rows, |rows, gap| {
                        let is_in_gap: Vec<bool> =
                            rows.times.iter().map(|time| gap.first <= *time && *time <= gap.last).collect();
                        rows.retain(|row| !is_in_gap[row])
                    })
                }
                _ => return Ok(None),
            },
        };
        rows = inside(rows, span);
        if direction.newest_first {
            rows.reverse();
        }
        Ok((rows.len() > 0).then_some(rows))
    }

    /// The rows of a point in a chunk; that it is damaged is noted.
    fn chunk(
        &mut self,
        point: PointId,
        rank: usize,
        entry: &ChunkEntry,
    ) -> Result<Result<Option<Rows>, IsDamaged>, ReadError> {
        if let Some((offset, chunk)) = &self.shared[rank]
            && *offset == entry.offset
        {
            return Ok(Ok(chunk.rows_of(point)));
        }
        let segment = &self.view.segments[rank];
        let want = if self.view.known_at.is_some() { Want::Known } else { Want::Rows };
        match segment.chunk(entry, want) {
            Ok(chunk) if entry.is_of_several() => {
                let rows = chunk.rows_of(point);
                self.shared[rank] = Some((entry.offset, chunk));
                Ok(Ok(rows))
            }
            Ok(chunk) => Ok(Ok(Some(chunk.rows))),
            Err(ReadFailure::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(Err(IsDamaged)),
            Err(ReadFailure::Io(error)) => Err(read_error(segment, &error)),
            Err(ReadFailure::Damaged(cause)) => {
                self.damaged.push(segment.damage(cause.to_string(), Some(entry)));
                Ok(Err(IsDamaged))
            }
        }
    }

    /// Leaves the rows that no later deletion hides and that were known at the instant asked for.
    fn still_there(&self, point: PointId, segment: &Segment, span: &Range<Time>, rows: Rows) -> Rows {
        let known_at = self.view.known_at;
        let later = |d: &&Deletion| segment.entry.is_hidden_by(d) && d.touches(point, span.start, span.end);
        let deletions: Vec<&Deletion> = self.view.deletions.iter().filter(later).collect();
        if known_at.is_none() && deletions.is_empty() {
            return rows;
        }
        let is_gone = |time: Time| {
            let covering = deletions.iter().filter(|d| d.covers(point, time));
            let steps = covering.map(|d| crate::rows::steps_after(time, d.recorded)).min();
            steps.is_some_and(|steps| match known_at {
                None => true,
                Some(at) => instant_after(time, steps).is_some_and(|gone| gone <= at),
            })
        };
        let is_there = |row: usize| {
            let (time, known) = (rows.times[row], &rows.known);
            let learnt = known.learnt.get(row).copied().unwrap_or(0);
            known_at.is_none_or(|at| is_known(time, learnt, known.until(row), at)) && !is_gone(time)
        };
        let wanted: Vec<bool> = (0..rows.len()).map(is_there).collect();
        debug_assert!(known_at.is_some() || rows.known.until.iter().all(|until| *until == NEVER));
        rows.retain(|row| wanted[row])
    }
}

/// Which rows are inside a span.
pub(crate) fn rows_inside(rows: &Rows, span: &Range<Time>) -> Range<usize> {
    let start = rows.times.partition_point(|t| *t < span.start);
    start..rows.times.partition_point(|t| *t < span.end).max(start)
}

/// The rows inside a span.
fn inside(rows: Rows, span: &Range<Time>) -> Rows {
    let range = rows_inside(&rows, span);
    if range == (0..rows.len()) { rows } else { rows.slice(range) }
}

pub(crate) fn read_error(segment: &Segment, error: &io::Error) -> ReadError {
    ReadError::Io { file: segment.name.clone().into(), cause: error.to_string() }
}

/// The buckets of one point while its rows pass by.
struct Spans {
    buckets: Vec<Bucket>,
    to: Time,
    at: usize,
}

impl Spans {
    /// Bucket `i` of `n` starts at the first nanosecond at or after `from + i * (to - from) / n`.
    fn new(query: &AggregateQuery) -> Spans {
        let span = (i128::from(query.to.0) - i128::from(query.from.0)).max(0);
        let n = i128::from(query.buckets.max(1));
        let start = |i: i128| Time((i128::from(query.from.0) + (i * span + n - 1) / n) as i64);
        Spans { buckets: (0..n).map(|i| Bucket::empty(start(i))).collect(), to: query.to, at: 0 }
    }

    fn add(&mut self, rows: &Rows, run: Range<usize>) {
        match &rows.values {
            Values::Absent(_) => self.add_each(rows, run, |_| None),
            Values::Bool(v) => self.add_each(rows, run, |i| Some(f64::from(u8::from(v[i])))),
            Values::I64(v) => self.add_each(rows, run, |i| Some(v[i] as f64)),
            Values::U64(v) => self.add_each(rows, run, |i| Some(v[i] as f64)),
            Values::F32(v) => self.add_each(rows, run, |i| Some(f64::from(v[i]))),
            Values::F64(v) => self.add_each(rows, run, |i| Some(v[i])),
            // Text and bytes are no figures: only that they were Bad counts.
            Values::String(_) | Values::Bytes(_) => {
                for row in run.filter(|row| rows.quality(*row).is_bad()) {
                    self.add_each(rows, row..row + 1, |_| None);
                }
            }
        }
    }

    fn add_each(&mut self, rows: &Rows, run: Range<usize>, value: impl Fn(usize) -> Option<f64>) {
        for row in run {
            let time = rows.times[row];
            while time >= self.buckets.get(self.at + 1).map_or(self.to, |next| next.start)
                && self.at + 1 < self.buckets.len()
            {
                self.at += 1;
            }
            self.buckets[self.at].add(time, value(row), rows.quality(row));
        }
    }
}
