//! Reading the log back after a stop: what counts, what is an unfinished write, what is damage.

use std::{io, ops::Range, path::Path};

use crate::{
    Damage, OpenError,
    codec::{Cursor, Malformed},
    disk::{Disk, read_whole},
    error,
    format::{FRAME_BYTES, HEADER_BYTES, HeaderError, LOG, VERSION, check_header, file_number, take_block},
    log::{CODED, ClosedFile, KIND_AT, PLAIN, PREFIX_BYTES, RECORD_HEAD_BYTES, Record},
};

/// How far ahead of the expected lsn a record behind a damaged place may be.
const RESYNC_LSN_MAX: u64 = 1 << 32;
/// Checksums tried behind a damaged place before the rest counts as unreadable.
const RESYNC_TRIES_MAX: usize = 10_000;

/// The folder, inside a store, of files that are set aside for a person to look at.
pub(crate) const QUARANTINE: &str = "quarantine";

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

/// Hands every record from lsn `start` on to `apply`, in order. What the last file holds is durable afterwards, and an
/// unfinished write or zeros at its end are cut off.
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
        let path = dir.join(&found.name);
        let bytes = read_whole(disk, &path).map_err(OpenError::io("reading", &path))?;
        let limit = files[at + 1..].iter().find_map(|later| later.first_lsn);
        let good = out.replay_file(found, &bytes, limit, start, apply);
        out.closed.push(ClosedFile {
            path: path.clone(),
            end: good.end_lsn.max(out.next_lsn),
            bytes: good.bytes as u64,
        });
        if at + 1 == files.len() {
            out.torn_bytes = used(&bytes).saturating_sub(good.bytes) as u64;
            settle(disk, &path, &bytes, &good).map_err(OpenError::io("settling the end of", &path))?;
        }
    }
    Ok(out)
}

/// Makes the last file what was read from it. Its last group may be in the kernel's memory only, where a process that was
/// killed left it or a failed sync gave it up: it is written again before anyone is told that it is there.
fn settle(disk: &dyn Disk, path: &Path, bytes: &[u8], good: &Good) -> io::Result<()> {
    let file = disk.open(path)?;
    file.write_at(&bytes[good.last_group..good.bytes], good.last_group as u64)?;
    if good.bytes < bytes.len() {
        file.truncate(good.bytes as u64)?;
    }
    file.sync_data()
}

/// Bytes before the zeros at the end.
fn used(bytes: &[u8]) -> usize {
    // Whole pages are compared at once: most of a file may be zeros.
    const PAGE: usize = 4096;
    let zeros = bytes.rchunks(PAGE).take_while(|page| **page == [0; PAGE]).count() * PAGE;
    bytes[..bytes.len() - zeros].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
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
        Err(HeaderError::Malformed(malformed)) => {
            let bytes = read_whole(disk, &path).map_err(OpenError::io("reading", &path))?;
            // The power went while the file was being made: a record comes only after a durable prefix.
            if used(&bytes) <= PREFIX_BYTES {
                disk.remove(&path).map_err(OpenError::io("removing", &path))?;
                return Ok(None);
            }
            out.damaged.push(Damage {
                file: name.into(),
                point: None,
                span: None,
                cause: malformed.to_string(),
            });
            out.suspect.push(name.into());
            Ok(Some(Found { name: name.into(), number, first_lsn: None }))
        }
    }
}

/// How much of a file is records.
struct Good {
    bytes: usize,
    /// Where the last group begins.
    last_group: usize,
    /// One past the last lsn.
    end_lsn: u64,
}

impl Replayed {
    /// Hands on the records of one file. Those of lsn `limit` or later are void.
    fn replay_file(
        &mut self,
        found: &Found,
        bytes: &[u8],
        limit: Option<u64>,
        start: u64,
        apply: &mut dyn FnMut(Record),
    ) -> Good {
        // Below the manifest's start, order is all that matters: those records are in segments.
        let begin = PREFIX_BYTES.min(bytes.len());
        let mut good = Good { bytes: begin, last_group: begin, end_lsn: found.first_lsn.unwrap_or(0) };
        let used = used(bytes);
        while good.bytes < used {
            let (record, len) = match take_record(&bytes[good.bytes..], good.end_lsn) {
                Ok(taken) => taken,
                Err(_) => match resync(bytes, good.bytes + 1..used, good.end_lsn.max(1), limit) {
                    Some(next) => {
                        self.suspect(&found.name);
                        good.bytes = next;
                        continue;
                    }
                    None => break,
                },
            };
            if limit.is_some_and(|limit| record.lsn >= limit) {
                break;
            }
            if record.group_lsn == record.lsn {
                good.last_group = good.bytes;
            }
            good.bytes += len;
            good.end_lsn = record.lsn + 1;
            if record.lsn >= start {
                self.expect(&found.name, record.lsn);
                self.next_lsn = good.end_lsn;
                apply(record);
            }
        }
        // A file begins only when everything before its first lsn is durable: what is missing here was there once.
        if let Some(limit) = limit {
            self.expect(&found.name, limit);
        }
        good
    }

