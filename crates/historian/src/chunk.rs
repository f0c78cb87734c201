//! Chunks: rows of one type as one block, of one point or of several.
//!
//! ```text
//! chunk   = kind u8: 4 current rows, 5 rows that were replaced or deleted · point u32 · value type u8 · rows varint
//!           · times · values (column.rs) · quality: marks · learnt: steps · origin: marks · until: steps, in kind 5 only
//!         | 6 current rows of several points · first point u32 · value type u8 · rows varint · points varint, at least 2
//!           · base zigzag · unit varint · ints: from the second point on, its id less the one before · ints: rows of each
//!           point · ints: first time of each point, less base, in units · [ints: from the second row of each point on, its
//!           time less the one before, in units; absent when each has one row] · values · quality: marks · learnt: steps
//!           · origin: marks
//! marks   = 00, all rows have the usual one (quality Good, origin measured) · 01 column of u64: one a row
//! steps   = column of i64: minutes after the row's source time, rounded up
//! ```
//!
//! Rows of a point are in rising time; those that are current have no equals. Points are in rising order; those with few
//! rows share chunks, so that what a row costs does not depend on how many points there are. The codecs of each column are named by its first byte, which
//! the checksum of the block covers.

mod several;
mod v1;

use std::ops::Range;

use types::{Origin, PointId, Quality, Time, ValueType, Values};

use crate::{
    codec::{Cursor, Malformed, put_varint, type_byte},
    column::{self, Effort},
    format::{begin_block, end_block},
    rows::{Known, Rows},
};

/// First byte of a chunk of format version 1.
pub(crate) const CHUNK_V1: u8 = 1;
/// First byte of a chunk of several points.
const CHUNK_SEVERAL: u8 = 6;
/// The most rows a chunk may say it has: a constant column costs no bytes to claim, and memory to read.
pub(crate) const ROWS_MAX: usize = 1 << 16;

/// What a block that an index names holds; the number is its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Rows that are current.
    Current,
    /// Rows that others took the place of, or that were deleted.
    History,
    /// Summaries of a level: see summary.rs.
    Summary(u8),
}

impl Kind {
    /// The most levels of summaries.
    pub(crate) const LEVELS_MAX: u8 = 16;

    pub(crate) fn byte(self) -> u8 {
        match self {
            Kind::Current => 4,
            Kind::History => 5,
            Kind::Summary(level) => 0x10 + level,
        }
    }
    pub(crate) fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            CHUNK_V1 | 4 | CHUNK_SEVERAL => Some(Kind::Current),
            5 => Some(Kind::History),
            0x10.. if byte < 0x10 + Kind::LEVELS_MAX => Some(Kind::Summary(byte - 0x10)),
            _ => None,
        }
    }
}

/// Where a chunk is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    /// The first point.
    pub(crate) point: PointId,
    /// The last point: the same, unless several share the chunk.
    pub(crate) last_point: PointId,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) offset: u64,
    /// With the frame.
    pub(crate) len: u32,
    pub(crate) rows: u32,
}

impl ChunkEntry {
    /// Whether it may hold rows of a point.
    pub(crate) fn may_hold(&self, point: PointId) -> bool {
        self.point <= point && point <= self.last_point
    }
    pub(crate) fn is_of_several(&self) -> bool {
        self.point != self.last_point
    }
}

/// A point of a chunk, and where its rows end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) point: PointId,
    pub(crate) end: u32,
}

/// How a chunk is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    V1,
    V2(Effort),
}

/// Appends rows, at least one, as a chunk block. Only current rows have several owners.
pub(crate) fn put_chunk(out: &mut Vec<u8>, kind: Kind, owners: &[Owner], rows: &Rows, layout: Layout) {
    let [first, others @ ..] = owners else { return };
    let Layout::V2(effort) = layout else { return v1::put(out, first.point, rows) };
    let began = begin_block(out);
    out.push(if others.is_empty() { kind.byte() } else { CHUNK_SEVERAL });
    out.extend_from_slice(&first.point.0.to_le_bytes());
    out.push(type_byte(rows.values.value_type()));
    put_varint(out, rows.len() as u64);
    if others.is_empty() {
        column::put_times(out, &rows.times, effort);
    } else {
        several::put(out, owners, &rows.times, effort);
    }
    column::put_values(out, &rows.values, effort);
    put_marks(out, &rows.qualities, |quality| u64::from(quality.0), effort);
    put_steps(out, &rows.known.learnt, effort);
    put_marks(out, &rows.known.origins, |origin| *origin as u64, effort);
    if kind == Kind::History {
        put_steps(out, &rows.known.until, effort);
    }
    end_block(out, began);
}

fn put_marks<T>(out: &mut Vec<u8>, marks: &[T], number: impl Fn(&T) -> u64, effort: Effort) {
    out.push(u8::from(!marks.is_empty()));
    if !marks.is_empty() {
        column::put_values(out, &Values::U64(marks.iter().map(number).collect()), effort);
    }
}

fn put_steps(out: &mut Vec<u8>, steps: &[i64], effort: Effort) {
    column::put_values(out, &Values::I64(steps.to_vec()), effort);
}

