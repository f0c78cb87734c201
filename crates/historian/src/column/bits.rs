//! Numbers of 0 to 64 bits side by side, without padding: n numbers of w bits take n·w bits, rounded up to a byte.
//!
//! Up to 1,024 numbers are packed at a time, in words of 32 bits when w is at most 32, else of 64. While there are B · L
//! of them left, B being the bits of a word and L 16, then 8, 4, 2, 1, so many are packed in L lanes, so that a processor
//! reads several at once: number r·L + l is row r of lane l; the B rows of a lane are a stream of bits, lowest first, in
//! w words; word k of lane l stands at k·L + l. The fewer than B numbers left are one stream of bits, lowest first, filled
//! up with zeros to a byte.

use super::stream::{BitReader, BitWriter};
use crate::codec::{Cursor, Malformed};

/// The most numbers packed at a time.
pub(super) const BLOCK: usize = 1024;

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
    match width {
        0 => {}
        1..=32 => {
            let mut narrow = [0; BLOCK];
            narrow.iter_mut().zip(numbers).for_each(|(to, v)| *to = *v as u32);
            words32::pack(out, &narrow[..numbers.len().min(BLOCK)], width);
        }
        _ => words64::pack(out, numbers, width),
    }
}

/// Reads as many numbers of at most 32 bits as `out` has places, and adds `base` to each.
pub(super) fn unpack32(
    cursor: &mut Cursor<'_>,
    out: &mut [i32],
    width: u32,
    base: i32,
) -> Result<(), Malformed> {
    if width == 0 {
        out.fill(base);
        return Ok(());
    }
    words32::unpack(cursor, out, width, base as u32)
}

/// Reads as many numbers of more than 32 bits as `out` has places, and adds `base` to each.
pub(super) fn unpack64(
    cursor: &mut Cursor<'_>,
    out: &mut [i64],
    width: u32,
    base: i64,
) -> Result<(), Malformed> {
    words64::unpack(cursor, out, width, base as u64)
}

/// A module that packs in words of a type.
macro_rules! words {
    ($module:ident, $word:ty, $int:ty, $bytes:literal) => {
        mod $module {
            use super::*;

            const ROWS: usize = <$word>::BITS as usize;

            pub(super) fn pack(out: &mut Vec<u8>, numbers: &[$word], width: u32) {
                let left = pack_all::<16>(out, numbers, width);
                let left = pack_all::<8>(out, left, width);
                let left = pack_all::<4>(out, left, width);
                let left = pack_all::<2>(out, left, width);
                let left = pack_all::<1>(out, left, width);
                let mut writer = BitWriter::new(out);
                left.iter().for_each(|v| writer.put(u64::from(*v), width));
                writer.end();
            }

            /// Packs in so many lanes while there are numbers enough; those left are given back.
            fn pack_all<'a, const L: usize>(
                out: &mut Vec<u8>,
                mut numbers: &'a [$word],
                width: u32,
            ) -> &'a [$word] {
                while let Some((part, left)) = numbers.split_at_checked(ROWS * L) {
                    pack_lanes::<L>(out, part, width);
                    numbers = left;
                }
                numbers
            }

            fn pack_lanes<const L: usize>(out: &mut Vec<u8>, numbers: &[$word], width: u32) {
                let (mut held, mut bits) = ([0 as $word; L], 0);
                for row in numbers.as_chunks::<L>().0 {
                    for (held, v) in held.iter_mut().zip(row) {
                        *held |= v << bits;
                    }
                    bits += width;
                    if bits < <$word>::BITS {
                        continue;
                    }
                    out.extend(held.iter().flat_map(|held| held.to_le_bytes()));
                    bits -= <$word>::BITS;
                    for (held, v) in held.iter_mut().zip(row) {
                        // `bits` of the number are left over; a shift by a whole word would be none.
                        *held = if bits == 0 { 0 } else { v >> (width - bits) };
                    }
                }
            }

            pub(super) fn unpack(
                cursor: &mut Cursor<'_>,
                out: &mut [$int],
                width: u32,
                base: $word,
            ) -> Result<(), Malformed> {
                let left = unpack_all::<16>(cursor, out, width, base)?;
                let left = unpack_all::<8>(cursor, left, width, base)?;
                let left = unpack_all::<4>(cursor, left, width, base)?;
                let left = unpack_all::<2>(cursor, left, width, base)?;
                let left = unpack_all::<1>(cursor, left, width, base)?;
                let mut reader = BitReader::new(cursor.bytes(packed_bytes(left.len(), width))?);
                for place in left {
                    *place = base.wrapping_add(reader.take(width) as $word) as $int;
                }
                Ok(())
            }

            /// Reads from so many lanes while there are places enough; those left are given back.
            fn unpack_all<'a, const L: usize>(
                cursor: &mut Cursor<'_>,
                mut out: &'a mut [$int],
                width: u32,
                base: $word,
            ) -> Result<&'a mut [$int], Malformed> {
                while out.len() >= ROWS * L {
                    let (part, left) = out.split_at_mut(ROWS * L);
                    unpack_lanes::<L>(cursor.bytes(width as usize * L * $bytes)?, part, width, base);
                    out = left;
                }
                Ok(out)
            }

            fn unpack_lanes<const L: usize>(bytes: &[u8], out: &mut [$int], width: u32, base: $word) {
                let words = bytes.as_chunks::<$bytes>().0.as_chunks::<L>().0;
                let (mask, mut bit) = (mask(width) as $word, 0);
                for row in out.as_chunks_mut::<L>().0 {
                    let (at, shift) = ((bit / <$word>::BITS) as usize, bit % <$word>::BITS);
                    let low = &words[at];
                    if shift + width <= <$word>::BITS {
                        for (place, low) in row.iter_mut().zip(low) {
                            let low = <$word>::from_le_bytes(*low) >> shift;
                            *place = base.wrapping_add(low & mask) as $int;
                        }
                    } else {
                        for ((place, low), high) in row.iter_mut().zip(low).zip(&words[at + 1]) {
                            let low = <$word>::from_le_bytes(*low) >> shift;
                            let high = <$word>::from_le_bytes(*high) << (<$word>::BITS - shift);
                            *place = base.wrapping_add((low | high) & mask) as $int;
                        }
                    }
                    bit += width;
                }
            }
        }
    };
}

words!(words32, u32, i32, 4);
words!(words64, u64, i64, 8);

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
                let unpack = |bytes: &[u8]| -> Result<Vec<i64>, Malformed> {
                    let (mut cursor, mut narrow, mut wide) = (Cursor::new(bytes), vec![0; n], vec![0; n]);
                    if width <= 32 {
                        unpack32(&mut cursor, &mut narrow, width, 0)?;
                        wide = narrow.iter().map(|v| i64::from(*v as u32).wrapping_sub(5)).collect();
                        unpack32(&mut Cursor::new(bytes), &mut narrow, width, -5)?;
                        assert!(narrow.iter().zip(&wide).all(|(a, b)| *a == *b as i32));
                    } else {
                        unpack64(&mut cursor, &mut wide, width, -5)?;
                    }
                    cursor.end().map(|()| wide)
                };
                let moved: Vec<i64> = numbers.iter().map(|v| (*v as i64).wrapping_sub(5)).collect();
                assert_eq!(unpack(&out[1..]), Ok(moved), "{n} numbers of {width} bits");
                assert!(out.len() == 1 || unpack(&out[2..]).is_err());
            }
        }
    }
}
