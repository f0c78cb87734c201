//! Columns of rows as they came, of one type.

use std::ops::Range;

use types::{PointId, Quality, Section, Time, ValueType, Values};

use super::{Place, Stamp};
use crate::rows::{expand, extend, slice};

/// Rows of one part: what sixteen bits can number.
pub(super) const PART_ROWS: usize = 1 << 16;

/// Bytes of a row beside its value and quality.
pub(super) const ROW_BYTES: usize = size_of::<PointId>() + size_of::<Time>() + size_of::<Place>();

/// See the module.
pub(super) struct Part {
    pub(super) points: Vec<PointId>,
    pub(super) times: Vec<Time>,
    pub(super) values: Values,
    /// One a row; empty when all are Good.
    pub(super) qualities: Vec<Quality>,
    /// Place of the row of the same point that was written before.
    pub(super) before: Vec<Place>,
    /// Stamp of the rows from this one on.
    pub(super) stamps: Vec<(u32, Stamp)>,
}

impl Part {
    pub(super) fn empty(of: Option<ValueType>) -> Part {
        Part {
            points: Vec::new(),
            times: Vec::new(),
            values: Values::empty(of),
            qualities: Vec::new(),
            before: Vec::new(),
            stamps: Vec::new(),
        }
    }
    /// One that so many rows of a fixed width fit in without growing.
    pub(super) fn with_room(of: Option<ValueType>, rows: usize) -> Part {
        let mut part = Part::empty(of);
        part.points.reserve_exact(rows);
        part.times.reserve_exact(rows);
        part.before.reserve_exact(rows);
        match &mut part.values {
            Values::Bool(v) => v.reserve_exact(rows),
            Values::I64(v) => v.reserve_exact(rows),
            Values::U64(v) => v.reserve_exact(rows),
            Values::F32(v) => v.reserve_exact(rows),
            Values::F64(v) => v.reserve_exact(rows),
            Values::Absent(_) | Values::String(_) | Values::Bytes(_) => {}
        }
        part
    }
    /// A section as it is.
    pub(super) fn whole(section: &mut Section) -> Part {
        let of = section.values.value_type();
        Part {
            points: std::mem::take(&mut section.points),
            times: std::mem::take(&mut section.times),
            values: std::mem::replace(&mut section.values, Values::empty(of)),
            qualities: expand(&section.quality),
            ..Part::empty(of)
        }
    }
    /// Some rows of a section.
    pub(super) fn cut(section: &Section, range: Range<usize>) -> Part {
        Part {
            points: section.points[range.clone()].to_vec(),
            times: section.times[range.clone()].to_vec(),
            qualities: expand(&section.quality).get(range.clone()).unwrap_or_default().to_vec(),
            values: slice(&section.values, range),
            before: Vec::new(),
            stamps: Vec::new(),
        }
    }
    /// One more section of the same type.
    pub(super) fn extend(&mut self, section: &Section) {
        let before = self.len();
        self.points.extend_from_slice(&section.points);
        self.times.extend_from_slice(&section.times);
        extend(&mut self.values, &section.values, 0..section.len());
        if !section.quality.0.is_empty() || !self.qualities.is_empty() {
            self.qualities.resize(before, Quality::GOOD);
            self.qualities.extend(expand(&section.quality));
            self.qualities.resize(self.len(), Quality::GOOD);
        }
    }
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }
    pub(super) fn quality(&self, row: usize) -> Quality {
        self.qualities.get(row).copied().unwrap_or(Quality::GOOD)
    }
    /// What the log knows of a row.
    pub(super) fn stamp(&self, row: usize) -> Stamp {
        if let [(_, only)] = &*self.stamps {
            return *only;
        }
        let after = self.stamps.partition_point(|(first, _)| *first as usize <= row);
        self.stamps[after.saturating_sub(1)].1
    }
}

/// Bytes that rows of a section take in memory.
pub(crate) fn section_bytes(section: &Section) -> usize {
    let rows = section.len();
    let values = match &section.values {
        Values::Absent(_) => 0,
        Values::Bool(_) => rows,
        Values::F32(_) => rows * 4,
        Values::I64(_) | Values::U64(_) | Values::F64(_) => rows * 8,
        Values::String(v) => v.iter().map(|text| size_of_val(text) + text.len() + 16).sum(),
        Values::Bytes(v) => v.iter().map(|bytes| size_of_val(bytes) + bytes.len() + 16).sum(),
    };
    let quality = if section.quality.0.is_empty() { 0 } else { rows * size_of::<Quality>() };
    rows * ROW_BYTES + values + quality
}

/// Which of the eight types a column has, as a number.
pub(super) fn kind_of(values: &Values) -> u8 {
    match values {
        Values::Absent(_) => 0,
        Values::Bool(_) => 1,
        Values::I64(_) => 2,
        Values::U64(_) => 3,
        Values::F32(_) => 4,
        Values::F64(_) => 5,
        Values::String(_) => 6,
        Values::Bytes(_) => 7,
    }
}

/// Appends the values at some places, all of the type of `to`.
pub(super) fn gather_values(parts: &[Part], places: &[Place], to: &mut Values) {
    macro_rules! each {
        ($of:ident, $to:expr) => {
            $to.extend(places.iter().filter_map(|place| match &parts[(place >> 16) as usize].values {
                Values::$of(v) => v.get((place & 0xffff) as usize).cloned(),
                _ => None,
            }))
        };
    }
    match to {
        Values::Absent(n) => *n += places.len(),
        Values::Bool(to) => each!(Bool, to),
        Values::I64(to) => each!(I64, to),
        Values::U64(to) => each!(U64, to),
        Values::F32(to) => each!(F32, to),
        Values::F64(to) => each!(F64, to),
        Values::String(to) => each!(String, to),
        Values::Bytes(to) => each!(Bytes, to),
    }
}
