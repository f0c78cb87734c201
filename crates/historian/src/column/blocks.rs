//! Integers in blocks of up to 1,024: the smallest as base, what is above it packed, outliers patched in.
//!
//! ```text
//! block   = base zigzag, a wrapping difference from the base of the block before, the first from 0
//!           · width u8: bits of a number, 0 to 64; 128 is added when patches follow · [patches] · numbers (bits.rs)
//! patches = count varint · per patch, by rising position: position less the one before less 1 (the first: position)
//!           varint · the bits that do not fit into the width varint
//! value   = base + number + (patch << width), wrapping
//! ```

use super::bits::{BLOCK, mask, pack, packed_bytes, unpack, width_of};
use crate::codec::{Cursor, Malformed, put_varint, put_zigzag};

/// Added to the width when patches follow.
const PATCHED: u8 = 0x80;
/// Values looked at to guess a base and width that leave outliers out.
const SAMPLE: usize = 32;
/// What a patch is taken to cost beyond every seven bits that it carries.
const PATCH_BYTES: usize = 3;

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
    let mut best = Plan { base, width: 64, patched: false, bytes: usize::MAX };
    // Downwards, so that what is wider, and by how many bits, adds up on the way.
    let (mut wider, mut beyond) = (0, 0);
    for width in (0..=64).rev() {
        let bytes = 3 + packed_bytes(block.len(), width as u32) + wider * PATCH_BYTES + beyond / 7;
        if bytes < best.bytes {
            best = Plan { base, width: width as u32, patched: wider > 0, bytes };
        }
        wider += widths[width];
        beyond += wider;
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
    put_varint(out, numbers.iter().filter(|v| **v > mask(width)).count() as u64);
    let mut next = 0;
    for (at, number) in numbers.iter_mut().enumerate().filter(|(_, v)| **v > mask(width)) {
        put_varint(out, (at - next) as u64);
        put_varint(out, *number >> width);
        *number &= mask(width);
        next = at + 1;
    }
}

/// Reads so many values, block after block, and hands each block on.
pub(super) fn each_block(
    cursor: &mut Cursor<'_>,
    rows: usize,
    sink: &mut impl FnMut(&mut [i64]),
) -> Result<(), Malformed> {
    let (mut base, mut patches, mut place) = (0i64, Vec::new(), [0; BLOCK]);
    for from in (0..rows).step_by(BLOCK) {
        let block = &mut place[..BLOCK.min(rows - from)];
        base = base.wrapping_add(cursor.zigzag()?);
        let byte = cursor.u8()?;
        let width = u32::from(byte & !PATCHED);
        if width > u64::BITS || (width == u64::BITS && byte & PATCHED != 0) {
            return Err(Malformed("a packed number is wider than 64 bits"));
        }
        patches.clear();
        if byte & PATCHED != 0 {
            take_patches(cursor, block.len(), &mut patches)?;
        }
        unpack(cursor, block, width, base)?;
        for (at, high) in &patches {
            block[*at] = block[*at].wrapping_add((high << width) as i64);
        }
        sink(block);
    }
    Ok(())
}

fn take_patches(cursor: &mut Cursor<'_>, len: usize, out: &mut Vec<(usize, u64)>) -> Result<(), Malformed> {
    let mut next = 0;
    for _ in 0..cursor.count()? {
        let gap = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
        match usize::checked_add(next, gap) {
            Some(at) if at < len => {
                out.push((at, cursor.varint()?));
                next = at + 1;
            }
            _ => return Err(Malformed("a patch is outside its block")),
        }
    }
    Ok(())
}
