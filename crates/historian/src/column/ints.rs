//! Streams of integers: the numbers of integer columns, and the digits, bits, indices and lengths of all others.

use super::{
    Effort,
    bits::{BLOCK, width_of},
    blocks::{Plan, each_block, plan, put_blocks},
    id, pcodec,
};
use crate::codec::{Cursor, Malformed, put_zigzag};

/// Fewer values than this are not worth pco's metadata.
const PCO_ROWS_MIN: usize = 128;
/// A page and its metadata are hardly ever below this.
const PCO_BYTES_MIN: usize = 16;
/// pco must save one part of so many, or its slower reading is not worth it.
const PCO_GAIN: usize = 32;
/// pco's own default; above it, time rises steeply for next to nothing.
pub(super) const PCO_LEVEL: usize = 8;

/// Appends integers in the smallest of the ways that the effort allows.
pub(super) fn put_ints(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let began = out.len();
    put_fast(out, values);
    let fast = out.len() - began;
    if effort == Effort::Cold && values.len() >= PCO_ROWS_MIN && fast >= PCO_BYTES_MIN {
        let mut pco = Vec::new();
        if put_pco(&mut pco, values) && pco.len() < fast - fast / PCO_GAIN {
            out.truncate(began);
            out.append(&mut pco);
        }
    }
}

/// Appends integers packed: themselves, their differences, or the differences of those.
fn put_fast(out: &mut Vec<u8>, values: &[i64]) {
    if put_constant(out, values) {
        return;
    }
    let (plain, once) = (plan(values), differences(values));
    if once.iter().all(|d| *d == once[0]) {
        out.push(id::INT_DELTA);
        put_zigzag(out, values[0]);
        put_constant(out, &once);
        return;
    }
    let delta = plan(&once);
    // The values ahead of the differences count too.
    let cost = |plans: &[Plan], ahead: usize| plans.iter().map(|p| p.bytes).sum::<usize>() + ahead;
    let (plain_cost, delta_cost) = (cost(&plain, 0), cost(&delta, 5));
    // Differences that are no smaller than the values are noise, and theirs would be more of it.
    let twice = if delta_cost < plain_cost { differences(&once) } else { Vec::new() };
    let delta2 = plan(&twice);
    let delta2_cost = if twice.is_empty() { usize::MAX } else { cost(&delta2, 9) };
    if plain_cost <= delta_cost.min(delta2_cost) {
        out.push(id::INT_PACKED);
        put_blocks(out, values, &plain);
    } else if delta_cost <= delta2_cost {
        out.push(id::INT_DELTA);
        put_zigzag(out, values[0]);
        out.push(id::INT_PACKED);
        put_blocks(out, &once, &delta);
    } else {
        out.push(id::INT_DELTA2);
        put_zigzag(out, values[0]);
        put_zigzag(out, once[0]);
        if !put_constant(out, &twice) {
            out.push(id::INT_PACKED);
            put_blocks(out, &twice, &delta2);
        }
    }
}

/// Appends equal values as one, or nothing and `false`.
fn put_constant(out: &mut Vec<u8>, values: &[i64]) -> bool {
    let Some(first) = values.first() else {
        out.push(id::EMPTY);
        return true;
    };
    let constant = values.iter().all(|v| v == first);
    if constant {
        out.push(id::INT_CONSTANT);
        put_zigzag(out, *first);
    }
    constant
}

