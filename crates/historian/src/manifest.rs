//! The manifest: the only authority on which segments exist, how far each source got and where the log starts.
//!
//! ```text
//! MANIFEST = copy · copy          two equal copies: a damaged one is healed by the other
//! copy     = header (format.rs, magic SINEWMAN, file number = generation) · block
//! block    = next file number u64 · log start lsn u64 · number of the latest-values file u64 (0: none)
//!          · count varint · per segment: number u64 · bytes u64 · rows u64 · first time i64 · last time i64
//!          · count varint · per source: id u32 · epoch u32 · next sequence u64
//! ```
//!
//! It is replaced as a whole: written beside, synced, renamed, directory synced.

use std::{io, path::Path};

use types::{SourceId, Time};

use crate::{
    codec::{Cursor, Malformed, put_varint},
    disk::{Disk, write_beside},
    format::{
        HEADER_BYTES, HeaderError, MANIFEST, begin_block, end_block, put_header, take_block, take_header,
    },
    query::{SourceState, Sources},
};

/// Name of the manifest inside a store.
pub(crate) const NAME: &str = "MANIFEST";

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// Source time of the oldest row.
    pub(crate) first: Time,
    /// Source time of the newest row.
    pub(crate) last: Time,
}

/// What the store consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) store_id: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) next_number: u64,
    /// Rows of smaller lsn are in segments.
    pub(crate) log_start: u64,
    /// 0: none.
    pub(crate) latest_number: u64,
    /// In the order they were written: of equal rows the later segment's wins.
    pub(crate) segments: Vec<SegmentEntry>,
    pub(crate) sources: Sources,
}

impl Manifest {
    /// Of a store without rows.
    pub(crate) fn new(store_id: [u8; 16]) -> Manifest {
        Manifest {
            store_id,
            generation: 1,
            next_number: 1,
            log_start: 1,
            latest_number: 0,
            segments: Vec::new(),
            sources: Sources::new(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_header(&mut out, MANIFEST, self.store_id, self.generation);
        let began = begin_block(&mut out);
        for number in [self.next_number, self.log_start, self.latest_number] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_varint(&mut out, self.segments.len() as u64);
        for s in &self.segments {
            for number in [s.number, s.bytes, s.rows, s.first.0 as u64, s.last.0 as u64] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        put_varint(&mut out, self.sources.len() as u64);
        for (source, state) in &self.sources {
            out.extend_from_slice(&source.0.to_le_bytes());
            out.extend_from_slice(&state.epoch.to_le_bytes());
            out.extend_from_slice(&state.next_sequence.to_le_bytes());
        }
        end_block(&mut out, began);
        out.extend_from_within(..);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Manifest, HeaderError> {
        let (store_id, generation) = take_header(bytes, MANIFEST)?;
        let mut cursor = Cursor::new(take_block(&bytes[HEADER_BYTES..])?);
        let (next_number, log_start, latest_number) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let segments = (0..cursor.count()?)
            .map(|_| {
                let (number, bytes, rows) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
                Ok(SegmentEntry { number, bytes, rows, first: cursor.time()?, last: cursor.time()? })
            })
            .collect::<Result<_, Malformed>>()?;
        let sources = (0..cursor.count()?)
            .map(|_| {
                let source = SourceId(cursor.u32()?);
                Ok((source, SourceState { epoch: cursor.u32()?, next_sequence: cursor.u64()? }))
            })
            .collect::<Result<_, Malformed>>()?;
        cursor.end()?;
        Ok(Manifest { store_id, generation, next_number, log_start, latest_number, segments, sources })
    }

    /// From the bytes of the file; the flag says that one of the copies is damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Manifest, bool), HeaderError> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        match (Manifest::decode(first), Manifest::decode(second)) {
            (Ok(manifest), Ok(copy)) => Ok((manifest.clone(), manifest != copy)),
            (Ok(manifest), Err(_)) | (Err(_), Ok(manifest)) => Ok((manifest, true)),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Replaces the file, durably.
    pub(crate) fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(NAME);
        let temporary = write_beside(disk, &path, &self.encode()).map_err(StoreError::Before)?;
        disk.rename(&temporary, &path).and_then(|()| disk.sync_dir(dir)).map_err(StoreError::During)
    }
}

/// Why a manifest was not replaced.
pub(crate) enum StoreError {
    /// The old one stands.
    Before(io::Error),
    /// After a crash either may stand: nothing that one of them names may go.
    During(io::Error),
}

impl StoreError {
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            StoreError::Before(error) | StoreError::During(error) => error,
        }
    }
}
