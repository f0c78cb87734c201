//! Figures: size and speed of the codecs on public series and on made ones.
//!
//! `cargo test -p historian --release column::tests::measure -- --ignored --nocapture --test-threads=1`; the public series
//! are read from `compression/*.csv.gz` under the folder that `SINEW_DATA` names, next to the workspace otherwise.

use std::{hint::black_box, path::PathBuf, process::Command, time::Instant};

use types::{Time, ValueType, Values};

use super::{
    super::{Effort, put_times, put_values, take_times, take_values},
    made::{MADE, Noise, TIMES},
};
use crate::codec::Cursor;

const BLOCK: usize = 1000;
const REPEATS: usize = 3;
const TURN_NS: u128 = 40_000_000;

/// The series, by name; none when the data are not on this machine.
fn series() -> Vec<(String, Vec<f64>)> {
    let near = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SINEW_DATA").map_or_else(near, PathBuf::from).join("compression");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no folder {}", folder.display());
        return Vec::new();
    };
    let mut found: Vec<_> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension() == Some("gz".as_ref())).collect();
    found.sort();
    let read = |path: &PathBuf| {
        let text = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip").stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        let last = |line: &str| line.rsplit(',').next().and_then(|cell| cell.trim().parse().ok());
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(".csv.gz", "");
        (name, text.lines().filter_map(last).collect())
    };
    found.iter().map(read).collect()
}

fn encode(values: &Values, effort: Effort) -> Vec<u8> {
    let mut out = Vec::new();
    put_values(&mut out, values, effort);
    out
}

fn decode(bytes: &[u8], of: ValueType, rows: usize) -> Values {
    let mut cursor = Cursor::new(bytes);
    let values = take_values(&mut cursor, Some(of), rows).unwrap();
    cursor.end().unwrap();
    values
}

fn raw(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn assert_same(a: &[f64], b: &Values) {
    let Values::F64(b) = b else { panic!("another type") };
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// Nanoseconds that this thread has run, where the system tells; other work on the machine then does not count.
fn ran() -> u64 {
    thread_local!(static BEGAN: Instant = Instant::now());
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split(' ').next().and_then(|ns| ns.parse().ok()));
    told.unwrap_or_else(|| BEGAN.with(|began| began.elapsed().as_nanos() as u64))
}

/// Nanoseconds a value: the median of several turns, each long enough for a coarse clock.
fn time(values: usize, mut run: impl FnMut()) -> f64 {
    let began = Instant::now();
    run();
    let rounds = (TURN_NS / began.elapsed().as_nanos().max(1)) as usize + 1;
    let took: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let began = ran();
            (0..rounds).for_each(|_| run());
            (ran() - began) as f64 / (rounds * values) as f64
        })
        .collect();
    median(took)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
#[ignore = "measures: size on public series"]
fn sizes_of_public_series() {
    let all = series();
    println!("{:<30}{:>8}{:>8}{:>8}{:>8}  codecs", "series, bits/value", "values", "zstd-3", "hot", "cold");
    let (mut sums, mut worst) = ([0.0; 3], (0.0f64, String::new()));
    for (name, values) in &all {
        let mut bytes = [0usize; 3];
        let mut ids = std::collections::BTreeMap::new();
        for block in values.chunks(BLOCK) {
            let column = Values::F64(block.to_vec());
            let (hot, cold) = (encode(&column, Effort::Hot), encode(&column, Effort::Cold));
            assert_same(block, &decode(&hot, ValueType::F64, block.len()));
            assert_same(block, &decode(&cold, ValueType::F64, block.len()));
            let zstd = zstd::bulk::compress(&raw(block), 3).unwrap().len();
            bytes = [bytes[0] + zstd, bytes[1] + hot.len(), bytes[2] + cold.len()];
            *ids.entry(format!("{:x}", cold[0])).or_insert(0) += 1;
        }
        let bits = bytes.map(|b| b as f64 * 8.0 / values.len() as f64);
        println!("{name:<30}{:>8}{:>8.2}{:>8.2}{:>8.2}  {ids:?}", values.len(), bits[0], bits[1], bits[2]);
        (0..3).for_each(|i| sums[i] += bits[i] / all.len() as f64);
        if bits[2] / bits[0] > worst.0 {
            worst = (bits[2] / bits[0], name.clone());
        }
    }
    println!("{:<30}{:>8}{:>8.2}{:>8.2}{:>8.2}", "mean", "", sums[0], sums[1], sums[2]);
    println!("largest part of zstd-3: {:.3} ({})", worst.0, worst.1);
    assert!(all.is_empty() || (sums[2] <= 17.5 && worst.0 <= 1.10));
}

