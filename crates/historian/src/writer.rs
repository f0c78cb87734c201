//! The writer thread: the only one that touches the log, the manifest and the state.
//!
//! Natural group commit: what was queued while the last sync ran goes out with the next one. No timer.

use std::{
    any::Any,
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Weak, atomic::Ordering, mpsc::SyncSender},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use types::{BatchHeader, Now, Section, SourceId, Time};

use crate::{
    AppendError, Appended, FlushError, UpkeepError,
    admission::{Admission, admit},
    compactor::{Request, Signals},
    deletion::Scope,
    flush::Flushing,
    log::{CommitError, Log, stamp_record},
    manifest::{Manifest, StoreError},
    memory::Stamp,
    query::Sources,
    segment::Segment,
    shared::Shared,
    upkeep::{Holding, Install},
};

/// Bytes, of records and of their rows in memory, after which a group takes in no further batch.
pub(crate) const GROUP_BYTES_MAX: usize = 8 << 20;

/// A batch on its way into the log.
pub(crate) struct Entry {
    pub(crate) header: BatchHeader,
    pub(crate) rows: usize,
    pub(crate) sections: Vec<Section>,
    pub(crate) record: Vec<u8>,
    /// Of the record and of the rows in memory: a record may be a small part of its rows.
    pub(crate) bytes: usize,
    /// Failed groups there had been when the caller sent it.
    pub(crate) failures_seen: u64,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// Holds the entry's share of the queue until it is answered.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A batch that the disk refused. What its source sent before it could know, and comes after it in sequence, is refused
/// too: stored, it would make the repeated batch look like a duplicate, and its rows would be lost.
pub(crate) struct Failure {
    number: u64,
    epoch: u32,
    first_sequence: u64,
    error: AppendError,
}

/// What the writer is asked to do.
pub(crate) enum Command {
    Append(Entry),
    Flush(oneshot::Sender<Result<(), FlushError>>),
    /// Something is done elsewhere.
    Look,
    /// What the store consists of.
    Manifest(SyncSender<Manifest>),
    Install(Install),
    Delete(Scope, [String; 2], oneshot::Sender<Result<(), UpkeepError>>),
    Hold(Scope, [String; 2], oneshot::Sender<Result<u64, UpkeepError>>),
    Release(u64, oneshot::Sender<Result<(), UpkeepError>>),
    Backup(oneshot::Sender<Result<Holding, UpkeepError>>),
    Close(oneshot::Sender<Result<(), FlushError>>),
}

/// See the module.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dir: PathBuf,
    pub(crate) now: Now,
    pub(crate) memory_bytes: usize,
    pub(crate) chunk_rows: usize,
    pub(crate) log: Log,
    pub(crate) manifest: Manifest,
    /// By source, until a batch of it is stored again.
    pub(crate) failed: HashMap<SourceId, Failure>,
    /// Files of a flush of which it is not known whether the manifest that names them stands.
    pub(crate) doubtful: Vec<PathBuf>,
    /// The flush under way.
    pub(crate) flushing: Option<Flushing>,
    /// Segments that the manifest no longer needs, while someone may still read them.
    pub(crate) obsolete: Vec<(u64, Weak<Segment>)>,
    /// Tells the compactor that something may be due.
    pub(crate) compactor: SyncSender<Request>,
    pub(crate) signals: Arc<Signals>,
    /// Tells this thread to look at what another one has done.
    pub(crate) wake: mpsc::WeakSender<Command>,
    /// Keeps other processes out; released when the thread ends.
    pub(crate) _lock: Box<dyn Any + Send + Sync>,
}

