//! Rows that no segment holds yet, per point, and the latest value of every point.

use types::{Latest, Origin, PointId, Quality, QualityRuns, SampleBatch, Section, Time, Value, Values};

use crate::rows::{Rows, expand, pick};

/// Points of one page of a [`Paged`] table.
const PAGE: usize = 1 << 9;
/// Pages of one folder: 2^12 folders of 2^11 pages of 2^9 points are all 2^32.
const FOLDER: usize = 1 << 11;

type Page<T> = Option<Box<[T]>>;

/// A table by point id whose pages are made on first use: dense ids cost no more than an array, a stray high one costs
/// one folder and one page.
pub(crate) struct Paged<T> {
    folders: Vec<Option<Box<[Page<T>]>>>,
    bytes: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Paged { folders: Vec::new(), bytes: 0 }
    }
}

impl<T: Default + Clone> Paged<T> {
    pub(crate) fn get(&self, point: PointId) -> Option<&T> {
        let (folder, page, at) = place(point);
        Some(&self.folders.get(folder)?.as_ref()?[page].as_ref()?[at])
    }
    pub(crate) fn entry(&mut self, point: PointId) -> &mut T {
        let (folder, page, at) = place(point);
        if self.folders.len() <= folder {
            self.folders.resize_with(folder + 1, || None);
        }
        let pages = self.folders[folder].get_or_insert_with(|| {
            self.bytes += FOLDER * size_of::<Page<T>>();
            (0..FOLDER).map(|_| None).collect()
        });
        let entries = pages[page].get_or_insert_with(|| {
            self.bytes += PAGE * size_of::<T>();
            vec![T::default(); PAGE].into()
        });
        &mut entries[at]
    }
    /// In the order of ids, untouched entries included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PointId, &T)> {
        let folders = self.folders.iter().enumerate().filter_map(|(i, folder)| Some((i, folder.as_ref()?)));
        let pages = folders.flat_map(|(folder, pages)| {
            pages.iter().enumerate().filter_map(move |(i, page)| Some((folder * FOLDER + i, page.as_ref()?)))
        });
        pages.flat_map(|(page, entries)| {
            entries.iter().enumerate().map(move |(i, entry)| (PointId((page * PAGE + i) as u32), entry))
        })
    }
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.folders.len() * size_of::<Page<Page<T>>>()
    }
}

/// Folder, page, and place in the page.
fn place(point: PointId) -> (usize, usize, usize) {
    let at = point.0 as usize;
    (at / PAGE / FOLDER, at / PAGE % FOLDER, at % PAGE)
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
    /// Bytes of a point and type beside its rows: the columns and the least that each of them allocates.
    const SERIES_BYTES: usize = size_of::<Series>() + 128;
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

    /// The hot loop of the store: one look-up and a few pushes a row.
    fn push_section(&mut self, section: &Section) {
        let kind = std::mem::discriminant(&section.values);
        let qualities = expand(&section.quality);
        for (row, (point, time)) in section.points.iter().zip(&section.times).enumerate() {
            let all = self.points.entry(*point);
            let known = all.iter().position(|series| std::mem::discriminant(&series.values) == kind);
            let at = known.unwrap_or_else(|| {
                self.bytes += Self::SERIES_BYTES;
                all.push(Series {
                    times: Vec::new(),
                    values: Values::empty(section.values.value_type()),
                    quality: QualityRuns::default(),
                    ordinals: Vec::new(),
                    ordered: true,
                });
                all.len() - 1
            });
            let series = &mut all[at];
            series.ordered &= series.times.last().is_none_or(|last| last.0 < time.0);
            if !qualities.is_empty() || !series.quality.0.is_empty() {
                let quality = qualities.get(row).copied().unwrap_or(Quality::GOOD);
                series.quality.push(series.times.len(), quality);
            }
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

    /// The stamps of rows. Fast when most rows come soon after the one before, as those of a point do.
    pub(crate) fn stamps(&self, ordinals: &[u32]) -> impl Iterator<Item = Stamp> {
        let mut at = 0;
        ordinals.iter().filter_map(move |ordinal| {
            let known = self.stamps.get(at).is_some_and(|(first, _)| first <= ordinal);
            // Doubling steps, then halving ones: the way to the next batch is short.
            let mut start = if known { at } else { 0 };
            let mut step = 1;
            while self.stamps.get(start + step).is_some_and(|(first, _)| first <= ordinal) {
                start += step;
                step *= 2;
            }
            let end = (start + step).min(self.stamps.len());
            at = start
                + self.stamps[start..end].partition_point(|(first, _)| first <= ordinal).checked_sub(1)?;
            Some(self.stamps[at].1)
        })
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
            let qualities = expand(&section.quality);
            for (row, (point, time)) in section.points.iter().zip(&section.times).enumerate() {
                let quality = qualities.get(row).copied().unwrap_or(Quality::GOOD);
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
        if time.0 >= entry.quality_time.0 {
            (entry.quality, entry.quality_time, entry.recorded) = (quality, time, recorded);
        }
        if time.0 >= entry.value_time.0
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