#[test]
#[ignore = "measures: speed on public series"]
fn speeds_on_public_series() {
    let all = series();
    let blocks: Vec<&[f64]> = all.iter().flat_map(|(_, values)| values.chunks(BLOCK)).collect();
    let n: usize = blocks.iter().map(|b| b.len()).sum();
    if n == 0 {
        return;
    }
    let columns: Vec<Values> = blocks.iter().map(|b| Values::F64(b.to_vec())).collect();
    let zstd: Vec<Vec<u8>> = blocks.iter().map(|b| zstd::bulk::compress(&raw(b), 3).unwrap()).collect();
    let mut reader = zstd::bulk::Decompressor::new().unwrap();
    let mut place = vec![0u8; BLOCK * 8];
    let mut sums = [0.0; 2];
    for (name, values) in &all {
        let columns: Vec<Values> = values.chunks(BLOCK).map(|b| Values::F64(b.to_vec())).collect();
        let of_effort = |effort| {
            let put = time(values.len(), || columns.iter().for_each(|c| drop(black_box(encode(c, effort)))));
            let bytes: Vec<Vec<u8>> = columns.iter().map(|c| encode(c, effort)).collect();
            let both: Vec<_> = bytes.iter().zip(&columns).collect();
            let read = |(b, c): &(&Vec<u8>, &Values)| drop(black_box(decode(b, ValueType::F64, c.len())));
            (put, time(values.len(), || both.iter().for_each(read)))
        };
        let (hot, cold) = (of_effort(Effort::Hot), of_effort(Effort::Cold));
        let zstd: Vec<Vec<u8>> =
            values.chunks(BLOCK).map(|b| zstd::bulk::compress(&raw(b), 3).unwrap()).collect();
        let base = time(values.len(), || {
            zstd.iter().for_each(|z| {
                black_box(reader.decompress_to_buffer(z, &mut place).unwrap());
            });
        });
        (sums[0], sums[1]) = (sums[0] + base / hot.1, sums[1] + base / cold.1);
        println!(
            "{name:<30} ns/value: zstd-3 decode {base:>5.2}, hot encode {:>6.1} decode {:>6.2}, cold encode {:>6.1} decode {:>6.2}",
            hot.0, hot.1, cold.0, cold.1
        );
    }
    let [hot, cold] = sums.map(|sum| sum / all.len() as f64);
    println!("decode, mean over series: hot {hot:.1} x, cold {cold:.1} x zstd-3");
    let [hot, cold] = [Effort::Hot, Effort::Cold].map(|effort| {
        let bytes: Vec<Vec<u8>> = columns.iter().map(|c| encode(c, effort)).collect();
        let took = time(n, || columns.iter().for_each(|c| drop(black_box(encode(c, effort)))));
        println!("{effort:?}: encode {took:.2} ns/value ({:.0} M/s)", 1e3 / took);
        bytes
    });
    let read = |all: &[Vec<u8>]| {
        let both = all.iter().zip(&blocks);
        both.for_each(|(b, v)| drop(black_box(decode(b, ValueType::F64, v.len()))));
    };
    // In turn, so that a busy neighbour is as hard on each.
    let mut took = [const { Vec::new() }; 3];
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..REPEATS * 3 {
        took[0].push(time(n, || {
            zstd.iter().for_each(|z| {
                black_box(reader.decompress_to_buffer(z, &mut place).unwrap());
            });
        }));
        took[1].push(time(n, || read(&hot)));
        took[2].push(time(n, || read(&cold)));
        (0..2).for_each(|i| times[i].push(took[0][took[0].len() - 1] / took[i + 1][took[0].len() - 1]));
    }
    let [base, hot, cold] = took.map(median);
    let [hot_times, cold_times] = times.map(median);
    println!(
        "decode, ns/value: zstd-3 {base:.2}, hot {hot:.2} ({hot_times:.1} x), cold {cold:.2} ({cold_times:.1} x)"
    );
}

