//! Opening a store: everything that a crash, a failing disk or a stray hand may have left behind is met here.

use std::{
    any::Any,
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, atomic::Ordering, mpsc::SyncSender},
};

use tokio::sync::mpsc;
use types::Time;

use crate::{
    Damage, OpenError, Options, Recovery,
    admission::{Admission, admit},
    chunk::{Kind, Want},
    compactor::{Request, Signals},
    disk::{Disk, read_whole},
    flush::sorted,
    format::{HeaderError, VERSION, file_name, file_number},
    log::Log,
    manifest::{self, Manifest},
    memory::{LatestTable, Stamp, Table},
    replay::{QUARANTINE, replay, set_aside},
    rows::instant_after,
    segment::{ReadFailure, Segment},
    shared::{Shared, State},
    snapshot,
    writer::{Command, Writer},
};

/// Name of the file that keeps a second process out.
const LOCK: &str = "LOCK";

/// Opens or creates the store and gives the writer, ready to run.
pub(crate) fn open(
    options: Options,
    wake: mpsc::WeakSender<Command>,
    compactor: SyncSender<Request>,
    signals: Arc<Signals>,
) -> Result<(Writer, Recovery), OpenError> {
    let (disk, dir) = (options.disk.clone(), options.dir.clone());
    let mut recovery = Recovery::default();
    disk.create_dir(&dir.join(QUARANTINE)).map_err(OpenError::io("making", &dir))?;
    let lock = take_lock(&*disk, &dir)?;
    let names = disk.list(&dir).map_err(OpenError::io("listing", &dir))?;
    let mut manifest = load_manifest(&*disk, &dir, &names, options.store_id, &mut recovery)?;
    if options.confirm_format && manifest.format < VERSION {
        manifest.format = VERSION;
        let raised = manifest.store(&*disk, &dir).map_err(manifest::StoreError::into_io);
        raised.map_err(OpenError::io("replacing", &dir.join(manifest::NAME)))?;
    }
    let names = disk.list(&dir).map_err(OpenError::io("listing", &dir))?;
    sort_out(&*disk, &dir, &names, &manifest, &mut recovery)?;

    manifest.obsolete.clear();
    let segments = open_segments(&disk, &dir, &manifest, &mut recovery.damaged)?;
    let (latest, latest_order) = load_latest(&*disk, &dir, &manifest, &segments, &mut recovery.damaged)?;
    let mut state = State {
        table: Table::for_replay(),
        frozen: None,
        latest: Arc::new(latest),
        segments: sorted(segments.into_iter()),
        sources: manifest.sources.clone(),
        deletions: manifest.deletions.clone().into(),
    };

    let replayed = replay(&*disk, &dir, manifest.store_id, &names, manifest.log_start, &mut |record| {
        let rows = record.sections.iter().map(|section| section.len() as u64).sum();
        let known = state.sources.get(&record.header.source).copied();
        // Every acknowledged record was new when it was written. One that is not was given up by a failed sync, and
        // what its sender did afterwards counts.
        if let Ok(Admission::New { state: after, .. }) = admit(known, &record.header, rows) {
            let stamp =
                Stamp { lsn: record.lsn, recorded: record.header.recorded, origin: record.header.origin };
            state.table.push(stamp, record.sections);
            state.sources.insert(record.header.source, after);
            recovery.rows_replayed += rows;
        }
    })?;
    state.table.end_replay();
    recovery.torn_bytes = replayed.torn_bytes;
    recovery.damaged.extend(replayed.damaged);
    for name in &replayed.foreign {
        recovery.quarantined.push(set_aside(&*disk, &dir, name, false)?);
    }
    for name in &replayed.suspect {
        // A copy is a kindness to who looks into it: a full disk must not keep the plant from reading.
        match set_aside(&*disk, &dir, name, true) {
            Ok(aside) => recovery.quarantined.push(aside),
            Err(error) => tracing::warn!(name, %error, "a damaged log file could not be copied aside"),
        }
    }

    let highest = names.iter().filter_map(|name| number_of(name)).max();
    let next_number = manifest.next_number.max(highest.map_or(1, |number| number.saturating_add(1)));
    let shared =
        Arc::new(Shared::new(disk.clone(), manifest.format, next_number, state, recovery.damaged.clone()));
    shared.latest_order.store(latest_order, Ordering::Relaxed);
    let (store_id, format, numbers) = (manifest.store_id, manifest.format, shared.next_number.clone());
    let log = Log::new(disk, &dir, store_id, format, numbers, replayed.next_lsn, replayed.closed);
    let mut writer = Writer {
        shared,
        dir,
        now: options.now,
        memory_bytes: options.memory_bytes,
        chunk_rows: options.chunk_rows.clamp(1, crate::CHUNK_ROWS),
        log,
        manifest,
        failed: HashMap::new(),
        doubtful: Vec::new(),
        flushing: None,
        obsolete: Vec::new(),
        compactor,
        signals,
        wake,
        _lock: lock,
    };
    // A damaged log is copied aside by now: once its rows are in segments it is not met again. Whatever keeps the flush
    // from working will be met by the next one.
    if (!replayed.suspect.is_empty() || writer.is_full() || writer.is_latest_wrong())
        && let Err(error) = writer.flush()
    {
        tracing::warn!(%error, "rows from the log stay in memory");
    }
    writer.log.retire(writer.manifest.log_start);
    writer.refresh_stats();
    for damage in &recovery.damaged {
        tracing::error!(%damage, "damaged bytes were found while opening");
    }
    Ok((writer, recovery))
}

