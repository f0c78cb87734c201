//! Rows that no segment holds yet, per point, and the latest value of every point.

use types::{Latest, Origin, PointId, Quality, QualityRuns, SampleBatch, Section, Time, Value, Values};

use crate::rows::{Rows, expand, pick};

/// Points of one page of a [`Paged`] table.
const PAGE: usize = 1024;

/// A dense table by point id whose pages are made on first use, so that a high id costs one page.
pub(crate) struct Paged<T> {
    pages: Vec<Option<Box<[T]>>>,
    used: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Paged { pages: Vec::new(), used: 0 }
    }
}

impl<T: Default + Clone> Paged<T> {
    pub(crate) fn get(&self, point: PointId) -> Option<&T> {
        let at = point.0 as usize;
        self.pages.get(at / PAGE)?.as_ref().map(|page| &page[at % PAGE])
    }
    pub(crate) fn entry(&mut self, point: PointId) -> &mut T {
        let at = point.0 as usize;
        if self.pages.len() <= at / PAGE {
            self.pages.resize_with(at / PAGE + 1, || None);
        }
        let page = self.pages[at / PAGE].get_or_insert_with(|| {
            self.used += 1;
            vec![T::default(); PAGE].into()
        });
        &mut page[at % PAGE]
    }
    /// In the order of ids, untouched entries included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PointId, &T)> {
        self.pages.iter().enumerate().filter_map(|(at, page)| Some((at, page.as_ref()?))).flat_map(
            |(at, page)| {
                page.iter().enumerate().map(move |(i, entry)| (PointId((at * PAGE + i) as u32), entry))
            },
        )
    }
    pub(crate) fn bytes(&self) -> usize {
        self.used * PAGE * size_of::<T>() + self.pages.len() * size_of::<Option<Box<[T]>>>()
    }
}

/// What the log knows of a batch, for all of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) lsn: u64,
    pub(crate) recorded: Time,
    pub(crate) origin: Origin,
}

/// Rows of one point and one type, as they came.
#[derive(Clone)]
struct Series {
    times: Vec<Time>,
    values: Values,
    quality: QualityRuns,
    /// Place of each row in the whole table: who wrote last, and by which batch.
    ordinals: Vec<u32>,
    /// Every time is later than the one before.
    ordered: bool,
}

/// Rows of one point and one type, in time order, each with its place in the table.
pub(crate) struct Sorted {
    pub(crate) rows: Rows,
    pub(crate) ordinals: Vec<u32>,
}

/// Rows that no segment holds yet.
#[derive(Default)]
pub(crate) struct Table {
    points: Paged<Vec<Series>>,
    /// Stamp of the rows from this ordinal on.
    stamps: Vec<(u32, Stamp)>,
    rows: u32,
    bytes: usize,
}

impl Table {
    /// Bytes of a row beside its value: time, ordinal, and what growing vectors leave unused.
    const ROW_BYTES: usize = 16;
    /// More rows than this would overflow an ordinal together with one more batch.
    pub(crate) const ROWS_MAX: u32 = u32::MAX - SampleBatch::ROWS_MAX as u32;

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.points.bytes() + self.stamps.len() * size_of::<(u32, Stamp)>()
    }

    /// Takes in the rows of one batch. The caller keeps below [`Table::ROWS_MAX`].
    pub(crate) fn push(&mut self, stamp: Stamp, sections: &[Section]) {
        self.stamps.push((self.rows, stamp));
        for section in sections {
            self.push_section(section);
        }
    }

    fn push_section(&mut self, section: &Section) {
        let of = section.values.value_type();
        let mut qualities = section.quality.0.iter().flat_map(|r| std::iter::repeat_n(r.quality, r.rows as usize));
        for (row, (point, time)) in section.points.iter().zip(&section.times).enumerate() {
            let all = self.points.entry(*point);
            let at = all.iter().position(|s| s.values.value_type() == of).unwrap_or_else(|| {
                self.bytes += size_of::<Series>();
                all.push(Series {
                    times: Vec::new(),
                    values: Values::empty(of),
                    quality: QualityRuns::default(),
                    ordinals: Vec::new(),
                    ordered: true,
                });
                all.len() - 1
            });
            let series = &mut all[at];
            series.ordered &= series.times.last().is_none_or(|last| last < time);
            series.quality.push(series.times.len(), qualities.next().unwrap_or(Quality::GOOD));
            series.times.push(*time);
            series.ordinals.push(self.rows);
            self.rows += 1;
            self.bytes += Self::ROW_BYTES + copy_value(&section.values, row, &mut series.values);
        }
    }

    /// Points that have rows, in the order of ids.
    pub(crate) fn points(&self) -> impl Iterator<Item = PointId> {
        self.points.iter().filter(|(_, series)| !series.is_empty()).map(|(point, _)| point)
    }

    /// Source times of all rows.
    pub(crate) fn times(&self) -> impl Iterator<Item = Time> {
        self.points.iter().flat_map(|(_, all)| all.iter().flat_map(|s| s.times.iter().copied()))
    }

    pub(crate) fn stamp(&self, ordinal: u32) -> Option<Stamp> {
        let after = self.stamps.partition_point(|(first, _)| *first <= ordinal);
        Some(self.stamps.get(after.checked_sub(1)?)?.1)
    }

    /// Rows of a point in a span (start inclusive, end exclusive; `None` is endless), one entry a type. Of rows with
    /// the same time only the last written is there, whatever its type.
    pub(crate) fn sorted(&self, point: PointId, from: Time, to: Option<Time>) -> Vec<Sorted> {
        let Some(all) = self.points.get(point) else { return Vec::new() };
        let inside = |time: &Time| *time >= from && to.is_none_or(|to| *time < to);
        if let [series] = all.as_slice()
            && series.ordered
        {
            let start = series.times.partition_point(|t| *t < from);
            let end = to.map_or(series.times.len(), |to| series.times.partition_point(|t| *t < to));
            let rows: Vec<u32> = (start as u32..end as u32).collect();
            return if rows.is_empty() { Vec::new() } else { vec![series.pick(&rows)] };
        }
        let mut keys: Vec<(Time, u32, u32, u32)> = Vec::new();
        for (at, series) in all.iter().enumerate() {
            let rows = series.times.iter().zip(&series.ordinals).enumerate();
            keys.extend(
                rows.filter(|(_, (t, _))| inside(t)).map(|(row, (t, o))| (*t, *o, at as u32, row as u32)),
            );
        }
        keys.sort_unstable();
        let mut picked = vec![Vec::new(); all.len()];
        for (i, (time, _, at, row)) in keys.iter().enumerate() {
            let last_written = keys.get(i + 1).is_none_or(|next| next.0 != *time);
            if last_written {
                picked[*at as usize].push(*row);
            }
        }
        let taken = all.iter().zip(&picked).filter(|(_, rows)| !rows.is_empty());
        taken.map(|(series, rows)| series.pick(rows)).collect()
    }
}