/// How many times as fast as zstd-3 each effort must be read.
const GATES: [f64; 2] = [10.0, 2.0];
/// Turns of each, so short that some pass without a disturbance.
const TURNS: usize = 60;
const SHORT_NS: u128 = 4_000_000;

/// Nanoseconds a value of each of three: the least of many turns, taken in turn, so that a busy neighbour is left out.
fn in_turn(values: usize, runs: &mut [&mut dyn FnMut(); 3]) -> [f64; 3] {
    let mut least = [f64::INFINITY; 3];
    for _ in 0..TURNS {
        for (run, least) in runs.iter_mut().zip(&mut least) {
            let (began, mut rounds) = (Instant::now(), 0);
            while began.elapsed().as_nanos() < SHORT_NS {
                run();
                rounds += 1;
            }
            *least = least.min(began.elapsed().as_nanos() as f64 / (rounds * values) as f64);
        }
    }
    least
}

#[test]
#[ignore = "measures: speed of reading against zstd-3, on public series"]
fn reading_keeps_ahead_of_zstd() {
    let all = series();
    let mut reader = zstd::bulk::Decompressor::new().unwrap();
    let mut place = vec![0u8; BLOCK * 8];
    let (mut sums, mut count) = ([0.0; 3], 0);
    println!(
        "{:<28}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "decode, ns/value", "zstd-3", "hot", "cold", "hot x", "cold x"
    );
    let line = |name: &str, [base, hot, cold]: [f64; 3]| {
        println!("{name:<28}{base:>8.2}{hot:>8.2}{cold:>8.2}{:>8.1}{:>8.1}", base / hot, base / cold);
    };
    for (name, values) in &all {
        let blocks: Vec<&[f64]> = values.chunks(BLOCK).collect();
        let zstd: Vec<Vec<u8>> = blocks.iter().map(|b| zstd::bulk::compress(&raw(b), 3).unwrap()).collect();
        let [hot, cold] = [Effort::Hot, Effort::Cold].map(|effort| {
            blocks.iter().map(|b| encode(&Values::F64(b.to_vec()), effort)).collect::<Vec<_>>()
        });
        let read = |all: &[Vec<u8>]| {
            let both = all.iter().zip(&blocks);
            both.for_each(|(bytes, b)| drop(black_box(decode(bytes, ValueType::F64, b.len()))));
        };
        let mut base = || {
            zstd.iter().for_each(|z| {
                black_box(reader.decompress_to_buffer(z, &mut place).unwrap());
            });
        };
        let took = in_turn(values.len(), &mut [&mut base, &mut || read(&hot), &mut || read(&cold)]);
        line(name, took);
        (0..3).for_each(|i| sums[i] += took[i] * values.len() as f64);
        count += values.len();
    }
    if count > 0 {
        line("all values", sums.map(|sum| sum / count as f64));
        let [hot, cold] = [sums[0] / sums[1], sums[0] / sums[2]];
        assert!(hot >= GATES[0] && cold >= GATES[1], "hot {hot:.1}, cold {cold:.1}");
    }
}