fn take_marks<T>(
    cursor: &mut Cursor<'_>,
    rows: usize,
    mark: impl Fn(u64) -> Option<T>,
) -> Result<Vec<T>, Malformed> {
    match cursor.u8()? {
        0 => Ok(Vec::new()),
        1 => match column::take_values(cursor, Some(ValueType::U64), rows)? {
            Values::U64(numbers) => {
                numbers.into_iter().map(|n| mark(n).ok_or(Malformed("an unknown mark"))).collect()
            }
            _ => Err(Malformed("marks are no numbers")),
        },
        _ => Err(Malformed("unknown form of marks")),
    }
}

fn take_steps(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<i64>, Malformed> {
    match column::take_values(cursor, Some(ValueType::I64), rows)? {
        Values::I64(steps) => Ok(steps),
        _ => Err(Malformed("steps are no numbers")),
    }
}

/// How much of a chunk its reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Times, values, qualities.
    Rows,
    /// Also what is known about the rows.
    Known,
}

/// A chunk as it was written.
pub(crate) struct Chunk {
    pub(crate) kind: Kind,
    /// At least one, by point.
    pub(crate) owners: Vec<Owner>,
    pub(crate) rows: Rows,
}

impl Chunk {
    fn of_one(kind: Kind, point: PointId, rows: Rows) -> Chunk {
        Chunk { kind, owners: vec![Owner { point, end: rows.len() as u32 }], rows }
    }

    /// The rows of the owner that is so many.
    pub(crate) fn range(&self, owner: usize) -> Range<usize> {
        let start = owner.checked_sub(1).and_then(|before| self.owners.get(before)).map_or(0, |o| o.end);
        start as usize..self.owners.get(owner).map_or(start, |o| o.end) as usize
    }
    /// The rows of a point; `None` when it has none.
    pub(crate) fn rows_of(&self, point: PointId) -> Option<Rows> {
        let at = self.owners.binary_search_by_key(&point, |owner| owner.point).ok()?;
        Some(self.rows.slice(self.range(at)))
    }
    /// What an index says of it, when it is at that place.
    pub(crate) fn entry(&self, offset: u64, len: u32) -> ChunkEntry {
        let point = |owner: Option<&Owner>| owner.map_or(PointId(0), |owner| owner.point);
        let (first, last) = span_of(&self.owners, &self.rows.times);
        ChunkEntry {
            point: point(self.owners.first()),
            last_point: point(self.owners.last()),
            first,
            last,
            offset,
            len,
            rows: self.rows.len() as u32,
        }
    }

    /// From the body of a block.
    pub(crate) fn decode(body: &[u8], want: Want) -> Result<Chunk, Malformed> {
        let mut cursor = Cursor::new(body);
        let byte = cursor.u8()?;
        if byte == CHUNK_V1 {
            let (point, rows) = v1::take(body)?;
            return Ok(Chunk::of_one(Kind::Current, point, rows));
        }
        let kind = Kind::from_byte(byte)
            .filter(|kind| matches!(kind, Kind::Current | Kind::History))
            .ok_or(Malformed("the block is no chunk"))?;
        let point = PointId(cursor.u32()?);
        let of = cursor.value_type()?;
        let rows = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
        if rows == 0 || rows > ROWS_MAX {
            return Err(Malformed("the row count of a chunk cannot be"));
        }
        let (owners, times) = if byte == CHUNK_SEVERAL {
            several::take(&mut cursor, point, rows)?
        } else {
            (vec![Owner { point, end: rows as u32 }], column::take_times(&mut cursor, rows)?)
        };
        let mut start = 0;
        for owner in &owners {
            let of_point = &times[start..owner.end as usize];
            let in_order = match kind {
                Kind::History => of_point.is_sorted(),
                _ => of_point.is_sorted_by(|a, b| a < b),
            };
            if !in_order {
                return Err(Malformed("the times of a chunk are not in order"));
            }
            start = owner.end as usize;
        }
        let values = column::take_values(&mut cursor, of, rows)?;
        let quality = |n| u32::try_from(n).ok().map(Quality);
        let qualities = take_marks(&mut cursor, rows, quality)?;
        let mut known = Known::default();
        if want == Want::Known {
            known.learnt = take_steps(&mut cursor, rows)?;
            let origin = |n| u8::try_from(n).ok().and_then(Origin::from_byte);
            known.origins = take_marks(&mut cursor, rows, origin)?;
            if kind == Kind::History {
                known.until = take_steps(&mut cursor, rows)?;
            }
            cursor.end()?;
        }
        Ok(Chunk { kind, owners, rows: Rows { times, values, qualities, known } })
    }
}

/// First and last time of rows that are in order for each owner.
pub(crate) fn span_of(owners: &[Owner], times: &[Time]) -> (Time, Time) {
    let mut span = (Time::MAX, Time::MIN);
    let mut start = 0;
    for owner in owners {
        if let Some(of_point) = times.get(start..owner.end as usize)
            && let (Some(first), Some(last)) = (of_point.first(), of_point.last())
        {
            span = (span.0.min(*first), span.1.max(*last));
        }
        start = owner.end as usize;
    }
    span
}
