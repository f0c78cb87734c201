//! Writing a segment: chunks as they come, then the index over them. The bytes are described in segment.rs.

use std::{collections::BTreeMap, io, path::Path};

use types::{PointId, Time};

use crate::{
    chunk::{ChunkEntry, Kind, Layout, put_chunk},
    disk::{Disk, DiskFile},
    format::{SEGMENT, begin_block, end_block, put_header},
    index::{INDEX_CHUNKS, TOP, TopEntry, put_index},
    manifest::SegmentEntry,
    rows::{Rows, instant_after},
    segment::END,
    summary::{self, Summary},
};

/// Bytes collected before they go to the file.
const BUFFER_BYTES: usize = 256 << 10;

/// A segment that is being written, under a temporary name.
pub(crate) struct SegmentWriter {
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    /// Bytes in the file before the buffer.
    written: u64,
    chunks: BTreeMap<Kind, Vec<ChunkEntry>>,
    entry: SegmentEntry,
}

impl SegmentWriter {
    /// Begins the file; of `entry`, the number, format, window and order are the caller's.
    pub(crate) fn new(
        disk: &dyn Disk,
        temporary: &Path,
        store_id: [u8; 16],
        entry: SegmentEntry,
    ) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        put_header(&mut buffer, SEGMENT, entry.format, store_id, entry.number);
        Ok(SegmentWriter {
            file: disk.create(temporary)?,
            buffer,
            written: 0,
            chunks: BTreeMap::new(),
            entry,
        })
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// One chunk of all rows, which may be none. Chunks of a kind come by point, then by time.
    pub(crate) fn chunk(
        &mut self,
        kind: Kind,
        point: PointId,
        rows: &Rows,
        layout: Layout,
    ) -> io::Result<()> {
        let (Some(first), Some(last)) = (rows.times.first().copied(), rows.times.last().copied()) else {
            return Ok(());
        };
        let (began, count) = (self.buffer.len(), rows.len() as u32);
        put_chunk(&mut self.buffer, kind, point, rows, layout);
        match kind {
            Kind::History => {
                self.entry.history_rows += u64::from(count);
                let replaced = rows.times.iter().zip(&rows.known.until);
                let last =
                    replaced.map(|(time, until)| instant_after(*time, *until).unwrap_or(Time::MAX)).max();
                self.entry.last_replaced = self.entry.last_replaced.max(last.unwrap_or(Time::MIN));
            }
            _ => self.entry.rows += u64::from(count),
        }
        self.note(kind, ChunkEntry { point, first, last, offset: 0, len: 0, rows: count }, began)
    }

    /// Summaries of a point's rows, in order; there is at least one.
    pub(crate) fn summaries(&mut self, level: u8, point: PointId, summaries: &[Summary]) -> io::Result<()> {
        let (Some(first), Some(last)) = (summaries.first(), summaries.last()) else { return Ok(()) };
        let began = self.buffer.len();
        summary::put(&mut self.buffer, level, point, summaries);
        let (first, last, rows) = (first.first_time, last.last_time, summaries.len() as u32);
        self.note(Kind::Summary(level), ChunkEntry { point, first, last, offset: 0, len: 0, rows }, began)
    }

    fn note(&mut self, kind: Kind, entry: ChunkEntry, began: usize) -> io::Result<()> {
        let (offset, len) = (self.written + began as u64, (self.buffer.len() - began) as u32);
        self.chunks.entry(kind).or_default().push(ChunkEntry { offset, len, ..entry });
        self.entry.first = self.entry.first.min(entry.first);
        self.entry.last = self.entry.last.max(entry.last);
        if self.buffer.len() >= BUFFER_BYTES { self.drain() } else { Ok(()) }
    }

    /// Writes index and footer and makes the content durable; the name is the caller's.
    pub(crate) fn finish(mut self) -> io::Result<SegmentEntry> {
        let mut top = vec![TOP];
        for (kind, chunks) in std::mem::take(&mut self.chunks) {
            for chunks in chunks.chunks(INDEX_CHUNKS) {
                let began = begin_block(&mut self.buffer);
                put_index(&mut self.buffer, kind, chunks, self.entry.format);
                end_block(&mut self.buffer, began);
                if let [first, ..] = chunks
                    && let [.., last] = chunks
                {
                    let entry = TopEntry {
                        kind,
                        first_point: first.point,
                        last_point: last.point,
                        earliest: chunks.iter().map(|chunk| chunk.first).min().unwrap_or(Time::MIN),
                        latest: chunks.iter().map(|chunk| chunk.last).max().unwrap_or(Time::MAX),
                        offset: self.written + began as u64,
                        len: (self.buffer.len() - began) as u32,
                    };
                    entry.put(&mut top, self.entry.format);
                }
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
