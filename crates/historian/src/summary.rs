//! Summaries: what spans of a point's rows come to, so that a trend of years reads no rows.
//!
//! ```text
//! summaries = kind u8 = 16 + level · point u32 · count varint · columns (column.rs), one entry a summary:
//!             first time: times · last time less first: i64 · rows: u64 · figures: u64 · bad: u64 · worst quality: u64
//!             · per first, last, min, max figure: its time less the first time: i64 · its value: f64
//!             · sum: f64 · step integral: f64 · step ns: i64 · linear integral: f64 · linear ns: i64
//! ```
//!
//! A summary of level 0 covers [`ROWS`] rows, one of level k eight of level k - 1; the last of a point in a file covers
//! what is left. The levels below, of 64 and 512 rows, are not stored: to read them costs as much as to read the rows.
//! A figure is a row with a numeric value that is Good or Uncertain and no NaN; of a summary without one, the figures'
//! columns hold 0. A Bad row, one without a value and one with text end what the row before held: the step integral is
//! the sum of figure · seconds until the next row, the linear one that of the mean of two figures next to each other ·
//! seconds between them, and both say how many nanoseconds they cover.

use std::ops::Range;

use types::{PointId, Quality, Time, ValueType, Values};

use crate::{
    chunk::Kind,
    codec::{Cursor, Malformed, put_varint},
    column::{self, Effort},
    format::{begin_block, end_block},
    rows::Rows,
};

/// Rows of a summary of level 0.
pub(crate) const ROWS: u64 = 4096;
/// Summaries of one level that make one of the next.
pub(crate) const FAN: usize = 8;
/// Summaries of one block.
pub(crate) const BLOCK: usize = 4096;

/// A figure and when it was true.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct At {
    /// Source time.
    pub time: Time,
    /// Value.
    pub value: f64,
}

/// A sum of value · time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Weighted {
    /// Value · seconds.
    pub integral: f64,
    /// How much time it covers.
    pub span_ns: i64,
}

impl Weighted {
    fn add(&mut self, value: f64, ns: i64) {
        self.integral += value * (ns as f64 / 1e9);
        self.span_ns = self.span_ns.saturating_add(ns);
    }
    fn join(&mut self, other: Weighted) {
        self.integral += other.integral;
        self.span_ns = self.span_ns.saturating_add(other.span_ns);
    }
    /// The mean over the time covered; `None` when there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.span_ns > 0).then(|| self.integral / (self.span_ns as f64 / 1e9))
    }
}

/// What some rows of a point, one after the other, come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Source time of the first row.
    pub first_time: Time,
    /// Source time of the last row.
    pub last_time: Time,
    /// Rows.
    pub rows: u64,
    /// Rows with a usable figure.
    pub figures: u64,
    /// Rows that were Bad, had no value, or a NaN.
    pub bad: u64,
    /// The worst quality of all; of equally bad ones, the first.
    pub worst: Quality,
    /// First figure; meaningless without figures, as those below.
    pub first: At,
    /// Last figure.
    pub last: At,
    /// Smallest figure; of equal ones the first.
    pub min: At,
    /// Largest figure; of equal ones the first.
    pub max: At,
    /// Sum of the figures.
    pub sum: f64,
    /// Each figure held until the next row.
    pub step: Weighted,
    /// Straight lines between figures next to each other.
    pub linear: Weighted,
}

impl Summary {
    /// Of no rows, which another joins.
    pub fn empty() -> Summary {
        Summary {
            first_time: Time(0),
            last_time: Time(0),
            rows: 0,
            figures: 0,
            bad: 0,
            worst: Quality::GOOD,
            first: At::default(),
            last: At::default(),
            min: At::default(),
            max: At::default(),
            sum: 0.0,
            step: Weighted::default(),
            linear: Weighted::default(),
        }
    }

    /// Of one row.
    fn of_row(time: Time, figure: Option<f64>, bad: bool, quality: Quality) -> Summary {
        let at = At { time, value: figure.unwrap_or(0.0) };
        Summary {
            first_time: time,
            last_time: time,
            rows: 1,
            figures: u64::from(figure.is_some()),
            bad: u64::from(bad),
            worst: quality,
            first: at,
            last: at,
            min: at,
            max: at,
            sum: at.value,
            ..Summary::empty()
        }
    }

    fn ends_in_a_figure(&self) -> bool {
        self.figures > 0 && self.last.time == self.last_time
    }
    fn begins_with_a_figure(&self) -> bool {
        self.figures > 0 && self.first.time == self.first_time
    }

