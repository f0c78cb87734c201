//! Columns of one point in time order: what chunks and memory give to a reader.

use std::ops::Range;

use types::{PointId, Quality, QualityRuns, Section, Time, Values};

/// Rows of one point and one type. No two have the same time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    pub(crate) times: Vec<Time>,
    pub(crate) values: Values,
    /// One a row; empty when all are Good.
    pub(crate) qualities: Vec<Quality>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }
    pub(crate) fn quality(&self, row: usize) -> Quality {
        self.qualities.get(row).copied().unwrap_or(Quality::GOOD)
    }
    /// A part of the rows.
    pub(crate) fn slice(&self, range: Range<usize>) -> Rows {
        Rows {
            times: self.times[range.clone()].to_vec(),
            qualities: self.qualities.get(range.clone()).unwrap_or_default().to_vec(),
            values: slice(&self.values, range),
        }
    }
    /// Turns the order of rows round.
    pub(crate) fn reverse(&mut self) {
        self.times.reverse();
        self.qualities.reverse();
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
fn extend(to: &mut Values, from: &Values, range: Range<usize>) {
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

/// Some rows of a column, in the order given.
pub(crate) fn pick(values: &Values, rows: &[u32]) -> Values {
    fn each<T: Clone>(v: &[T], rows: &[u32]) -> Vec<T> {
        rows.iter().map(|row| v[*row as usize].clone()).collect()
    }
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