/// Keeps other processes out for as long as it is held.
fn take_lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    disk.lock(&dir.join(LOCK)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { dir: dir.to_path_buf() },
        _ => OpenError::io("locking", &dir.join(LOCK))(error),
    })
}

fn number_of(name: &str) -> Option<u64> {
    let name = name.strip_suffix(".tmp").unwrap_or(name);
    ["log", "seg", "latest"].iter().find_map(|kind| file_number(name, kind))
}

fn load_manifest(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    store_id: [u8; 16],
    recovery: &mut Recovery,
) -> Result<Manifest, OpenError> {
    let path = dir.join(manifest::NAME);
    if !names.iter().any(|name| name == manifest::NAME) {
        if names.iter().any(|name| name.ends_with(".seg") || name.ends_with(".log")) {
            return Err(OpenError::ManifestMissing { dir: dir.to_path_buf() });
        }
        let manifest = Manifest::new(store_id);
        let made = manifest.store(disk, dir).map_err(manifest::StoreError::into_io);
        made.and_then(|()| dir.parent().map_or(Ok(()), |parent| disk.sync_dir(parent)))
            .map_err(OpenError::io("creating", &path))?;
        recovery.created = true;
        return Ok(manifest);
    }
    let bytes = read_whole(disk, &path).map_err(OpenError::io("reading", &path))?;
    match Manifest::parse(&bytes) {
        Ok((manifest, false)) => Ok(manifest),
        Ok((manifest, true)) => {
            recovery.damaged.push(Damage {
                file: manifest::NAME.into(),
                point: None,
                span: None,
                cause: "one of its two copies is damaged; it was healed from the other".into(),
            });
            if let Err(error) = manifest.store(disk, dir).map_err(manifest::StoreError::into_io) {
                tracing::warn!(%error, "the manifest could not be healed; the next flush replaces it");
            }
            Ok(manifest)
        }
        Err(HeaderError::Newer(found)) => Err(OpenError::Newer { file: path, found, known: VERSION }),
        Err(error) => Err(OpenError::ManifestDamaged { file: path, cause: error.to_string() }),
    }
}

