//! Answers: chunks and memory merged in time order, one open chunk a layer, nothing held that is not needed.

use std::{cmp::Reverse, io, ops::ControlFlow, ops::Range, sync::Arc};

use types::{Aggregate, Bucket, PointId, Section, Time, Values};

use crate::{
    AggregateQuery, Damage, RangeQuery, ReadError,
    chunk::ChunkEntry,
    disk::{Disk, DiskFile},
    rows::Rows,
    segment::{ReadFailure, Segment},
};

/// Files that one query keeps open.
const FILES_OPEN_MAX: usize = 16;

/// All that is known of some points at one instant: no later append or flush changes it.
pub(crate) struct View {
    pub(crate) disk: Arc<dyn Disk>,
    /// In the order they were written.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    /// Rows of each asked point that no segment holds yet: later than all segments.
    pub(crate) memory: Vec<Vec<Rows>>,
}

/// Rows that are not in use yet.
enum Source {
    Chunk(Arc<Segment>, ChunkEntry),
    Memory(Rows),
}

struct Waiting {
    /// Key of its first row.
    first: i64,
    rank: usize,
    source: Source,
}

struct Stream {
    rank: usize,
    rows: Rows,
    at: usize,
}

/// Which way time runs. Bitwise not turns the order of all i64 round, without overflow.
#[derive(Clone, Copy)]
struct Direction {
    newest_first: bool,
}

impl Direction {
    fn key(self, time: Time) -> i64 {
        if self.newest_first { !time.0 } else { time.0 }
    }
}

/// One query at work.
struct Reader<'a> {
    view: &'a View,
    files: Vec<(u64, Box<dyn DiskFile>)>,
    damaged: &'a mut Vec<Damage>,
}

