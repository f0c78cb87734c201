//! Samples in columns: how they travel from a driver to the disk and back out.
//!
//! A batch is a header and a few sections. A section is columns of one value type, so nothing on this path
//! allocates, boxes or branches per sample. Plain vectors: a reader above hands them to Arrow without copying.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::{PointId, Quality, SourceId, Time, Value, ValueType};

/// How a value came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Origin {
    /// Read from a device as it happened.
    #[default]
    Measured = 0,
    /// Put in the place of one that was missing or wrong.
    Substituted = 1,
    /// Typed in by a person.
    Manual = 2,
    /// Worked out from others.
    Estimated = 3,
    /// Given by a model.
    Model = 4,
    /// Read later from a device's own memory.
    Backfill = 5,
}

impl Origin {
    /// From its stored byte.
    pub fn from_byte(byte: u8) -> Option<Origin> {
        use Origin::*;
        [Measured, Substituted, Manual, Estimated, Model, Backfill].into_iter().find(|o| *o as u8 == byte)
    }
}

/// What makes an append idempotent and traceable. (`source`, `epoch`, first sequence) names a batch for good: the
/// same name again is acknowledged and not stored twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Who sent it.
    pub source: SourceId,
    /// Rises by one each time the source starts anew.
    pub epoch: u32,
    /// Sequence of the first row; the rows that follow count on, across sections.
    pub first_sequence: u64,
    /// When we learnt it: stamped by the log, whatever the sender wrote.
    pub recorded: Time,
    /// How all of it came to be.
    pub origin: Origin,
}

/// Values of one type, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// No value at all: the quality says why. A loss of connection is such a row.
    Absent(usize),
    /// See [`ValueType::Bool`].
    Bool(Vec<bool>),
    /// See [`ValueType::I64`].
    I64(Vec<i64>),
    /// See [`ValueType::U64`].
    U64(Vec<u64>),
    /// See [`ValueType::F32`].
    F32(Vec<f32>),
    /// See [`ValueType::F64`].
    F64(Vec<f64>),
    /// See [`ValueType::String`].
    String(Vec<Arc<str>>),
    /// See [`ValueType::Bytes`].
    Bytes(Vec<Arc<[u8]>>),
}

impl Values {
    /// An empty column; `None` is [`Values::Absent`].
    pub fn empty(of: Option<ValueType>) -> Values {
        match of {
            None => Values::Absent(0),
            Some(ValueType::Bool) => Values::Bool(Vec::new()),
            Some(ValueType::I64) => Values::I64(Vec::new()),
            Some(ValueType::U64) => Values::U64(Vec::new()),
            Some(ValueType::F32) => Values::F32(Vec::new()),
            Some(ValueType::F64) => Values::F64(Vec::new()),
            Some(ValueType::String) => Values::String(Vec::new()),
            Some(ValueType::Bytes) => Values::Bytes(Vec::new()),
        }
    }
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Values::Absent(n) => *n,
            Values::Bool(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::U64(v) => v.len(),
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::String(v) => v.len(),
            Values::Bytes(v) => v.len(),
        }
    }
    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// `None` for [`Values::Absent`].
    pub fn value_type(&self) -> Option<ValueType> {
        Some(match self {
            Values::Absent(_) => return None,
            Values::Bool(_) => ValueType::Bool,
            Values::I64(_) => ValueType::I64,
            Values::U64(_) => ValueType::U64,
            Values::F32(_) => ValueType::F32,
            Values::F64(_) => ValueType::F64,
            Values::String(_) => ValueType::String,
            Values::Bytes(_) => ValueType::Bytes,
        })
    }
    /// The value of one row; `None` when absent or past the end.
    pub fn get(&self, row: usize) -> Option<Value> {
        match self {
            Values::Absent(_) => None,
            Values::Bool(v) => v.get(row).copied().map(Value::Bool),
            Values::I64(v) => v.get(row).copied().map(Value::I64),
            Values::U64(v) => v.get(row).copied().map(Value::U64),
            Values::F32(v) => v.get(row).copied().map(Value::F32),
            Values::F64(v) => v.get(row).copied().map(Value::F64),
            Values::String(v) => v.get(row).cloned().map(Value::String),
            Values::Bytes(v) => v.get(row).cloned().map(Value::Bytes),
        }
    }
    /// One more row. `false`, and nothing changed, when the type is another.
    pub fn push(&mut self, value: Option<Value>) -> bool {
        match (self, value) {
            (Values::Absent(n), None) => *n += 1,
            (Values::Bool(v), Some(Value::Bool(x))) => v.push(x),
            (Values::I64(v), Some(Value::I64(x))) => v.push(x),
            (Values::U64(v), Some(Value::U64(x))) => v.push(x),
            (Values::F32(v), Some(Value::F32(x))) => v.push(x),
            (Values::F64(v), Some(Value::F64(x))) => v.push(x),
            (Values::String(v), Some(Value::String(x))) => v.push(x),
            (Values::Bytes(v), Some(Value::Bytes(x))) => v.push(x),
            _ => return false,
        }
        true
    }
}

