//! The latest value of every point, written at some flushes so that a restart knows it without reading all segments.
//!
//! ```text
//! N.latest = header (format.rs, magic SINEWLS2) · block
//! block    = order u64 · per point: id varint, less the one before, the first from 0 · quality varint
//!            · quality time zigzag, less that of the point before, the first from 0 · recorded zigzag, less quality time
//!            · value (type u8, bytes as in codec.rs) · value time zigzag, less quality time, absent without a value
//!
//! of format version 1:
//! N.latest = header (format.rs, magic SINEWLST) · block
//! block    = per point: id u32 · quality u32 · quality time i64 · recorded i64 · value time i64 · value (type, bytes)
//! ```
//!
//! `order` is that of the last segment whose rows it knows (manifest.rs); those of later ones are read when a store is
//! opened. One of version 1 knows all segments. Differences wrap.

use types::{PointId, Quality, Time};

use crate::{
    codec::{Cursor, Malformed, put_value, put_varint, put_zigzag},
    format::{
        HEADER_BYTES, HeaderError, LATEST, LATEST_V1, begin_block, check_header, end_block, put_header,
        take_block,
    },
    memory::{LatestEntry, LatestTable},
};

/// About how many bytes a point takes.
const POINT_BYTES: usize = 24;

/// The table as a file; it knows all segments up to `order`.
pub(crate) fn encode(
    latest: &LatestTable,
    order: u64,
    format: u32,
    store_id: [u8; 16],
    number: u64,
) -> Vec<u8> {
    let entries = || latest.0.iter().filter_map(|(point, entry)| Some((point, entry.as_ref()?)));
    let mut out = Vec::with_capacity(HEADER_BYTES + entries().count() * POINT_BYTES);
    put_header(&mut out, if format == 1 { LATEST_V1 } else { LATEST }, format, store_id, number);
    let began = begin_block(&mut out);
    if format == 1 {
        entries().for_each(|(point, entry)| put_entry_v1(&mut out, point, entry));
    } else {
        out.extend_from_slice(&order.to_le_bytes());
        let mut before = (0, 0);
        for (point, entry) in entries() {
            let time = entry.quality_time.0;
            put_varint(&mut out, u64::from(point.0 - before.0));
            put_varint(&mut out, u64::from(entry.quality.0));
            put_zigzag(&mut out, time.wrapping_sub(before.1));
            put_zigzag(&mut out, entry.recorded.0.wrapping_sub(time));
            put_value(&mut out, entry.value.as_ref());
            if entry.value.is_some() {
                put_zigzag(&mut out, entry.value_time.0.wrapping_sub(time));
            }
            before = (point.0, time);
        }
    }
    end_block(&mut out, began);
    out
}

fn put_entry_v1(out: &mut Vec<u8>, point: PointId, entry: &LatestEntry) {
    out.extend_from_slice(&point.0.to_le_bytes());
    out.extend_from_slice(&entry.quality.0.to_le_bytes());
    for time in [entry.quality_time, entry.recorded, entry.value_time] {
        out.extend_from_slice(&time.0.to_le_bytes());
    }
    put_value(out, entry.value.as_ref());
}

/// The table from a file, and the order of the last segment it knows; `None`: of all.
pub(crate) fn decode(
    bytes: &[u8],
    store_id: [u8; 16],
    number: u64,
) -> Result<(LatestTable, Option<u64>), HeaderError> {
    let mut latest = LatestTable::default();
    if bytes.starts_with(&LATEST_V1) {
        check_header(bytes, LATEST_V1, store_id, number)?;
        let mut cursor = Cursor::new(take_block(&bytes[HEADER_BYTES..])?);
        while cursor.end().is_err() {
            let (point, entry) = take_entry_v1(&mut cursor)?;
            *latest.0.entry(point) = Some(entry);
        }
        return Ok((latest, None));
    }
    check_header(bytes, LATEST, store_id, number)?;
    let mut cursor = Cursor::new(take_block(&bytes[HEADER_BYTES..])?);
    let order = cursor.u64()?;
    let mut before = (0u32, 0i64);
    while cursor.end().is_err() {
        let step = u32::try_from(cursor.varint()?).ok().and_then(|step| before.0.checked_add(step));
        let point = step.ok_or(Malformed("a point id exceeds 32 bits"))?;
        let quality = u32::try_from(cursor.varint()?).map_err(|_| Malformed("a quality exceeds 32 bits"))?;
        let time = before.1.wrapping_add(cursor.zigzag()?);
        let recorded = Time(time.wrapping_add(cursor.zigzag()?));
        let value = cursor.value()?;
        let value_time = if value.is_some() { Time(time.wrapping_add(cursor.zigzag()?)) } else { Time::MIN };
        let (quality, quality_time) = (Quality(quality), Time(time));
        *latest.0.entry(PointId(point)) =
            Some(LatestEntry { value, value_time, quality, quality_time, recorded, is_replaced: false });
        before = (point, time);
    }
    Ok((latest, Some(order)))
}

fn take_entry_v1(cursor: &mut Cursor<'_>) -> Result<(PointId, LatestEntry), Malformed> {
    let point = PointId(cursor.u32()?);
    let quality = Quality(cursor.u32()?);
    let (quality_time, recorded, value_time) = (cursor.time()?, cursor.time()?, cursor.time()?);
    let value = cursor.value()?;
    Ok((point, LatestEntry { value, value_time, quality, quality_time, recorded, is_replaced: false }))
}