    /// Takes in what comes right after.
    pub fn join(&mut self, later: &Summary) {
        if later.rows == 0 {
            return;
        }
        if self.rows == 0 {
            *self = *later;
            return;
        }
        if self.ends_in_a_figure() {
            let ns = later.first_time.0.saturating_sub(self.last_time.0);
            self.step.add(self.last.value, ns);
            if later.begins_with_a_figure() {
                self.linear.add(f64::midpoint(self.last.value, later.first.value), ns);
            }
        }
        self.step.join(later.step);
        self.linear.join(later.linear);
        if later.figures > 0 {
            if self.figures == 0 {
                (self.first, self.min, self.max) = (later.first, later.min, later.max);
            }
            if later.min.value < self.min.value {
                self.min = later.min;
            }
            if later.max.value > self.max.value {
                self.max = later.max;
            }
            self.last = later.last;
        }
        (self.last_time, self.sum) = (later.last_time, self.sum + later.sum);
        self.rows += later.rows;
        self.figures += later.figures;
        self.bad += later.bad;
        if severity(later.worst) > severity(self.worst) {
            self.worst = later.worst;
        }
    }

    /// Takes in rows that come right after.
    pub(crate) fn add(&mut self, rows: &Rows, range: Range<usize>) {
        match &rows.values {
            Values::Absent(_) | Values::String(_) | Values::Bytes(_) => self.add_each(rows, range, |_| None),
            Values::Bool(v) => self.add_each(rows, range, |row| Some(f64::from(u8::from(v[row])))),
            Values::I64(v) => self.add_each(rows, range, |row| Some(v[row] as f64)),
            Values::U64(v) => self.add_each(rows, range, |row| Some(v[row] as f64)),
            Values::F32(v) => self.add_each(rows, range, |row| Some(f64::from(v[row]))),
            Values::F64(v) => self.add_each(rows, range, |row| Some(v[row])),
        }
    }

    fn add_each(&mut self, rows: &Rows, range: Range<usize>, value: impl Fn(usize) -> Option<f64>) {
        let is_text = matches!(rows.values, Values::String(_) | Values::Bytes(_));
        for row in range {
            let (time, quality) = (rows.times[row], rows.quality(row));
            let figure = value(row).filter(|figure| !quality.is_bad() && !figure.is_nan());
            let bad = quality.is_bad() || (figure.is_none() && !is_text);
            match self.rows {
                0 => *self = Summary::of_row(time, figure, bad, quality),
                _ => self.add_row(time, figure, bad, quality),
            }
        }
    }

    /// The same as joining the summary of one row, in less time: compaction does it for every row.
    fn add_row(&mut self, time: Time, figure: Option<f64>, bad: bool, quality: Quality) {
        let ns = time.0.saturating_sub(self.last_time.0);
        let held = self.ends_in_a_figure();
        if held {
            self.step.add(self.last.value, ns);
        }
        if let Some(value) = figure {
            let at = At { time, value };
            if held {
                self.linear.add(f64::midpoint(self.last.value, value), ns);
            }
            if self.figures == 0 {
                (self.first, self.min, self.max) = (at, at, at);
            }
            if value < self.min.value {
                self.min = at;
            }
            if value > self.max.value {
                self.max = at;
            }
            self.last = at;
            self.sum += value;
            self.figures += 1;
        }
        self.last_time = time;
        self.rows += 1;
        self.bad += u64::from(bad);
        if severity(quality) > severity(self.worst) {
            self.worst = quality;
        }
    }
}

/// The two bits of a status code that say how bad it is.
fn severity(quality: Quality) -> u32 {
    quality.0 >> 30
}

/// Cuts the rows of a point, that come in time order, into summaries of level 0.
#[derive(Default)]
pub(crate) struct Summaries {
    done: Vec<Summary>,
    open: Option<Summary>,
}

impl Summaries {
    pub(crate) fn add(&mut self, rows: &Rows, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let open = self.open.get_or_insert(Summary::empty());
            let end = range.end.min(at + (ROWS - open.rows) as usize);
            open.add(rows, at..end);
            at = end;
            if open.rows == ROWS {
                self.done.extend(self.open.take());
            }
        }
    }

    /// What there is, per level.
    pub(crate) fn levels(mut self) -> Vec<Vec<Summary>> {
        self.done.extend(self.open.take());
        let mut levels = vec![self.done];
        while let Some(below) = levels.last().filter(|below| below.len() > 1)
            && levels.len() < usize::from(Kind::LEVELS_MAX)
        {
            let joined = below.chunks(FAN).map(|eight| {
                let mut whole = Summary::empty();
                eight.iter().for_each(|summary| whole.join(summary));
                whole
            });
            levels.push(joined.collect());
        }
        levels
    }
}

