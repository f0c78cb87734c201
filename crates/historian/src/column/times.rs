//! Times: a grid of equal steps, the gaps in it, and how far each time is off its place.

use types::Time;

use super::{Effort, id, ints::put_ints, ints::take_ints, number::keep_smaller};
use crate::codec::{Cursor, Malformed, put_varint, put_zigzag};

/// Steps looked at to find the usual one.
const SAMPLE: usize = 255;

/// Where times would be if nothing disturbed them.
struct Grid {
    step: u64,
    /// Rows from which on the grid has moved, and by how much.
    gaps: Vec<(i64, i64)>,
    /// How far each row is off.
    off: Vec<i64>,
}

/// Appends times.
pub(super) fn put_times(out: &mut Vec<u8>, times: &[Time], effort: Effort) {
    let Some((unit, steps)) = steps(times) else {
        out.push(id::TIME_INTS);
        put_ints(out, &times.iter().map(|t| t.0).collect::<Vec<_>>(), effort);
        return;
    };
    let began = out.len();
    let grid = Grid::find(&steps);
    if let Some(grid) = &grid {
        put_grid(out, times[0], unit, grid, effort);
    }
    if grid.is_none_or(|grid| grid.off.iter().any(|off| *off != 0)) {
        let mut sum = 0;
        let mut off = vec![0];
        off.extend(steps.iter().map(|step| {
            sum += *step as i64;
            sum
        }));
        let mut other = Vec::new();
        put_grid(&mut other, times[0], unit, &Grid { step: 0, gaps: Vec::new(), off }, effort);
        keep_smaller(out, began, &mut other);
    }
}

/// The largest unit that divides all steps, and the steps in it; `None` for times that do not rise or rise too far.
fn steps(times: &[Time]) -> Option<(u64, Vec<u64>)> {
    let (first, last) = (times.first()?.0, times.last()?.0);
    if !times.is_sorted_by(|a, b| a < b) || last.checked_sub(first).is_none() {
        return None;
    }
    let mut steps: Vec<u64> = times.windows(2).map(|pair| (pair[1].0 - pair[0].0) as u64).collect();
    let unit = unit_of(&steps);
    divide(&mut steps, unit);
    Some((unit, steps))
}

/// The largest unit that divides all steps, at least 1.
pub(super) fn unit_of(steps: &[u64]) -> u64 {
    let (mut unit, mut before) = (0, 0);
    for step in steps {
        // A division takes longer than all else here, and steps are alike more often than not.
        if *step != before && (unit == 0 || step % unit != 0) {
            unit = divisor(*step, unit);
        }
        before = *step;
        if unit == 1 {
            break;
        }
    }
    unit.max(1)
}

/// Divides steps by a unit of theirs.
pub(super) fn divide(steps: &mut [u64], unit: u64) {
    if unit == 1 {
        return;
    }
    let (mut before, mut units) = (0, 0);
    for step in steps {
        if *step != before {
            (before, units) = (*step, *step / unit);
        }
        *step = units;
    }
}

/// The greatest common divisor.
fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Grid {
    /// The grid of these steps, when gaps in it are rare.
    fn find(steps: &[u64]) -> Option<Grid> {
        let mut sample: Vec<u64> =
            steps.iter().step_by(steps.len().div_ceil(SAMPLE).max(1)).copied().collect();
        sample.sort_unstable();
        let median = *sample.get(sample.len() / 2)?;
        let usual = |step: &u64| step.abs_diff(median) <= median / 4;
        let (mut sum, mut count) = (0u128, 0u128);
        for step in steps.iter().filter(|step| usual(step)) {
            sum += u128::from(*step);
            count += 1;
        }
        let step = ((sum + count / 2) / count.max(1)) as u64;
        let mut jitter: Vec<u64> = sample.iter().map(|s| s.abs_diff(step)).collect();
        jitter.sort_unstable();
        let jitter = jitter[jitter.len() / 2].saturating_mul(8);
        let far = jitter.max(step / 4);
        let (mut gaps, mut off) = (Vec::new(), Vec::with_capacity(steps.len() + 1));
        off.push(0);
        let mut at = 0i64;
        for (row, s) in steps.iter().enumerate() {
            at = at.wrapping_add((*s as i64).wrapping_sub(step as i64));
            if at.unsigned_abs() > far {
                if gaps.len() > steps.len() / 16 {
                    return None;
                }
                // Whole steps were left out, or the clock of the source began anew.
                let whole = ((at as f64 / step as f64).round() as i64).wrapping_mul(step as i64);
                let moved = if at.wrapping_sub(whole).unsigned_abs() <= jitter { whole } else { at };
                gaps.push((row as i64 + 1, moved));
                at = at.wrapping_sub(moved);
            }
            off.push(at);
        }
        Some(Grid { step, gaps, off })
    }
}

fn put_grid(out: &mut Vec<u8>, first: Time, unit: u64, grid: &Grid, effort: Effort) {
    out.push(id::TIME_GRID);
    put_zigzag(out, first.0);
    put_varint(out, unit);
    put_varint(out, grid.step);
    put_varint(out, grid.gaps.len() as u64);
    if !grid.gaps.is_empty() {
        let (rows, moved): (Vec<i64>, Vec<i64>) = grid.gaps.iter().copied().unzip();
        put_ints(out, &rows, effort);
        put_ints(out, &moved, effort);
    }
    put_ints(out, &grid.off, effort);
}

/// Reads times.
pub(super) fn take_times(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<Time>, Malformed> {
    match cursor.u8()? {
        id::TIME_INTS => Ok(take_ints(cursor, rows)?.into_iter().map(Time).collect()),
        id::TIME_GRID => take_grid(cursor, rows),
        _ => Err(Malformed("unknown codec of times")),
    }
}

fn take_grid(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<Time>, Malformed> {
    let first = cursor.zigzag()?;
    let (unit, step) = (cursor.varint()? as i64, cursor.varint()? as i64);
    let gaps = match usize::try_from(cursor.varint()?) {
        Ok(gaps) if gaps <= rows => gaps,
        _ => return Err(Malformed("there are more gaps than times")),
    };
    let (mut at, mut moved) = (Vec::new(), Vec::new());
    if gaps > 0 {
        at = take_ints(cursor, gaps)?;
        moved = take_ints(cursor, gaps)?;
    }
    let off = take_ints(cursor, rows)?;
    let (mut place, mut times) = (0i64, Vec::with_capacity(rows));
    let ends = at.into_iter().chain([rows as i64]);
    for (end, moved) in ends.zip(moved.into_iter().chain([0])) {
        let part = usize::try_from(end).ok().and_then(|end| off.get(times.len()..end));
        for off in part.ok_or(Malformed("gaps are not in order"))? {
            times.push(Time(first.wrapping_add(unit.wrapping_mul(place.wrapping_add(*off)))));
            place = place.wrapping_add(step);
        }
        place = place.wrapping_add(moved);
    }
    Ok(times)
}
