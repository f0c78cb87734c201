//! The index of a segment: which chunk is where.
//!
//! ```text
//! index 1 = kind u8 = 2 · per chunk 36 bytes: point u32 · first time i64 · last time i64 · offset u64 · length u32 · rows u32
//! top 1   = kind u8 = 3 · per index block 20 bytes: first point u32 · last point u32 · offset u64 · length u32
//!
//! index 2 = kind u8 = 2 · kind of the chunks u8 · count varint · per chunk: point · first · span · gap · length · rows
//!           point     varint, less the one before, from 0
//!           first     zigzag, less the last time before where the point is the same, less the first time before where it
//!                     is another; the first of all from 0; wrapping
//!           span      zigzag, last time less first, less the span before; wrapping
//!           gap       zigzag, offset less the end of the chunk before, the first from 0
//!           length    varint, with the frame
//!           rows      varint
//! index 3 = kind u8 = 7 · as index 2, with: last point less the first varint, after each point: where chunks of several
//!           points are among them
//! top 2   = kind u8 = 3 · per index block 37 bytes: kind of its chunks u8 · first point u32 · last point u32
//!           · earliest time i64 · latest time i64 · offset u64 · length u32
//! ```
//!
//! At most 256 chunks a block, of one kind, ordered by (first) point and then by first time. Of chunks of several points,
//! the spans of points may meet where their types differ: the last point of a block is the highest of all.

use types::{PointId, Time};

use crate::{
    chunk::{ChunkEntry, Kind},
    codec::{Cursor, Malformed, put_varint, put_zigzag},
};

/// First byte of an index block.
pub(crate) const INDEX: u8 = 2;
/// The same where some chunks are of several points.
const INDEX_SEVERAL: u8 = 7;
/// First byte of the top block.
pub(crate) const TOP: u8 = 3;
/// Chunks of one index block: what is read to find a chunk.
pub(crate) const INDEX_CHUNKS: usize = 256;
const ENTRY_BYTES_V1: usize = 36;
const TOP_BYTES_V1: usize = 20;
const TOP_BYTES: usize = 37;

/// What the top block says of one index block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopEntry {
    pub(crate) kind: Kind,
    pub(crate) first_point: PointId,
    pub(crate) last_point: PointId,
    pub(crate) earliest: Time,
    pub(crate) latest: Time,
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

impl TopEntry {
    pub(crate) fn put(&self, out: &mut Vec<u8>, format: u32) {
        if format > 1 {
            out.push(self.kind.byte());
        }
        out.extend_from_slice(&self.first_point.0.to_le_bytes());
        out.extend_from_slice(&self.last_point.0.to_le_bytes());
        if format > 1 {
            out.extend_from_slice(&self.earliest.0.to_le_bytes());
            out.extend_from_slice(&self.latest.0.to_le_bytes());
        }
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
    }

    fn take(cursor: &mut Cursor<'_>, format: u32) -> Result<TopEntry, Malformed> {
        let kind = match format {
            1 => Kind::Current,
            _ => Kind::from_byte(cursor.u8()?).ok_or(Malformed("chunks of an unknown kind"))?,
        };
        let (first_point, last_point) = (PointId(cursor.u32()?), PointId(cursor.u32()?));
        let (earliest, latest) = match format {
            1 => (Time::MIN, Time::MAX),
            _ => (cursor.time()?, cursor.time()?),
        };
        let (offset, len) = (cursor.u64()?, cursor.u32()?);
        Ok(TopEntry { kind, first_point, last_point, earliest, latest, offset, len })
    }
}

/// The top block from its body.
pub(crate) fn take_top(body: &[u8], format: u32) -> Result<Vec<TopEntry>, Malformed> {
    let mut cursor = Cursor::new(body);
    if cursor.u8()? != TOP {
        return Err(Malformed("the block is no top index"));
    }
    let count = (body.len() - 1) / if format == 1 { TOP_BYTES_V1 } else { TOP_BYTES };
    let top = (0..count).map(|_| TopEntry::take(&mut cursor, format)).collect::<Result<_, _>>()?;
    cursor.end()?;
    Ok(top)
}

