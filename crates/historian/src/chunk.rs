//! Chunks: rows of one point, one type and one day as one block. The bytes are described in segment.rs.

use std::ops::Range;

use types::{Origin, PointId, Time};

use crate::{
    codec::{Cursor, Malformed, put_quality, put_times, put_values, put_varint, put_zigzag, type_byte},
    format::{begin_block, end_block},
    memory::Stamp,
    rows::{Rows, compress, expand, slice},
};

/// First byte of a chunk block.
pub(crate) const CHUNK: u8 = 1;
/// Bytes of an entry in an index block.
pub(crate) const INDEX_ENTRY_BYTES: usize = 36;
/// The codec that writes columns as codec.rs does.
const PLAIN: u8 = 0;

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

impl ChunkEntry {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.point.0.to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.last.0.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
    }
    pub(crate) fn take(cursor: &mut Cursor<'_>) -> Result<ChunkEntry, Malformed> {
        Ok(ChunkEntry {
            point: PointId(cursor.u32()?),
            first: cursor.time()?,
            last: cursor.time()?,
            offset: cursor.u64()?,
            len: cursor.u32()?,
            rows: cursor.u32()?,
        })
    }
}

/// Appends rows as a chunk block; `stamps` gives the stamp of each row of `range`, which is not empty.
pub(crate) fn put_chunk(
    out: &mut Vec<u8>,
    point: PointId,
    rows: &Rows,
    range: Range<usize>,
    stamps: impl Iterator<Item = Stamp>,
) {
    let times = &rows.times[range.clone()];
    let began = begin_block(out);
    out.push(CHUNK);
    out.extend_from_slice(&point.0.to_le_bytes());
    out.extend_from_slice(&[type_byte(rows.values.value_type()), PLAIN]);
    out.extend_from_slice(&(times.len() as u32).to_le_bytes());
    out.extend_from_slice(&times[0].0.to_le_bytes());
    out.extend_from_slice(&times[times.len() - 1].0.to_le_bytes());
    put_times(out, times);
    put_values(out, &slice(&rows.values, range.clone()));
    put_quality(out, &compress(rows.qualities.get(range).unwrap_or_default()));
    put_stamps(out, stamps);
    end_block(out, began);
}

fn put_stamps(out: &mut Vec<u8>, stamps: impl Iterator<Item = Stamp>) {
    let mut runs: Vec<(u64, Stamp)> = Vec::new();
    for stamp in stamps {
        match runs.last_mut() {
            Some((rows, last)) if *last == stamp => *rows += 1,
            _ => runs.push((1, stamp)),
        }
    }
    put_varint(out, runs.len() as u64);
    let (mut lsn, mut recorded) = (0, 0);
    for (rows, stamp) in runs {
        put_varint(out, rows);
        put_zigzag(out, (stamp.lsn as i64).wrapping_sub(lsn));
        put_zigzag(out, stamp.recorded.0.wrapping_sub(recorded));
        (lsn, recorded) = (stamp.lsn as i64, stamp.recorded.0);
        out.push(stamp.origin as u8);
    }
}

fn take_stamps(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<(u64, Stamp)>, Malformed> {
    let count = cursor.count()?;
    let (mut stamps, mut lsn, mut recorded, mut covered) = (Vec::with_capacity(count), 0i64, 0i64, 0u64);
    for _ in 0..count {
        let run = cursor.varint()?;
        lsn = lsn.wrapping_add(cursor.zigzag()?);
        recorded = recorded.wrapping_add(cursor.zigzag()?);
        let origin = Origin::from_byte(cursor.u8()?).ok_or(Malformed("unknown origin"))?;
        covered = covered.saturating_add(run);
        stamps.push((run, Stamp { lsn: lsn as u64, recorded: Time(recorded), origin }));
    }
    if covered != rows as u64 {
        return Err(Malformed("stamps do not cover the rows"));
    }
    Ok(stamps)
}

/// A chunk as it was written.
pub(crate) struct Chunk {
    pub(crate) point: PointId,
    pub(crate) rows: Rows,
    /// How many rows each stamp is for.
    pub(crate) stamps: Vec<(u64, Stamp)>,
}

impl Chunk {
    /// From the body of a block.
    pub(crate) fn decode(body: &[u8]) -> Result<Chunk, Malformed> {
        let mut cursor = Cursor::new(body);
        if cursor.u8()? != CHUNK {
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
        let stamps = take_stamps(&mut cursor, rows)?;
        cursor.end()?;
        Ok(Chunk { point, rows: Rows { times, values, qualities }, stamps })
    }
}
