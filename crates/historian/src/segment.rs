//! Segments: immutable files of rows, by UTC day of source time. Read by offset only, never mapped.
//!
//! ```text
//! segment = header (see format.rs, magic SINEWSEG) · chunk block * · index block * · top block · footer
//! chunk   = kind u8 = 1 · point u32 · value type u8 · codec u8 · rows u32 · first time i64 · last time i64
//!           · columns: times · values · quality runs (codec.rs) · stamp runs
//! stamps  = count varint · per run: rows varint · lsn u64 · recorded i64 · origin u8
//! index   = kind u8 = 2 · per chunk 36 bytes: point u32 · first time i64 · last time i64 · offset u64 · length u32
//!           (frame included) · rows u32; ordered by point; at most 256 chunks a block
//! top     = kind u8 = 3 · per index block 20 bytes: first point u32 · last point u32 · offset u64 · length u32
//! footer  = offset of the top block u64 · its length u32 · crc32c u32 of these 12 bytes · SINEWEND
//! ```
//!
//! Codec 0 is the only one of format version 1: columns as codec.rs writes them. The checksum of a chunk covers its
//! codec byte. Rows of a chunk are of one point, one type and one UTC day, in rising time without equals; all rows
//! of a file have been written later than those of a file that stands before it in the manifest. Because a chunk
//! says whose it is, a damaged index is rebuilt by walking the blocks: one flipped bit hides one chunk at most.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use types::{Origin, PointId, Time};

use crate::{
    Damage,
    codec::{Cursor, Malformed, put_quality, put_times, put_values, put_varint, type_byte},
    disk::{Disk, DiskFile},
    format::{
        FRAME_BYTES, HEADER_BYTES, HeaderError, SEGMENT, begin_block, check_header, end_block, file_name,
        put_header, take_block,
    },
    manifest::SegmentEntry,
    memory::Stamp,
    rows::{Rows, compress, expand, slice},
};

const CHUNK: u8 = 1;
const INDEX: u8 = 2;
const TOP: u8 = 3;
const PLAIN: u8 = 0;
const END: [u8; 8] = *b"SINEWEND";
const FOOTER_BYTES: usize = 24;
const INDEX_ENTRY_BYTES: usize = 36;
const TOP_ENTRY_BYTES: usize = 20;
/// Chunks of one index block: what is read to find a chunk.
const INDEX_CHUNKS: usize = 256;
/// Bytes collected before they go to the file.
const BUFFER_BYTES: usize = 256 << 10;

/// Where a chunk is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) point: PointId,
    pub(crate) first: Time,
    pub(crate) last: Time,
    offset: u64,
    len: u32,
    rows: u32,
}

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
    pub(crate) fn new(disk: &dyn Disk, temporary: &Path, store_id: [u8; 16], number: u64) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        put_header(&mut buffer, SEGMENT, store_id, number);
        let entry = SegmentEntry { number, bytes: 0, rows: 0, first: Time::MAX, last: Time::MIN };
        Ok(SegmentWriter { file: disk.create(temporary)?, buffer, written: 0, chunks: Vec::new(), entry })
    }

    /// One chunk; `stamps` gives the stamp of each row of `rows`, by its place in `range`.
    pub(crate) fn chunk(
        &mut self,
        point: PointId,
        rows: &Rows,
        range: Range<usize>,
        stamps: impl Iterator<Item = Stamp>,
    ) -> io::Result<()> {
        let (Some(first), Some(last)) = (rows.times.get(range.start), rows.times.get(range.end - 1)) else {
            return Ok(());
        };
        let (first, last, count) = (*first, *last, range.len() as u32);
        let began = begin_block(&mut self.buffer);
        let out = &mut self.buffer;
        out.push(CHUNK);
        out.extend_from_slice(&point.0.to_le_bytes());
        out.extend_from_slice(&[type_byte(rows.values.value_type()), PLAIN]);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&first.0.to_le_bytes());
        out.extend_from_slice(&last.0.to_le_bytes());
        put_times(out, &rows.times[range.clone()]);
        put_values(out, &slice(&rows.values, range.clone()));
        put_quality(out, &compress(rows.qualities.get(range).unwrap_or_default()));
        put_stamps(out, stamps);
        end_block(&mut self.buffer, began);
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