impl Writer {
    /// Works until the queue is closed or a [`Command::Close`] comes.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut next = None;
        while let Some(command) = next.take().or_else(|| queue.blocking_recv()) {
            if self.flushing.as_ref().is_some_and(Flushing::is_finished) || matches!(command, Command::Look) {
                self.end_flush_quietly();
            }
            match command {
                Command::Look => {}
                Command::Append(first) => {
                    let mut bytes = first.bytes;
                    let mut group = vec![first];
                    while bytes < GROUP_BYTES_MAX {
                        match queue.try_recv() {
                            Ok(Command::Append(entry)) => {
                                bytes += entry.bytes;
                                group.push(entry);
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit(group);
                }
                Command::Flush(reply) => {
                    // A caller that went away does not need the answer; so too below.
                    let _ = reply.send(self.flush());
                }
                Command::Manifest(reply) => drop(reply.send(self.manifest.clone())),
                Command::Install(install) => self.install(install),
                Command::Delete(scope, [who, why], reply) => drop(reply.send(self.delete(scope, who, why))),
                Command::Hold(scope, [who, why], reply) => drop(reply.send(self.hold(scope, who, why))),
                Command::Release(number, reply) => drop(reply.send(self.release(number))),
                Command::Backup(reply) => drop(reply.send(self.holding())),
                Command::Close(reply) => {
                    queue.close();
                    let flushed = self.flush();
                    // Entries still queued are dropped, which answers them as closed. Then the lock is released.
                    drop((queue, self));
                    let _ = reply.send(flushed);
                    return;
                }
            }
        }
        // The lock is kept until no thread of this store writes any more.
        self.end_flush_quietly();
    }

    /// Makes a group durable, visible and acknowledged, or refuses it whole.
    fn commit(&mut self, group: Vec<Entry>) {
        let recorded = (self.now)();
        if self.is_full()
            && let Err(error) = self.make_memory()
        {
            return self.fail(group, &AppendError::MemoryFull { cause: error.to_string() });
        }
        let mut ahead = Sources::new();
        let (mut new, mut known, mut skipped_rows) = (Vec::new(), Vec::new(), 0);
        for entry in group {
            let source = entry.header.source;
            if let Some(error) = self.follows_failure(&entry) {
                self.refuse(vec![entry], &error);
                continue;
            }
            let state =
                ahead.get(&source).copied().or_else(|| self.shared.state().sources.get(&source).copied());
            match admit(state, &entry.header, entry.rows as u64) {
                Ok(Admission::New { state, skipped }) if entry.rows > 0 => {
                    ahead.insert(source, state);
                    skipped_rows += skipped;
                    new.push(entry);
                }
                Ok(Admission::New { .. } | Admission::Duplicate) => known.push(entry),
                Err(error) => self.refuse(vec![entry], &error),
            }
        }
        if !new.is_empty() {
            if let Err(error) = self.write(&mut new, recorded) {
                // What repeats a batch of this very group is as little durable as that one.
                new.append(&mut known);
                return self.fail(new, &append_error(error));
            }
            self.apply(&mut new, ahead, skipped_rows, recorded);
        }
        self.shared.stats().batches_duplicate += known.iter().filter(|entry| entry.rows > 0).count() as u64;
        for (entry, duplicate) in
            new.into_iter().map(|e| (e, false)).chain(known.into_iter().map(|e| (e, true)))
        {
            let rows = if duplicate { 0 } else { entry.rows };
            drop(entry.permit);
            let _ = entry.reply.send(Ok(Appended { rows, recorded, duplicate: duplicate && entry.rows > 0 }));
        }
        if self.is_full() && self.flushing.is_none() {
            // A group that comes meanwhile finds room; what fails is tried again by the next one.
            self.freeze(false);
            if let Err(error) = self.begin_flush(false) {
                tracing::warn!(%error, "memory is full; appends are refused unless the next try succeeds");
            }
        }
        if let Err(error) = self.log.make_room_ahead() {
            self.shared.stats().log_files_poisoned += 1;
            tracing::warn!(%error, "room for the log could not be made durable; the next group goes to a new file");
        }
    }

    /// Stamps the records of a group and makes them durable.
    fn write(&mut self, new: &mut [Entry], recorded: Time) -> Result<(), CommitError> {
        let first_lsn = self.log.next_lsn();
        for (place, entry) in (0u32..).zip(new.iter_mut()) {
            stamp_record(&mut entry.record, first_lsn + u64::from(place), place, recorded);
        }
        // One record needs no second copy; a large batch is alone in its group.
        let joined: Vec<u8>;
        let bytes = match &*new {
            [only] => &only.record,
            many => {
                joined = many.iter().map(|entry| entry.record.as_slice()).collect::<Vec<_>>().concat();
                &joined
            }
        };
        let written = self.log.commit(bytes, new.len() as u64);
        let mut stats = self.shared.stats();
        stats.syncs += u64::from(!matches!(written, Err(CommitError::Write(_))));
        stats.log_files_poisoned += u64::from(matches!(written, Err(CommitError::Sync(_))));
        stats.log_bytes = self.log.bytes();
        written
    }

    /// Makes durable rows visible.
    fn apply(&mut self, new: &mut [Entry], ahead: Sources, skipped_rows: u64, recorded: Time) {
        let first_lsn = self.log.next_lsn() - new.len() as u64;
        if !self.failed.is_empty() {
            self.failed.retain(|source, _| !ahead.contains_key(source));
        }
        let mut state = self.shared.state_mut();
        for (lsn, entry) in (first_lsn..).zip(&mut *new) {
            let stamp = Stamp { lsn, recorded, origin: entry.header.origin };
            state.table.push(stamp, std::mem::take(&mut entry.sections));
        }
        state.sources.extend(ahead);
        drop(state);
        let mut stats = self.shared.stats();
        stats.rows_appended += new.iter().map(|entry| entry.rows as u64).sum::<u64>();
        stats.sequence_gap_rows += skipped_rows;
        stats.refusing = None;
    }

    /// Refuses a group because of the disk.
    fn fail(&mut self, group: Vec<Entry>, error: &AppendError) {
        let number = self.shared.failures.fetch_add(1, Ordering::SeqCst) + 1;
        for BatchHeader { source, epoch, first_sequence, .. } in group.iter().map(|entry| entry.header) {
            let first_sequence = match self.failed.get(&source) {
                Some(failure) if failure.epoch == epoch => failure.first_sequence.min(first_sequence),
                _ => first_sequence,
            };
            self.failed.insert(source, Failure { number, epoch, first_sequence, error: error.clone() });
        }
        self.shared.stats().refusing = Some(error.to_string());
        self.refuse(group, error);
    }

    /// See [`Failure`].
    fn follows_failure(&self, entry: &Entry) -> Option<AppendError> {
        let failure = self.failed.get(&entry.header.source)?;
        let follows = entry.failures_seen < failure.number
            && entry.header.epoch == failure.epoch
            && entry.header.first_sequence > failure.first_sequence;
        follows.then(|| failure.error.clone())
    }

    fn refuse(&self, group: Vec<Entry>, error: &AppendError) {
        self.shared.stats().batches_refused += group.len() as u64;
        for entry in group {
            let _ = entry.reply.send(Err(error.clone()));
        }
    }

    /// Whether rows in memory should go to a segment: half of the budget is for those that are on their way there.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.shared.state();
        state.table.bytes() >= self.memory_bytes / 2 || state.table.is_out_of_places()
    }

    fn end_flush_quietly(&mut self) {
        if let Err(error) = self.end_flush() {
            tracing::warn!(%error, "rows stay in memory and in the log; the next flush tries again");
        }
    }

    /// Makes another manifest the one that counts, durably.
    pub(crate) fn replace_manifest(&mut self, mut next: Manifest) -> Result<(), StoreError> {
        next.generation += 1;
        next.next_number = self.shared.next_number.load(Ordering::Relaxed);
        next.sort();
        // A file that is removed by now is gone for good once the directory is synced, which is what happens below.
        let (gone, there): (Vec<_>, Vec<_>) = std::mem::take(&mut self.obsolete)
            .into_iter()
            .partition(|(_, segment)| segment.strong_count() == 0);
        next.obsolete.extend(gone.iter().chain(&there).map(|(number, _)| *number));
        self.obsolete = there;
        if let Err(error) = next.store(&*self.shared.disk, &self.dir) {
            self.obsolete.extend(gone);
            return Err(error);
        }
        next.obsolete.clear();
        self.manifest = next;
        Ok(())
    }
}

fn append_error(error: CommitError) -> AppendError {
    match error {
        CommitError::Sync(error) => AppendError::SyncFailed { cause: error.to_string() },
        CommitError::Write(error) => {
            let cause = error.to_string();
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::DiskFull { cause },
                _ => AppendError::Refused { cause },
            }
        }
    }
}
