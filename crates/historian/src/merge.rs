//! Rows of one point from many places, brought into one order of time; one open chunk a place, nothing held that is not
//! needed.

use std::{cmp::Reverse, ops::ControlFlow, ops::Range};

use types::Time;

use crate::rows::Rows;

/// Which way time runs. Bitwise not turns the order of all i64 round, without overflow.
#[derive(Clone, Copy)]
pub(crate) struct Direction {
    pub(crate) newest_first: bool,
}

impl Direction {
    pub(crate) fn key(self, time: Time) -> i64 {
        if self.newest_first { !time.0 } else { time.0 }
    }
}

/// Rows that are not in use yet.
pub(crate) struct Waiting<S> {
    /// Key of its first row, or of a time before it.
    pub(crate) first: i64,
    /// Of rows with the same time, those of a higher rank were written later.
    pub(crate) rank: usize,
    pub(crate) source: S,
}

struct Stream {
    rank: usize,
    rows: Rows,
    at: usize,
}

impl Stream {
    fn key(&self, direction: Direction) -> Option<i64> {
        self.rows.times.get(self.at).map(|time| direction.key(*time))
    }
    /// Rows from here on whose key is below a bound.
    fn run(&self, direction: Direction, bound: Option<i64>) -> Range<usize> {
        let rest = &self.rows.times[self.at..];
        let len = bound.map_or(rest.len(), |bound| rest.partition_point(|t| direction.key(*t) < bound));
        self.at..self.at + len
    }
}

/// Who takes the rows.
pub(crate) trait Sink {
    /// Rows that no other place has anything at the times of.
    fn run(&mut self, rows: &Rows, range: Range<usize>) -> ControlFlow<()>;
    /// Rows of several places with the same time, in the order they were written.
    fn tie(&mut self, tied: &[(&Rows, usize)]) -> ControlFlow<()>;
}

/// Hands all rows to `sink` in the order of `direction`. `open` gives the rows of a source in that order; none, when
/// there are none after all.
pub(crate) fn merge<S, E>(
    mut waiting: Vec<Waiting<S>>,
    open: &mut dyn FnMut(S) -> Result<Option<Rows>, E>,
    direction: Direction,
    sink: &mut dyn Sink,
) -> Result<(), E> {
    // From the back, so that the next one is popped.
    waiting.sort_by_key(|w| Reverse(w.first));
    let mut streams: Vec<Stream> = Vec::new();
    loop {
        let mut head = streams.iter().filter_map(|s| s.key(direction)).min();
        while let Some(next) = waiting.pop_if(|w| head.is_none_or(|head| w.first <= head)) {
            if let Some(rows) = open(next.source)? {
                let stream = Stream { rank: next.rank, rows, at: 0 };
                head = [head, stream.key(direction)].into_iter().flatten().min();
                streams.push(stream);
            }
        }
        let Some(head) = head else { return Ok(()) };
        let mut tied = streams.iter().enumerate().filter(|(_, s)| s.key(direction) == Some(head));
        let flow = match (tied.next(), tied.next()) {
            (Some((only, _)), None) => {
                let others = streams.iter().enumerate().filter(|(at, _)| *at != only);
                let others = others.filter_map(|(_, s)| s.key(direction)).min();
                let bound = [waiting.last().map(|w| w.first), others].into_iter().flatten().min();
                let stream = &mut streams[only];
                let range = stream.run(direction, bound);
                stream.at = range.end;
                sink.run(&stream.rows, range)
            }
            _ => tie(&mut streams, direction, head, sink),
        };
        if flow.is_break() {
            return Ok(());
        }
        streams.retain(|s| s.at < s.rows.len());
    }
}

/// Takes the rows at `head` out of all streams.
fn tie(streams: &mut [Stream], direction: Direction, head: i64, sink: &mut dyn Sink) -> ControlFlow<()> {
    let ranges: Vec<Range<usize>> = streams
        .iter()
        .map(|s| match s.key(direction) {
            Some(key) if key == head => s.run(direction, head.checked_add(1)),
            _ => s.at..s.at,
        })
        .collect();
    let mut tied: Vec<(usize, &Rows, usize)> = Vec::new();
    for (stream, range) in streams.iter().zip(&ranges) {
        tied.extend(range.clone().map(|row| (stream.rank, &stream.rows, row)));
    }
    // Those that one file knows were replaced in the order that they were written in.
    tied.sort_by_key(|(rank, rows, row)| (*rank, rows.known.until(*row)));
    let tied: Vec<(&Rows, usize)> = tied.into_iter().map(|(_, rows, row)| (rows, row)).collect();
    let flow = sink.tie(&tied);
    for (stream, range) in streams.iter_mut().zip(ranges) {
        stream.at = range.end;
    }
    flow
}