/// Appends summaries as a block.
pub(crate) fn put(out: &mut Vec<u8>, level: u8, point: PointId, summaries: &[Summary]) {
    let began = begin_block(out);
    out.push(Kind::Summary(level).byte());
    out.extend_from_slice(&point.0.to_le_bytes());
    put_varint(out, summaries.len() as u64);
    let times: Vec<Time> = summaries.iter().map(|s| s.first_time).collect();
    column::put_times(out, &times, Effort::Cold);
    let mut numbers = |number: fn(&Summary) -> i64| {
        column::put_values(out, &Values::I64(summaries.iter().map(number).collect()), Effort::Cold);
    };
    numbers(|s| s.last_time.0.wrapping_sub(s.first_time.0));
    numbers(|s| s.rows as i64);
    numbers(|s| s.figures as i64);
    numbers(|s| s.bad as i64);
    numbers(|s| i64::from(s.worst.0));
    for at in [|s: &Summary| s.first, |s: &Summary| s.last, |s: &Summary| s.min, |s: &Summary| s.max] {
        let offsets = summaries
            .iter()
            .map(|s| if s.figures == 0 { 0 } else { at(s).time.0.wrapping_sub(s.first_time.0) });
        column::put_values(out, &Values::I64(offsets.collect()), Effort::Cold);
        column::put_values(out, &Values::F64(summaries.iter().map(|s| at(s).value).collect()), Effort::Cold);
    }
    let mut floats = |float: fn(&Summary) -> f64| {
        column::put_values(out, &Values::F64(summaries.iter().map(float).collect()), Effort::Cold);
    };
    floats(|s| s.sum);
    floats(|s| s.step.integral);
    floats(|s| s.linear.integral);
    let mut numbers = |number: fn(&Summary) -> i64| {
        column::put_values(out, &Values::I64(summaries.iter().map(number).collect()), Effort::Cold);
    };
    numbers(|s| s.step.span_ns);
    numbers(|s| s.linear.span_ns);
    end_block(out, began);
}

fn take_numbers(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<i64>, Malformed> {
    match column::take_values(cursor, Some(ValueType::I64), rows)? {
        Values::I64(numbers) => Ok(numbers),
        _ => Err(Malformed("a column of summaries has another type")),
    }
}

fn take_floats(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<f64>, Malformed> {
    match column::take_values(cursor, Some(ValueType::F64), rows)? {
        Values::F64(floats) => Ok(floats),
        _ => Err(Malformed("a column of summaries has another type")),
    }
}

/// Level, point and summaries from the body of a block.
pub(crate) fn take(body: &[u8]) -> Result<(u8, PointId, Vec<Summary>), Malformed> {
    let mut cursor = Cursor::new(body);
    let Some(Kind::Summary(level)) = Kind::from_byte(cursor.u8()?) else {
        return Err(Malformed("the block holds no summaries"));
    };
    let point = PointId(cursor.u32()?);
    let count = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
    if !(1..=BLOCK).contains(&count) {
        return Err(Malformed("the count of summaries cannot be"));
    }
    let times = column::take_times(&mut cursor, count)?;
    let mut numbers = Vec::with_capacity(5);
    for _ in 0..5 {
        numbers.push(take_numbers(&mut cursor, count)?);
    }
    let mut figures = Vec::with_capacity(4);
    for _ in 0..4 {
        figures.push((take_numbers(&mut cursor, count)?, take_floats(&mut cursor, count)?));
    }
    let [sum, step, linear] = [(); 3].map(|()| take_floats(&mut cursor, count));
    let [step_ns, linear_ns] = [(); 2].map(|()| take_numbers(&mut cursor, count));
    let (sum, step, linear, step_ns, linear_ns) = (sum?, step?, linear?, step_ns?, linear_ns?);
    cursor.end()?;
    let summaries = (0..count).map(|i| {
        let first_time = times[i];
        let at = |of: usize| At {
            time: Time(first_time.0.wrapping_add(figures[of].0[i])),
            value: figures[of].1[i],
        };
        Ok(Summary {
            first_time,
            last_time: Time(first_time.0.wrapping_add(numbers[0][i])),
            rows: numbers[1][i] as u64,
            figures: numbers[2][i] as u64,
            bad: numbers[3][i] as u64,
            worst: Quality(u32::try_from(numbers[4][i]).map_err(|_| Malformed("a quality exceeds 32 bits"))?),
            first: at(0),
            last: at(1),
            min: at(2),
            max: at(3),
            sum: sum[i],
            step: Weighted { integral: step[i], span_ns: step_ns[i] },
            linear: Weighted { integral: linear[i], span_ns: linear_ns[i] },
        })
    });
    Ok((level, point, summaries.collect::<Result<_, Malformed>>()?))
}