/// Removes what was never finished and moves aside what the manifest does not name.
fn sort_out(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    manifest: &Manifest,
    recovery: &mut Recovery,
) -> Result<(), OpenError> {
    for name in names {
        let path = dir.join(name);
        let is_named = name == LOCK
            || name == manifest::NAME
            || file_number(name, "log").is_some()
            || file_number(name, "latest").is_some_and(|n| n == manifest.latest_number)
            || file_number(name, "seg").is_some_and(|n| manifest.segments.iter().any(|s| s.number == n));
        if is_named {
            continue;
        }
        // A snapshot is derived from rows that are elsewhere, a .tmp was never complete, and of a segment that was
        // compacted another holds the rows.
        let is_obsolete = file_number(name, "seg").is_some_and(|n| manifest.obsolete.contains(&n));
        if is_obsolete || name.ends_with(".tmp") || file_number(name, "latest").is_some() {
            disk.remove(&path).map_err(OpenError::io("removing", &path))?;
        } else {
            recovery.quarantined.push(set_aside(disk, dir, name, false)?);
        }
    }
    Ok(())
}

fn open_segments(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    manifest: &Manifest,
    damaged: &mut Vec<Damage>,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let open = |entry: &manifest::SegmentEntry| {
        let path = dir.join(file_name(entry.number, "seg"));
        match Segment::open(disk, dir, manifest.store_id, entry.clone(), damaged) {
            Ok(Ok(segment)) => Ok(Arc::new(segment)),
            Ok(Err(error)) => Err(OpenError::io("reading", &path)(error)),
            Err(HeaderError::Newer(found)) => Err(OpenError::Newer { file: path, found, known: VERSION }),
            Err(error) => Err(OpenError::io("reading", &path)(io::Error::other(error))),
        }
    };
    manifest.segments.iter().map(open).collect()
}

/// The snapshot of latest values, with the rows of later segments, and the order of the last segment that it knew; when it
/// is damaged, the same worked out from all segments.
fn load_latest(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    segments: &[Arc<Segment>],
    damaged: &mut Vec<Damage>,
) -> Result<(LatestTable, u64), OpenError> {
    let name = file_name(manifest.latest_number, "latest");
    let path = dir.join(&name);
    let (mut latest, mut known) = (LatestTable::default(), 0);
    if manifest.latest_number != 0 {
        let cause = match read_whole(disk, &path) {
            Ok(bytes) => match snapshot::decode(&bytes, manifest.store_id, manifest.latest_number) {
                Ok((all, None)) => return Ok((all, 0)),
                Ok((some, Some(order))) => {
                    (latest, known) = (some, order);
                    None
                }
                Err(error) => Some(error.to_string()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some("the file is missing".into()),
            Err(error) => return Err(OpenError::io("reading", &path)(error)),
        };
        if let Some(cause) = cause {
            let cause = format!("{cause}; latest values were worked out from the segments");
            damaged.push(Damage { file: name, point: None, span: None, cause });
        }
    }
    let mut later: Vec<_> = segments.iter().filter(|segment| segment.entry.order.1 > known).collect();
    later.sort_by_key(|segment| segment.entry.order.1);
    for segment in later {
        match replay_latest(segment, &mut latest, damaged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::io("reading", &dir.join(&segment.name))(error));
            }
            _ => {}
        }
    }
    Ok((latest, known))
}

fn replay_latest(segment: &Segment, latest: &mut LatestTable, damaged: &mut Vec<Damage>) -> io::Result<()> {
    for entry in segment.all_chunks(Kind::Current, damaged)? {
        match segment.chunk(&entry, Want::Known) {
            Ok(chunk) => chunk.owners.iter().enumerate().for_each(|(at, owner)| {
                let (range, rows) = (chunk.range(at), &chunk.rows);
                let last = range.end - 1;
                // Of those with a value, the last says all that could be the latest.
                let first = if rows.values.value_type().is_none() { range.start } else { last };
                for row in first..=last {
                    let learnt = rows.known.learnt.get(row).copied().unwrap_or(0);
                    let recorded = instant_after(rows.times[row], learnt).unwrap_or(Time::MAX);
                    let quality = rows.quality(row);
                    latest.row(owner.point, rows.times[row], quality, recorded, || rows.values.get(row));
                }
            }),
            Err(ReadFailure::Io(error)) => return Err(error),
            Err(ReadFailure::Damaged(cause)) => damaged.push(segment.damage(cause.to_string(), Some(&entry))),
        }
    }
    Ok(())
}
