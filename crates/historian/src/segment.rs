//! Segments: immutable files of rows. Read by offset only, never mapped.
//!
//! ```text
//! segment = header (format.rs, magic SINEWSEG) · chunk block * (chunk.rs, summary.rs) · index block * · top block (index.rs)
//!           · footer
//! footer  = offset of the top block u64 · its length u32 · crc32c u32 of these 12 bytes · SINEWEND
//! ```
//!
//! Where the spans of two segments meet, all rows of one have been written later than those of the other: the manifest
//! says which (`order`). Because a chunk says whose it is, a damaged index is rebuilt by walking the blocks: one flipped
//! bit hides one chunk at most, of one point or of several.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use types::{PointId, Time};

use crate::{
    Damage,
    chunk::{Chunk, ChunkEntry, Kind, Want},
    codec::{Cursor, Malformed},
    disk::{Disk, DiskFile},
    format::{FRAME_BYTES, HEADER_BYTES, HeaderError, SEGMENT, check_header, file_name, take_block},
    index::{TOP, TopEntry, take_index, take_top},
    manifest::SegmentEntry,
    summary,
};

/// Last bytes of a segment.
pub(crate) const END: [u8; 8] = *b"SINEWEND";
const FOOTER_BYTES: usize = 24;

/// How chunks are found.
enum Index {
    /// What the top block says of each index block.
    Top(Vec<TopEntry>),
    /// The file's own index is damaged: the chunks that could be read, ordered by point.
    Walked(Vec<(Kind, ChunkEntry)>),
}

