//! Integers by classes: the class of each, by how far it is from the middle, in as few bits as it is frequent, and the
//! rest of it as it is. What is best of pco and of zstd's numbers, cut down to what chunks need: a short start.
//!
//! ```text
//! classes = base zigzag · shape u8 · log u8 · counts (ans.rs) · steps (ans.rs) · rests
//! shape   = split, 1 to 7; 128 is added when numbers are folded
//! value   = base + number, wrapping; folded, an odd number n is -(n + 1) / 2 and an even one n / 2
//! class   = number, when it is below 2^split; else 2^split + 2 · (e - split) + the second highest bit, e = ilog2(number)
//! rests   = length varint · per row the lowest e - 1 bits of a number that is not below 2^split; lowest first, filled up to a byte
//! ```

use super::{
    ans::{CLASSES, Counts, LOGS, Steps},
    bits::{BLOCK, mask},
    part::{Narrow, Part},
    stream::{BitReader, BitWriter, NEAR, put_counted, take_counted},
};
use crate::codec::{Cursor, Malformed, put_zigzag};

const FOLDED: u8 = 0x80;
/// The split by which numbers are first counted; coarser ones follow from that.
const SPLIT_MAX: u32 = 7;
/// Splits that a writer tries.
const SPLITS: [u32; 3] = [3, 5, 7];

/// How integers are written.
pub(super) struct Plan {
    base: i64,
    folded: bool,
    split: u32,
    log: u32,
    met: [u32; CLASSES],
    /// About how many bytes that takes.
    pub(super) bytes: usize,
}

fn folded(v: i64) -> u64 {
    (v << 1 ^ v >> 63) as u64
}

fn unfolded(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn number(v: i64, base: i64, fold: bool) -> u64 {
    let above = v.wrapping_sub(base);
    if fold { folded(above) } else { above as u64 }
}

fn class(number: u64, split: u32) -> usize {
    if number < 1 << split {
        return number as usize;
    }
    let e = number.ilog2();
    (1 << split) + 2 * (e - split) as usize + (number >> (e - 1) & 1) as usize
}

/// The lowest number of a class, and how many bits are left of it.
fn of_class(class: u8, split: u32) -> (u64, u32) {
    let class = u32::from(class);
    if class < 1 << split {
        return (u64::from(class), 0);
    }
    let (e, second) = ((class - (1 << split)) / 2 + split, u64::from(class & 1));
    ((2 | second).checked_shl(e - 1).unwrap_or(0), e - 1)
}

/// The logarithm of a table for so many rows: what it costs to make must not exceed what it saves.
fn log_for(rows: usize) -> u32 {
    match rows {
        0..256 => 6,
        256..640 => 7,
        640..2048 => 8,
        2048..6000 => 10,
        _ => 11,
    }
}

/// The best plan, from the lowest value upwards or around the middle.
pub(super) fn plan(values: &[i64]) -> Option<Plan> {
    let low = values.iter().copied().min()?;
    let mut sample: Vec<i64> = values.iter().step_by(values.len().div_ceil(64)).copied().collect();
    let middle = sample.len() / 2;
    let middle = *sample.select_nth_unstable(middle).1;
    [(low, false), (middle, true)]
        .into_iter()
        .filter_map(|(base, fold)| plan_from(values, base, fold))
        .min_by_key(|plan| plan.bytes)
}

fn plan_from(values: &[i64], base: i64, fold: bool) -> Option<Plan> {
    let mut fine = [0u32; CLASSES];
    for v in values {
        fine[class(number(*v, base, fold), SPLIT_MAX) % CLASSES] += 1;
    }
    let plan = |split: u32| {
        let mut met = [0u32; CLASSES];
        for (of, count) in fine.iter().enumerate().filter(|(_, count)| **count > 0) {
            met[class(of_class(of as u8, SPLIT_MAX).0, split)] += count;
        }
        let (mut bits, mut used) = (0.0, 0);
        for (of, count) in met.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (count, rest) = (f64::from(*count), of_class(of as u8, split).1);
            bits += count * ((values.len() as f64 / count).log2() + f64::from(rest));
            // The start of a class, and of those before it that do not count.
            bits += 6.0;
            used += 1;
        }
        let log = log_for(values.len()).max(u32::ilog2(used * 4 + 1) + 1);
        let bytes = bits as usize / 8 + 14;
        LOGS.contains(&log).then_some(Plan { base, folded: fold, split, log, met, bytes })
    };
    SPLITS.into_iter().filter_map(plan).min_by_key(|plan| plan.bytes)
}

/// Appends integers as planned.
pub(super) fn put_classes(out: &mut Vec<u8>, values: &[i64], plan: &Plan) {
    put_zigzag(out, plan.base);
    out.push(plan.split as u8 | if plan.folded { FOLDED } else { 0 });
    out.push(plan.log as u8);
    let counts = Counts::new(&plan.met, plan.log);
    counts.put(out);
    let (mut of, mut rests) = (Vec::with_capacity(values.len()), Vec::new());
    let mut writer = BitWriter::new(&mut rests);
    for v in values {
        let number = number(*v, plan.base, plan.folded);
        let class = class(number, plan.split) as u8;
        of.push(class);
        let rest = of_class(class, plan.split).1;
        writer.put(number & mask(rest), rest);
    }
    writer.end();
    counts.put_steps(out, &of);
    put_counted(out, &rests);
}

