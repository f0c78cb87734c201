//! Writing a segment: chunks as they come, then the index over them. The bytes are described in segment.rs.

use std::{collections::BTreeMap, io, path::Path};

use types::{PointId, Time, ValueType};

use crate::{
    chunk::{ChunkEntry, Kind, Layout, Owner, put_chunk, span_of},
    disk::{Disk, DiskFile},
    format::{SEGMENT, begin_block, end_block, put_header},
    index::{INDEX_CHUNKS, TOP, TopEntry, put_index},
    manifest::SegmentEntry,
    rows::{Rows, instant_after, text_bytes},
    segment::END,
    summary::{self, Summary},
};

/// Bytes collected before they go to the file.
const BUFFER_BYTES: usize = 256 << 10;
/// Rows of a chunk that several points share, at most.
const SHARED_ROWS: usize = 4096;
/// A point with one part of so many of the rows of such a chunk gets a chunk of its own.
const SHARED_PART: usize = 4;
/// Bytes of text and bytes after which it is closed.
const CHUNK_VALUE_BYTES: usize = 1 << 20;
/// Bytes of text of a point that shares a chunk.
const SHARED_TEXT_BYTES: usize = 16 << 10;

/// A chunk that several points share, while it fills up.
struct Shared {
    owners: Vec<Owner>,
    rows: Rows,
    /// Bytes of text in the rows whose owner was named.
    text_bytes: usize,
}

impl Shared {
    fn empty(of: Option<ValueType>) -> Shared {
        Shared { owners: Vec::new(), rows: Rows::empty(of), text_bytes: 0 }
    }
    /// Rows whose owner was named.
    fn owned(&self) -> usize {
        self.owners.last().map_or(0, |owner| owner.end as usize)
    }
}

/// A segment that is being written, under a temporary name.
pub(crate) struct SegmentWriter {
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    /// Bytes in the file before the buffer.
    written: u64,
    chunks: BTreeMap<Kind, Vec<ChunkEntry>>,
    layout: Layout,
    /// Rows of a chunk that several points share.
    shared_rows: usize,
    /// One a type.
    shared: Vec<Shared>,
    entry: SegmentEntry,
}

impl SegmentWriter {
    /// Begins the file; of `entry`, the number, format, window and order are the caller's.
    pub(crate) fn new(
        disk: &dyn Disk,
        temporary: &Path,
        store_id: [u8; 16],
        entry: SegmentEntry,
        layout: Layout,
        chunk_rows: usize,
    ) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        put_header(&mut buffer, SEGMENT, entry.format, store_id, entry.number);
        Ok(SegmentWriter {
            file: disk.create(temporary)?,
            buffer,
            written: 0,
            chunks: BTreeMap::new(),
            layout,
            shared_rows: chunk_rows.min(SHARED_ROWS),
            shared: Vec::new(),
            entry,
        })
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// One chunk of all rows, which may be none. Chunks of a kind come by point, then by time.
    pub(crate) fn chunk(&mut self, kind: Kind, point: PointId, rows: &Rows) -> io::Result<()> {
        if rows.len() == 0 {
            return Ok(());
        }
        if kind == Kind::History {
            self.entry.history_rows += rows.len() as u64;
            let replaced = rows.times.iter().zip(&rows.known.until);
            let last = replaced.map(|(time, until)| instant_after(*time, *until).unwrap_or(Time::MAX)).max();
            self.entry.last_replaced = self.entry.last_replaced.max(last.unwrap_or(Time::MIN));
        }
        self.put(kind, &[Owner { point, end: rows.len() as u32 }], rows)
    }

