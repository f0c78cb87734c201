//! Series such as plants make them, the same in every run.

use types::{ValueType, Values};

/// How many times as deep as in an ordinary run to look for faults: a nightly run sets `SINEW_TEST_DEPTH`.
pub(in crate::column) fn depth() -> u32 {
    std::env::var("SINEW_TEST_DEPTH").ok().and_then(|depth| depth.parse().ok()).unwrap_or(1)
}

/// Pseudo-random numbers, the same in every run.
pub(in crate::column) struct Noise(pub(in crate::column) u64);

impl Noise {
    pub(in crate::column) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub(in crate::column) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub(in crate::column) fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// A kind of values: its name, its type, and how so many of it are made.
pub(in crate::column) type Made = (&'static str, ValueType, fn(&mut Noise, usize) -> Values);

fn walk(noise: &mut Noise, rows: usize) -> impl Iterator<Item = f64> {
    let mut at = noise.unit() * 100.0;
    (0..rows).map(move |_| {
        at = (at + noise.normal()).clamp(0.0, 100.0);
        at
    })
}

/// Two decimals of a slow walk under noise.
fn two_decimals(noise: &mut Noise, rows: usize) -> Vec<f64> {
    let mut at = 20.0 + noise.unit() * 60.0;
    let next = |_| {
        at += 0.05 * noise.normal();
        ((at + 0.02 * noise.normal()) * 100.0).round() / 100.0
    };
    (0..rows).map(next).collect()
}

/// All kinds of values.
pub(in crate::column) const MADE: &[Made] = &[
    ("tsbs walk, i64", ValueType::I64, |n, rows| Values::I64(walk(n, rows).map(|v| v as i64).collect())),
    ("tsbs walk, f64", ValueType::F64, |n, rows| Values::F64(walk(n, rows).map(f64::trunc).collect())),
    ("two decimals, f64", ValueType::F64, |n, rows| Values::F64(two_decimals(n, rows))),
    ("two decimals, f32", ValueType::F32, |n, rows| {
        Values::F32(two_decimals(n, rows).into_iter().map(|v| v as f32).collect())
    }),
    ("12-bit counts x 100/4095", ValueType::F64, |n, rows| {
        Values::F64(walk(n, rows).map(|v| (v * 40.95).round() * (100.0 / 4095.0)).collect())
    }),
    ("counts x 0.1", ValueType::F64, |n, rows| {
        Values::F64(walk(n, rows).map(|v| (v * 10.0).round() * 0.1).collect())
    }),
    ("full mantissa", ValueType::F64, |n, rows| Values::F64(walk(n, rows).collect())),
    ("f32 vibration in f64", ValueType::F64, |n, rows| {
        Values::F64((0..rows).map(|_| f64::from(n.normal() as f32)).collect())
    }),
    ("counter", ValueType::U64, |n, rows| {
        let mut sum = n.bits() >> 30;
        Values::U64(
            (0..rows)
                .map(|_| {
                    sum += 90 + n.bits() % 20;
                    sum
                })
                .collect(),
        )
    }),
    ("counter in step", ValueType::I64, |n, rows| {
        let mut sum = n.bits() as i64 >> 20;
        Values::I64(
            (0..rows)
                .map(|_| {
                    sum += 1;
                    sum
                })
                .collect(),
        )
    }),
    ("states", ValueType::I64, |n, rows| {
        let mut state = 0;
        Values::I64(
            (0..rows)
                .map(|_| {
                    if n.unit() < 0.01 {
                        state = (n.bits() % 6) as i64 * 10;
                    }
                    state
                })
                .collect(),
        )
    }),
    ("setpoint", ValueType::F64, |n, rows| {
        let mut at = 21.5;
        Values::F64(
            (0..rows)
                .map(|_| {
                    if n.unit() < 0.002 {
                        at = (n.unit() * 500.0).round() / 10.0;
                    }
                    at
                })
                .collect(),
        )
    }),
    ("bool with glitches", ValueType::Bool, |n, rows| {
        Values::Bool((0..rows).map(|i| (i / 700 % 2 == 0) ^ (n.unit() < 0.005)).collect())
    }),
];

/// A kind of times: its name, and how so many of it are made.
pub(in crate::column) type MadeTimes = (&'static str, fn(&mut Noise, usize) -> Vec<i64>);

const START: i64 = 1_790_000_000_000_000_000;

/// All kinds of times.
pub(in crate::column) const TIMES: &[MadeTimes] = &[
    ("exact grid 1 s", |_, rows| (0..rows as i64).map(|i| START + i * 1_000_000_000).collect()),
    ("grid, one gap", |n, rows| {
        let gap = (n.bits() % rows as u64) as i64;
        (0..rows as i64).map(|i| START + (i + i64::from(i > gap) * 977) * 1_000_000_000).collect()
    }),
    ("jitter +-2 ms, in ms", |n, rows| {
        (0..rows as i64).map(|i| START + i * 1_000_000_000 + (n.bits() % 5) as i64 * 1_000_000).collect()
    }),
    ("jitter normal 1 ms, in 100 ns", |n, rows| {
        (0..rows as i64).map(|i| START + i * 1_000_000_000 + (n.normal() * 1e4) as i64 * 100).collect()
    }),
    ("same with 1 % gaps", |n, rows| {
        let mut skipped = 0;
        (0..rows as i64)
            .map(|i| {
                if n.unit() < 0.01 {
                    skipped += 1 + (n.bits() % 5) as i64;
                }
                START + (i + skipped) * 1_000_000_000 + (n.normal() * 1e4) as i64 * 100
            })
            .collect()
    }),
    ("drift 50 ppm, in us", |_, rows| (0..rows as i64).map(|i| START + i * 1_000_050 * 1000).collect()),
    ("walk of steps, in ms", |n, rows| {
        let mut at = START;
        (0..rows)
            .map(|_| {
                at += 1_000_000_000 + (n.normal() * 3.0) as i64 * 1_000_000;
                at
            })
            .collect()
    }),
    ("events, in ms", |n, rows| {
        let mut at = START;
        (0..rows)
            .map(|_| {
                at += (1 + (-(1.0 - n.unit()).ln() * 2e4) as i64) * 1_000_000;
                at
            })
            .collect()
    }),
    ("thirds of 10 s, in ms", |_, rows| {
        (0..rows as i64).map(|i| START + i * 10_000 / 3 * 1_000_000).collect()
    }),
];
