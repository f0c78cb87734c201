//! The merged rows of one point, written as few larger chunks, window by window.

use std::{
    mem,
    ops::{ControlFlow, Range},
};

use types::{PointId, Time, ValueType};

use crate::{
    chunk::Kind,
    compact::{Failure, Outputs, Work},
    flush::day,
    manifest::Window,
    memory::Split,
    merge::Sink,
    plan::{Target, window_of},
    rows::{Rows, instant_after, rows_of_bytes},
    summary::{BLOCK, Summaries},
    versions::{Version, settle},
};

/// Bytes of text and bytes after which a chunk is closed.
const CHUNK_VALUE_BYTES: usize = 4 << 20;

/// Takes the merged rows of one point and writes them as chunks.
pub(crate) struct Rewrite<'a, 'w, 'o> {
    work: &'a mut Work<'w>,
    outputs: &'o mut Outputs,
    point: PointId,
    window: Option<Window>,
    current: Vec<Rows>,
    history: Vec<Rows>,
    /// Of all current rows of the window so far, once they are more than few.
    summaries: Option<Summaries>,
    failed: Option<Failure>,
}

impl<'a, 'w, 'o> Rewrite<'a, 'w, 'o> {
    pub(crate) fn new(work: &'a mut Work<'w>, point: PointId, outputs: &'o mut Outputs) -> Self {
        let (current, history) = (Vec::new(), Vec::new());
        Rewrite { work, outputs, point, window: None, current, history, summaries: None, failed: None }
    }

