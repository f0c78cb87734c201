//! Columns of a chunk: each starts with one byte, its codec's id, and is as small as the effort allowed.
//!
//! Frozen: an id stands for exactly these bytes for ever; another layout, or another pco format, gets another id. A
//! column has no checksum (the block around it has) and no count of rows (its reader knows it). Numbers are
//! little-endian; varint and zigzag as in codec.rs. Sums and products of integers wrap at 64 bits.
//!
//! ```text
//! column  = of no type: 00 · of booleans: bools · of i64, u64, f32, f64: numbers · of strings, bytes: texts · of times: times
//! numbers = 30 runs varint · [lengths: ints of so many rows, absent when runs is 1] · stream of so many rows
//!         | 31 entries varint · stream of so many rows · ints: for each row the place of its entry, from 0
//!         | stream
//! stream  = of i64, u64: ints (a u64 as the i64 of the same bits) · of f32, f64: floats
//! ints    = 00                                   no rows
//!         | 10 value zigzag                      all rows are equal
//!         | 11 block *                           1,024 rows each, fewer in the last (blocks.rs, bits.rs)
//!         | 12 first zigzag · ints               each row less the one before, from the second; inner id not 12, 13
//!         | 13 first zigzag · second less first zigzag · ints     each difference less the one before, from the
//!                                                third row; inner id not 12, 13
//!         | 14 classes                           all rows (classes.rs, ans.rs)
//! floats  = 24 floats                            of f64 only: the same values as f32; inner id not 24
//!         | 22 scale u8 · apart varint · [rows that stay apart: ints · their values: bits; absent when apart is 0]
//!           · digits: ints                       scale p below 128: digits / 10^p, as double division rounds it;
//!                                                128 + p: digits · the double nearest to 10^-p. p is 0 to 22; for
//!                                                f32 the double is then rounded to f32. Digits are within ±2^51;
//!                                                those of rows that stay apart mean nothing.
//!         | bits
//! bits    = 00                                   no rows
//!         | 20 values                            as they are in memory
//!         | 21 ints                              bits as a signed integer, of negative ones all but the sign flipped
//!         | 23 pco                               of f32 or f64
//! bools   = 00                                   no rows
//!         | 40 eight a byte, the first lowest
//!         | 41, 42 changes varint · [ints: rows before each change since the one before; absent when there is none]
//!                                                the first run is false with 41, true with 42
//! texts   = 31 entries varint · text of so many rows · ints: for each row the place of its entry, from 0
//!         | text
//! text    = 50 lengths: ints · all bytes
//!         | 51 lengths: ints · length varint · one zstd frame of all bytes, which are at most 16 MiB
//! times   = 60 ints
//!         | 61 first zigzag · unit varint · step varint · gaps varint
//!           · [rows from which a gap counts: ints · by how much: ints; absent when there is none] · off: ints
//!                                                row i is first + unit · (step · i + gaps so far + off i)
//! ```

mod ans;
mod bits;
mod blocks;
mod bools;
mod classes;
mod decimal;
mod floats;
mod ints;
mod number;
mod part;
mod pcodec;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod times;

use std::sync::Arc;

use types::{Time, ValueType, Values};

use crate::codec::{Cursor, Malformed};

/// How much work a column may cost to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Between ingest and disk: only what is quick.
    Hot,
    /// Written once and kept: whatever is smallest.
    Cold,
}

