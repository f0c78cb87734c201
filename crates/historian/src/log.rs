//! The log: where a batch becomes durable before it is acknowledged.
//!
//! ```text
//! N.log  = header (format.rs, magic SINEWLOG) · block {first lsn u64} · record * · zero *
//! record = block { lsn u64 · place in its group u32 · kind u8 · source u32 · epoch u32 · first sequence u64 · recorded i64
//!          · origin u8 · sections }
//! kind 1: sections as codec.rs writes them · kind 2, from format version 2 on: coded sections
//! coded sections = count varint · per section: value type u8 · rows varint · points: column of i64 · times · values (column.rs)
//!          · quality runs (codec.rs)
//! ```
//!
//! A record has 46 bytes before its sections. Kind 2 is for batches that are worth it: its codes cost less than the bytes
//! that they save.
//!
//! The lsn rises by one a record. A group is what one write and one sync made durable together: a damaged record is an
//! unfinished write unless a whole record of a later group follows. A file holds a record only once its header is durable. **A file's first lsn voids
//! every record of that lsn or later in the files before it**: that is how a file whose sync failed is left behind
//! without trusting or touching it again. A failed sync is never retried: the kernel may have dropped the pages.
//!
//! **A record is written only over zeros that are durable already**, so that its sync waits for data blocks and for
//! nothing else: with a file that grows, ext4 may report a sync as done and lose, when the power goes just then, the size
//! or the extent that makes the bytes readable. The room of zeros doubles with the file and is made after the
//! acknowledgement, ahead of need; a store that rests costs one small room. Zeros lost to a power cut hold no record.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use types::{BatchHeader, Origin, PointId, SampleBatch, Section, SourceId, Time, ValueType, Values};

use crate::{
    codec::{Cursor, Malformed, put_quality, put_sections, put_varint, type_byte},
    column::{self, Effort},
    disk::{Disk, DiskFile},
    format::{FRAME_BYTES, HEADER_BYTES, LOG, begin_block, end_block, file_name, put_header},
};

/// Bytes after which the next group goes to a new file.
pub(crate) const FILE_BYTES: u64 = 64 << 20;
/// Zeroed bytes ahead of the records of a new file.
const ROOM_BYTES_MIN: u64 = 64 << 10;
/// The most zeroed bytes ahead of the records: what one pause between two groups may write.
const ROOM_BYTES_MAX: u64 = 4 << 20;
/// Bytes of one write of zeros.
const ZEROS_BYTES: usize = 64 << 10;
static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];
/// Bytes before the first record of a file.
pub(crate) const PREFIX_BYTES: usize = HEADER_BYTES + FRAME_BYTES + 8;
/// Bytes of a record before its sections.
pub(crate) const RECORD_HEAD_BYTES: usize = FRAME_BYTES + 38;
/// Kinds of records.
pub(crate) const PLAIN: u8 = 1;
pub(crate) const CODED: u8 = 2;
/// Rows from which on a batch is coded.
const CODED_ROWS_MIN: usize = 64;
const LSN_AT: usize = FRAME_BYTES;
pub(crate) const KIND_AT: usize = LSN_AT + 12;
const RECORDED_AT: usize = LSN_AT + 29;

/// A batch as a record; lsn, recorded time and checksum are put in by [`stamp_record`].
pub(crate) fn encode_record(batch: &SampleBatch, format: u32) -> Vec<u8> {
    let kind = if format > 1 && batch.rows() >= CODED_ROWS_MIN { CODED } else { PLAIN };
    let mut out = Vec::with_capacity(RECORD_HEAD_BYTES + batch.rows() * 16);
    begin_block(&mut out);
    out.extend_from_slice(&[0; 12]);
    out.push(kind);
    out.extend_from_slice(&batch.header.source.0.to_le_bytes());
    out.extend_from_slice(&batch.header.epoch.to_le_bytes());
    out.extend_from_slice(&batch.header.first_sequence.to_le_bytes());
    out.extend_from_slice(&0i64.to_le_bytes());
    out.push(batch.header.origin as u8);
    match kind {
        CODED => put_coded_sections(&mut out, &batch.sections),
        _ => put_sections(&mut out, &batch.sections),
    }
    out
}

fn put_coded_sections(out: &mut Vec<u8>, sections: &[Section]) {
    put_varint(out, sections.len() as u64);
    for section in sections {
        out.push(type_byte(section.values.value_type()));
        put_varint(out, section.len() as u64);
        let points = section.points.iter().map(|point| i64::from(point.0)).collect();
        column::put_values(out, &Values::I64(points), Effort::Hot);
        column::put_times(out, &section.times, Effort::Hot);
        column::put_values(out, &section.values, Effort::Hot);
        put_quality(out, &section.quality);
    }
}