#[test]
#[ignore = "measures: size and speed on made series"]
fn made_series() {
    println!(
        "{:<28}{:>8}  {:>8}{:>8}   M/s: enc {:>6} dec {:>6}, enc {:>6} dec {:>6}",
        "series, bytes/value", "rows", "hot", "cold", "hot", "hot", "cold", "cold"
    );
    for rows in [60, 1000, 4096, 16_384] {
        for (name, of, make) in MADE {
            let mut noise = Noise(7);
            let columns: Vec<Values> = (0..(100_000 / rows).max(8)).map(|_| make(&mut noise, rows)).collect();
            let (n, mut cells) = (columns.len() * rows, Vec::new());
            for effort in [Effort::Hot, Effort::Cold] {
                let bytes: Vec<Vec<u8>> = columns.iter().map(|c| encode(c, effort)).collect();
                for (bytes, column) in bytes.iter().zip(&columns) {
                    assert_eq!(&decode(bytes, *of, rows), column);
                }
                let put = time(n, || columns.iter().for_each(|c| drop(black_box(encode(c, effort)))));
                let take = time(n, || bytes.iter().for_each(|b| drop(black_box(decode(b, *of, rows)))));
                let size = bytes.iter().map(Vec::len).sum::<usize>() as f64 / n as f64;
                cells.push((size, 1e3 / put, 1e3 / take, bytes[0][0]));
            }
            let (hot, cold) = (cells[0], cells[1]);
            println!(
                "{name:<28}{rows:>8}  {:>8.3}{:>8.3}   M/s:     {:>6.0}     {:>6.0},     {:>6.0}     {:>6.0}  {:x} {:x}",
                hot.0, cold.0, hot.1, hot.2, cold.1, cold.2, hot.3, cold.3
            );
        }
    }
}

#[test]
#[ignore = "measures: size and speed of times"]
fn made_times() {
    println!(
        "{:<32}{:>8}  {:>8}{:>8}{:>8}   M/s hot enc, dec; cold enc, dec",
        "times, bytes/time", "rows", "hot", "cold", "pco-8"
    );
    for rows in [60, 1000, 4096, 16_384] {
        for (name, make) in TIMES {
            let mut noise = Noise(11);
            let columns: Vec<Vec<Time>> = (0..(100_000 / rows).max(8))
                .map(|_| make(&mut noise, rows).into_iter().map(Time).collect())
                .collect();
            let (n, mut cells) = (columns.len() * rows, Vec::new());
            let put = |times: &[Time], effort| {
                let mut out = Vec::new();
                put_times(&mut out, times, effort);
                out
            };
            for effort in [Effort::Hot, Effort::Cold] {
                let bytes: Vec<Vec<u8>> = columns.iter().map(|c| put(c, effort)).collect();
                for (bytes, column) in bytes.iter().zip(&columns) {
                    assert_eq!(&take_times(&mut Cursor::new(bytes), rows).unwrap(), column);
                }
                let encode = time(n, || columns.iter().for_each(|c| drop(black_box(put(c, effort)))));
                let take = |b: &Vec<u8>| drop(black_box(take_times(&mut Cursor::new(b), rows)));
                let decode = time(n, || bytes.iter().for_each(take));
                cells.push((
                    bytes.iter().map(Vec::len).sum::<usize>() as f64 / n as f64,
                    1e3 / encode,
                    1e3 / decode,
                ));
            }
            let pco = |c: &Vec<Time>| {
                let raw: Vec<i64> = c.iter().map(|t| t.0).collect();
                pco::standalone::simple_compress(&raw, &pco::ChunkConfig::default()).unwrap().len()
            };
            let pco = columns.iter().map(pco).sum::<usize>() as f64 / n as f64;
            let (h, c) = (cells[0], cells[1]);
            println!(
                "{name:<32}{rows:>8}  {:>8.4}{:>8.4}{pco:>8.4}   {:.0} {:.0} {:.0} {:.0}",
                h.0, c.0, h.1, h.2, c.1, c.2
            );
        }
    }
}