impl ChunkEntry {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.point.0.to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.last.0.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
    }
    fn take(cursor: &mut Cursor<'_>) -> Result<ChunkEntry, Malformed> {
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

fn put_stamps(out: &mut Vec<u8>, stamps: impl Iterator<Item = Stamp>) {
    let mut runs: Vec<(u64, Stamp)> = Vec::new();
    for stamp in stamps {
        match runs.last_mut() {
            Some((rows, last)) if *last == stamp => *rows += 1,
            _ => runs.push((1, stamp)),
        }
    }
    put_varint(out, runs.len() as u64);
    for (rows, stamp) in runs {
        put_varint(out, rows);
        out.extend_from_slice(&stamp.lsn.to_le_bytes());
        out.extend_from_slice(&stamp.recorded.0.to_le_bytes());
        out.push(stamp.origin as u8);
    }
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
    fn decode(body: &[u8]) -> Result<Chunk, Malformed> {
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
        let mut stamps = Vec::new();
        for _ in 0..cursor.count()? {
            let run = cursor.varint()?;
            let (lsn, recorded) = (cursor.u64()?, cursor.time()?);
            let origin = Origin::from_byte(cursor.u8()?).ok_or(Malformed("unknown origin"))?;
            stamps.push((run, Stamp { lsn, recorded, origin }));
        }
        if stamps.iter().try_fold(0u64, |sum, (run, _)| sum.checked_add(*run)) != Some(rows as u64) {
            return Err(Malformed("stamps do not cover the rows"));
        }
        cursor.end()?;
        Ok(Chunk { point, rows: Rows { times, values, qualities }, stamps })
    }
}

/// How chunks are found.
enum Index {
    /// First point, last point, offset and length of each index block.
    Top(Vec<(PointId, PointId, u64, u32)>),
    /// The file's own index is damaged: the chunks that could be read, ordered by point.
    Walked(Vec<ChunkEntry>),
}

/// A segment that the manifest names.
pub(crate) struct Segment {
    pub(crate) entry: SegmentEntry,
    pub(crate) name: String,
    path: PathBuf,
    index: Index,
}

/// A chunk or an index cannot be used.
pub(crate) enum ReadFailure {
    /// The disk failed: ask again.
    Io(io::Error),
    /// The bytes are wrong: a gap.
    Damaged(Malformed),
}

impl From<Malformed> for ReadFailure {
    fn from(malformed: Malformed) -> Self {
        ReadFailure::Damaged(malformed)
    }
}

impl From<io::Error> for ReadFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadFailure::Damaged(Malformed("the file is cut off")),
            _ => ReadFailure::Io(error),
        }
    }
}