fn take_coded_sections(cursor: &mut Cursor<'_>) -> Result<Vec<Section>, Malformed> {
    let (count, mut all) = (cursor.count()?, 0);
    let mut sections = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let of = cursor.value_type()?;
        let rows = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
        all = rows.saturating_add(all);
        // A constant column costs no bytes to claim.
        if all > SampleBatch::ROWS_MAX {
            return Err(Malformed("a record has more rows than a batch may"));
        }
        let points = match column::take_values(cursor, Some(ValueType::I64), rows)? {
            Values::I64(points) => points.into_iter().map(|point| u32::try_from(point).map(PointId)),
            _ => return Err(Malformed("points are no numbers")),
        };
        let points = points.collect::<Result<_, _>>().map_err(|_| Malformed("a point id exceeds 32 bits"))?;
        let times = column::take_times(cursor, rows)?;
        let values = column::take_values(cursor, of, rows)?;
        sections.push(Section { points, times, values, quality: cursor.quality(rows)? });
    }
    Ok(sections)
}

/// Completes a record of [`encode_record`]; `place` counts the records of its group before it.
pub(crate) fn stamp_record(record: &mut [u8], lsn: u64, place: u32, recorded: Time) {
    record[LSN_AT..LSN_AT + 8].copy_from_slice(&lsn.to_le_bytes());
    record[LSN_AT + 8..KIND_AT].copy_from_slice(&place.to_le_bytes());
    record[RECORDED_AT..RECORDED_AT + 8].copy_from_slice(&recorded.0.to_le_bytes());
    end_block(record, 0);
}

/// A record as it was written.
pub(crate) struct Record {
    pub(crate) lsn: u64,
    /// Lsn of the first record of its group.
    pub(crate) group_lsn: u64,
    pub(crate) header: BatchHeader,
    pub(crate) sections: Vec<Section>,
}

impl Record {
    /// From the body of a block.
    pub(crate) fn decode(body: &[u8]) -> Result<Record, Malformed> {
        let mut cursor = Cursor::new(body);
        let lsn = cursor.u64()?;
        let group_lsn =
            lsn.checked_sub(u64::from(cursor.u32()?)).ok_or(Malformed("a group begins before lsn 0"))?;
        let kind = cursor.u8()?;
        let header = BatchHeader {
            source: SourceId(cursor.u32()?),
            epoch: cursor.u32()?,
            first_sequence: cursor.u64()?,
            recorded: cursor.time()?,
            origin: Origin::from_byte(cursor.u8()?).ok_or(Malformed("unknown origin"))?,
        };
        let sections = match kind {
            PLAIN => cursor.sections()?,
            CODED => take_coded_sections(&mut cursor)?,
            _ => return Err(Malformed("unknown kind of record")),
        };
        cursor.end()?;
        Ok(Record { lsn, group_lsn, header, sections })
    }
}

/// Why a group of records, or the room for it, is not durable.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing of it is in the log.
    Write(io::Error),
    /// It may or may not survive a crash; the file is left behind.
    Sync(io::Error),
}

/// A log file that takes no more records.
#[derive(Debug)]
pub(crate) struct ClosedFile {
    pub(crate) path: PathBuf,
    /// One past its last lsn.
    pub(crate) end: u64,
    /// Bytes before its zeros.
    pub(crate) bytes: u64,
}

struct OpenFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Bytes of prefix and records; all durable.
    len: u64,
    /// Bytes that are durable; those from `len` on are zero.
    allocated: u64,
}

/// Room that a file with so many bytes of records should have ahead of them.
fn room_wanted(len: u64) -> u64 {
    len.clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX).min(FILE_BYTES.saturating_sub(len))
}

impl OpenFile {
    /// Makes sure that `bytes` more can be written without growing the file.
    fn make_room(&mut self, bytes: u64) -> Result<(), CommitError> {
        let needed = self.len + bytes;
        if needed <= self.allocated {
            return Ok(());
        }
        match self.zero_to(needed + room_wanted(needed)) {
            // A disk that is nearly full may still have space for the records alone.
            Err(CommitError::Write(_)) => self.zero_to(needed),
            done => done,
        }
    }

    /// Makes the file `end` bytes long with durable zeros, or leaves it as it was.
    fn zero_to(&mut self, end: u64) -> Result<(), CommitError> {
        let mut at = self.allocated;
        while at < end {
            let zeros = &ZEROS[..ZEROS.len().min((end - at) as usize)];
            if let Err(error) = self.file.write_at(zeros, at) {
                // Best effort: gives the space back. Zeros that stay are as good as none.
                let _ = self.file.truncate(self.allocated);
                return Err(CommitError::Write(error));
            }
            at += zeros.len() as u64;
        }
        self.file.sync_data().map_err(CommitError::Sync)?;
        self.allocated = end;
        Ok(())
    }
}

/// The writing end.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store_id: [u8; 16],
    format: u32,
    /// Number of the next file of any kind.
    next_number: Arc<AtomicU64>,
    current: Option<OpenFile>,
    closed: Vec<ClosedFile>,
    next_lsn: u64,
}