impl Series {
    fn pick(&self, rows: &[u32]) -> Sorted {
        let qualities = expand(&self.quality);
        let at = |row: &u32| *row as usize;
        Sorted {
            rows: Rows {
                times: rows.iter().map(|r| self.times[at(r)]).collect(),
                values: pick(&self.values, rows),
                qualities: match qualities.is_empty() {
                    true => qualities,
                    false => rows.iter().map(|r| qualities[at(r)]).collect(),
                },
            },
            ordinals: rows.iter().map(|r| self.ordinals[at(r)]).collect(),
        }
    }
}

/// Copies one value into a column of the same type and gives its bytes.
fn copy_value(from: &Values, row: usize, to: &mut Values) -> usize {
    match (from, to) {
        (Values::Absent(_), Values::Absent(n)) => {
            *n += 1;
            0
        }
        (Values::Bool(v), Values::Bool(to)) => push(to, v[row]),
        (Values::I64(v), Values::I64(to)) => push(to, v[row]),
        (Values::U64(v), Values::U64(to)) => push(to, v[row]),
        (Values::F32(v), Values::F32(to)) => push(to, v[row]),
        (Values::F64(v), Values::F64(to)) => push(to, v[row]),
        (Values::String(v), Values::String(to)) => push(to, v[row].clone()) + v[row].len(),
        (Values::Bytes(v), Values::Bytes(to)) => push(to, v[row].clone()) + v[row].len(),
        _ => 0,
    }
}

fn push<T>(to: &mut Vec<T>, value: T) -> usize {
    to.push(value);
    size_of::<T>()
}

/// The latest of one point, without its id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LatestEntry {
    pub(crate) value: Option<Value>,
    /// Meaningless without a value.
    pub(crate) value_time: Time,
    pub(crate) quality: Quality,
    pub(crate) quality_time: Time,
    pub(crate) recorded: Time,
}

/// The latest value and quality of every point.
#[derive(Default)]
pub(crate) struct LatestTable(pub(crate) Paged<Option<LatestEntry>>);

impl LatestTable {
    /// Takes in the rows of one batch; rows that are late change nothing.
    pub(crate) fn push(&mut self, recorded: Time, sections: &[Section]) {
        for section in sections {
            let mut qualities =
                section.quality.0.iter().flat_map(|r| std::iter::repeat_n(r.quality, r.rows as usize));
            for (row, (point, time)) in section.points.iter().zip(&section.times).enumerate() {
                let quality = qualities.next().unwrap_or(Quality::GOOD);
                self.row(*point, *time, quality, recorded, || section.values.get(row));
            }
        }
    }

    /// Takes in one row; `value` is asked for only when it is wanted. Of equal times the later call wins.
    pub(crate) fn row(
        &mut self,
        point: PointId,
        time: Time,
        quality: Quality,
        recorded: Time,
        value: impl FnOnce() -> Option<Value>,
    ) {
        let entry = self.0.entry(point).get_or_insert(LatestEntry {
            value: None,
            value_time: Time::MIN,
            quality,
            quality_time: time,
            recorded,
        });
        if time >= entry.quality_time {
            (entry.quality, entry.quality_time, entry.recorded) = (quality, time, recorded);
        }
        if time >= entry.value_time
            && let Some(value) = value()
        {
            (entry.value, entry.value_time) = (Some(value), time);
        }
    }

    pub(crate) fn get(&self, point: PointId) -> Option<Latest> {
        let entry = self.0.get(point)?.clone()?;
        Some(Latest {
            point,
            value_time: if entry.value.is_some() { entry.value_time } else { entry.quality_time },
            value: entry.value,
            quality: entry.quality,
            quality_time: entry.quality_time,
            recorded: entry.recorded,
        })
    }
}
