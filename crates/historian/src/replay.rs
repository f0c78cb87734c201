//! Reading the log back after a stop: what counts, what is an unfinished write, what is damage.

use std::path::Path;

use crate::{
    Damage, OpenError,
    codec::{Cursor, Malformed},
    disk::{Disk, read_whole},
    error,
    format::{FRAME_BYTES, HEADER_BYTES, HeaderError, LOG, VERSION, check_header, file_number, take_block},
    log::{BATCH, ClosedFile, KIND_AT, PREFIX_BYTES, RECORD_HEAD_BYTES, Record},
};

/// How far ahead of the expected lsn a record behind a damaged place may be.
const RESYNC_LSN_MAX: u64 = 1 << 32;
/// Checksums tried behind a damaged place before the rest counts as unreadable.
const RESYNC_TRIES_MAX: usize = 10_000;

/// What the log held.
#[derive(Default)]
pub(crate) struct Replayed {
    pub(crate) next_lsn: u64,
    pub(crate) closed: Vec<ClosedFile>,
    pub(crate) torn_bytes: u64,
    pub(crate) damaged: Vec<Damage>,
    /// Names of files that hold damage and are worth keeping for a person to look at.
    pub(crate) suspect: Vec<String>,
    /// Names of files that belong to another store.
    pub(crate) foreign: Vec<String>,
}

struct Found {
    name: String,
    number: u64,
    /// `None`: the prefix is damaged, the records speak for themselves.
    first_lsn: Option<u64>,
}

/// Hands every record from lsn `start` on to `apply`, in order, and cuts an unfinished write off the last file.
pub(crate) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    store_id: [u8; 16],
    names: &[String],
    start: u64,
    apply: &mut dyn FnMut(Record),
) -> Result<Replayed, OpenError> {
    let mut out = Replayed { next_lsn: start, ..Replayed::default() };
    let mut files = Vec::new();
    for name in names {
        if let Some(number) = file_number(name, "log") {
            files.extend(look(disk, dir, store_id, name, number, &mut out)?);
        }
    }
    files.sort_by_key(|found| found.number);
    for (at, found) in files.iter().enumerate() {
        let limit = files[at + 1..].iter().find_map(|later| later.first_lsn);
        replay_file(disk, dir, found, limit, at + 1 == files.len(), start, &mut out, apply)?;
    }
    Ok(out)
}