fn differences(values: &[i64]) -> Vec<i64> {
    values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

/// The smallest value, and the bits that the others need above it.
fn spread(values: &[i64]) -> (i64, u32) {
    let low = values.iter().copied().min().unwrap_or(0);
    let high = values.iter().copied().max().unwrap_or(0);
    (low, width_of(high.wrapping_sub(low) as u64))
}

/// Bits of the numbers that pco is given: its metadata and its speed go by them.
fn pco_bits(width: u32) -> u32 {
    match width {
        0..=16 => 16,
        17..=32 => 32,
        _ => 64,
    }
}

/// Appends pco over what the values are above the smallest, or nothing and `false`.
fn put_pco(out: &mut Vec<u8>, values: &[i64]) -> bool {
    let began = out.len();
    let (low, width) = spread(values);
    let above = |v: &i64| v.wrapping_sub(low) as u64;
    out.push(match pco_bits(width) {
        16 => id::INT_PCO16,
        32 => id::INT_PCO32,
        _ => id::INT_PCO64,
    });
    put_zigzag(out, low);
    let done = match pco_bits(width) {
        16 => pcodec::put_pco(out, &values.iter().map(|v| above(v) as u16).collect::<Vec<_>>(), PCO_LEVEL),
        32 => pcodec::put_pco(out, &values.iter().map(|v| above(v) as u32).collect::<Vec<_>>(), PCO_LEVEL),
        _ => pcodec::put_pco(out, &values.iter().map(above).collect::<Vec<_>>(), PCO_LEVEL),
    };
    if !done {
        out.truncate(began);
    }
    done
}

/// Reads so many integers.
pub(super) fn take_ints(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<i64>, Malformed> {
    let id = cursor.u8()?;
    take_ints_as(cursor, id, rows)
}

/// Reads so many integers of the codec named.
pub(super) fn take_ints_as(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<i64>, Malformed> {
    let mut values = Vec::with_capacity(rows);
    each_ints(cursor, id, rows, &mut |part| values.extend_from_slice(part))?;
    Ok(values)
}

/// Reads so many integers and hands them on part by part, while they are near.
pub(super) fn each_ints(
    cursor: &mut Cursor<'_>,
    id: u8,
    rows: usize,
    sink: &mut impl FnMut(&[i64]),
) -> Result<(), Malformed> {
    match id {
        id::INT_DELTA if rows > 0 => {
            let mut sum = cursor.zigzag()?;
            sink(&[sum]);
            let inner = cursor.u8()?;
            each_packed(cursor, inner, rows - 1, &mut |part| {
                sum = add_up(part, sum);
                sink(part);
            })
        }
        id::INT_DELTA2 if rows > 1 => {
            let (first, mut step) = (cursor.zigzag()?, cursor.zigzag()?);
            let mut sum = first.wrapping_add(step);
            sink(&[first, sum]);
            let inner = cursor.u8()?;
            each_packed(cursor, inner, rows - 2, &mut |part| {
                step = add_up(part, step);
                sum = add_up(part, sum);
                sink(part);
            })
        }
        _ => each_packed(cursor, id, rows, &mut |part| sink(part)),
    }
}

/// Each value becomes the sum of all up to it and of what was before; the last of these is given back.
fn add_up(values: &mut [i64], mut sum: i64) -> i64 {
    for v in values {
        sum = sum.wrapping_add(*v);
        *v = sum;
    }
    sum
}

/// Reads integers that are no differences of others.
fn each_packed(
    cursor: &mut Cursor<'_>,
    id: u8,
    rows: usize,
    sink: &mut impl FnMut(&mut [i64]),
) -> Result<(), Malformed> {
    match id {
        id::EMPTY if rows == 0 => Ok(()),
        id::INT_CONSTANT => {
            sink(&mut vec![cursor.zigzag()?; rows]);
            Ok(())
        }
        id::INT_PACKED => each_block(cursor, rows, sink),
        id::INT_PCO16 => each_above(cursor, rows, u16::into, sink),
        id::INT_PCO32 => each_above(cursor, rows, u32::into, sink),
        id::INT_PCO64 => each_above(cursor, rows, |v: u64| v, sink),
        _ => Err(Malformed("unknown codec of integers")),
    }
}

fn each_above<T: pco::data_types::Number>(
    cursor: &mut Cursor<'_>,
    rows: usize,
    widen: impl Fn(T) -> u64,
    sink: &mut impl FnMut(&mut [i64]),
) -> Result<(), Malformed> {
    let (low, mut place) = (cursor.zigzag()?, [0; BLOCK]);
    for part in pcodec::take_pco(cursor, rows)?.chunks(BLOCK) {
        let place = &mut place[..part.len()];
        for (place, v) in place.iter_mut().zip(part) {
            *place = low.wrapping_add(widen(*v) as i64);
        }
        sink(place);
    }
    Ok(())
}