impl Log {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        store_id: [u8; 16],
        format: u32,
        next_number: Arc<AtomicU64>,
        next_lsn: u64,
        closed: Vec<ClosedFile>,
    ) -> Log {
        let dir = dir.to_path_buf();
        Log { disk, dir, store_id, format, next_number, current: None, closed, next_lsn }
    }

    /// The lsn of the next record.
    pub(crate) fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// Bytes of all files without their zeros.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed.iter().map(|f| f.bytes).sum::<u64>() + self.current.as_ref().map_or(0, |f| f.len)
    }

    /// Makes `records` stamped records, that fill `bytes`, durable.
    pub(crate) fn commit(&mut self, bytes: &[u8], records: u64) -> Result<(), CommitError> {
        let mut open = self.file_with_room(bytes.len() as u64)?;
        if let Err(error) = open.file.write_at(bytes, open.len) {
            // What was written must not be read back as records.
            match open.file.truncate(open.len) {
                Ok(()) => self.current = Some(OpenFile { allocated: open.len, ..open }),
                Err(_) => self.leave(open),
            }
            return Err(CommitError::Write(error));
        }
        if let Err(error) = open.file.sync_data() {
            self.leave(open);
            return Err(CommitError::Sync(error));
        }
        open.len += bytes.len() as u64;
        self.next_lsn += records;
        self.current = Some(open);
        Ok(())
    }

    /// Makes room for the groups to come, after an acknowledgement. No space for it is no failure: the group that needs it
    /// will tell. A failed sync is one; the file is left behind.
    pub(crate) fn make_room_ahead(&mut self) -> io::Result<()> {
        let is_short = |open: &mut OpenFile| open.allocated - open.len < room_wanted(open.len) / 2;
        let Some(mut open) = self.current.take_if(is_short) else { return Ok(()) };
        match open.zero_to(open.len + room_wanted(open.len)) {
            Err(CommitError::Sync(error)) => {
                self.leave(open);
                Err(error)
            }
            Ok(()) | Err(CommitError::Write(_)) => {
                self.current = Some(open);
                Ok(())
            }
        }
    }

    /// Takes out the file that the next group of `bytes` goes to.
    fn file_with_room(&mut self, bytes: u64) -> Result<OpenFile, CommitError> {
        if self.current.as_ref().is_some_and(|file| file.len >= FILE_BYTES) {
            self.close_current();
        }
        let Some(mut open) = self.current.take() else { return self.begin_file(bytes) };
        match open.make_room(bytes) {
            Ok(()) => Ok(open),
            Err(CommitError::Write(error)) => {
                self.current = Some(open);
                Err(CommitError::Write(error))
            }
            Err(CommitError::Sync(error)) => {
                self.leave(open);
                Err(CommitError::Sync(error))
            }
        }
    }

    /// Makes a file with room for `bytes` of records.
    fn begin_file(&mut self, bytes: u64) -> Result<OpenFile, CommitError> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(file_name(number, "log"));
        let mut prefix = Vec::with_capacity(PREFIX_BYTES);
        put_header(&mut prefix, LOG, self.format, self.store_id, number);
        let began = begin_block(&mut prefix);
        prefix.extend_from_slice(&self.next_lsn.to_le_bytes());
        end_block(&mut prefix, began);
        let file = self.disk.create(&path).map_err(CommitError::Write)?;
        let len = prefix.len() as u64;
        let mut open = OpenFile { file, path, len, allocated: len };
        let made = match open.file.write_at(&prefix, 0) {
            Ok(()) => open.make_room(bytes),
            Err(error) => Err(CommitError::Write(error)),
        };
        let named = |()| self.disk.sync_dir(&self.dir).map_err(CommitError::Write);
        match made.and_then(named) {
            Ok(()) => Ok(open),
            Err(CommitError::Write(error) | CommitError::Sync(error)) => {
                // Best effort: a file without records means nothing to the next open.
                let _ = self.disk.remove(&open.path);
                Err(CommitError::Write(error))
            }
        }
    }

    /// The next group goes to a new file.
    pub(crate) fn close_current(&mut self) {
        if let Some(open) = self.current.take() {
            self.leave(open);
        }
    }

    fn leave(&mut self, open: OpenFile) {
        self.closed.push(ClosedFile { path: open.path, end: self.next_lsn, bytes: open.len });
    }

    /// Removes the files whose records all have an lsn below `start`, oldest first. What cannot be removed is tried
    /// again next time: it holds nothing that is needed.
    pub(crate) fn retire(&mut self, start: u64) {
        while let Some(file) = self.closed.first().filter(|file| file.end <= start) {
            match self.disk.remove(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(file = %file.path.display(), %error, "a log file that is no longer needed cannot be removed");
                    return;
                }
                _ => self.closed.remove(0),
            };
        }
    }
}
