//! Integers in blocks of up to 1,024: the smallest as base, what is above it packed, outliers patched in.
//!
//! ```text
//! block   = base zigzag, a wrapping difference from the base of the block before, the first from 0
//!           · width u8: bits of a number, 0 to 64; 128 is added when patches follow · [patches] · numbers (bits.rs)
//! patches = count varint · bytes u8, 1, 2, 4 or 8 · per patch its position u16 · per patch, in so many bytes, the bits
//!           that do not fit into the width
//! value   = base + number + (patch << width), wrapping
//! ```

use super::{
    bits::{BLOCK, mask, pack, packed_bytes, unpack32, unpack64, width_of},
    part::{Narrow, Part},
};
use crate::codec::{Cursor, Malformed, put_varint, put_zigzag};

/// Added to the width when patches follow.
const PATCHED: u8 = 0x80;
/// Values looked at to guess a base and width that leave outliers out.
const SAMPLE: usize = 32;

/// How a block is written.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    base: i64,
    width: u32,
    patched: bool,
    /// About how many bytes that takes.
    pub(super) bytes: usize,
}

/// A plan for each block.
pub(super) fn plan(values: &[i64]) -> Vec<Plan> {
    values.chunks(BLOCK).map(plan_block).collect()
}

fn plan_block(block: &[i64]) -> Plan {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for v in block {
        low = low.min(*v);
        high = high.max(*v);
    }
    let width = width_of(high.wrapping_sub(low) as u64);
    let whole = Plan { base: low, width, patched: false, bytes: 3 + packed_bytes(block.len(), width) };
    if width < 2 || block.len() < 8 {
        return whole;
    }
    let mut sample = [0; SAMPLE];
    let step = block.len().div_ceil(SAMPLE);
    let taken = block.iter().step_by(step).zip(&mut sample).map(|(v, place)| *place = *v).count();
    let sample = &mut sample[..taken];
    sample.sort_unstable();
    let (first, last) = (sample[taken / 16], sample[taken - 1 - taken / 16]);
    let inner = last.wrapping_sub(first) as u64;
    // A little room below, or every other value under the sampled one would be an outlier.
    let base = low.max(first.saturating_sub((inner / 2).min(i64::MAX as u64) as i64));
    if width_of(inner) + 2 >= width {
        return whole;
    }
    let patched = patched(block, base);
    if patched.bytes < whole.bytes { patched } else { whole }
}

/// The best width over a base when what is wider is patched.
fn patched(block: &[i64], base: i64) -> Plan {
    let mut widths = [0usize; 65];
    for v in block {
        widths[width_of(v.wrapping_sub(base) as u64) as usize] += 1;
    }
    let most = widths.iter().rposition(|n| *n > 0).unwrap_or(0);
    let mut best = Plan { base, width: most as u32, patched: false, bytes: usize::MAX };
    // Downwards, so that what is wider adds up on the way.
    let mut wider = 0;
    for width in (0..=most).rev() {
        let patch = 2 + (most - width).div_ceil(8).next_power_of_two();
        let bytes = 5 + packed_bytes(block.len(), width as u32) + wider * patch;
        if bytes < best.bytes {
            best = Plan { base, width: width as u32, patched: wider > 0, bytes };
        }
        wider += widths[width];
    }
    best
}

/// Appends blocks as planned.
pub(super) fn put_blocks(out: &mut Vec<u8>, values: &[i64], plans: &[Plan]) {
    let (mut before, mut numbers) = (0i64, [0u64; BLOCK]);
    for (block, plan) in values.chunks(BLOCK).zip(plans) {
        put_zigzag(out, plan.base.wrapping_sub(before));
        before = plan.base;
        out.push(plan.width as u8 | if plan.patched { PATCHED } else { 0 });
        let numbers = &mut numbers[..block.len()];
        for (number, v) in numbers.iter_mut().zip(block) {
            *number = v.wrapping_sub(plan.base) as u64;
        }
        if plan.patched {
            put_patches(out, numbers, plan.width);
        }
        pack(out, numbers, plan.width);
    }
}

/// Appends what exceeds the width and cuts it off.
fn put_patches(out: &mut Vec<u8>, numbers: &mut [u64], width: u32) {
    let (mut places, mut highs, mut all) = (Vec::new(), Vec::new(), 0);
    for (at, number) in numbers.iter_mut().enumerate().filter(|(_, v)| **v > mask(width)) {
        places.push(at as u16);
        highs.push(*number >> width);
        all |= *number >> width;
        *number &= mask(width);
    }
    let bytes = width_of(all).div_ceil(8).next_power_of_two() as u8;
    put_varint(out, places.len() as u64);
    out.push(bytes);
    out.extend(places.iter().flat_map(|at| at.to_le_bytes()));
    out.extend(highs.iter().flat_map(|high| high.to_le_bytes().into_iter().take(usize::from(bytes))));
}

