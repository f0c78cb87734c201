//! Chunks: rows of one point and one type as one block.
//!
//! ```text
//! chunk   = kind u8: 4 current rows, 5 rows that were replaced or deleted · point u32 · value type u8 · rows varint
//!           · times · values (column.rs) · quality: marks · learnt: steps · origin: marks · until: steps, in kind 5 only
//! marks   = 00, all rows have the usual one (quality Good, origin measured) · 01 column of u64: one a row
//! steps   = column of i64: minutes after the row's source time, rounded up
//! ```
//!
//! Rows are in rising time; those of kind 4 have no equals. The codecs of each column are named by its first byte, which
//! the checksum of the block covers.

mod v1;

use types::{Origin, PointId, Quality, Time, ValueType, Values};

use crate::{
    codec::{Cursor, Malformed, put_varint, type_byte},
    column::{self, Effort},
    format::{begin_block, end_block},
    rows::{Known, Rows},
};

/// First byte of a chunk of format version 1.
pub(crate) const CHUNK_V1: u8 = 1;
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
            CHUNK_V1 | 4 => Some(Kind::Current),
            5 => Some(Kind::History),
            0x10.. if byte < 0x10 + Kind::LEVELS_MAX => Some(Kind::Summary(byte - 0x10)),
            _ => None,
        }
    }
}

/// Where a chunk is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) point: PointId,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) offset: u64,
    /// With the frame.
    pub(crate) len: u32,
    pub(crate) rows: u32,
}

/// How a chunk is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    V1,
    V2(Effort),
}

/// Appends rows, at least one, as a chunk block.
pub(crate) fn put_chunk(out: &mut Vec<u8>, kind: Kind, point: PointId, rows: &Rows, layout: Layout) {
    let Layout::V2(effort) = layout else { return v1::put(out, point, rows) };
    let began = begin_block(out);
    out.push(kind.byte());
    out.extend_from_slice(&point.0.to_le_bytes());
    out.push(type_byte(rows.values.value_type()));
    put_varint(out, rows.len() as u64);
    column::put_times(out, &rows.times, effort);
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
    pub(crate) point: PointId,
    pub(crate) rows: Rows,
}

impl Chunk {
    /// From the body of a block.
    pub(crate) fn decode(body: &[u8], want: Want) -> Result<Chunk, Malformed> {
        let mut cursor = Cursor::new(body);
        let kind = match cursor.u8()? {
            CHUNK_V1 => {
                let (point, rows) = v1::take(body)?;
                return Ok(Chunk { kind: Kind::Current, point, rows });
            }
            byte => Kind::from_byte(byte),
        };
        let kind = kind
            .filter(|kind| matches!(kind, Kind::Current | Kind::History))
            .ok_or(Malformed("the block is no chunk"))?;
        let point = PointId(cursor.u32()?);
        let of = cursor.value_type()?;
        let rows = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
        if rows == 0 || rows > ROWS_MAX {
            return Err(Malformed("the row count of a chunk cannot be"));
        }
        let times = column::take_times(&mut cursor, rows)?;
        let in_order = match kind {
            Kind::History => times.is_sorted(),
            _ => times.is_sorted_by(|a, b| a < b),
        };
        if !in_order {
            return Err(Malformed("the times of a chunk are not in order"));
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
        Ok(Chunk { kind, point, rows: Rows { times, values, qualities, known } })
    }
}
