//! Columns of numbers of one type: equal ones, runs, few distinct ones, or the streams of that type.

use super::{
    Effort,
    floats::{put_floats, take_floats},
    id,
    ints::{put_ints, take_ints, take_ints_as},
};
use crate::codec::{Cursor, Malformed, put_varint};

/// Distinct values that a dictionary may have when time matters: what has more is found out early.
const DISTINCT_MAX_HOT: usize = 128;
/// Distinct values that a dictionary may have at all.
const DISTINCT_MAX_COLD: usize = 4096;
/// A dictionary must save one part of so many, or its slower reading is not worth it.
const DICTIONARY_GAIN: usize = 32;

/// A type of numbers.
pub(super) trait Number: Copy + Default {
    /// Bytes of one in memory.
    const BYTES: usize;
    /// Its bits: two are the same when these are.
    fn bits(self) -> u64;
    /// The number of these bits.
    fn from_bits(bits: u64) -> Self;
    /// An integer that rises with the number.
    fn rank(self) -> i64;
    /// Appends a stream that is neither runs nor a dictionary.
    fn put_stream(out: &mut Vec<u8>, values: &[Self], effort: Effort);
    /// Reads such a stream, whose id is read already.
    fn take_stream(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<Self>, Malformed>;
}

/// A type of floating-point numbers.
pub(super) trait Float: Number + pco::data_types::Number {
    /// As a double; never loses anything but the payload of a NaN.
    fn widen(self) -> f64;
    /// The nearest of this type.
    fn narrow(v: f64) -> Self;
    /// The number of this rank.
    fn from_rank(rank: i64) -> Self;
    /// All as narrower floats, when there is a narrower type that has each of them exactly.
    fn as_narrower(values: &[Self]) -> Option<Vec<f32>>;
}

impl Number for i64 {
    const BYTES: usize = 8;
    fn bits(self) -> u64 {
        self as u64
    }
    fn from_bits(bits: u64) -> i64 {
        bits as i64
    }
    fn rank(self) -> i64 {
        self
    }
    fn put_stream(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
        put_ints(out, values, effort);
    }
    fn take_stream(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<i64>, Malformed> {
        take_ints_as(cursor, id, rows)
    }
}

impl Number for u64 {
    const BYTES: usize = 8;
    fn bits(self) -> u64 {
        self
    }
    fn from_bits(bits: u64) -> u64 {
        bits
    }
    fn rank(self) -> i64 {
        self as i64
    }
    fn put_stream(out: &mut Vec<u8>, values: &[u64], effort: Effort) {
        put_ints(out, &values.iter().map(|v| *v as i64).collect::<Vec<_>>(), effort);
    }
    fn take_stream(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<u64>, Malformed> {
        Ok(take_ints_as(cursor, id, rows)?.into_iter().map(|v| v as u64).collect())
    }
}

/// Negative floats have their bits the other way round.
fn mirrored(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

impl Number for f64 {
    const BYTES: usize = 8;
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn from_bits(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    fn rank(self) -> i64 {
        mirrored(self.to_bits() as i64)
    }
    fn put_stream(out: &mut Vec<u8>, values: &[f64], effort: Effort) {
        put_floats(out, values, effort);
    }
    fn take_stream(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<f64>, Malformed> {
        match id {
            id::FLOAT_NARROW => {
                let inner = cursor.u8()?;
                Ok(take_floats::<f32>(cursor, inner, rows)?.into_iter().map(f64::from).collect())
            }
            _ => take_floats(cursor, id, rows),
        }
    }
}

impl Float for f64 {
    fn widen(self) -> f64 {
        self
    }
    fn narrow(v: f64) -> f64 {
        v
    }
    fn from_rank(rank: i64) -> f64 {
        f64::from_bits(mirrored(rank) as u64)
    }
    fn as_narrower(values: &[f64]) -> Option<Vec<f32>> {
        // A NaN may change on its way through a conversion, and not on every processor in the same way.
        let fits = |v: &f64| f64::from(*v as f32).to_bits() == v.to_bits() && !v.is_nan();
        values.iter().all(fits).then(|| values.iter().map(|v| *v as f32).collect())
    }
}

impl Number for f32 {
    const BYTES: usize = 4;
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
    fn from_bits(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
    fn rank(self) -> i64 {
        let bits = self.to_bits() as i32;
        i64::from(if bits < 0 { bits ^ i32::MAX } else { bits })
    }
    fn put_stream(out: &mut Vec<u8>, values: &[f32], effort: Effort) {
        put_floats(out, values, effort);
    }
    fn take_stream(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<f32>, Malformed> {
        take_floats(cursor, id, rows)
    }
}

impl Float for f32 {
    fn widen(self) -> f64 {
        f64::from(self)
    }
    fn narrow(v: f64) -> f32 {
        v as f32
    }
    fn from_rank(rank: i64) -> f32 {
        let bits = rank as i32;
        f32::from_bits(if bits < 0 { bits ^ i32::MAX } else { bits } as u32)
    }
    fn as_narrower(_: &[f32]) -> Option<Vec<f32>> {
        None
    }
}

/// Appends a column of numbers.
pub(super) fn put_numbers<T: Number>(out: &mut Vec<u8>, values: &[T], effort: Effort) {
    if values.is_empty() {
        out.push(id::EMPTY);
        return;
    }
    let changes = values.windows(2).filter(|pair| pair[0].bits() != pair[1].bits()).count();
    let began = out.len();
    // Where runs are this long, nothing else comes near.
    let few = changes <= values.len() / 128;
    if !few {
        T::put_stream(out, values, effort);
    }
    let mut other = Vec::new();
    if few || changes < values.len() / 4 {
        put_runs(&mut other, values, changes + 1, effort);
        keep_smaller(out, began, &mut other);
    }
    let most = match effort {
        Effort::Hot => DISTINCT_MAX_HOT,
        Effort::Cold => DISTINCT_MAX_COLD,
    };
    if values.len() >= 16
        && out.len() - began > values.len() / 8
        && let Some((distinct, places)) = distinct(values, most.min(values.len() / 2))
    {
        let written = out.len() - began;
        if promised_bytes(distinct.len(), &places) < written + written / 4 {
            put_dictionary::<T>(&mut other, &distinct, places, effort);
            if other.len() < written - written / DICTIONARY_GAIN {
                keep_smaller(out, began, &mut other);
            }
        }
    }
}

/// Takes the other bytes where nothing is written yet or where they are fewer, and empties them.
pub(super) fn keep_smaller(out: &mut Vec<u8>, began: usize, other: &mut Vec<u8>) {
    if out.len() == began || other.len() < out.len() - began {
        out.truncate(began);
        out.append(other);
    }
    other.clear();
}

fn put_runs<T: Number>(out: &mut Vec<u8>, values: &[T], runs: usize, effort: Effort) {
    let (mut heads, mut lengths) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for run in values.chunk_by(|a, b| a.bits() == b.bits()) {
        heads.push(run[0]);
        lengths.push(run.len() as i64);
    }
    out.push(id::RUNS);
    put_varint(out, runs as u64);
    if runs > 1 {
        put_ints(out, &lengths, effort);
    }
    T::put_stream(out, &heads, effort);
}

fn put_dictionary<T: Number>(out: &mut Vec<u8>, distinct: &[u64], mut places: Vec<i64>, effort: Effort) {
    let mut order: Vec<usize> = (0..distinct.len()).collect();
    order.sort_unstable_by_key(|i| T::from_bits(distinct[*i]).rank());
    let mut rank = vec![0; distinct.len()];
    for (at, i) in order.iter().enumerate() {
        rank[*i] = at as i64;
    }
    places.iter_mut().for_each(|place| *place = rank[*place as usize]);
    let entries: Vec<T> = order.iter().map(|i| T::from_bits(distinct[*i])).collect();
    out.push(id::DICTIONARY);
    put_varint(out, entries.len() as u64);
    // A short stream, for which pco's slow start is not worth it.
    T::put_stream(out, &entries, Effort::Hot);
    put_ints(out, &places, effort);
}

/// The fewest bytes of a dictionary whose places do not follow from each other: their entropy, and the entries.
fn promised_bytes(entries: usize, places: &[i64]) -> usize {
    let mut counts = vec![0u32; entries];
    places.iter().for_each(|at| counts[*at as usize] += 1);
    let rows = places.len() as f64;
    let bits: f64 = counts.iter().map(|n| f64::from(*n)).map(|n| n * (rows / n).log2()).sum();
    (bits / 8.0) as usize + entries
}

/// The distinct values as bits and the place of each row's among them, unless they are more than `most`.
fn distinct<T: Number>(values: &[T], most: usize) -> Option<(Vec<u64>, Vec<i64>)> {
    const FREE: u32 = u32::MAX;
    let slots = (most * 2).next_power_of_two().max(2);
    let shift = u64::BITS - slots.trailing_zeros();
    let (mut table, mut found) = (vec![FREE; slots], Vec::new());
    let mut places = Vec::with_capacity(values.len());
    for v in values {
        let bits = v.bits();
        let mut slot = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize;
        loop {
            match table[slot] {
                FREE if found.len() == most => return None,
                FREE => {
                    table[slot] = found.len() as u32;
                    found.push(bits);
                }
                at if found[at as usize] != bits => {
                    slot = (slot + 1) % slots;
                    continue;
                }
                _ => {}
            }
            places.push(i64::from(table[slot]));
            break;
        }
    }
    Some((found, places))
}

/// Reads a column of numbers.
pub(super) fn take_numbers<T: Number>(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<T>, Malformed> {
    match cursor.u8()? {
        id::EMPTY if rows == 0 => Ok(Vec::new()),
        id::RUNS => take_runs(cursor, rows),
        id::DICTIONARY => {
            let entries = match usize::try_from(cursor.varint()?) {
                Ok(entries) if entries <= rows => entries,
                _ => return Err(Malformed("a dictionary has more entries than rows")),
            };
            let inner = cursor.u8()?;
            let entries = T::take_stream(cursor, inner, entries)?;
            named(&entries, &take_ints(cursor, rows)?)
        }
        id => T::take_stream(cursor, id, rows),
    }
}

/// The entries that the rows name.
pub(super) fn named<T: Clone>(entries: &[T], places: &[i64]) -> Result<Vec<T>, Malformed> {
    // Looked at beforehand, so that the lookup is a plain loop.
    let most = places.iter().fold(0, |most, at| most.max(*at as u64));
    if most >= entries.len() as u64 && !places.is_empty() {
        return Err(Malformed("a row names no entry of its dictionary"));
    }
    Ok(places.iter().map(|at| entries[*at as usize].clone()).collect())
}

fn take_runs<T: Number>(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<T>, Malformed> {
    let runs = match usize::try_from(cursor.varint()?) {
        Ok(runs) if runs <= rows => runs,
        _ => return Err(Malformed("there are more runs than rows")),
    };
    let lengths = if runs == 1 { vec![rows as i64] } else { take_ints(cursor, runs)? };
    let inner = cursor.u8()?;
    let heads = T::take_stream(cursor, inner, runs)?;
    let mut values = Vec::with_capacity(rows);
    for (head, len) in heads.into_iter().zip(lengths) {
        match usize::try_from(len) {
            Ok(len) if len <= rows - values.len() => values.resize(values.len() + len, head),
            _ => return Err(Malformed("runs exceed the rows")),
        }
    }
    if values.len() == rows { Ok(values) } else { Err(Malformed("runs do not cover the rows")) }
}
