//! What a chunk of several points says of whose its rows are, and of when: see chunk.rs.

use types::{PointId, Time};

use super::Owner;
use crate::{
    codec::{Cursor, Malformed, put_varint, put_zigzag},
    column::{Effort, into_units, put_ints, take_ints},
};

/// Appends owners and times. The first times of points and the steps from row to row are apart: each of the two is even
/// where one clock asks all points.
pub(super) fn put(out: &mut Vec<u8>, owners: &[Owner], times: &[Time], effort: Effort) {
    let points = owners.len();
    let ids: Vec<i64> = owners.windows(2).map(|pair| i64::from(pair[1].point.0 - pair[0].point.0)).collect();
    let mut counts = Vec::with_capacity(points);
    // Of the points first, then those from row to row.
    let mut steps = vec![0; points];
    steps.reserve_exact(times.len() - points);
    let (mut start, mut base) = (0, Time::MAX);
    for owner in owners {
        let of_point = &times[start..owner.end as usize];
        counts.push(of_point.len() as i64);
        base = base.min(of_point[0]);
        steps.extend(of_point.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0) as u64));
        start = owner.end as usize;
    }
    let mut start = 0;
    for (step, owner) in steps.iter_mut().zip(owners) {
        *step = times[start].0.wrapping_sub(base.0) as u64;
        start = owner.end as usize;
    }
    let unit = into_units(&mut steps);
    let steps: Vec<i64> = steps.into_iter().map(|step| step as i64).collect();
    put_varint(out, points as u64);
    put_zigzag(out, base.0);
    put_varint(out, unit);
    put_ints(out, &ids, effort);
    put_ints(out, &counts, effort);
    put_ints(out, &steps[..points], effort);
    if steps.len() > points {
        put_ints(out, &steps[points..], effort);
    }
}

/// Reads the owners of so many rows, and their times.
pub(super) fn take(
    cursor: &mut Cursor<'_>,
    first: PointId,
    rows: usize,
) -> Result<(Vec<Owner>, Vec<Time>), Malformed> {
    let points = match usize::try_from(cursor.varint()?) {
        Ok(points) if (2..=rows).contains(&points) => points,
        _ => return Err(Malformed("a chunk has more points than rows, or one that is said to be several")),
    };
    let (base, unit) = (cursor.zigzag()?, cursor.varint()? as i64);
    let ids = take_ints(cursor, points - 1)?;
    let counts = take_ints(cursor, points)?;
    let (mut owners, mut id, mut end) = (Vec::with_capacity(points), Some(first.0), 0usize);
    for (at, count) in counts.iter().enumerate() {
        if at > 0 {
            let step = u32::try_from(ids[at - 1]).ok().filter(|step| *step > 0);
            id = id.zip(step).and_then(|(id, step)| id.checked_add(step));
        }
        let count = usize::try_from(*count).ok().filter(|count| (1..=rows - end).contains(count));
        let (Some(point), Some(count)) = (id, count) else {
            return Err(Malformed("the points of a chunk are not in order, or do not share out its rows"));
        };
        end += count;
        owners.push(Owner { point: PointId(point), end: end as u32 });
    }
    if end != rows {
        return Err(Malformed("the points of a chunk do not share out its rows"));
    }
    let firsts = take_ints(cursor, points)?;
    let steps = if rows > points { take_ints(cursor, rows - points)? } else { Vec::new() };
    let (mut times, mut steps) = (Vec::with_capacity(rows), steps.into_iter());
    for (first, owner) in firsts.into_iter().zip(&owners) {
        let mut at = base.wrapping_add(first.wrapping_mul(unit));
        times.push(Time(at));
        while times.len() < owner.end as usize {
            let step = steps.next().ok_or(Malformed("a time is missing"))?;
            at = at.wrapping_add(step.wrapping_mul(unit));
            times.push(Time(at));
        }
    }
    Ok((owners, times))
}
