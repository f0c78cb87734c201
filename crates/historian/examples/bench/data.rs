//! Data sets, point by point: the same samples for every seed, whoever asks.

use std::ops::Range;
use types::{Quality, Values};

use crate::{Failure, plant, random::Seeded};

/// 2026-01-01T00:00:00Z.
pub(crate) const START_NS: i64 = 1_767_225_600_000_000_000;
pub(crate) const SECOND_NS: i64 = 1_000_000_000;

/// All samples of one point, oldest first.
pub(crate) struct Series {
    pub(crate) point: u32,
    pub(crate) times: Vec<i64>,
    pub(crate) values: Values,
    /// Rows that are Bad.
    pub(crate) bad: Vec<Range<usize>>,
}

impl Series {
    pub(crate) fn quality(&self, row: usize) -> Quality {
        let bad = self.bad.iter().any(|rows| rows.contains(&row));
        if bad { Quality::BAD_NO_COMMUNICATION } else { Quality::GOOD }
    }
    /// What an aggregate has to count: usable rows and Bad ones.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let bad: usize = self.bad.iter().map(Range::len).sum();
        ((self.times.len() - bad) as u64, bad as u64)
    }
    /// The sum of the usable values, booleans as 0 and 1.
    pub(crate) fn sum(&self) -> f64 {
        let usable = |row: &usize| self.bad.iter().all(|rows| !rows.contains(row));
        (0..self.times.len()).filter(usable).map(|row| number(&self.values, row)).sum()
    }
    /// The same with the Bad rows: what a program sums up that knows no quality.
    pub(crate) fn sum_with_bad(&self) -> f64 {
        (0..self.times.len()).map(|row| number(&self.values, row)).sum()
    }
}