impl Segment {
    /// Opens a segment; what is damaged goes to `damaged`. The outer error is a newer format; the inner the disk's.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        store_id: [u8; 16],
        entry: SegmentEntry,
        damaged: &mut Vec<Damage>,
    ) -> Result<io::Result<Segment>, HeaderError> {
        let name = file_name(entry.number, "seg");
        let path = dir.join(&name);
        let mut segment = Segment { entry, name, path, index: Index::Walked(Vec::new()) };
        let file = match disk.open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                damaged.push(segment.damage("the file is missing", None));
                return Ok(Ok(segment));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut header = [0; HEADER_BYTES];
        let checked = match file.read_at(&mut header, 0) {
            Ok(()) => check_header(&header, SEGMENT, store_id, segment.entry.number),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => return Ok(Err(error)),
        };
        match checked {
            Err(HeaderError::Newer(version)) => return Err(HeaderError::Newer(version)),
            Err(error) => damaged.push(Damage {
                file: segment.name.clone(),
                point: None,
                span: None,
                cause: format!("{error}; its chunks are checked one by one"),
            }),
            Ok(()) => {}
        }
        match segment.read_top(&*file) {
            Ok(top) => segment.index = Index::Top(top),
            Err(ReadFailure::Io(error)) => return Ok(Err(error)),
            Err(ReadFailure::Damaged(_)) => match segment.walk(&*file, damaged) {
                Ok(chunks) => segment.index = Index::Walked(chunks),
                Err(error) => return Ok(Err(error)),
            },
        }
        Ok(Ok(segment))
    }

    /// Opens the file for reading chunks.
    pub(crate) fn file(&self, disk: &dyn Disk) -> io::Result<Box<dyn DiskFile>> {
        disk.open(&self.path)
    }

    pub(crate) fn damage(&self, cause: impl Into<String>, chunk: Option<&ChunkEntry>) -> Damage {
        let span = match chunk {
            Some(chunk) => (chunk.first, chunk.last),
            None => (self.entry.first, self.entry.last),
        };
        Damage {
            file: self.name.clone(),
            point: chunk.map(|chunk| chunk.point),
            span: Some(span),
            cause: cause.into(),
        }
    }

    fn read_top(&self, file: &dyn DiskFile) -> Result<Vec<(PointId, PointId, u64, u32)>, ReadFailure> {
        let at = self.entry.bytes.checked_sub(FOOTER_BYTES as u64).ok_or(Malformed("the file is too short"))?;
        if file.len()? != self.entry.bytes {
            return Err(Malformed("the file has another length than the manifest says").into());
        }
        let mut footer = [0; FOOTER_BYTES];
        file.read_at(&mut footer, at)?;
        let mut cursor = Cursor::new(&footer);
        let (offset, len) = (cursor.u64()?, cursor.u32()?);
        if cursor.u32()? != crc32c::crc32c(&footer[..12]) || cursor.array()? != END {
            return Err(Malformed("the footer does not fit").into());
        }
        let bytes = self.read(file, offset, len)?;
        let mut cursor = Cursor::new(take_block(&bytes)?);
        if cursor.u8()? != TOP {
            return Err(Malformed("the block is no top index").into());
        }
        let count = (bytes.len() - FRAME_BYTES - 1) / TOP_ENTRY_BYTES;
        let entry = |c: &mut Cursor<'_>| Ok((PointId(c.u32()?), PointId(c.u32()?), c.u64()?, c.u32()?));
        let top = (0..count).map(|_| entry(&mut cursor)).collect::<Result<_, Malformed>>()?;
        cursor.end()?;
        Ok(top)
    }

    /// Bytes of a block whose place comes from an index: bounded by the file before memory is asked for.
    fn read(&self, file: &dyn DiskFile, offset: u64, len: u32) -> Result<Vec<u8>, ReadFailure> {
        let end = offset.checked_add(u64::from(len));
        if (len as usize) < FRAME_BYTES || end.is_none_or(|end| end > self.entry.bytes) {
            return Err(Malformed("an index points outside the file").into());
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Chunks of a point that touch a span (start inclusive, end exclusive).
    pub(crate) fn chunks(
        &self,
        file: &dyn DiskFile,
        point: PointId,
        from: Time,
        to: Time,
        damaged: &mut Vec<Damage>,
    ) -> io::Result<Vec<ChunkEntry>> {
        let wanted = |c: &ChunkEntry| c.point == point && c.first < to && c.last >= from;
        let top = match &self.index {
            Index::Walked(chunks) => return Ok(chunks.iter().copied().filter(wanted).collect()),
            Index::Top(top) => top,
        };
        let mut found = Vec::new();
        let start = top.partition_point(|(_, last, ..)| *last < point);
        for (_, _, offset, len) in top[start..].iter().take_while(|(first, ..)| *first <= point) {
            match self.index_block(file, *offset, *len) {
                Ok(chunks) => found.extend(chunks.into_iter().filter(wanted)),
                Err(ReadFailure::Io(error)) => return Err(error),
                Err(ReadFailure::Damaged(_)) => {
                    return Ok(self.walk(file, damaged)?.into_iter().filter(wanted).collect());
                }
            }
        }
        Ok(found)
    }

    fn index_block(&self, file: &dyn DiskFile, offset: u64, len: u32) -> Result<Vec<ChunkEntry>, ReadFailure> {
        let bytes = self.read(file, offset, len)?;
        let mut cursor = Cursor::new(take_block(&bytes)?);
        if cursor.u8()? != INDEX {
            return Err(Malformed("the block is no index").into());
        }
        let count = (bytes.len() - FRAME_BYTES - 1) / INDEX_ENTRY_BYTES;
        let chunks = (0..count).map(|_| ChunkEntry::take(&mut cursor)).collect::<Result<_, _>>()?;
        cursor.end()?;
        Ok(chunks)
    }

    /// Every chunk that can be read, found without any index. Slow: reads the whole file.
    pub(crate) fn walk(&self, file: &dyn DiskFile, damaged: &mut Vec<Damage>) -> io::Result<Vec<ChunkEntry>> {
        damaged.push(Damage {
            file: self.name.clone(),
            point: None,
            span: None,
            cause: "an index is damaged; chunks are found by walking the file".into(),
        });
        let end = file.len()?.min(self.entry.bytes);
        let (mut offset, mut chunks) = (HEADER_BYTES as u64, Vec::new());
        let mut frame = [0; FRAME_BYTES];
        while offset + FRAME_BYTES as u64 <= end {
            file.read_at(&mut frame, offset)?;
            let len = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
            let Some(len) = len.checked_add(FRAME_BYTES as u32).filter(|n| offset + u64::from(*n) <= end) else {
                break;
            };
            let mut bytes = vec![0; len as usize];
            file.read_at(&mut bytes, offset)?;
            match take_block(&bytes) {
                Ok([CHUNK, ..]) => match take_block(&bytes).and_then(Chunk::decode) {
                    Ok(chunk) => chunks.push(ChunkEntry {
                        point: chunk.point,
                        first: chunk.rows.times[0],
                        last: chunk.rows.times[chunk.rows.len() - 1],
                        offset,
                        len,
                        rows: chunk.rows.len() as u32,
                    }),
                    Err(malformed) => damaged.push(self.damage(malformed.to_string(), None)),
                },
                Ok([TOP, ..]) => break,
                Ok(_) => {}
                Err(malformed) => damaged.push(self.damage(malformed.to_string(), None)),
            }
            offset += u64::from(len);
        }
        chunks.sort_by_key(|chunk| (chunk.point, chunk.first));
        Ok(chunks)
    }

    /// Every chunk of the file, by its index.
    pub(crate) fn all_chunks(&self, file: &dyn DiskFile, damaged: &mut Vec<Damage>) -> io::Result<Vec<ChunkEntry>> {
        let top = match &self.index {
            Index::Walked(chunks) => return Ok(chunks.clone()),
            Index::Top(top) => top,
        };
        let mut all = Vec::new();
        for (_, _, offset, len) in top {
            match self.index_block(file, *offset, *len) {
                Ok(chunks) => all.extend(chunks),
                Err(ReadFailure::Io(error)) => return Err(error),
                Err(ReadFailure::Damaged(_)) => return self.walk(file, damaged),
            }
        }
        Ok(all)
    }

    /// One chunk, checked against its checksum and its index entry.
    pub(crate) fn chunk(&self, file: &dyn DiskFile, entry: &ChunkEntry) -> Result<Chunk, ReadFailure> {
        let bytes = self.read(file, entry.offset, entry.len)?;
        let chunk = Chunk::decode(take_block(&bytes)?)?;
        let same = chunk.point == entry.point
            && chunk.rows.len() == entry.rows as usize
            && chunk.rows.times.first() == Some(&entry.first)
            && chunk.rows.times.last() == Some(&entry.last);
        if !same {
            return Err(Malformed("the chunk is not the one that the index names").into());
        }
        Ok(chunk)
    }
}