/// What a class stands for.
#[derive(Clone, Copy, Default)]
struct Class<T> {
    low: T,
    bits: u32,
}

/// Reads so many values and hands them on part by part.
pub(super) fn each_class(
    cursor: &mut Cursor<'_>,
    rows: usize,
    sink: &mut impl FnMut(Part<'_>),
) -> Result<(), Malformed> {
    let base = cursor.zigzag()?;
    let (shape, log) = (cursor.u8()?, u32::from(cursor.u8()?));
    let (split, fold) = (u32::from(shape & !FOLDED), shape & FOLDED != 0);
    if !(1..=SPLIT_MAX).contains(&split) || !LOGS.contains(&log) {
        return Err(Malformed("unknown shape of classes"));
    }
    let counts = Counts::take(cursor, log)?;
    let mut steps = Steps::new(&counts, cursor)?;
    let mut rests = BitReader::new(take_counted(cursor)?);
    let (mut classes, mut most, mut highest) = ([Class::default(); CLASSES], 0, 0);
    for class in counts.met() {
        let (low, bits) = of_class(class, split);
        if bits >= u64::BITS - 1 {
            return Err(Malformed("a class is beyond 64 bits"));
        }
        most = most.max(bits);
        highest = highest.max(low | mask(bits));
        classes[usize::from(class)] = Class { low: low as i64, bits };
    }
    let mut of = [0; BLOCK];
    let narrow = bounds(highest, fold, base);
    if let Some((low, high)) = narrow.filter(|_| most <= NEAR) {
        let (classes, mut place) =
            (classes.map(|c| Class { low: c.low as i32, bits: c.bits }), [0i32; BLOCK]);
        for from in (0..rows).step_by(BLOCK) {
            let n = BLOCK.min(rows - from);
            let (of, values) = (&mut of[..n], &mut place[..n]);
            steps.take(of);
            add_rests_of(values, of, &classes, &mut rests, most, |low, rest| low | rest as i32);
            let base = base as i32;
            if fold {
                values.iter_mut().for_each(|v| *v = ((*v as u32 >> 1) as i32 ^ -(*v & 1)).wrapping_add(base));
            } else {
                values.iter_mut().for_each(|v| *v = v.wrapping_add(base));
            }
            sink(Part::Narrow(Narrow { values, low, high }));
        }
    } else {
        let mut place = [0i64; BLOCK];
        for from in (0..rows).step_by(BLOCK) {
            let n = BLOCK.min(rows - from);
            let (of, values) = (&mut of[..n], &mut place[..n]);
            steps.take(of);
            add_rests_of(values, of, &classes, &mut rests, most, |low, rest| low | rest as i64);
            let move_up = |v: i64| if fold { unfolded(v as u64) } else { v }.wrapping_add(base);
            values.iter_mut().for_each(|v| *v = move_up(*v));
            sink(Part::Wide(values));
        }
    }
    steps.end()?;
    rests.end()
}

/// The bounds of values, when the numbers and they have 31 and 32 bits.
fn bounds(highest: u64, fold: bool, base: i64) -> Option<(i32, i32)> {
    let most = i64::from(i32::try_from(highest).ok()?);
    let (low, high) = if fold {
        (base.checked_sub(most / 2 + 1)?, base.checked_add(most / 2)?)
    } else {
        (base, base.checked_add(most)?)
    };
    Some((i32::try_from(low).ok()?, i32::try_from(high).ok()?))
}

/// Numbers of classes: several at once when their rests are so short that one load has them all.
fn add_rests_of<T: Copy>(
    place: &mut [T],
    of: &[u8],
    classes: &[Class<T>; CLASSES],
    rests: &mut BitReader<'_>,
    most: u32,
    join: impl Fn(T, u64) -> T,
) {
    match most {
        0 => place.iter_mut().zip(of).for_each(|(v, of)| *v = classes[usize::from(*of)].low),
        1..=14 => add_rests::<T, 4>(place, of, classes, rests, join),
        15..=28 => add_rests::<T, 2>(place, of, classes, rests, join),
        29..=NEAR => add_rests::<T, 1>(place, of, classes, rests, join),
        _ => {
            for (v, of) in place.iter_mut().zip(of) {
                let class = classes[usize::from(*of)];
                *v = join(class.low, rests.take(class.bits));
            }
        }
    }
}

fn add_rests<T: Copy, const N: usize>(
    place: &mut [T],
    of: &[u8],
    classes: &[Class<T>; CLASSES],
    rests: &mut BitReader<'_>,
    join: impl Fn(T, u64) -> T,
) {
    let mut reader = *rests;
    let ((places, last), (of, last_of)) = (place.as_chunks_mut::<N>(), of.as_chunks::<N>());
    for (place, of) in places.iter_mut().zip(of) {
        let (near, mut taken) = (reader.peek(), 0);
        for (v, of) in place.iter_mut().zip(of) {
            let class = classes[usize::from(*of)];
            *v = join(class.low, near >> taken & ((1 << class.bits) - 1));
            taken += class.bits;
        }
        reader.skip(taken);
    }
    for (v, of) in last.iter_mut().zip(last_of) {
        let class = classes[usize::from(*of)];
        *v = join(class.low, reader.take(class.bits));
    }
    *rests = reader;
}