    /// What is left, and whether all went well.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        if self.failed.is_none() {
            self.close_window()?;
        }
        self.failed.map_or(Ok(()), Err)
    }

    fn flow(&mut self, done: Result<(), Failure>) -> ControlFlow<()> {
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    }

    /// Current rows, in time order after all before them.
    fn add(&mut self, rows: &Rows, range: Range<usize>) -> Result<(), Failure> {
        let mut at = range.start;
        while at < range.end {
            let window = self.enter(rows.times[at])?;
            let inside = window
                .end()
                .map_or(range.len(), |end| rows.times[at..range.end].partition_point(|t| *t < end));
            let part = at..(at + inside.max(1)).min(range.end);
            at = part.end;
            if self.summaries.is_none() && !self.stay_few(window, part.len())? {
                self.catch_up();
            }
            if let Some(summaries) = &mut self.summaries {
                summaries.add(rows, part.clone());
            }
            push(&mut self.current, rows, part);
            if self.summaries.is_some() {
                self.write(Kind::Current, false)?;
            }
        }
        Ok(())
    }

    /// The window of a time; what belongs to the one before is written.
    fn enter(&mut self, time: Time) -> Result<Window, Failure> {
        let window = match self.work.into {
            Target::One(window) => window,
            Target::ByDay => match self.window {
                Some(window) if window.end().is_none_or(|end| time < end) => window,
                _ => window_of(day(time), self.work.today),
            },
        };
        if self.window.is_some_and(|before| before != window) {
            self.close_window()?;
        }
        self.window = Some(window);
        Ok(window)
    }

    /// Rows of one time, some of which are not current.
    fn settle(&mut self, mut versions: Vec<Version<'_>>) -> Result<(), Failure> {
        settle(&mut versions);
        let Some(time) = versions.first().map(Version::time) else { return Ok(()) };
        self.enter(time)?;
        let mut split = Split::default();
        versions.iter().for_each(|version| version.append_to(&mut split));
        for rows in &split.current {
            self.add(rows, 0..rows.len())?;
        }
        let held = self
            .work
            .holds
            .iter()
            .any(|hold| hold.scope.names(self.point) && hold.scope.from <= time && time < hold.scope.to);
        for rows in split.history {
            let is_kept = |row: usize| {
                let replaced = instant_after(rows.times[row], rows.known.until[row]);
                held || replaced.is_none_or(|at| at >= self.work.corrections_from)
            };
            let kept: Vec<bool> = (0..rows.len()).map(is_kept).collect();
            let rows = rows.retain(|row| kept[row]);
            push(&mut self.history, &rows, 0..rows.len());
        }
        self.write(Kind::History, false)
    }

    /// Writes chunks that are full, or all.
    fn write(&mut self, kind: Kind, all: bool) -> Result<(), Failure> {
        let Some(window) = self.window else { return Ok(()) };
        let mut buffers =
            mem::take(if kind == Kind::History { &mut self.history } else { &mut self.current });
        for rows in &mut buffers {
            let mut at = 0;
            loop {
                let most = (rows.len() - at).min(self.work.chunk_rows);
                let fits = rows_of_bytes(&rows.values, at..at + most, CHUNK_VALUE_BYTES);
                let is_full = fits < most || most == self.work.chunk_rows;
                if most == 0 || !(is_full || all) {
                    break;
                }
                let chunk = rows.slice(at..at + fits);
                at += fits;
                let output = self.work.output(self.outputs, window)?;
                output.writer.chunk(kind, self.point, &chunk)?;
                let bytes = output.writer.bytes();
                if !(self.work.pace)(bytes) {
                    return Err(Failure::Stopped);
                }
            }
            if at > 0 {
                *rows = rows.slice(at..rows.len());
            }
        }
        *(if kind == Kind::History { &mut self.history } else { &mut self.current }) = buffers;
        Ok(())
    }

    /// Whether the rows of the window still share chunks with those of other points when so many more have come.
    fn stay_few(&mut self, window: Window, more: usize) -> Result<bool, Failure> {
        let rows: usize = self.current.iter().map(Rows::len).sum();
        Ok(self.work.output(self.outputs, window)?.writer.are_few(rows + more))
    }

    /// Summaries of the rows that are here: of several types, in the order of time.
    fn catch_up(&mut self) {
        let summaries = self.summaries.get_or_insert_default();
        if let [rows] = &*self.current {
            return summaries.add(rows, 0..rows.len());
        }
        let of = |rows: &Rows, at: usize| {
            rows.times.iter().enumerate().map(move |(row, t)| (*t, at, row)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.current.iter().enumerate().flat_map(|(at, rows)| of(rows, at)).collect();
        all.sort_unstable();
        all.iter().for_each(|(_, at, row)| summaries.add(&self.current[*at], *row..*row + 1));
    }

    fn close_window(&mut self) -> Result<(), Failure> {
        let Some(window) = self.window else { return Ok(()) };
        let writer = &mut self.work.output(self.outputs, window)?.writer;
        if self.summaries.is_none() && self.current.iter().all(|rows| writer.are_small(rows)) {
            let before = writer.bytes();
            for rows in self.current.drain(..) {
                let of = rows.values.value_type();
                writer.shared(of, rows.len())?.extend(&rows, 0..rows.len());
                writer.name_owner(of, self.point);
            }
            let bytes = writer.bytes();
            if bytes != before && !(self.work.pace)(bytes) {
                return Err(Failure::Stopped);
            }
        } else if self.summaries.is_none() {
            self.catch_up();
        }
        self.write(Kind::Current, true)?;
        self.write(Kind::History, true)?;
        self.window = None;
        for (level, summaries) in (0..).zip(self.summaries.take().map(Summaries::levels).unwrap_or_default())
        {
            for block in summaries.chunks(BLOCK) {
                self.work.output(self.outputs, window)?.writer.summaries(level, self.point, block)?;
            }
        }
        Ok(())
    }
}

impl Sink for Rewrite<'_, '_, '_> {
    fn run(&mut self, rows: &Rows, range: Range<usize>) -> ControlFlow<()> {
        if rows.known.until.is_empty() {
            let done = self.add(rows, range);
            return self.flow(done);
        }
        let mut at = range.start;
        while at < range.end {
            let time = rows.times[at];
            let end = at + rows.times[at..range.end].partition_point(|t| *t <= time);
            let done = self.settle((at..end).map(|row| Version::new(rows, row, None)).collect());
            self.flow(done)?;
            at = end;
        }
        ControlFlow::Continue(())
    }
    fn tie(&mut self, tied: &[(&Rows, usize)]) -> ControlFlow<()> {
        let versions = tied.iter().map(|(rows, row)| Version::new(rows, *row, None)).collect();
        let done = self.settle(versions);
        self.flow(done)
    }
}

/// Appends rows to the buffer of their type.
fn push(buffers: &mut Vec<Rows>, rows: &Rows, range: Range<usize>) {
    let of: Option<ValueType> = rows.values.value_type();
    let at = buffers.iter().position(|rows| rows.values.value_type() == of).unwrap_or_else(|| {
        buffers.push(Rows::empty(of));
        buffers.len() - 1
    });
    buffers[at].extend(rows, range);
}
