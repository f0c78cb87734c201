//! Writing a segment: chunks as they come, then the index over them. The bytes are described in segment.rs.

use std::{io, ops::Range, path::Path};

use types::{PointId, Time};

use crate::{
    chunk::{ChunkEntry, put_chunk},
    disk::{Disk, DiskFile},
    format::{SEGMENT, begin_block, end_block, put_header},
    manifest::SegmentEntry,
    memory::Stamp,
    rows::Rows,
    segment::{END, INDEX, TOP},
};

/// Chunks of one index block: what is read to find a chunk.
const INDEX_CHUNKS: usize = 256;
/// Bytes collected before they go to the file.
const BUFFER_BYTES: usize = 256 << 10;

/// A segment that is being written, under a temporary name.
pub(crate) struct SegmentWriter {
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    /// Bytes in the file before the buffer.
    written: u64,
    chunks: Vec<ChunkEntry>,
    entry: SegmentEntry,
}

impl SegmentWriter {
    pub(crate) fn new(
        disk: &dyn Disk,
        temporary: &Path,
        store_id: [u8; 16],
        number: u64,
    ) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        put_header(&mut buffer, SEGMENT, store_id, number);
        let entry = SegmentEntry { number, bytes: 0, rows: 0, first: Time::MAX, last: Time::MIN };
        Ok(SegmentWriter { file: disk.create(temporary)?, buffer, written: 0, chunks: Vec::new(), entry })
    }

    /// One chunk; `stamps` gives the stamp of each row of `range`.
    pub(crate) fn chunk(
        &mut self,
        point: PointId,
        rows: &Rows,
        range: Range<usize>,
        stamps: impl Iterator<Item = Stamp>,
    ) -> io::Result<()> {
        let times = rows.times.get(range.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
            return Ok(());
        };
        let (began, count) = (self.buffer.len(), times.len() as u32);
        put_chunk(&mut self.buffer, point, rows, range, stamps);
        let (offset, len) = (self.written + began as u64, (self.buffer.len() - began) as u32);
        self.chunks.push(ChunkEntry { point, first, last, offset, len, rows: count });
        self.entry.rows += u64::from(count);
        (self.entry.first, self.entry.last) = (self.entry.first.min(first), self.entry.last.max(last));
        if self.buffer.len() >= BUFFER_BYTES { self.drain() } else { Ok(()) }
    }

    /// Writes index and footer and makes the content durable; the name is the caller's.
    pub(crate) fn finish(mut self) -> io::Result<SegmentEntry> {
        let mut top = vec![TOP];
        for chunks in std::mem::take(&mut self.chunks).chunks(INDEX_CHUNKS) {
            let began = begin_block(&mut self.buffer);
            self.buffer.push(INDEX);
            chunks.iter().for_each(|chunk| chunk.put(&mut self.buffer));
            end_block(&mut self.buffer, began);
            if let [first, ..] = chunks
                && let [.., last] = chunks
            {
                top.extend_from_slice(&first.point.0.to_le_bytes());
                top.extend_from_slice(&last.point.0.to_le_bytes());
                top.extend_from_slice(&(self.written + began as u64).to_le_bytes());
                top.extend_from_slice(&((self.buffer.len() - began) as u32).to_le_bytes());
            }
        }
        let began = begin_block(&mut self.buffer);
        self.buffer.extend_from_slice(&top);
        end_block(&mut self.buffer, began);
        let mut footer = (self.written + began as u64).to_le_bytes().to_vec();
        footer.extend_from_slice(&((self.buffer.len() - began) as u32).to_le_bytes());
        footer.extend_from_slice(&crc32c::crc32c(&footer).to_le_bytes());
        footer.extend_from_slice(&END);
        self.buffer.extend_from_slice(&footer);
        self.drain()?;
        self.file.sync_data()?;
        self.entry.bytes = self.written;
        Ok(self.entry)
    }

    fn drain(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