    fn put(&mut self, kind: Kind, owners: &[Owner], rows: &Rows) -> io::Result<()> {
        let [first, ..] = owners else { return Ok(()) };
        let began = self.buffer.len();
        put_chunk(&mut self.buffer, kind, owners, rows, self.layout);
        if kind == Kind::Current {
            self.entry.rows += rows.len() as u64;
        }
        let (point, last_point) = (first.point, owners[owners.len() - 1].point);
        let (first, last) = span_of(owners, &rows.times);
        let entry = ChunkEntry { point, last_point, first, last, offset: 0, len: 0, rows: rows.len() as u32 };
        self.note(kind, entry, began)
    }

    /// Whether so many current rows of a point, all that the file gets of it, share chunks with those of others.
    pub(crate) fn are_few(&self, rows: usize) -> bool {
        self.layout != Layout::V1 && rows < self.shared_rows / SHARED_PART
    }

    /// Whether rows, which are few, take little room as well.
    pub(crate) fn are_small(&self, rows: &Rows) -> bool {
        text_bytes(&rows.values, 0..rows.len()) <= SHARED_TEXT_BYTES
    }

    /// Where rows of that type go that share a chunk; there is room for so many more. [`SegmentWriter::name_owner`] then
    /// says whose they are; points come in order.
    pub(crate) fn shared(&mut self, of: Option<ValueType>, more: usize) -> io::Result<&mut Rows> {
        let at = match self.shared.iter().position(|shared| shared.rows.values.value_type() == of) {
            Some(at) => at,
            None => {
                self.shared.push(Shared::empty(of));
                self.shared.len() - 1
            }
        };
        let shared = &self.shared[at];
        let is_full = shared.rows.len() + more > self.shared_rows || shared.text_bytes > CHUNK_VALUE_BYTES;
        if is_full && !shared.owners.is_empty() {
            self.put_shared(at)?;
        }
        Ok(&mut self.shared[at].rows)
    }

    /// Says whose the rows are that were added to the shared chunk of a type since the last call.
    pub(crate) fn name_owner(&mut self, of: Option<ValueType>, point: PointId) {
        let shared = self.shared.iter_mut().find(|shared| shared.rows.values.value_type() == of);
        if let Some(shared) = shared {
            let (start, end) = (shared.owned(), shared.rows.len());
            if start < end {
                shared.owners.push(Owner { point, end: end as u32 });
                shared.text_bytes += text_bytes(&shared.rows.values, start..end);
            }
        }
    }

    fn put_shared(&mut self, at: usize) -> io::Result<()> {
        let of = self.shared[at].rows.values.value_type();
        let Shared { owners, rows, .. } = std::mem::replace(&mut self.shared[at], Shared::empty(of));
        self.put(Kind::Current, &owners, &rows)
    }

    /// Summaries of a point's rows, in order; there is at least one.
    pub(crate) fn summaries(&mut self, level: u8, point: PointId, summaries: &[Summary]) -> io::Result<()> {
        let (Some(first), Some(last)) = (summaries.first(), summaries.last()) else { return Ok(()) };
        let began = self.buffer.len();
        summary::put(&mut self.buffer, level, point, summaries);
        let (first, last, rows) = (first.first_time, last.last_time, summaries.len() as u32);
        let entry = ChunkEntry { point, last_point: point, first, last, offset: 0, len: 0, rows };
        self.note(Kind::Summary(level), entry, began)
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
        for at in 0..self.shared.len() {
            self.put_shared(at)?;
        }
        let mut top = vec![TOP];
        for (kind, mut chunks) in std::mem::take(&mut self.chunks) {
            // A shared chunk is written when it is full, behind chunks of later points.
            chunks.sort_by_key(|chunk| (chunk.point, chunk.first));
            for chunks in chunks.chunks(INDEX_CHUNKS) {
                let began = begin_block(&mut self.buffer);
                put_index(&mut self.buffer, kind, chunks, self.entry.format);
                end_block(&mut self.buffer, began);
                if let [first, ..] = chunks {
                    let entry = TopEntry {
                        kind,
                        first_point: first.point,
                        last_point: chunks.iter().map(|chunk| chunk.last_point).max().unwrap_or(first.point),
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