/// Reads so many values, block after block, and hands each block on.
pub(super) fn each_block(
    cursor: &mut Cursor<'_>,
    rows: usize,
    sink: &mut impl FnMut(Part<'_>),
) -> Result<(), Malformed> {
    let (mut base, mut place) = (0i64, [0; BLOCK]);
    for from in (0..rows).step_by(BLOCK) {
        let block = &mut place[..BLOCK.min(rows - from)];
        base = base.wrapping_add(cursor.zigzag()?);
        let byte = cursor.u8()?;
        let width = u32::from(byte & !PATCHED);
        if width > u64::BITS || (width == u64::BITS && byte & PATCHED != 0) {
            return Err(Malformed("a packed number is wider than 64 bits"));
        }
        let patches = if byte & PATCHED != 0 { Patches::take(cursor)? } else { Patches::default() };
        match bounds(base, width + 8 * patches.bytes as u32) {
            Some((low, high)) => {
                unpack32(cursor, block, width, low)?;
                patches.add(block, |v, high| *v = v.wrapping_add((high << width) as i32))?;
                sink(Part::Narrow(Narrow { values: block, low, high }));
            }
            None => wide_block(cursor, block, width, base, &patches, sink)?,
        }
    }
    Ok(())
}

/// The bounds of numbers of so many bits above a base, when both have 32 bits.
fn bounds(base: i64, width: u32) -> Option<(i32, i32)> {
    let high = base.checked_add(i64::try_from(mask(width.min(u64::BITS))).ok()?)?;
    Some((i32::try_from(base).ok()?, i32::try_from(high).ok()?))
}

fn wide_block(
    cursor: &mut Cursor<'_>,
    narrow: &mut [i32],
    width: u32,
    base: i64,
    patches: &Patches<'_>,
    sink: &mut impl FnMut(Part<'_>),
) -> Result<(), Malformed> {
    let mut place = [0; BLOCK];
    let block = &mut place[..narrow.len()];
    if width <= u32::BITS {
        unpack32(cursor, narrow, width, 0)?;
        let above = block.iter_mut().zip(narrow);
        above.for_each(|(to, v)| *to = base.wrapping_add(i64::from(*v as u32)));
    } else {
        unpack64(cursor, block, width, base)?;
    }
    patches.add(block, |v, high| *v = v.wrapping_add((high << width) as i64))?;
    sink(Part::Wide(block));
    Ok(())
}

/// What does not fit into the width of a block.
#[derive(Default)]
struct Patches<'a> {
    places: &'a [[u8; 2]],
    bytes: usize,
    highs: &'a [u8],
}

impl<'a> Patches<'a> {
    fn take(cursor: &mut Cursor<'a>) -> Result<Patches<'a>, Malformed> {
        let (count, bytes) = (cursor.count()?, usize::from(cursor.u8()?));
        if !matches!(bytes, 1 | 2 | 4 | 8) || count > BLOCK {
            return Err(Malformed("unknown shape of patches"));
        }
        Ok(Patches {
            places: cursor.bytes(count * 2)?.as_chunks().0,
            bytes,
            highs: cursor.bytes(count * bytes)?,
        })
    }
    /// Calls back with each number to be patched, and the bits above its width.
    fn add<T>(&self, block: &mut [T], patch: impl Fn(&mut T, u64)) -> Result<(), Malformed> {
        match self.bytes {
            0 => Ok(()),
            1 => self.add_each(block, |at, bytes| patch(at, u8::from_le_bytes(bytes).into())),
            2 => self.add_each(block, |at, bytes| patch(at, u16::from_le_bytes(bytes).into())),
            4 => self.add_each(block, |at, bytes| patch(at, u32::from_le_bytes(bytes).into())),
            _ => self.add_each(block, |at, bytes| patch(at, u64::from_le_bytes(bytes))),
        }
    }
    fn add_each<T, const N: usize>(
        &self,
        block: &mut [T],
        patch: impl Fn(&mut T, [u8; N]),
    ) -> Result<(), Malformed> {
        for (at, high) in self.places.iter().zip(self.highs.as_chunks().0) {
            let v = block.get_mut(usize::from(u16::from_le_bytes(*at)));
            patch(v.ok_or(Malformed("a patch is outside its block"))?, *high);
        }
        Ok(())
    }
}
