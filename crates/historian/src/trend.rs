//! Trends: what a chart of so many columns needs, M4 (Jugel et al., VLDB 2014) and more, mostly without reading rows.
//!
//! Summaries stand for the rows that they cover, from the coarsest level down, where a column is at least as wide as they
//! are and nothing else of the point lies between their rows. All else is read as rows.

use std::ops::{ControlFlow, Range};

use types::{Aggregate, Bucket, PointId, Time};

use crate::{
    Damage, ReadError, Trend, TrendQuery,
    chunk::Kind,
    merge::Direction,
    read::{Reader, View, read_error, rows_inside},
    rows::Rows,
    segment::{ReadFailure, Segment},
    summary::Summary,
};

/// First and last time, both inclusive.
type Span = (Time, Time);

/// Columns of a chart.
#[derive(Clone, Copy)]
struct Columns {
    from: Time,
    to: Time,
    count: u32,
    exact: bool,
}

impl Columns {
    fn span_ns(&self) -> i128 {
        i128::from(self.to.0) - i128::from(self.from.0)
    }
    /// The column of a time inside the span.
    fn of(&self, time: Time) -> usize {
        let at = i128::from(time.0) - i128::from(self.from.0);
        (at * i128::from(self.count) / self.span_ns()) as usize
    }
    /// First time of a column.
    fn start(&self, column: usize) -> Time {
        let (n, at) = (i128::from(self.count), column as i128 * self.span_ns());
        Time((i128::from(self.from.0) + (at + n - 1) / n) as i64)
    }
    /// Nanoseconds of a column, rounded down.
    fn width_ns(&self) -> i128 {
        self.span_ns() / i128::from(self.count)
    }
    /// Whether a summary of that span can stand for its rows.
    fn fit(&self, (first, last): Span) -> bool {
        let is_inside = first >= self.from && last < self.to;
        let is_narrow = || i128::from(last.0) - i128::from(first.0) <= self.width_ns();
        is_inside && (self.of(first) == self.of(last) || (!self.exact && is_narrow()))
    }
}

impl Trend {
    /// As buckets of the span that was asked for.
    pub fn aggregate(&self, from: Time, to: Time) -> Aggregate {
        let span = (i128::from(to.0) - i128::from(from.0)).max(0);
        let n = self.columns.len().max(1) as i128;
        let start = |column: i128| Time((i128::from(from.0) + (column * span + n - 1) / n) as i64);
        let buckets = (0..).zip(&self.columns).map(|(column, summary)| summary.bucket(start(column)));
        Aggregate { point: self.point, buckets: buckets.collect() }
    }
}

impl Summary {
    /// As a bucket that starts there.
    pub fn bucket(&self, start: Time) -> Bucket {
        if self.figures == 0 {
            return Bucket { bad: self.bad, ..Bucket::empty(start) };
        }
        Bucket {
            start,
            count: self.figures,
            bad: self.bad,
            min: self.min.value,
            max: self.max.value,
            sum: self.sum,
            first: Some((self.first.time, self.first.value)),
            last: Some((self.last.time, self.last.value)),
        }
    }
}

/// Spans that do not meet, in order.
#[derive(Default)]
struct Spans(Vec<Span>);

impl Spans {
    fn new(mut spans: Vec<Span>) -> Spans {
        spans.sort_unstable();
        let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
        for (first, last) in spans {
            match joined.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Spans(joined)
    }
    fn meet(&self, (first, last): Span) -> bool {
        let at = self.0.partition_point(|span| span.1 < first);
        self.0.get(at).is_some_and(|span| span.0 <= last)
    }
}

impl View {
    /// Answers a trend query whose bounds were checked; gaps by damage go to `damaged`.
    pub(crate) fn trend(
        mut self,
        query: &TrendQuery,
        damaged: &mut Vec<Damage>,
    ) -> Result<Vec<Trend>, ReadError> {
        let memory = std::mem::take(&mut self.memory);
        let columns = Columns { from: query.from, to: query.to, count: query.columns, exact: query.exact };
        let mut trends = Vec::with_capacity(query.points.len());
        let mut reader = Reader::new(&self, damaged);
        for (point, memory) in query.points.iter().zip(memory) {
            let mut work = Work { reader: &mut reader, columns, point: *point, pieces: Vec::new() };
            trends.push(work.trend(memory)?);
        }
        Ok(trends)
    }
}

struct Work<'a, 'v> {
    reader: &'a mut Reader<'v>,
    columns: Columns,
    point: PointId,
    /// Disjoint in time, in no order.
    pieces: Vec<Summary>,
}

impl Work<'_, '_> {
    fn trend(&mut self, memory: Vec<(usize, Rows)>) -> Result<Trend, ReadError> {
        let Columns { from, to, count, .. } = self.columns;
        let mut trend =
            Trend { point: self.point, columns: vec![Summary::empty(); count as usize], shift_ns: 0 };
        if from >= to {
            return Ok(trend);
        }
        let segments = self.reader.view.segments.clone();
        let mut held: Vec<Spans> = Vec::with_capacity(segments.len() + 1);
        for segment in segments.iter() {
            let may_hold = segment.may_hold(self.point, from, to);
            let chunks = match may_hold {
                true => self.reader.chunks(segment, Kind::Current, self.point, &(from..to))?,
                false => Vec::new(),
            };
            held.push(Spans::new(chunks.iter().map(|chunk| (chunk.first, chunk.last)).collect()));
        }
        held.push(self.spans_of(&memory));
        let mut by_rows = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            by_rows.extend(self.take_summaries(segment, at, &held)?);
        }
        by_rows.extend(&held[segments.len()].0);
        self.take_rows(&Spans::new(by_rows), &memory)?;
        self.pieces.sort_unstable_by_key(|piece| piece.first_time);
        for piece in &self.pieces {
            let middle = Time(i64::midpoint(piece.first_time.0, piece.last_time.0));
            let column = self.columns.of(middle);
            let over = (self.columns.start(column).0.saturating_sub(piece.first_time.0))
                .max(piece.last_time.0.saturating_sub(self.columns.start(column + 1).0).saturating_add(1));
            trend.shift_ns = trend.shift_ns.max(over);
            trend.columns[column].join(piece);
        }
        Ok(trend)
    }