/// A value as a number.
pub(crate) fn number(values: &Values, row: usize) -> f64 {
    match values {
        Values::Bool(v) => f64::from(u8::from(v[row])),
        Values::I64(v) => v[row] as f64,
        Values::F32(v) => f64::from(v[row]),
        Values::F64(v) => v[row],
        _ => f64::NAN,
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Of each host 10 measures 0 to 100 as whole numbers, N(0,1) steps, every 10 s.
    Walk,
    /// Two decimals: N(0,0.05) steps and N(0,0.02) noise, every s.
    Decimals,
    /// Doubles from 1 to 2 of any bits, which no code makes smaller; a table knows no sum of them.
    Noise,
    /// See [`plant`].
    Plant,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Result<Kind, Failure> {
        match name {
            "walk" => Ok(Kind::Walk),
            "decimals" => Ok(Kind::Decimals),
            "plant" => Ok(Kind::Plant),
            _ => {
                Err(format!("no data set `{name}`: walk, decimals, plant or a folder that `data` wrote")
                    .into())
            }
        }
    }
    pub(crate) fn period_ns(self) -> i64 {
        if self == Kind::Walk { 10 * SECOND_NS } else { SECOND_NS }
    }
    pub(crate) fn series(self, seed: u64, point: u32, rows: usize) -> Series {
        let mut random = Random::new(seed, point);
        if self == Kind::Plant {
            return plant::series(&mut random, point, rows);
        }
        let times = (0..rows).map(|row| START_NS + row as i64 * self.period_ns()).collect();
        let values = match self {
            Kind::Walk => Values::I64(whole(&mut random, rows).collect()),
            Kind::Noise => Values::F64(noise(&mut random, rows).enumerate().map(scattered).collect()),
            _ => Values::F64(hundredths(&mut random, rows).map(|cell| f64::from(cell) / 100.0).collect()),
        };
        Series { point, times, values, bad: Vec::new() }
    }
}

/// TSBS "cpu-only": a walk clamped to 0..100, cut to whole numbers.
fn whole(random: &mut Random, rows: usize) -> impl Iterator<Item = i64> {
    let mut at = random.unit() * 100.0;
    (0..rows).map(move |_| {
        at = (at + random.normal()).clamp(0.0, 100.0);
        at as i64
    })
}

fn hundredths(random: &mut Random, rows: usize) -> impl Iterator<Item = i16> {
    let mut at = random.unit() * 100.0;
    (0..rows).map(move |_| {
        at = (at + 0.05 * random.normal()).clamp(-300.0, 300.0);
        ((at + 0.02 * random.normal()) * 100.0).round() as i16
    })
}

fn noise(random: &mut Random, rows: usize) -> impl Iterator<Item = i16> {
    (0..rows).map(move |_| (random.unit() * 65_536.0) as u16 as i16)
}

/// A double of the bits that a cell and its place draw.
fn scattered((at, cell): (usize, i16)) -> f64 {
    let drawn = Seeded::new((at as u64) << 16 | u64::from(cell as u16)).next();
    f64::from_bits(1.0_f64.to_bits() | drawn >> 12)
}

/// Samples of points that all tick together, two bytes each, so that the memory measured is the store's.
pub(crate) struct Table {
    kind: Kind,
    pub(crate) points: usize,
    ticks: usize,
    /// Tick by tick.
    cells: Vec<i16>,
    start_ns: i64,
}

impl Table {
    /// The samples of [`Kind::series`], for the first `ticks` ticks; later ticks repeat them.
    pub(crate) fn new(kind: Kind, seed: u64, points: usize, ticks: usize) -> Table {
        let mut cells = vec![0; points * ticks];
        for point in 0..points {
            let mut random = Random::new(seed, point as u32);
            let mut set = |tick: usize, cell: i16| cells[tick * points + point] = cell;
            match kind {
                Kind::Walk => whole(&mut random, ticks).enumerate().for_each(|(tick, v)| set(tick, v as i16)),
                Kind::Noise => noise(&mut random, ticks).enumerate().for_each(|(tick, v)| set(tick, v)),
                _ => hundredths(&mut random, ticks).enumerate().for_each(|(tick, v)| set(tick, v)),
            }
        }
        Table { kind, points, ticks, cells, start_ns: START_NS }
    }
    /// Begins at another instant than all others.
    pub(crate) fn since(self, start_ns: i64) -> Table {
        Table { start_ns, ..self }
    }
    pub(crate) fn bytes(&self) -> usize {
        self.cells.len() * size_of::<i16>()
    }
    pub(crate) fn time(&self, tick: usize) -> i64 {
        self.start_ns + tick as i64 * self.kind.period_ns()
    }
    /// Whole numbers, or hundredths.
    pub(crate) fn cells(&self, tick: usize, points: Range<usize>) -> &[i16] {
        let row = (tick % self.ticks) * self.points;
        &self.cells[row + points.start..row + points.end]
    }
    pub(crate) fn values(&self, cells: &[i16]) -> Values {
        match self.kind {
            Kind::Walk => Values::I64(cells.iter().map(|cell| i64::from(*cell)).collect()),
            Kind::Noise => Values::F64(cells.iter().copied().enumerate().map(scattered).collect()),
            _ => Values::F64(cells.iter().map(|cell| f64::from(*cell) / 100.0).collect()),
        }
    }
    /// The sum of cells as the sum of values.
    pub(crate) fn sum(&self, cells: i64) -> f64 {
        match self.kind {
            Kind::Walk => cells as f64,
            Kind::Noise => f64::NAN,
            _ => cells as f64 / 100.0,
        }
    }
}

/// One stream of numbers for each point.
pub(crate) struct Random {
    seeded: Seeded,
    spare: Option<f64>,
}

impl Random {
    pub(crate) fn new(seed: u64, stream: u32) -> Random {
        let first = Seeded::new(seed ^ (u64::from(stream) << 32)).next();
        Random { seeded: Seeded::new(first), spare: None }
    }
    /// 0 to 1, 1 excluded.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.seeded.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// 0 to `n`, `n` excluded.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    /// N(0,1), by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (radius, angle) = ((-2.0 * (1.0 - self.unit()).ln()).sqrt(), std::f64::consts::TAU * self.unit());
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}
