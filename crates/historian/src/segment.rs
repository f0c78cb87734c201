//! Segments: immutable files of rows, by UTC day of source time. Read by offset only, never mapped.
//!
//! ```text
//! segment = header (see format.rs, magic SINEWSEG) · chunk block * · index block * · top block · footer
//! chunk   = kind u8 = 1 · point u32 · value type u8 · codec u8 · rows u32 · first time i64 · last time i64
//!           · columns: times · values · quality runs (codec.rs) · stamp runs
//! stamps  = count varint · per run: rows varint · lsn zigzag · recorded zigzag, both as wrapping differences from the run
//!           before, the first from 0 · origin u8
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
    path::{Path, PathBuf},
};

use types::{PointId, Time};

use crate::{
    Damage,
    chunk::{CHUNK, Chunk, ChunkEntry, INDEX_ENTRY_BYTES},
    codec::{Cursor, Malformed},
    disk::{Disk, DiskFile},
    format::{FRAME_BYTES, HEADER_BYTES, HeaderError, SEGMENT, check_header, file_name, take_block},
    manifest::SegmentEntry,
};

/// First byte of an index block.
pub(crate) const INDEX: u8 = 2;
/// First byte of the top block.
pub(crate) const TOP: u8 = 3;
/// Last bytes of a segment.
pub(crate) const END: [u8; 8] = *b"SINEWEND";
const FOOTER_BYTES: usize = 24;
const TOP_ENTRY_BYTES: usize = 20;

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
            Err(HeaderError::Foreign) => {
                damaged.push(segment.damage(HeaderError::Foreign.to_string(), None));
                return Ok(Ok(segment));
            }
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

    /// Whether the index in memory leaves room for rows of a point in a span: saves opening the file when not.
    pub(crate) fn may_hold(&self, point: PointId, from: Time, to: Time) -> bool {
        let by_point = match &self.index {
            Index::Top(top) => {
                let at = top.partition_point(|(_, last, ..)| *last < point);
                top.get(at).is_some_and(|(first, ..)| *first <= point)
            }
            Index::Walked(chunks) => chunks.iter().any(|chunk| chunk.point == point),
        };
        by_point && self.entry.first < to && self.entry.last >= from
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
        let at =
            self.entry.bytes.checked_sub(FOOTER_BYTES as u64).ok_or(Malformed("the file is too short"))?;
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

    fn index_block(
        &self,
        file: &dyn DiskFile,
        offset: u64,
        len: u32,
    ) -> Result<Vec<ChunkEntry>, ReadFailure> {
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
            let Some(len) = len.checked_add(FRAME_BYTES as u32).filter(|n| offset + u64::from(*n) <= end)
            else {
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
    pub(crate) fn all_chunks(
        &self,
        file: &dyn DiskFile,
        damaged: &mut Vec<Damage>,
    ) -> io::Result<Vec<ChunkEntry>> {
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
