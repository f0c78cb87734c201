//! Columns of one point in time order: what chunks and memory give to a reader.

use std::ops::Range;

use types::{Origin, PointId, Quality, QualityRuns, Section, Time, Values};

/// What we know when is kept to the minute: steps of this many nanoseconds, counted from a row's own source time.
pub(crate) const STEP_NS: i64 = 60_000_000_000;
/// Of a row that is current: nothing took its place.
pub(crate) const NEVER: i64 = i64::MAX;

/// Steps from a row's source time until the log had it, rounded up. The clock that stamps and the one that dates may
/// disagree: steps may be negative.
pub(crate) fn steps_after(time: Time, recorded: Time) -> i64 {
    match recorded.0.checked_sub(time.0) {
        Some(ns) => ns.div_euclid(STEP_NS) + i64::from(ns.rem_euclid(STEP_NS) != 0),
        None => {
            let (ns, step) = (i128::from(recorded.0) - i128::from(time.0), i128::from(STEP_NS));
            (ns.div_euclid(step) + i128::from(ns.rem_euclid(step) != 0)) as i64
        }
    }
}

/// [`steps_after`] of many rows: as neighbours mostly have the same, most take no division.
#[derive(Default)]
pub(crate) struct StepCounter {
    /// Nanoseconds that take so many steps: those above `above`, up to `steps` times a step.
    above: i64,
    steps: i64,
}

impl StepCounter {
    pub(crate) fn steps_after(&mut self, time: Time, recorded: Time) -> i64 {
        match recorded.0.checked_sub(time.0) {
            Some(ns) if ns > self.above && ns.wrapping_sub(self.above) as u64 <= STEP_NS as u64 => self.steps,
            _ => {
                let steps = steps_after(time, recorded);
                if let Some(above) =
                    (steps - 1).checked_mul(STEP_NS).filter(|above| *above < i64::MAX - STEP_NS)
                {
                    (self.above, self.steps) = (above, steps);
                }
                steps
            }
        }
    }
}

/// The instant so many steps after a row's source time; `None` is later than any.
pub(crate) fn instant_after(time: Time, steps: i64) -> Option<Time> {
    let at = i128::from(time.0) + i128::from(steps) * i128::from(STEP_NS);
    match i64::try_from(at) {
        Ok(at) => Some(Time(at)),
        Err(_) if at < 0 => Some(Time::MIN),
        Err(_) => None,
    }
}

/// Whether a row that is true for some steps is so at an instant.
pub(crate) fn is_known(time: Time, learnt: i64, until: i64, at: Time) -> bool {
    let reached = |steps| instant_after(time, steps).is_some_and(|from| from <= at);
    reached(learnt) && (until == NEVER || !reached(until))
}

/// What is known about rows beside what they say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Known {
    /// See [`steps_after`]; one a row.
    pub(crate) learnt: Vec<i64>,
    /// Steps until another row took its place, or it was deleted; one a row, empty when all are current.
    pub(crate) until: Vec<i64>,
    /// One a row; empty when all were measured.
    pub(crate) origins: Vec<Origin>,
}

impl Known {
    pub(crate) fn until(&self, row: usize) -> i64 {
        self.until.get(row).copied().unwrap_or(NEVER)
    }
    pub(crate) fn origin(&self, row: usize) -> Origin {
        self.origins.get(row).copied().unwrap_or(Origin::Measured)
    }
}

/// Rows of one point and one type. No two current ones have the same time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    pub(crate) times: Vec<Time>,
    pub(crate) values: Values,
    /// One a row; empty when all are Good.
    pub(crate) qualities: Vec<Quality>,
    /// Empty columns where nobody asks.
    pub(crate) known: Known,
}