    /// Where rows in memory lie, as few spans.
    fn spans_of(&self, memory: &[(usize, Rows)]) -> Spans {
        let mut spans: Vec<Span> = Vec::new();
        for (_, rows) in memory {
            let mut open: Option<Span> = None;
            for time in &rows.times {
                match &mut open {
                    Some(span) if i128::from(time.0) - i128::from(span.1.0) <= self.columns.width_ns() => {
                        span.1 = *time
                    }
                    _ => spans.extend(open.replace((*time, *time))),
                }
            }
            spans.extend(open);
        }
        Spans::new(spans)
    }

    /// Takes the summaries of a segment that can stand for their rows, and gives the spans to be read as rows.
    fn take_summaries(
        &mut self,
        segment: &Segment,
        at: usize,
        held: &[Spans],
    ) -> Result<Vec<Span>, ReadError> {
        let mut wanted = Spans(held[at].0.clone());
        let deletions = self.reader.view.deletions.clone();
        let is_alone = |span: Span| {
            let others = held.iter().enumerate().any(|(other, spans)| other != at && spans.meet(span));
            let end = Time(span.1.0.saturating_add(1));
            let hidden =
                deletions.iter().any(|d| segment.entry.is_hidden_by(d) && d.touches(self.point, span.0, end));
            !others && !hidden
        };
        for level in (0..segment.levels()).rev() {
            let (Some(first), Some(last)) = (wanted.0.first(), wanted.0.last()) else { break };
            let span = first.0..Time(last.1.0.saturating_add(1));
            let blocks = self.reader.chunks(segment, Kind::Summary(level), self.point, &span)?;
            let mut left = Vec::new();
            for block in blocks.iter().filter(|block| wanted.meet((block.first, block.last))) {
                let summaries = match segment.summaries(block) {
                    Ok(summaries) => summaries,
                    Err(ReadFailure::Io(error)) => return Err(read_error(segment, &error)),
                    Err(ReadFailure::Damaged(cause)) => {
                        // The rows are still there to be read.
                        self.reader.damaged.push(segment.damage(cause.to_string(), Some(block)));
                        left.push((block.first, block.last));
                        continue;
                    }
                };
                for summary in summaries {
                    let span = (summary.first_time, summary.last_time);
                    if !wanted.meet(span) {
                        continue;
                    }
                    if self.columns.fit(span) && is_alone(span) {
                        self.pieces.push(summary);
                    } else {
                        left.push(span);
                    }
                }
            }
            if !blocks.is_empty() {
                wanted = Spans::new(left);
            }
        }
        Ok(wanted.0)
    }

    /// Reads spans as rows.
    fn take_rows(&mut self, spans: &Spans, memory: &[(usize, Rows)]) -> Result<(), ReadError> {
        let (columns, pieces) = (self.columns, &mut self.pieces);
        let direction = Direction { newest_first: false };
        for (first, last) in &spans.0 {
            let span = (*first).max(columns.from)..Time(last.0.saturating_add(1)).min(columns.to);
            let near = memory.iter().map(|(later, rows)| (*later, rows.slice(rows_inside(rows, &span))));
            self.reader.current(self.point, near.collect(), span, direction, &mut |rows, run| {
                add_rows(columns, pieces, rows, run);
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }
}

/// Adds rows that come after all rows added before, a piece a column.
fn add_rows(columns: Columns, pieces: &mut Vec<Summary>, rows: &Rows, run: Range<usize>) {
    let mut at = run.start;
    while at < run.end {
        let column = columns.of(rows.times[at]);
        let end = columns.start(column + 1);
        let part = at..at + rows.times[at..run.end].partition_point(|time| *time < end).max(1);
        at = part.end;
        let mut piece = Summary::empty();
        piece.add(rows, part);
        pieces.push(piece);
    }
}