/// Rows of equal quality in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityRun {
    /// How many rows.
    pub rows: u32,
    /// Their quality.
    pub quality: Quality,
}

/// Quality of a section's rows as runs. Empty means: all Good, which costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QualityRuns(pub Vec<QualityRun>);

impl QualityRuns {
    /// Counts one more row, of which `rows_before` came earlier.
    pub fn push(&mut self, rows_before: usize, quality: Quality) {
        if self.0.is_empty() {
            if quality == Quality::GOOD {
                return;
            }
            if rows_before > 0 {
                self.0.push(QualityRun { rows: rows_before as u32, quality: Quality::GOOD });
            }
        }
        match self.0.last_mut() {
            Some(run) if run.quality == quality => run.rows += 1,
            _ => self.0.push(QualityRun { rows: 1, quality }),
        }
    }
    /// The quality of one row. Linear in runs: iterate with [`QualityRuns::iter`] when reading many.
    pub fn get(&self, row: usize) -> Quality {
        self.iter().nth(row).unwrap_or(Quality::GOOD)
    }
    /// Row by row; endless Good when empty.
    pub fn iter(&self) -> impl Iterator<Item = Quality> + '_ {
        let all_good = self.0.is_empty();
        self.0
            .iter()
            .flat_map(|run| std::iter::repeat_n(run.quality, run.rows as usize))
            .chain(std::iter::repeat(Quality::GOOD).take_while(move |_| all_good))
    }
}

/// Columns of equal length and one value type.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Whose value it is.
    pub points: Vec<PointId>,
    /// When it was true: source time, ns UTC.
    pub times: Vec<Time>,
    /// What it was.
    pub values: Values,
    /// How far it can be trusted.
    pub quality: QualityRuns,
}

impl Section {
    /// A section without rows; `None` for rows without a value.
    pub fn empty(of: Option<ValueType>) -> Section {
        Section {
            points: Vec::new(),
            times: Vec::new(),
            values: Values::empty(of),
            quality: QualityRuns::default(),
        }
    }
    /// Rows.
    pub fn len(&self) -> usize {
        self.points.len()
    }
    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
    /// One more row. `false`, and nothing changed, when the type is another.
    pub fn push(&mut self, point: PointId, time: Time, value: Option<Value>, quality: Quality) -> bool {
        if !self.values.push(value) {
            return false;
        }
        self.quality.push(self.points.len(), quality);
        self.points.push(point);
        self.times.push(time);
        true
    }
    /// Row by row, for readers that are not hot.
    pub fn rows(&self) -> impl Iterator<Item = (PointId, Time, Option<Value>, Quality)> + '_ {
        let qualities = self.quality.iter().chain(std::iter::repeat(Quality::GOOD));
        (0..self.len()).zip(qualities).map(|(i, q)| (self.points[i], self.times[i], self.values.get(i), q))
    }
}

/// Columns that do not agree with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// Columns of one section differ in length.
    #[error(
        "section {section}: {points} points, {times} times, {values} values: columns must be equally long"
    )]
    Length {
        /// Which section, from 0.
        section: usize,
        /// Rows of the point column.
        points: usize,
        /// Rows of the time column.
        times: usize,
        /// Rows of the value column.
        values: usize,
    },
    /// The quality runs do not add up to the rows.
    #[error("section {section}: quality runs cover {covered} of {rows} rows")]
    Quality {
        /// Which section, from 0.
        section: usize,
        /// Rows that the runs cover.
        covered: u64,
        /// Rows there are.
        rows: usize,
    },
    /// More rows than [`SampleBatch::ROWS_MAX`].
    #[error("{0} rows in one batch: send at most {max}", max = SampleBatch::ROWS_MAX)]
    TooManyRows(usize),
}

/// Samples of one source, appended as one: all of it is durable, or none.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleBatch {
    /// Who, and which.
    pub header: BatchHeader,
    /// The rows, by type.
    pub sections: Vec<Section>,
}

impl SampleBatch {
    /// The most rows in one batch.
    pub const ROWS_MAX: usize = 1 << 20;