impl Rows {
    pub(crate) fn empty(of: Option<types::ValueType>) -> Rows {
        Rows { times: Vec::new(), values: Values::empty(of), qualities: Vec::new(), known: Known::default() }
    }
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }
    pub(crate) fn quality(&self, row: usize) -> Quality {
        self.qualities.get(row).copied().unwrap_or(Quality::GOOD)
    }
    /// A part of the rows.
    pub(crate) fn slice(&self, range: Range<usize>) -> Rows {
        let mut part = Rows::empty(self.values.value_type());
        part.extend(self, range);
        part
    }
    /// Appends rows of another of the same type.
    pub(crate) fn extend(&mut self, from: &Rows, range: Range<usize>) {
        let before = self.times.len();
        self.times.extend_from_slice(&from.times[range.clone()]);
        extend(&mut self.values, &from.values, range.clone());
        append(&mut self.qualities, before, &from.qualities, range.clone(), Quality::GOOD);
        append(&mut self.known.origins, before, &from.known.origins, range.clone(), Origin::Measured);
        append(&mut self.known.until, before, &from.known.until, range.clone(), NEVER);
        self.known.learnt.extend_from_slice(from.known.learnt.get(range).unwrap_or_default());
    }
    /// Leaves only the first rows.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.times.truncate(len);
        self.qualities.truncate(len);
        self.known.learnt.truncate(len);
        self.known.until.truncate(len);
        self.known.origins.truncate(len);
        match &mut self.values {
            Values::Absent(n) => *n = len.min(*n),
            Values::Bool(v) => v.truncate(len),
            Values::I64(v) => v.truncate(len),
            Values::U64(v) => v.truncate(len),
            Values::F32(v) => v.truncate(len),
            Values::F64(v) => v.truncate(len),
            Values::String(v) => v.truncate(len),
            Values::Bytes(v) => v.truncate(len),
        }
    }
    /// Leaves only the rows that are wanted.
    pub(crate) fn retain(self, wanted: impl Fn(usize) -> bool) -> Rows {
        let rows: Vec<u32> = (0..self.len()).filter(|row| wanted(*row)).map(|row| row as u32).collect();
        if rows.len() == self.len() {
            return self;
        }
        Rows {
            times: each(&self.times, &rows),
            values: pick(&self.values, &rows),
            qualities: each(&self.qualities, &rows),
            known: Known {
                learnt: each(&self.known.learnt, &rows),
                until: each(&self.known.until, &rows),
                origins: each(&self.known.origins, &rows),
            },
        }
    }
    /// Turns the order of rows round.
    pub(crate) fn reverse(&mut self) {
        self.times.reverse();
        self.qualities.reverse();
        self.known.learnt.reverse();
        self.known.until.reverse();
        self.known.origins.reverse();
        match &mut self.values {
            Values::Absent(_) => {}
            Values::Bool(v) => v.reverse(),
            Values::I64(v) => v.reverse(),
            Values::U64(v) => v.reverse(),
            Values::F32(v) => v.reverse(),
            Values::F64(v) => v.reverse(),
            Values::String(v) => v.reverse(),
            Values::Bytes(v) => v.reverse(),
        }
    }
    /// Puts some rows at the end of an answer, in a new section where the type changes.
    pub(crate) fn append_to(&self, range: Range<usize>, point: PointId, sections: &mut Vec<Section>) {
        let of = self.values.value_type();
        if sections.last().is_none_or(|last| last.values.value_type() != of) {
            sections.push(Section::empty(of));
        }
        let Some(section) = sections.last_mut() else { return };
        if !self.qualities.is_empty() || !section.quality.0.is_empty() {
            for row in range.clone() {
                section.quality.push(section.points.len() + row - range.start, self.quality(row));
            }
        }
        section.points.extend(std::iter::repeat_n(point, range.len()));
        section.times.extend_from_slice(&self.times[range.clone()]);
        extend(&mut section.values, &self.values, range);
    }
}

/// Appends a part of a column that is empty where every row has the usual value.
fn append<T: Copy>(to: &mut Vec<T>, before: usize, from: &[T], range: Range<usize>, usual: T) {
    if from.is_empty() && to.is_empty() {
        return;
    }
    to.resize(before, usual);
    match from.get(range.clone()) {
        Some(part) => to.extend_from_slice(part),
        None => to.resize(before + range.len(), usual),
    }
}

/// One value a row; empty when all rows have the usual one.
pub(crate) fn push_mark<T: Copy + PartialEq>(to: &mut Vec<T>, before: usize, mark: T, usual: T) {
    if mark != usual || !to.is_empty() {
        to.resize(before, usual);
        to.push(mark);
    }
}

/// The runs as one quality a row; empty when all are Good.
pub(crate) fn expand(runs: &QualityRuns) -> Vec<Quality> {
    runs.0.iter().flat_map(|run| std::iter::repeat_n(run.quality, run.rows as usize)).collect()
}