/// The first byte of a column or stream; frozen.
mod id {
    /// No rows, or rows without a value: nothing follows.
    pub(super) const EMPTY: u8 = 0x00;
    pub(super) const INT_CONSTANT: u8 = 0x10;
    pub(super) const INT_PACKED: u8 = 0x11;
    pub(super) const INT_DELTA: u8 = 0x12;
    pub(super) const INT_DELTA2: u8 = 0x13;
    pub(super) const INT_CLASSES: u8 = 0x14;
    pub(super) const FLOAT_PLAIN: u8 = 0x20;
    pub(super) const FLOAT_BITS: u8 = 0x21;
    pub(super) const FLOAT_DECIMAL: u8 = 0x22;
    pub(super) const FLOAT_PCO: u8 = 0x23;
    pub(super) const FLOAT_NARROW: u8 = 0x24;
    pub(super) const RUNS: u8 = 0x30;
    pub(super) const DICTIONARY: u8 = 0x31;
    pub(super) const BOOL_BITS: u8 = 0x40;
    pub(super) const BOOL_RUNS_FALSE: u8 = 0x41;
    pub(super) const BOOL_RUNS_TRUE: u8 = 0x42;
    pub(super) const TEXT_PLAIN: u8 = 0x50;
    pub(super) const TEXT_ZSTD: u8 = 0x51;
    pub(super) const TIME_INTS: u8 = 0x60;
    pub(super) const TIME_GRID: u8 = 0x61;
}

/// Appends times; rising ones are small, any others come back all the same.
pub(crate) fn put_times(out: &mut Vec<u8>, times: &[Time], effort: Effort) {
    times::put_times(out, times, effort);
}

/// Reads so many times. `rows` must be bounded by the caller: a constant column asks memory for all of them.
pub(crate) fn take_times(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<Time>, Malformed> {
    times::take_times(cursor, rows)
}

/// Divides steps by the largest unit that all of them share, and gives it.
pub(crate) fn into_units(steps: &mut [u64]) -> u64 {
    let unit = times::unit_of(steps);
    times::divide(steps, unit);
    unit
}

/// Appends integers, as they are needed beside values.
pub(crate) fn put_ints(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    ints::put_ints(out, values, effort);
}

/// Reads so many integers. `rows` must be bounded by the caller, as for [`take_times`].
pub(crate) fn take_ints(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<i64>, Malformed> {
    ints::take_ints(cursor, rows)
}

/// Appends values, each of which comes back bit by bit.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &Values, effort: Effort) {
    match values {
        Values::Absent(_) => out.push(id::EMPTY),
        Values::Bool(v) => bools::put_bools(out, v, effort),
        Values::I64(v) => number::put_numbers(out, v, effort),
        Values::U64(v) => number::put_numbers(out, v, effort),
        Values::F32(v) => number::put_numbers(out, v, effort),
        Values::F64(v) => number::put_numbers(out, v, effort),
        Values::String(v) => {
            text::put_texts(out, &v.iter().map(|x| x.as_bytes()).collect::<Vec<_>>(), effort)
        }
        Values::Bytes(v) => text::put_texts(out, &v.iter().map(|x| &**x).collect::<Vec<_>>(), effort),
    }
}

/// Reads so many values of a type. `rows` must be bounded by the caller, as for [`take_times`].
pub(crate) fn take_values(
    cursor: &mut Cursor<'_>,
    of: Option<ValueType>,
    rows: usize,
) -> Result<Values, Malformed> {
    Ok(match of {
        None => match cursor.u8()? {
            id::EMPTY => Values::Absent(rows),
            _ => return Err(Malformed("rows without a value have one")),
        },
        Some(ValueType::Bool) => Values::Bool(bools::take_bools(cursor, rows)?),
        Some(ValueType::I64) => Values::I64(number::take_numbers(cursor, rows)?),
        Some(ValueType::U64) => Values::U64(number::take_numbers(cursor, rows)?),
        Some(ValueType::F32) => Values::F32(number::take_numbers(cursor, rows)?),
        Some(ValueType::F64) => Values::F64(number::take_numbers(cursor, rows)?),
        Some(ValueType::String) => Values::String(text::take_texts(cursor, rows, |bytes| {
            std::str::from_utf8(bytes).map(Arc::<str>::from).map_err(|_| Malformed("text is not UTF-8"))
        })?),
        Some(ValueType::Bytes) => {
            Values::Bytes(text::take_texts(cursor, rows, |bytes| Ok(Arc::<[u8]>::from(bytes)))?)
        }
    })
}
