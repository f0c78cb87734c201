//! The latest value of every point, written at each flush so that a restart knows it without reading segments.
//!
//! ```text
//! N.latest = header (format.rs, magic SINEWLST) · block
//! block    = per point: id u32 · quality u32 · quality time i64 · recorded i64 · value time i64 · value (type, bytes)
//! ```

use types::{PointId, Quality};

use crate::{
    codec::{Cursor, put_value},
    format::{
        HEADER_BYTES, HeaderError, LATEST, begin_block, check_header, end_block, put_header, take_block,
    },
    memory::{LatestEntry, LatestTable},
};

/// The table as a file.
pub(crate) fn encode(latest: &LatestTable, format: u32, store_id: [u8; 16], number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(&mut out, LATEST, format, store_id, number);
    let began = begin_block(&mut out);
    for (point, entry) in latest.0.iter() {
        let Some(entry) = entry else { continue };
        out.extend_from_slice(&point.0.to_le_bytes());
        out.extend_from_slice(&entry.quality.0.to_le_bytes());
        for time in [entry.quality_time, entry.recorded, entry.value_time] {
            out.extend_from_slice(&time.0.to_le_bytes());
        }
        put_value(&mut out, entry.value.clone());
    }
    end_block(&mut out, began);
    out
}

/// The table from a file.
pub(crate) fn decode(bytes: &[u8], store_id: [u8; 16], number: u64) -> Result<LatestTable, HeaderError> {
    check_header(bytes, LATEST, store_id, number)?;
    let mut cursor = Cursor::new(take_block(&bytes[HEADER_BYTES..])?);
    let mut latest = LatestTable::default();
    while cursor.end().is_err() {
        let point = PointId(cursor.u32()?);
        let quality = Quality(cursor.u32()?);
        let (quality_time, recorded, value_time) = (cursor.time()?, cursor.time()?, cursor.time()?);
        let value = cursor.value()?;
        *latest.0.entry(point) = Some(LatestEntry { value, value_time, quality, quality_time, recorded });
    }
    Ok(latest)
}