/// One quality a row as runs.
pub(crate) fn compress(qualities: &[Quality]) -> QualityRuns {
    let mut runs = QualityRuns::default();
    for (row, quality) in qualities.iter().enumerate() {
        runs.push(row, *quality);
    }
    runs
}

/// Appends rows of a column of the same type; another type changes nothing.
pub(crate) fn extend(to: &mut Values, from: &Values, range: Range<usize>) {
    match (to, from) {
        (Values::Absent(n), Values::Absent(_)) => *n += range.len(),
        (Values::Bool(to), Values::Bool(v)) => to.extend_from_slice(&v[range]),
        (Values::I64(to), Values::I64(v)) => to.extend_from_slice(&v[range]),
        (Values::U64(to), Values::U64(v)) => to.extend_from_slice(&v[range]),
        (Values::F32(to), Values::F32(v)) => to.extend_from_slice(&v[range]),
        (Values::F64(to), Values::F64(v)) => to.extend_from_slice(&v[range]),
        (Values::String(to), Values::String(v)) => to.extend_from_slice(&v[range]),
        (Values::Bytes(to), Values::Bytes(v)) => to.extend_from_slice(&v[range]),
        _ => debug_assert!(false, "the section was chosen by type"),
    }
}

/// A range of a column.
pub(crate) fn slice(values: &Values, range: Range<usize>) -> Values {
    let mut out = Values::empty(values.value_type());
    extend(&mut out, values, range);
    out
}

fn each<T: Clone>(v: &[T], rows: &[u32]) -> Vec<T> {
    if v.is_empty() { Vec::new() } else { rows.iter().map(|row| v[*row as usize].clone()).collect() }
}

/// Some rows of a column, in the order given.
pub(crate) fn pick(values: &Values, rows: &[u32]) -> Values {
    match values {
        Values::Absent(_) => Values::Absent(rows.len()),
        Values::Bool(v) => Values::Bool(each(v, rows)),
        Values::I64(v) => Values::I64(each(v, rows)),
        Values::U64(v) => Values::U64(each(v, rows)),
        Values::F32(v) => Values::F32(each(v, rows)),
        Values::F64(v) => Values::F64(each(v, rows)),
        Values::String(v) => Values::String(each(v, rows)),
        Values::Bytes(v) => Values::Bytes(each(v, rows)),
    }
}

/// Whether two rows hold the same value, bit by bit: a NaN is equal to itself, -0.0 is not 0.0.
pub(crate) fn same_value(a: &Values, row_a: usize, b: &Values, row_b: usize) -> bool {
    match (a, b) {
        (Values::Absent(_), Values::Absent(_)) => true,
        (Values::Bool(a), Values::Bool(b)) => a[row_a] == b[row_b],
        (Values::I64(a), Values::I64(b)) => a[row_a] == b[row_b],
        (Values::U64(a), Values::U64(b)) => a[row_a] == b[row_b],
        (Values::F32(a), Values::F32(b)) => a[row_a].to_bits() == b[row_b].to_bits(),
        (Values::F64(a), Values::F64(b)) => a[row_a].to_bits() == b[row_b].to_bits(),
        (Values::String(a), Values::String(b)) => a[row_a] == b[row_b],
        (Values::Bytes(a), Values::Bytes(b)) => a[row_a] == b[row_b],
        _ => false,
    }
}

/// Bytes of text and bytes in some rows.
pub(crate) fn text_bytes(values: &Values, range: Range<usize>) -> usize {
    match values {
        Values::String(v) => v[range].iter().map(|text| text.len()).sum(),
        Values::Bytes(v) => v[range].iter().map(|bytes| bytes.len()).sum(),
        _ => 0,
    }
}

/// How many rows, at least one, hold so many bytes of text.
pub(crate) fn rows_of_bytes(values: &Values, range: Range<usize>, most: usize) -> usize {
    if !matches!(values, Values::String(_) | Values::Bytes(_)) {
        return range.len();
    }
    let mut bytes = 0;
    let fits = range.clone().take_while(|row| {
        let fits = bytes <= most;
        bytes += text_bytes(values, *row..*row + 1);
        fits
    });
    fits.count().max(1).min(range.len())
}