    /// Reports records that were durable and are gone before the one of `lsn`.
    fn expect(&mut self, name: &str, lsn: u64) {
        if lsn > self.next_lsn {
            let cause = format!("{} log records from lsn {} are damaged", lsn - self.next_lsn, self.next_lsn);
            self.damaged.push(Damage { file: name.into(), point: None, span: None, cause });
            self.next_lsn = lsn;
            self.suspect(name);
        }
    }

    fn suspect(&mut self, name: &str) {
        if !self.suspect.iter().any(|known| known == name) {
            self.suspect.push(name.into());
        }
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
fn resync(bytes: &[u8], within: Range<usize>, expected: u64, limit: Option<u64>) -> Option<usize> {
    let (mut tries, mut next, mut at) = (0, None, within.start);
    // A record may end in zeros; it does not begin in those at the end of the file.
    let end = within.end.min(bytes.len().checked_sub(RECORD_HEAD_BYTES)? + 1);
    while at < end {
        let head = &bytes[at..at + RECORD_HEAD_BYTES];
        let mut step = 1;
        if matches!(head[KIND_AT], PLAIN | CODED)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::{Log, encode_record, stamp_record},
        sim::SimDisk,
    };
    use std::sync::{Arc, atomic::AtomicU64};
    use types::{BatchHeader, Origin, PointId, Quality, SampleBatch, SourceId, Time, Value};

    const STORE: [u8; 16] = [7; 16];

    fn record(lsn: u64, place: u32) -> Vec<u8> {
        let header = BatchHeader {
            source: SourceId(1),
            epoch: 1,
            first_sequence: lsn,
            recorded: Time(0),
            origin: Origin::Backfill,
        };
        let row = (PointId(1), Time(lsn as i64), Some(Value::U64(lsn)), Quality::GOOD);
        let mut record = encode_record(&SampleBatch::from_rows(header, [row]), 2);
        stamp_record(&mut record, lsn, place, Time(9));
        record
    }

    /// Writes groups of so many records, flips a byte of some records, and gives the lsns that are read back.
    fn check(groups: &[u32], broken: &[u64]) -> (Vec<u64>, Replayed) {
        let (disk, dir) = (SimDisk::new(), Path::new("/log"));
        let number = Arc::new(AtomicU64::new(1));
        let mut log = Log::new(Arc::new(disk.clone()), dir, STORE, 2, number, 1, Vec::new());
        let mut lsn = 1;
        for records in groups {
            let group: Vec<u8> =
                (0..*records).flat_map(|place| record(lsn + u64::from(place), place)).collect();
            log.commit(&group, u64::from(*records)).unwrap();
            lsn += u64::from(*records);
        }
        let path = dir.join("000000000001.log");
        let mut bytes = disk.content(&path).unwrap();
        for lsn in broken {
            let len = record(1, 0).len();
            bytes[PREFIX_BYTES + (*lsn as usize - 1) * len + 50] ^= 4;
        }
        disk.put(&path, &bytes);
        let names = disk.list(dir).unwrap();
        let mut read = Vec::new();
        let replayed = replay(&disk, dir, STORE, &names, 1, &mut |record| read.push(record.lsn)).unwrap();
        (read, replayed)
    }

    #[test]
    fn a_torn_group_is_no_damage() {
        let (read, replayed) = check(&[1, 3], &[2]);
        assert_eq!((read, replayed.next_lsn), (vec![1], 2));
        assert!(replayed.damaged.is_empty() && replayed.torn_bytes > 0);
    }

    #[test]
    fn a_damaged_record_before_a_later_group_is_damage() {
        let (read, replayed) = check(&[1, 3, 1], &[2, 3]);
        assert_eq!((read, replayed.next_lsn), (vec![1, 4, 5], 6));
        assert_eq!((replayed.damaged.len(), replayed.torn_bytes), (1, 0));
        assert_eq!(replayed.damaged[0].cause, "2 log records from lsn 2 are damaged");
        assert_eq!(replayed.suspect, ["000000000001.log"]);
    }

    #[test]
    fn a_whole_log_is_read_to_its_end() {
        let (read, replayed) = check(&[2, 1, 4], &[]);
        assert_eq!((read, replayed.torn_bytes), ((1..=7).collect(), 0));
        assert!(replayed.damaged.is_empty() && replayed.suspect.is_empty());
    }
}