/// Appends the body of an index block.
pub(crate) fn put_index(out: &mut Vec<u8>, kind: Kind, chunks: &[ChunkEntry], format: u32) {
    let with_last = chunks.iter().any(ChunkEntry::is_of_several);
    out.push(if with_last { INDEX_SEVERAL } else { INDEX });
    if format == 1 {
        return chunks.iter().for_each(|chunk| put_entry_v1(out, chunk));
    }
    out.push(kind.byte());
    put_varint(out, chunks.len() as u64);
    let mut before = Before::default();
    for chunk in chunks {
        let (from, span) = (before.start(chunk.point), chunk.last.0.wrapping_sub(chunk.first.0));
        put_varint(out, u64::from(chunk.point.0.wrapping_sub(before.point)));
        if with_last {
            put_varint(out, u64::from(chunk.last_point.0.wrapping_sub(chunk.point.0)));
        }
        put_zigzag(out, chunk.first.0.wrapping_sub(from));
        put_zigzag(out, span.wrapping_sub(before.span));
        put_zigzag(out, (chunk.offset as i64).wrapping_sub(before.end as i64));
        put_varint(out, u64::from(chunk.len));
        put_varint(out, u64::from(chunk.rows));
        before.pass(chunk);
    }
}

fn put_entry_v1(out: &mut Vec<u8>, chunk: &ChunkEntry) {
    out.extend_from_slice(&chunk.point.0.to_le_bytes());
    out.extend_from_slice(&chunk.first.0.to_le_bytes());
    out.extend_from_slice(&chunk.last.0.to_le_bytes());
    out.extend_from_slice(&chunk.offset.to_le_bytes());
    out.extend_from_slice(&chunk.len.to_le_bytes());
    out.extend_from_slice(&chunk.rows.to_le_bytes());
}

/// What an entry is written against.
#[derive(Default)]
struct Before {
    point: u32,
    first: i64,
    last: i64,
    span: i64,
    end: u64,
}

impl Before {
    fn start(&self, point: PointId) -> i64 {
        if point.0 == self.point { self.last } else { self.first }
    }
    fn pass(&mut self, chunk: &ChunkEntry) {
        let (first, last) = (chunk.first.0, chunk.last.0);
        let end = chunk.offset.wrapping_add(u64::from(chunk.len));
        *self = Before { point: chunk.point.0, first, last, span: last.wrapping_sub(first), end };
    }
}

/// The chunks of an index block from its body.
pub(crate) fn take_index(body: &[u8], format: u32) -> Result<Vec<ChunkEntry>, Malformed> {
    let mut cursor = Cursor::new(body);
    let with_last = match cursor.u8()? {
        INDEX => false,
        INDEX_SEVERAL if format > 1 => true,
        _ => return Err(Malformed("the block is no index")),
    };
    if format == 1 {
        let count = (body.len() - 1) / ENTRY_BYTES_V1;
        let chunks = (0..count).map(|_| take_entry_v1(&mut cursor)).collect::<Result<_, _>>()?;
        cursor.end()?;
        return Ok(chunks);
    }
    Kind::from_byte(cursor.u8()?).ok_or(Malformed("chunks of an unknown kind"))?;
    let count = cursor.count()?;
    let (mut before, mut chunks) = (Before::default(), Vec::with_capacity(count));
    for _ in 0..count {
        let step = u32::try_from(cursor.varint()?).map_err(|_| Malformed("a point id exceeds 32 bits"))?;
        let point = PointId(before.point.wrapping_add(step));
        let more = if with_last { u32::try_from(cursor.varint()?).ok() } else { Some(0) };
        let last_point = more.and_then(|more| point.0.checked_add(more)).map(PointId);
        let last_point = last_point.ok_or(Malformed("a point id exceeds 32 bits"))?;
        let first = before.start(point).wrapping_add(cursor.zigzag()?);
        let span = before.span.wrapping_add(cursor.zigzag()?);
        let offset = before.end.wrapping_add(cursor.zigzag()? as u64);
        let len = u32::try_from(cursor.varint()?).map_err(|_| Malformed("a chunk is too long"))?;
        let rows = u32::try_from(cursor.varint()?).map_err(|_| Malformed("a chunk has too many rows"))?;
        let last = Time(first.wrapping_add(span));
        let chunk = ChunkEntry { point, last_point, first: Time(first), last, offset, len, rows };
        before.pass(&chunk);
        chunks.push(chunk);
    }
    cursor.end()?;
    Ok(chunks)
}

fn take_entry_v1(cursor: &mut Cursor<'_>) -> Result<ChunkEntry, Malformed> {
    let point = PointId(cursor.u32()?);
    Ok(ChunkEntry {
        point,
        last_point: point,
        first: cursor.time()?,
        last: cursor.time()?,
        offset: cursor.u64()?,
        len: cursor.u32()?,
        rows: cursor.u32()?,
    })
}