/// Reads how a file begins.
fn look(
    disk: &dyn Disk,
    dir: &Path,
    store_id: [u8; 16],
    name: &str,
    number: u64,
    out: &mut Replayed,
) -> Result<Option<Found>, OpenError> {
    let path = dir.join(name);
    let file = disk.open(&path).map_err(OpenError::io("opening", &path))?;
    let len = file.len().map_err(OpenError::io("reading", &path))?;
    let mut prefix = vec![0; PREFIX_BYTES.min(usize::try_from(len).unwrap_or(usize::MAX))];
    file.read_at(&mut prefix, 0).map_err(OpenError::io("reading", &path))?;
    let first_lsn = check_header(&prefix, LOG, store_id, number)
        .and_then(|()| Ok(Cursor::new(take_block(&prefix[HEADER_BYTES..])?).u64()?));
    match first_lsn {
        Ok(lsn) => Ok(Some(Found { name: name.into(), number, first_lsn: Some(lsn) })),
        Err(HeaderError::Newer(found)) => Err(OpenError::Newer { file: path, found, known: VERSION }),
        Err(HeaderError::Foreign) => {
            out.foreign.push(name.into());
            Ok(None)
        }
        // The power went while the file was being made: a record comes only after a durable prefix.
        Err(HeaderError::Malformed(_)) if len <= PREFIX_BYTES as u64 => {
            disk.remove(&path).map_err(OpenError::io("removing", &path))?;
            Ok(None)
        }
        Err(HeaderError::Malformed(malformed)) => {
            out.damaged.push(Damage { file: name.into(), point: None, span: None, cause: malformed.to_string() });
            out.suspect.push(name.into());
            Ok(Some(Found { name: name.into(), number, first_lsn: None }))
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "one private step of `replay`")]
fn replay_file(
    disk: &dyn Disk,
    dir: &Path,
    found: &Found,
    limit: Option<u64>,
    is_last: bool,
    start: u64,
    out: &mut Replayed,
    apply: &mut dyn FnMut(Record),
) -> Result<(), OpenError> {
    let path = dir.join(&found.name);
    let bytes = read_whole(disk, &path).map_err(OpenError::io("reading", &path))?;
    // Below the manifest's start, order is all that matters: those records are in segments.
    let mut expected = found.first_lsn.unwrap_or(0);
    let mut at = PREFIX_BYTES;
    let mut suspect = false;
    while at < bytes.len() {
        let record = take_record(&bytes[at..], expected);
        let (record, len) = match record {
            Ok(taken) => taken,
            Err(_) => match resync(&bytes, at + 1, expected.max(1), limit) {
                Some(next) => {
                    suspect = true;
                    at = next;
                    continue;
                }
                None => break,
            },
        };
        if limit.is_some_and(|limit| record.lsn >= limit) {
            break;
        }
        at += len;
        expected = record.lsn + 1;
        if record.lsn >= start {
            gap(&found.name, out.next_lsn, record.lsn, &mut out.damaged);
            suspect |= record.lsn > out.next_lsn;
            out.next_lsn = out.next_lsn.max(expected);
            apply(record);
        }
    }
    if is_last && at < bytes.len() {
        out.torn_bytes = (bytes.len() - at) as u64;
        let file = disk.open(&path).map_err(OpenError::io("opening", &path))?;
        let cut = file.truncate(at as u64).and_then(|()| file.sync_data());
        cut.map_err(OpenError::io("cutting the unfinished end off", &path))?;
    }
    // A file begins only when everything before its first lsn is durable, so what is missing here was there once.
    if let Some(limit) = limit.filter(|limit| *limit > out.next_lsn && *limit > start) {
        gap(&found.name, out.next_lsn, limit, &mut out.damaged);
        suspect = true;
        out.next_lsn = limit;
    }
    if suspect && !out.suspect.contains(&found.name) {
        out.suspect.push(found.name.clone());
    }
    out.closed.push(ClosedFile { path, end: expected.max(out.next_lsn), bytes: at as u64 });
    Ok(())
}

/// Reports records that were durable and are gone.
fn gap(name: &str, expected: u64, found: u64, damaged: &mut Vec<Damage>) {
    if found > expected {
        let cause = format!("{} log records from lsn {expected} are damaged", found - expected);
        damaged.push(Damage { file: name.into(), point: None, span: None, cause });
    }
}

/// The record at the start of `bytes`, of lsn `expected` or later, and its length with the frame.
fn take_record(bytes: &[u8], expected: u64) -> Result<(Record, usize), Malformed> {
    let body = take_block(bytes)?;
    let record = Record::decode(body)?;
    if record.lsn < expected {
        return Err(Malformed("the record is older than the one before"));
    }
    Ok((record, FRAME_BYTES + body.len()))
}

/// Where the next whole record begins behind a damaged one of lsn `expected`; `None` when all of it can be one unfinished
/// write. A glance at length, kind and lsn comes before any checksum.
fn resync(bytes: &[u8], from: usize, expected: u64, limit: Option<u64>) -> Option<usize> {
    let (mut tries, mut next, mut at) = (0, None, from);
    let end = bytes.len().checked_sub(RECORD_HEAD_BYTES)?;
    while at <= end {
        let head = &bytes[at..at + RECORD_HEAD_BYTES];
        let mut step = 1;
        if head[KIND_AT] == BATCH
            && let mut cursor = Cursor::new(head)
            && let (Ok(len), Ok(_), Ok(lsn)) = (cursor.u32(), cursor.u32(), cursor.u64())
            && FRAME_BYTES + len as usize <= bytes.len() - at
            && (expected..expected.saturating_add(RESYNC_LSN_MAX)).contains(&lsn)
            && limit.is_none_or(|limit| lsn < limit)
        {
            if let Ok((record, len)) = take_record(&bytes[at..], expected) {
                next = next.or(Some(at));
                // A later group was begun only after the damaged one was durable.
                if record.group_lsn > expected {
                    return next;
                }
                step = len;
            }
            tries += 1;
            if tries == RESYNC_TRIES_MAX {
                return None;
            }
        }
        at += step;
    }
    None
}

/// Copies a file aside under a free name and gives that name.
pub(crate) fn set_aside(disk: &dyn Disk, dir: &Path, name: &str, copy: bool) -> Result<String, OpenError> {
    let (path, aside) = (dir.join(name), dir.join(QUARANTINE));
    let io = error::OpenError::io;
    disk.create_dir(&aside).map_err(io("making", &aside))?;
    let taken = disk.list(&aside).map_err(io("listing", &aside))?;
    let free = std::iter::once(name.to_string()).chain((1..).map(|n| format!("{name}.{n}")));
    let Some(free) = free.into_iter().find(|name| !taken.contains(name)) else { return Ok(name.into()) };
    let target = aside.join(&free);
    if copy {
        let bytes = read_whole(disk, &path).map_err(io("reading", &path))?;
        crate::disk::write_whole(disk, &target, &bytes).map_err(io("copying to", &target))?;
    } else {
        disk.rename(&path, &target).map_err(io("moving to", &target))?;
    }
    disk.sync_dir(&aside).and_then(|()| disk.sync_dir(dir)).map_err(io("syncing", &aside))?;
    Ok(free)
}

/// The folder, inside a store, of files that are set aside for a person to look at.
pub(crate) const QUARANTINE: &str = "quarantine";
