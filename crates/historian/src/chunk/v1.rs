//! Chunks of format version 1: plain columns. Still written where a store has that version.
//!
//! ```text
//! chunk  = kind u8 = 1 · point u32 · value type u8 · codec u8 = 0 · rows u32 · first time i64 · last time i64
//!          · columns: times · values · quality runs (codec.rs) · stamp runs
//! stamps = count varint · per run: rows varint · lsn zigzag · recorded zigzag, both as wrapping differences from the run
//!          before, the first from 0 · origin u8
//! ```
//!
//! Nothing asks for the lsn of a row in a segment: this release writes 0, and a recorded time that is right to the minute.

use types::{Origin, PointId, Time};

use super::CHUNK_V1;
use crate::{
    codec::{Cursor, Malformed, put_quality, put_times, put_values, put_varint, put_zigzag, type_byte},
    format::{begin_block, end_block},
    rows::{Known, Rows, compress, expand, instant_after, push_mark, steps_after},
};

/// The only codec of this version.
const PLAIN: u8 = 0;

/// Appends rows as a chunk block; there is at least one.
pub(super) fn put(out: &mut Vec<u8>, point: PointId, rows: &Rows) {
    let times = &rows.times;
    let began = begin_block(out);
    out.push(CHUNK_V1);
    out.extend_from_slice(&point.0.to_le_bytes());
    out.extend_from_slice(&[type_byte(rows.values.value_type()), PLAIN]);
    out.extend_from_slice(&(times.len() as u32).to_le_bytes());
    out.extend_from_slice(&times[0].0.to_le_bytes());
    out.extend_from_slice(&times[times.len() - 1].0.to_le_bytes());
    put_times(out, times);
    put_values(out, &rows.values);
    put_quality(out, &compress(&rows.qualities));
    put_stamps(out, rows);
    end_block(out, began);
}

fn put_stamps(out: &mut Vec<u8>, rows: &Rows) {
    let mut runs: Vec<(u64, Time, Origin)> = Vec::new();
    for (row, time) in rows.times.iter().enumerate() {
        let learnt = rows.known.learnt.get(row).copied().unwrap_or(0);
        let recorded = instant_after(*time, learnt).unwrap_or(Time::MAX);
        let origin = rows.known.origin(row);
        match runs.last_mut() {
            Some((rows, at, of)) if (*at, *of) == (recorded, origin) => *rows += 1,
            _ => runs.push((1, recorded, origin)),
        }
    }
    put_varint(out, runs.len() as u64);
    let mut before = 0;
    for (rows, recorded, origin) in runs {
        put_varint(out, rows);
        put_zigzag(out, 0);
        put_zigzag(out, recorded.0.wrapping_sub(before));
        before = recorded.0;
        out.push(origin as u8);
    }
}

fn take_stamps(cursor: &mut Cursor<'_>, times: &[Time]) -> Result<Known, Malformed> {
    let count = cursor.count()?;
    let (mut known, mut recorded, mut row) = (Known::default(), 0i64, 0);
    for _ in 0..count {
        let run = cursor.varint()?;
        cursor.zigzag()?;
        recorded = recorded.wrapping_add(cursor.zigzag()?);
        let origin = Origin::from_byte(cursor.u8()?).ok_or(Malformed("unknown origin"))?;
        let rest = times.len() - row;
        let run = usize::try_from(run).ok().filter(|run| *run <= rest);
        for _ in 0..run.ok_or(Malformed("stamps do not cover the rows"))? {
            known.learnt.push(steps_after(times[row], Time(recorded)));
            push_mark(&mut known.origins, row, origin, Origin::Measured);
            row += 1;
        }
    }
    if row != times.len() {
        return Err(Malformed("stamps do not cover the rows"));
    }
    Ok(known)
}

/// From the body of a block.
pub(super) fn take(body: &[u8]) -> Result<(PointId, Rows), Malformed> {
    let mut cursor = Cursor::new(body);
    if cursor.u8()? != CHUNK_V1 {
        return Err(Malformed("the block is no chunk"));
    }
    let point = PointId(cursor.u32()?);
    let of = cursor.value_type()?;
    if cursor.u8()? != PLAIN {
        return Err(Malformed("unknown chunk codec"));
    }
    let rows = cursor.u32()? as usize;
    let (first, last) = (cursor.time()?, cursor.time()?);
    if rows == 0 || rows > body.len() {
        return Err(Malformed("the row count of a chunk cannot be"));
    }
    let times = cursor.times(rows)?;
    if times.first() != Some(&first) || times.last() != Some(&last) || !times.is_sorted_by(|a, b| a < b) {
        return Err(Malformed("the times of a chunk are not in order"));
    }
    let values = cursor.values(of, rows)?;
    let qualities = expand(&cursor.quality(rows)?);
    let known = take_stamps(&mut cursor, &times)?;
    cursor.end()?;
    Ok((point, Rows { times, values, qualities, known }))
}
