//! A plant in its native types: of 20 points 8 analogue, 2 set points, 3 counters, 2 states, 3 switches, 1 vibration and
//! 1 worked-out value. Of 10 clocks 4 are exact, 3 jitter by 2 ms, 2 tick in 100 ns and 1 drifts; every second point has
//! a gap, and every twentieth three runs of Bad rows.

use std::ops::Range;
use types::Values;

use crate::data::{Random, SECOND_NS, START_NS, Series};

pub(crate) fn series(random: &mut Random, point: u32, rows: usize) -> Series {
    let times = times(random, point, rows);
    let values = match point % 20 {
        0..=7 => analogue(random, point, rows),
        8 | 9 => Values::F64(held(random, rows, 900, |random| (random.unit() * 200.0).round() / 2.0)),
        10 | 11 => counter(random, rows),
        12 => totaliser(random, rows),
        13 | 14 => Values::I64(held(random, rows, 240, |random| random.below(6) as i64)),
        15..=17 => switch(random, rows),
        18 => Values::F32((0..rows).map(|_| (2.0 + 0.8 * random.normal()) as f32).collect()),
        _ => computed(random, rows),
    };
    let bad = if point % 20 == point / 20 % 20 { bad(random, rows) } else { Vec::new() };
    Series { point, times, values, bad }
}

fn times(random: &mut Random, point: u32, rows: usize) -> Vec<i64> {
    let gap_at = if point.is_multiple_of(2) { random.below(rows) } else { rows };
    let gap_ns = (60 + random.below(3_540)) as i64 * SECOND_NS;
    let clock = point / 20 % 10;
    let mut time = |row: usize| {
        let grid = START_NS + row as i64 * SECOND_NS + if row >= gap_at { gap_ns } else { 0 };
        grid + match clock {
            0..=3 => 0,
            // In microseconds, as most devices say.
            4..=6 => (random.below(4_001) as i64 - 2_000) * 1_000,
            // OPC UA counts in 100 ns.
            7 | 8 => (random.below(1_001) as i64 - 500) * 100,
            // 37 ppm, kept in microseconds.
            _ => row as i64 * 37_000,
        }
    };
    (0..rows).map(&mut time).collect()
}

/// In steps of 0.1, in steps of 0.01, 12 bits scaled, or the REAL of a controller.
fn analogue(random: &mut Random, point: u32, rows: usize) -> Values {
    let mut at = 20.0 + 60.0 * random.unit();
    let middle = at;
    let mut next = move |step: f64, noise: f64| {
        at += step * random.normal() + 0.0005 * (middle - at);
        at + noise * random.normal()
    };
    match point % 4 {
        0 => Values::F64((0..rows).map(|_| (next(0.02, 0.03) * 10.0).round() / 10.0).collect()),
        1 => Values::F64((0..rows).map(|_| (next(0.005, 0.01) * 100.0).round() / 100.0).collect()),
        2 => {
            let scale = 100.0 / 4_095.0;
            Values::F64((0..rows).map(|_| (next(0.01, 0.02) / scale).round() * scale).collect())
        }
        _ => Values::F32((0..rows).map(|_| (next(0.01, 0.005) * 64.0).round() as f32 / 64.0).collect()),
    }
}

/// A value that stays for about `rows_each` rows.
fn held<T: Clone>(
    random: &mut Random,
    rows: usize,
    rows_each: usize,
    mut make: impl FnMut(&mut Random) -> T,
) -> Vec<T> {
    let mut value = make(random);
    let mut next = |_| {
        if random.one_in(rows_each) {
            value = make(random);
        }
        value.clone()
    };
    (0..rows).map(&mut next).collect()
}

fn counter(random: &mut Random, rows: usize) -> Values {
    let mut total = random.below(1_000_000) as i64;
    let rate = 1 + random.below(4);
    let mut next = |_| {
        total += random.below(rate + 1) as i64;
        total
    };
    Values::I64((0..rows).map(&mut next).collect())
}

fn totaliser(random: &mut Random, rows: usize) -> Values {
    let mut hundredths = random.below(10_000_000) as f64;
    let mut next = |_| {
        hundredths += (12.0 + 1.5 * random.normal()).round().max(0.0);
        hundredths / 100.0
    };
    Values::F64((0..rows).map(&mut next).collect())
}

/// On or off for minutes, with a glitch of one row now and then.
fn switch(random: &mut Random, rows: usize) -> Values {
    let mut on = random.one_in(2);
    let mut next = |_| {
        on ^= random.one_in(300);
        on ^ random.one_in(2_000)
    };
    Values::Bool((0..rows).map(&mut next).collect())
}

/// All digits that a double has: an efficiency worked out from others.
fn computed(random: &mut Random, rows: usize) -> Values {
    let mut at = 0.7;
    let mut next = |_| {
        at = (at + 0.001 * random.normal()).clamp(0.1, 1.0);
        at
    };
    Values::F64((0..rows).map(&mut next).collect())
}

fn bad(random: &mut Random, rows: usize) -> Vec<Range<usize>> {
    let third = rows / 3;
    let run = |n: usize, random: &mut Random| {
        let length = (10 + random.below(50)).min(third / 2);
        let start = n * third + random.below(third - length.min(third));
        start..start + length
    };
    if third == 0 { Vec::new() } else { (0..3).map(|n| run(n, random)).collect() }
}