    /// A batch of one section for each type that occurs, rows in the order given.
    pub fn from_rows(
        header: BatchHeader,
        rows: impl IntoIterator<Item = (PointId, Time, Option<Value>, Quality)>,
    ) -> SampleBatch {
        let mut sections: Vec<Section> = Vec::new();
        for (point, time, value, quality) in rows {
            let of = value.as_ref().map(Value::value_type);
            let at = sections.iter().position(|s| s.values.value_type() == of).unwrap_or_else(|| {
                sections.push(Section::empty(of));
                sections.len() - 1
            });
            let pushed = sections[at].push(point, time, value, quality);
            debug_assert!(pushed, "the section was chosen by type");
        }
        SampleBatch { header, sections }
    }
    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.sections.iter().map(Section::len).sum()
    }
    /// Whether the columns agree and the size is within bounds.
    pub fn check(&self) -> Result<(), ColumnsError> {
        for (section, s) in self.sections.iter().enumerate() {
            let (points, times, values) = (s.points.len(), s.times.len(), s.values.len());
            if points != times || points != values {
                return Err(ColumnsError::Length { section, points, times, values });
            }
            let covered: u64 = s.quality.0.iter().map(|r| u64::from(r.rows)).sum();
            if !s.quality.0.is_empty() && covered != points as u64 {
                return Err(ColumnsError::Quality { section, covered, rows: points });
            }
        }
        match self.rows() {
            rows if rows > Self::ROWS_MAX => Err(ColumnsError::TooManyRows(rows)),
            _ => Ok(()),
        }
    }
}

/// What is known of a point now. On a lost connection `quality` turns Bad at `quality_time`; `value` stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// Which point.
    pub point: PointId,
    /// Its last value, if it ever had one.
    pub value: Option<Value>,
    /// When that value was true.
    pub value_time: Time,
    /// The newest quality.
    pub quality: Quality,
    /// Source time of the newest row, with or without a value.
    pub quality_time: Time,
    /// When we learnt the newest row.
    pub recorded: Time,
}

/// What fell into one span of time of one point. Only rows with a numeric value count, Bad ones apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Start of the span; it ends where the next starts.
    pub start: Time,
    /// Rows with a usable value (Good or Uncertain).
    pub count: u64,
    /// Rows that were Bad.
    pub bad: u64,
    /// Smallest; NaN when `count` is 0.
    pub min: f64,
    /// Largest; NaN when `count` is 0.
    pub max: f64,
    /// Sum, so that buckets can be joined: the mean is `sum / count`.
    pub sum: f64,
    /// First usable row.
    pub first: Option<(Time, f64)>,
    /// Last usable row.
    pub last: Option<(Time, f64)>,
}

impl Bucket {
    /// A bucket in which nothing fell yet.
    pub const fn empty(start: Time) -> Bucket {
        Bucket { start, count: 0, bad: 0, min: f64::NAN, max: f64::NAN, sum: 0.0, first: None, last: None }
    }
    /// Counts one row in; rows come in time order.
    pub fn add(&mut self, time: Time, value: Option<f64>, quality: Quality) {
        match value {
            Some(v) if !quality.is_bad() && !v.is_nan() => {
                self.min = self.min.min(v);
                self.max = self.max.max(v);
                self.sum += v;
                self.count += 1;
                self.first.get_or_insert((time, v));
                self.last = Some((time, v));
            }
            _ => self.bad += 1,
        }
    }
}

/// The buckets of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which point.
    pub point: PointId,
    /// Equal spans, in order, empty ones included.
    pub buckets: Vec<Bucket>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            source: SourceId(1),
            epoch: 1,
            first_sequence: 0,
            recorded: Time(0),
            origin: Origin::Measured,
        }
    }

    #[test]
    fn rows_fall_into_one_section_a_type_and_come_back() {
        let rows = vec![
            (PointId(1), Time(1), Some(Value::F32(1.5)), Quality::GOOD),
            (PointId(2), Time(1), Some(Value::Bool(true)), Quality::UNCERTAIN),
            (PointId(1), Time(2), None, Quality::BAD_NO_COMMUNICATION),
            (PointId(1), Time(3), Some(Value::F32(2.5)), Quality::BAD),
        ];
        let batch = SampleBatch::from_rows(header(), rows.clone());
        assert_eq!(batch.check(), Ok(()));
        assert_eq!((batch.sections.len(), batch.rows()), (3, 4));
        let mut back: Vec<_> = batch.sections.iter().flat_map(Section::rows).collect();
        back.sort_by_key(|r| (r.1, r.0));
        assert_eq!(back, rows);
        assert!(batch.sections[0].quality.get(0).is_good() && batch.sections[0].quality.get(1).is_bad());
    }

    #[test]
    fn columns_that_disagree_are_refused() {
        let mut batch =
            SampleBatch::from_rows(header(), [(PointId(1), Time(1), Some(Value::I64(1)), Quality::GOOD)]);
        batch.sections[0].times.clear();
        assert!(matches!(batch.check(), Err(ColumnsError::Length { section: 0, .. })));
    }

    #[test]
    fn a_bucket_keeps_bad_rows_apart() {
        let mut bucket = Bucket::empty(Time(0));
        bucket.add(Time(1), Some(3.0), Quality::GOOD);
        bucket.add(Time(2), Some(99.0), Quality::BAD);
        bucket.add(Time(3), None, Quality::BAD);
        assert_eq!((bucket.count, bucket.bad, bucket.max), (1, 2, 3.0));
    }
}