/// A segment that the manifest names. Its file is opened once, and removed with the last of its readers once the
/// manifest no longer names it.
pub(crate) struct Segment {
    pub(crate) entry: SegmentEntry,
    pub(crate) name: String,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    file: OnceLock<Box<dyn DiskFile>>,
    index: Index,
    is_obsolete: AtomicBool,
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !self.is_obsolete.load(Ordering::Acquire) {
            return;
        }
        self.file.take();
        if let Err(error) = self.disk.remove(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.path.display(), %error, "a segment that is no longer needed cannot be removed");
        }
    }
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
        disk: &Arc<dyn Disk>,
        dir: &Path,
        store_id: [u8; 16],
        entry: SegmentEntry,
        damaged: &mut Vec<Damage>,
    ) -> Result<io::Result<Segment>, HeaderError> {
        let name = file_name(entry.number, "seg");
        let mut segment = Segment {
            path: dir.join(&name),
            entry,
            name,
            disk: disk.clone(),
            file: OnceLock::new(),
            index: Index::Walked(Vec::new()),
            is_obsolete: AtomicBool::new(false),
        };
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

    /// The manifest no longer names it, durably.
    pub(crate) fn set_obsolete(&self) {
        self.is_obsolete.store(true, Ordering::Release);
    }

    /// Whether the index in memory leaves room for rows of a point in a span: saves opening the file when not.
    pub(crate) fn may_hold(&self, point: PointId, from: Time, to: Time) -> bool {
        let by_point = || match &self.index {
            Index::Top(top) => top.iter().any(|top| top.first_point <= point && point <= top.last_point),
            Index::Walked(chunks) => chunks.iter().any(|(_, chunk)| chunk.may_hold(point)),
        };
        self.entry.first < to && self.entry.last >= from && by_point()
    }

    /// The file, for reading chunks.
    pub(crate) fn file(&self) -> io::Result<&dyn DiskFile> {
        if let Some(file) = self.file.get() {
            return Ok(&**file);
        }
        let opened = self.disk.open(&self.path)?;
        Ok(&**self.file.get_or_init(|| opened))
    }

    pub(crate) fn damage(&self, cause: impl Into<String>, chunk: Option<&ChunkEntry>) -> Damage {
        let span = match chunk {
            Some(chunk) => (chunk.first, chunk.last),
            None => (self.entry.first, self.entry.last),
        };
        Damage {
            file: self.name.clone(),
            point: chunk.filter(|chunk| !chunk.is_of_several()).map(|chunk| chunk.point),
            span: Some(span),
            cause: cause.into(),
        }
    }

    fn read_top(&self, file: &dyn DiskFile) -> Result<Vec<TopEntry>, ReadFailure> {
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
        Ok(take_top(take_block(&bytes)?, self.entry.format)?)
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

    /// Chunks of a kind that may hold rows of a point in a span (start inclusive, end exclusive), by first time.
    pub(crate) fn chunks(
        &self,
        kind: Kind,
        point: PointId,
        from: Time,
        to: Time,
        damaged: &mut Vec<Damage>,
    ) -> io::Result<Vec<ChunkEntry>> {
        let meets = |first: Time, last: Time| first < to && last >= from;
        let wanted = |c: &ChunkEntry| c.may_hold(point) && meets(c.first, c.last);
        let in_block = |top: &TopEntry| {
            let by_point = top.first_point <= point && point <= top.last_point;
            top.kind == kind && by_point && meets(top.earliest, top.latest)
        };
        self.find(kind, in_block, wanted, damaged)
    }

    /// Every chunk of a kind, by its index.
    pub(crate) fn all_chunks(&self, kind: Kind, damaged: &mut Vec<Damage>) -> io::Result<Vec<ChunkEntry>> {
        self.find(kind, |top| top.kind == kind, |_| true, damaged)
    }

    fn find(
        &self,
        kind: Kind,
        in_block: impl Fn(&TopEntry) -> bool,
        wanted: impl Fn(&ChunkEntry) -> bool,
        damaged: &mut Vec<Damage>,
    ) -> io::Result<Vec<ChunkEntry>> {
        let of_walk = |chunks: &[(Kind, ChunkEntry)]| {
            let of_kind = chunks.iter().filter(|(found, chunk)| *found == kind && wanted(chunk));
            of_kind.map(|(_, chunk)| *chunk).collect()
        };
        let top = match &self.index {
            Index::Walked(chunks) => return Ok(of_walk(chunks)),
            Index::Top(top) => top,
        };
        let mut found = Vec::new();
        for top in top.iter().filter(|top| in_block(top)) {
            match self.index_block(top) {
                Ok(chunks) => found.extend(chunks.into_iter().filter(&wanted)),
                Err(ReadFailure::Io(error)) => return Err(error),
                Err(ReadFailure::Damaged(_)) => return Ok(of_walk(&self.walk(self.file()?, damaged)?)),
            }
        }
        Ok(found)
    }

    /// How many levels of summaries there are.
    pub(crate) fn levels(&self) -> u8 {
        let level_of = |kind: Kind| match kind {
            Kind::Summary(level) => level + 1,
            _ => 0,
        };
        match &self.index {
            Index::Top(top) => top.iter().map(|top| level_of(top.kind)).max().unwrap_or(0),
            Index::Walked(chunks) => chunks.iter().map(|(kind, _)| level_of(*kind)).max().unwrap_or(0),
        }
    }

    /// The index blocks of a kind, in the order of points; `None` when the index is damaged.
    pub(crate) fn blocks(&self, kind: Kind) -> Option<Vec<TopEntry>> {
        match &self.index {
            Index::Top(top) => Some(top.iter().filter(|top| top.kind == kind).copied().collect()),
            Index::Walked(_) => None,
        }
    }

    pub(crate) fn index_block(&self, top: &TopEntry) -> Result<Vec<ChunkEntry>, ReadFailure> {
        let bytes = self.read(self.file()?, top.offset, top.len)?;
        Ok(take_index(take_block(&bytes)?, self.entry.format)?)
    }

    /// Every chunk that can be read, found without any index. Slow: reads the whole file.
    fn walk(&self, file: &dyn DiskFile, damaged: &mut Vec<Damage>) -> io::Result<Vec<(Kind, ChunkEntry)>> {
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
                Ok([TOP, ..]) => break,
                Ok(body) => match found_at(body, offset, len) {
                    Ok(found) => chunks.extend(found),
                    Err(malformed) => damaged.push(self.damage(malformed.to_string(), None)),
                },
                Err(malformed) => damaged.push(self.damage(malformed.to_string(), None)),
            }
            offset += u64::from(len);
        }
        chunks.sort_by_key(|(kind, chunk)| (*kind, chunk.point, chunk.first));
        Ok(chunks)
    }

    /// One chunk, checked against its checksum and its index entry.
    pub(crate) fn chunk(&self, entry: &ChunkEntry, want: Want) -> Result<Chunk, ReadFailure> {
        let bytes = self.read(self.file()?, entry.offset, entry.len)?;
        let chunk = Chunk::decode(take_block(&bytes)?, want)?;
        if chunk.entry(entry.offset, entry.len) != *entry {
            return Err(Malformed("the chunk is not the one that the index names").into());
        }
        Ok(chunk)
    }

    /// The body of a block of summaries, checked against its checksum.
    pub(crate) fn summaries(&self, entry: &ChunkEntry) -> Result<Vec<summary::Summary>, ReadFailure> {
        let bytes = self.read(self.file()?, entry.offset, entry.len)?;
        let (_, point, summaries) = summary::take(take_block(&bytes)?)?;
        if point != entry.point || summaries.len() != entry.rows as usize {
            return Err(Malformed("the summaries are not those that the index names").into());
        }
        Ok(summaries)
    }
}

/// What a block holds; `None` for an index.
fn found_at(body: &[u8], offset: u64, len: u32) -> Result<Option<(Kind, ChunkEntry)>, Malformed> {
    Ok(match body.first().and_then(|byte| Kind::from_byte(*byte)) {
        None => None,
        Some(Kind::Summary(_)) => {
            let (level, point, summaries) = summary::take(body)?;
            let (Some(first), Some(last)) = (summaries.first(), summaries.last()) else { return Ok(None) };
            let (first, last, rows) = (first.first_time, last.last_time, summaries.len() as u32);
            let entry = ChunkEntry { point, last_point: point, first, last, offset, len, rows };
            Some((Kind::Summary(level), entry))
        }
        Some(_) => {
            let chunk = Chunk::decode(body, Want::Rows)?;
            Some((chunk.kind, chunk.entry(offset, len)))
        }
    })
}