impl View {
    /// Answers a range query; gaps by damage go to `damaged`.
    pub(crate) fn range(
        mut self,
        query: &RangeQuery,
        damaged: &mut Vec<Damage>,
    ) -> Result<Vec<Section>, ReadError> {
        let memory = std::mem::take(&mut self.memory);
        let mut reader = Reader { view: &self, files: Vec::new(), damaged };
        let direction = Direction { newest_first: query.newest_first };
        let mut left = query.limit_rows.min(RangeQuery::ROWS_MAX);
        let mut sections = Vec::new();
        for (point, memory) in query.points.iter().zip(memory) {
            if left == 0 {
                break;
            }
            reader.merge(*point, memory, query.from..query.to, direction, &mut |rows, run| {
                let run = run.start..run.end.min(run.start + left);
                left -= run.len();
                rows.append_to(run, *point, &mut sections);
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        Ok(sections)
    }

    /// Answers an aggregate query whose bounds were checked; gaps by damage go to `damaged`.
    pub(crate) fn aggregate(
        mut self,
        query: &AggregateQuery,
        damaged: &mut Vec<Damage>,
    ) -> Result<Vec<Aggregate>, ReadError> {
        let memory = std::mem::take(&mut self.memory);
        let mut reader = Reader { view: &self, files: Vec::new(), damaged };
        let direction = Direction { newest_first: false };
        let mut out = Vec::with_capacity(query.points.len());
        for (point, memory) in query.points.iter().zip(memory) {
            let mut spans = Spans::new(query);
            reader.merge(*point, memory, query.from..query.to, direction, &mut |rows, run| {
                spans.add(rows, run);
                ControlFlow::Continue(())
            })?;
            out.push(Aggregate { point: *point, buckets: spans.buckets });
        }
        Ok(out)
    }
}

impl Reader<'_> {
    /// Hands the rows of a point to `sink`, run by run, in the order of `direction`. Of equal times the row written
    /// last is there alone.
    fn merge(
        &mut self,
        point: PointId,
        memory: Vec<Rows>,
        span: Range<Time>,
        direction: Direction,
        sink: &mut dyn FnMut(&Rows, Range<usize>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if span.is_empty() {
            return Ok(());
        }
        let mut waiting = self.find(point, memory, &span, direction)?;
        // From the back, so that the next one is popped.
        waiting.sort_by_key(|w| Reverse(w.first));
        let mut streams: Vec<Stream> = Vec::new();
        loop {
            let mut head = streams.iter().map(|s| direction.key(s.rows.times[s.at])).min();
            while let Some(next) = waiting.pop_if(|w| head.is_none_or(|head| w.first <= head)) {
                if let Some(rows) = self.open(next.source, &span, direction)? {
                    head = [head, Some(direction.key(rows.times[0]))].into_iter().flatten().min();
                    streams.push(Stream { rank: next.rank, rows, at: 0 });
                }
            }
            let Some(head) = head else { return Ok(()) };
            let key = |s: &Stream| s.rows.times.get(s.at).map(|time| direction.key(*time));
            let tied = streams.iter().enumerate().filter(|(_, s)| key(s) == Some(head));
            let Some((winner, _)) = tied.max_by_key(|(_, s)| s.rank) else { return Ok(()) };
            let mut bound = waiting.last().map(|w| w.first);
            for (_, stream) in streams.iter_mut().enumerate().filter(|(at, _)| *at != winner) {
                stream.at += usize::from(key(stream) == Some(head));
                bound = [bound, key(stream)].into_iter().flatten().min();
            }
            let stream = &mut streams[winner];
            let rest = &stream.rows.times[stream.at..];
            let run = bound.map_or(rest.len(), |bound| rest.partition_point(|t| direction.key(*t) < bound));
            let range = stream.at..stream.at + run;
            stream.at = range.end;
            if sink(&stream.rows, range).is_break() {
                return Ok(());
            }
            streams.retain(|s| s.at < s.rows.len());
        }
    }

    /// Everything that may hold rows of a point in a span.
    fn find(
        &mut self,
        point: PointId,
        memory: Vec<Rows>,
        span: &Range<Time>,
        direction: Direction,
    ) -> Result<Vec<Waiting>, ReadError> {
        let mut waiting = Vec::new();
        let segments = self.view.segments.clone();
        for (rank, segment) in segments.iter().enumerate() {
            if !segment.may_hold(point, span.start, span.end) {
                continue;
            }
            let mut damaged = std::mem::take(self.damaged);
            let chunks = match self.file(segment) {
                Ok(Some(file)) => segment.chunks(file, point, span.start, span.end, &mut damaged),
                Ok(None) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            *self.damaged = damaged;
            for chunk in chunks.map_err(|error| read_error(segment, &error))? {
                let edge = if direction.newest_first { chunk.last } else { chunk.first };
                let source = Source::Chunk(segment.clone(), chunk);
                waiting.push(Waiting { first: direction.key(edge), rank, source });
            }
        }
        for rows in memory {
            let edge = if direction.newest_first { rows.times.last() } else { rows.times.first() };
            if let Some(edge) = edge {
                let first = direction.key(*edge);
                waiting.push(Waiting { first, rank: segments.len(), source: Source::Memory(rows) });
            }
        }
        Ok(waiting)
    }

    /// The rows of a source that are inside the span, in the order wanted; `None` when there are none.
    fn open(
        &mut self,
        source: Source,
        span: &Range<Time>,
        direction: Direction,
    ) -> Result<Option<Rows>, ReadError> {
        let mut rows = match source {
            Source::Memory(rows) => rows,
            Source::Chunk(segment, entry) => {
                let chunk = match self.file(&segment) {
                    Ok(Some(file)) => segment.chunk(file, &entry),
                    Ok(None) => return Ok(None),
                    Err(error) => Err(ReadFailure::Io(error)),
                };
                match chunk {
                    Ok(chunk) => chunk.rows,
                    Err(ReadFailure::Io(error)) => return Err(read_error(&segment, &error)),
                    Err(ReadFailure::Damaged(cause)) => {
                        self.damaged.push(segment.damage(cause.to_string(), Some(&entry)));
                        return Ok(None);
                    }
                }
            }
        };
        let start = rows.times.partition_point(|t| *t < span.start);
        let end = rows.times.partition_point(|t| *t < span.end);
        if start > 0 || end < rows.len() {
            rows = rows.slice(start..end);
        }
        if direction.newest_first {
            rows.reverse();
        }
        Ok((rows.len() > 0).then_some(rows))
    }

    /// The open file of a segment; `None` when it is gone, which was reported when the store was opened.
    fn file(&mut self, segment: &Segment) -> io::Result<Option<&dyn DiskFile>> {
        let number = segment.entry.number;
        let at = match self.files.iter().position(|(open, _)| *open == number) {
            Some(at) => at,
            None => {
                let file = match segment.file(&*self.view.disk) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(error),
                };
                if self.files.len() == FILES_OPEN_MAX {
                    self.files.remove(0);
                }
                self.files.push((number, file));
                self.files.len() - 1
            }
        };
        Ok(Some(&*self.files[at].1))
    }
}

fn read_error(segment: &Segment, error: &io::Error) -> ReadError {
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
