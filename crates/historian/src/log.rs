//! The log: where a batch becomes durable before it is acknowledged.
//!
//! ```text
//! N.log  = header (format.rs, magic SINEWLOG) · block {first lsn u64} · record *
//! record = block { lsn u64 · place in its group u32 · kind u8 = 1 · source u32 · epoch u32 · first sequence u64 · recorded i64 · origin u8
//!          · sections (codec.rs) }
//! ```
//!
//! The lsn rises by one a record. A group is what one write and one sync made durable together: a damaged record is an
//! unfinished write unless a whole record of a later group follows. A file holds a record only once its header is durable. **A file's first lsn voids
//! every record of that lsn or later in the files before it**: that is how a file whose sync failed is left behind
//! without trusting or touching it again. A failed sync is never retried: the kernel may have dropped the pages.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use types::{BatchHeader, Origin, SampleBatch, Section, SourceId, Time};

use crate::{
    codec::{Cursor, Malformed, put_sections},
    disk::{Disk, DiskFile},
    format::{FRAME_BYTES, HEADER_BYTES, LOG, begin_block, end_block, file_name, put_header},
};

/// Bytes after which the next group goes to a new file.
pub(crate) const FILE_BYTES: u64 = 64 << 20;
/// Bytes before the first record of a file.
pub(crate) const PREFIX_BYTES: usize = HEADER_BYTES + FRAME_BYTES + 8;
/// Bytes of a record before its sections.
pub(crate) const RECORD_HEAD_BYTES: usize = FRAME_BYTES + 38;
pub(crate) const BATCH: u8 = 1;
const LSN_AT: usize = FRAME_BYTES;
pub(crate) const KIND_AT: usize = LSN_AT + 12;
const RECORDED_AT: usize = LSN_AT + 29;

/// A batch as a record; lsn, recorded time and checksum are put in by [`stamp_record`].
pub(crate) fn encode_record(batch: &SampleBatch) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_HEAD_BYTES + batch.rows() * 16);
    begin_block(&mut out);
    out.extend_from_slice(&[0; 12]);
    out.push(BATCH);
    out.extend_from_slice(&batch.header.source.0.to_le_bytes());
    out.extend_from_slice(&batch.header.epoch.to_le_bytes());
    out.extend_from_slice(&batch.header.first_sequence.to_le_bytes());
    out.extend_from_slice(&0i64.to_le_bytes());
    out.push(batch.header.origin as u8);
    put_sections(&mut out, &batch.sections);
    out
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
        if cursor.u8()? != BATCH {
            return Err(Malformed("unknown kind of record"));
        }
        let header = BatchHeader {
            source: SourceId(cursor.u32()?),
            epoch: cursor.u32()?,
            first_sequence: cursor.u64()?,
            recorded: cursor.time()?,
            origin: Origin::from_byte(cursor.u8()?).ok_or(Malformed("unknown origin"))?,
        };
        let sections = cursor.sections()?;
        cursor.end()?;
        Ok(Record { lsn, group_lsn, header, sections })
    }
}

/// Why a group of records is not durable.
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
    pub(crate) bytes: u64,
}

struct OpenFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Bytes that are durable.
    len: u64,
}

/// The writing end.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store_id: [u8; 16],
    current: Option<OpenFile>,
    closed: Vec<ClosedFile>,
    next_lsn: u64,
}

impl Log {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        store_id: [u8; 16],
        next_lsn: u64,
        closed: Vec<ClosedFile>,
    ) -> Log {
        Log { disk, dir: dir.to_path_buf(), store_id, current: None, closed, next_lsn }
    }

    /// The lsn of the next record.
    pub(crate) fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed.iter().map(|f| f.bytes).sum::<u64>() + self.current.as_ref().map_or(0, |f| f.len)
    }

    /// Makes `records` stamped records, that fill `bytes`, durable. `number` names the next new file.
    pub(crate) fn commit(&mut self, bytes: &[u8], records: u64, number: &mut u64) -> Result<(), CommitError> {
        if self.current.as_ref().is_some_and(|file| file.len >= FILE_BYTES) {
            self.close_current();
        }
        let mut open = match self.current.take() {
            Some(open) => open,
            None => self.begin_file(number).map_err(CommitError::Write)?,
        };
        if let Err(error) = open.file.write_at(bytes, open.len) {
            match open.file.truncate(open.len) {
                Ok(()) => self.current = Some(open),
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

    fn begin_file(&mut self, number: &mut u64) -> io::Result<OpenFile> {
        let path = self.dir.join(file_name(*number, "log"));
        let mut prefix = Vec::with_capacity(PREFIX_BYTES);
        put_header(&mut prefix, LOG, self.store_id, *number);
        let began = begin_block(&mut prefix);
        prefix.extend_from_slice(&self.next_lsn.to_le_bytes());
        end_block(&mut prefix, began);
        *number += 1;
        let file = self.disk.create(&path)?;
        let made = file
            .write_at(&prefix, 0)
            .and_then(|()| file.sync_data())
            .and_then(|()| self.disk.sync_dir(&self.dir));
        match made {
            Ok(()) => Ok(OpenFile { file, path, len: prefix.len() as u64 }),
            Err(error) => {
                // Best effort: a file without records means nothing to the next open.
                let _ = self.disk.remove(&path);
                Err(error)
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
