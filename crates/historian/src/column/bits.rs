//! Numbers of 0 to 64 bits side by side, without padding: n numbers of w bits take n·w bits, rounded up to a byte.
//!
//! Up to 1,024 numbers are packed at a time. Of n numbers the first 64·L, L = n / 64, lie in L lanes, so that a
//! processor reads several at once: number r·L + l is row r of lane l; the 64 rows of a lane are a stream of bits,
//! lowest first, in w words of 64 bits; word k of lane l stands at k·L + l. The n % 64 numbers left are one stream of
//! bits, lowest first, filled up with zeros to a byte.

use crate::codec::{Cursor, Malformed};

/// The most numbers packed at a time.
pub(super) const BLOCK: usize = 1024;
/// Rows of a lane: any width then fills whole words.
const ROWS: usize = 64;

/// Runs a function of so many lanes.
macro_rules! in_lanes {
    ($lanes:expr, $call:ident, $($argument:expr),*) => {
        match $lanes {
            0 => {}
            1 => $call::<1>($($argument),*),
            2 => $call::<2>($($argument),*),
            3 => $call::<3>($($argument),*),
            4 => $call::<4>($($argument),*),
            5 => $call::<5>($($argument),*),
            6 => $call::<6>($($argument),*),
            7 => $call::<7>($($argument),*),
            8 => $call::<8>($($argument),*),
            9 => $call::<9>($($argument),*),
            10 => $call::<10>($($argument),*),
            11 => $call::<11>($($argument),*),
            12 => $call::<12>($($argument),*),
            13 => $call::<13>($($argument),*),
            14 => $call::<14>($($argument),*),
            15 => $call::<15>($($argument),*),
            _ => $call::<16>($($argument),*),
        }
    };
}

/// How many bits a number takes.
pub(super) fn width_of(v: u64) -> u32 {
    u64::BITS - v.leading_zeros()
}

/// The lowest `width` bits.
pub(super) fn mask(width: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0)
}

/// Bytes that so many numbers take.
pub(super) fn packed_bytes(numbers: usize, width: u32) -> usize {
    (numbers * width as usize).div_ceil(8)
}

/// Appends up to [`BLOCK`] numbers, none of which has more than `width` bits.
pub(super) fn pack(out: &mut Vec<u8>, numbers: &[u64], width: u32) {
    if width == 0 {
        return;
    }
    let lanes = (numbers.len() / ROWS).min(BLOCK / ROWS);
    let (laned, rest) = numbers.split_at(lanes * ROWS);
    let began = out.len();
    out.resize(began + packed_bytes(laned.len(), width), 0);
    in_lanes!(lanes, pack_lanes, &mut out[began..], laned, width);
    let (mut held, mut bits) = (0u128, 0);
    for v in rest {
        held |= u128::from(*v) << bits;
        bits += width;
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(held as u8);
    }
}

fn pack_lanes<const L: usize>(out: &mut [u8], numbers: &[u64], width: u32) {
    let mut words = out.as_chunks_mut::<8>().0.as_chunks_mut::<L>().0.iter_mut();
    let (mut held, mut bits) = ([0u64; L], 0);
    for row in numbers.as_chunks::<L>().0 {
        for (held, v) in held.iter_mut().zip(row) {
            *held |= v << bits;
        }
        bits += width;
        if bits < u64::BITS {
            continue;
        }
        if let Some(full) = words.next() {
            for (word, held) in full.iter_mut().zip(&held) {
                *word = held.to_le_bytes();
            }
        }
        bits -= u64::BITS;
        for (held, v) in held.iter_mut().zip(row) {
            // `bits` of the number are left over; a shift by 64 would be none.
            *held = if bits == 0 { 0 } else { v >> (width - bits) };
        }
    }
}

/// Reads as many numbers of `width` bits as `out` has places, at most [`BLOCK`], and adds `base` to each.
pub(super) fn unpack(
    cursor: &mut Cursor<'_>,
    out: &mut [i64],
    width: u32,
    base: i64,
) -> Result<(), Malformed> {
    if width == 0 {
        out.fill(base);
        return Ok(());
    }
    let lanes = (out.len() / ROWS).min(BLOCK / ROWS);
    let (laned, rest) = out.split_at_mut(lanes * ROWS);
    let bytes = cursor.bytes(packed_bytes(laned.len(), width))?;
    in_lanes!(lanes, unpack_lanes, bytes, laned, width, base as u64);
    // Copied to where sixteen bytes can be read from any place.
    let bytes = cursor.bytes(packed_bytes(rest.len(), width))?;
    let mut padded = [0; ROWS * 8 + 16];
    padded[..bytes.len()].copy_from_slice(bytes);
    for (i, place) in rest.iter_mut().enumerate() {
        let bit = i * width as usize;
        let near = padded[bit / 8..].first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
        *place = base.wrapping_add(((near >> (bit % 8)) as u64 & mask(width)) as i64);
    }
    Ok(())
}

fn unpack_lanes<const L: usize>(bytes: &[u8], out: &mut [i64], width: u32, base: u64) {
    let words = bytes.as_chunks::<8>().0.as_chunks::<L>().0;
    let (mask, mut bit) = (mask(width), 0);
    for row in out.as_chunks_mut::<L>().0 {
        let (at, shift) = (bit / u64::BITS, bit % u64::BITS);
        let low = &words[at as usize];
        if shift + width <= u64::BITS {
            for (place, low) in row.iter_mut().zip(low) {
                *place = base.wrapping_add(u64::from_le_bytes(*low) >> shift & mask) as i64;
            }
        } else {
            let high = &words[at as usize + 1];
            for ((place, low), high) in row.iter_mut().zip(low).zip(high) {
                let joined =
                    u64::from_le_bytes(*low) >> shift | u64::from_le_bytes(*high) << (u64::BITS - shift);
                *place = base.wrapping_add(joined & mask) as i64;
            }
        }
        bit += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_and_length_comes_back_in_the_exact_size() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state ^ state >> 29
        };
        for width in 0..=64 {
            for n in [0, 1, 7, 63, 64, 65, 127, 128, 200, 640, 960, 1000, 1023, 1024] {
                let numbers: Vec<u64> = (0..n).map(|_| next() & mask(width)).collect();
                let mut out = vec![7];
                pack(&mut out, &numbers, width);
                assert_eq!(out.len(), 1 + packed_bytes(n, width));
                let (mut cursor, mut back) = (Cursor::new(&out[1..]), vec![0; n]);
                unpack(&mut cursor, &mut back, width, -5).unwrap();
                cursor.end().unwrap();
                let moved: Vec<i64> = numbers.iter().map(|v| (*v as i64).wrapping_sub(5)).collect();
                assert_eq!(back, moved, "{n} numbers of {width} bits");
                if out.len() > 1 {
                    assert!(unpack(&mut Cursor::new(&out[2..]), &mut back, width, 0).is_err());
                }
            }
        }
    }
}
