//! The thread that compacts, within its budget, whenever something is due.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use types::{Now, Time};

use crate::{
    CompactError, Compacted, Terms,
    compact::{Failure, Work},
    flush::{day, read_back},
    manifest::Manifest,
    plan::{Circumstances, Job},
    segment::Segment,
    shared::Shared,
    upkeep::Install,
    writer::Command,
};

/// How often to look whether something has come due by itself.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Waiting requests; a further one is refused.
pub(crate) const REQUESTS_MAX: usize = 64;

/// How much compaction may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Part of one core, above 0 up to 1.
    pub cpu_share: f64,
    /// Bytes written a second, at least 1.
    pub bytes_per_s: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { cpu_share: 0.3, bytes_per_s: 32 << 20 }
    }
}

/// What is said to the thread while it works.
#[derive(Default)]
pub(crate) struct Signals {
    /// End, in the middle of a job if need be.
    pub(crate) stop: AtomicBool,
    /// Someone waits: do without rests.
    pub(crate) hurry: AtomicBool,
    /// A [`Request::Look`] is on its way.
    pub(crate) look: AtomicBool,
}

impl Signals {
    fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
    fn may_rest(&self) -> bool {
        !self.must_stop() && !self.hurry.load(Ordering::Relaxed)
    }
}

/// What the compactor is asked to do.
pub(crate) enum Request {
    /// Something may be due.
    Look,
    /// Merge all that can be merged, at once.
    All(oneshot::Sender<Result<Compacted, CompactError>>),
}

/// See the module.
pub(crate) struct Compactor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dir: PathBuf,
    pub(crate) now: Now,
    pub(crate) terms: Terms,
    pub(crate) chunk_rows: usize,
    /// `None`: only when asked.
    pub(crate) budget: Option<Budget>,
    pub(crate) queue: mpsc::WeakSender<Command>,
    pub(crate) signals: Arc<Signals>,
    /// Segments that hold damage: they stay as they are until the next start.
    pub(crate) spared: Vec<u64>,
}

impl Compactor {
    /// Works until nobody can ask it for more.
    pub(crate) fn run(mut self, requests: Receiver<Request>) {
        while !self.signals.must_stop() {
            match requests.recv_timeout(LOOK_EVERY) {
                Ok(Request::All(reply)) => {
                    self.signals.hurry.store(false, Ordering::Relaxed);
                    // Who went away does not need the answer.
                    let _ = reply.send(self.compact(None, true));
                }
                Ok(Request::Look) | Err(RecvTimeoutError::Timeout) => {
                    self.signals.look.store(false, Ordering::Relaxed);
                    if let Some(budget) = self.budget
                        && let Err(error) = self.compact(Some(budget), false)
                        // A store of an earlier format does without, which its owner was told when it was opened.
                        && !matches!(error, CompactError::Closed | CompactError::Format { .. })
                    {
                        tracing::warn!(%error, "compaction is tried again later");
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Does one job after the other until none is due.
    fn compact(&mut self, budget: Option<Budget>, all: bool) -> Result<Compacted, CompactError> {
        let mut done = Compacted::default();
        let manifest = self.ask()?;
        if manifest.format == 1 {
            return Err(CompactError::Format { found: 1 });
        }
        let mut manifest = Some(manifest);
        loop {
            let manifest = match manifest.take() {
                Some(manifest) => manifest,
                None => self.ask()?,
            };
            let Some(job) = self.plan(&manifest, all) else { return Ok(done) };
            match self.one(&manifest, &job, budget) {
                Ok((read, written)) => {
                    done.jobs += 1;
                    done.bytes_read += read;
                    done.bytes_written += written;
                }
                Err(Failure::Stopped) => return Err(CompactError::Closed),
                Err(Failure::Io(error)) => return Err(CompactError::Io { cause: error.to_string() }),
                Err(Failure::Damaged { segment, damage }) => {
                    self.spared.push(segment);
                    self.shared.report(vec![damage]);
                }
            }
        }
    }

    fn today(&self) -> i64 {
        day((self.now)())
    }

    fn corrections_from(&self) -> Time {
        (self.now)().minus(self.terms.corrections)
    }

    fn plan(&self, manifest: &Manifest, all: bool) -> Option<Job> {
        let circumstances = Circumstances {
            segments: &manifest.segments,
            deletions: &manifest.deletions,
            holds: &manifest.holds,
            today: self.today(),
            latest_order: self.shared.latest_order.load(Ordering::Relaxed),
            keep_from: self.terms.keep.map(|keep| (self.now)().minus(keep)),
            corrections_from: self.corrections_from(),
            spared: &self.spared,
            all,
        };
        circumstances.plan()
    }

    /// The manifest as it is now.
    fn ask(&self) -> Result<Manifest, CompactError> {
        let (reply, answer) = sync_channel(1);
        self.send(Command::Manifest(reply))?;
        answer.recv().map_err(|_| CompactError::Closed)
    }

    fn send(&self, command: Command) -> Result<(), CompactError> {
        let queue = self.queue.upgrade().ok_or(CompactError::Closed)?;
        queue.blocking_send(command).map_err(|_| CompactError::Closed)
    }

    /// One job: reads, writes, brings into force. Gives the bytes read and written.
    fn one(&self, manifest: &Manifest, job: &Job, budget: Option<Budget>) -> Result<(u64, u64), Failure> {
        let inputs: Vec<Arc<Segment>> = {
            let state = self.shared.state();
            let is_input = |segment: &&Arc<Segment>| job.inputs.contains(&segment.entry.number);
            state.segments.iter().filter(is_input).cloned().collect()
        };
        if inputs.len() != job.inputs.len() {
            return Err(Failure::Stopped);
        }
        let read = inputs.iter().map(|segment| segment.entry.bytes).sum();
        let mut made = Vec::new();
        let outcome = match job.into {
            None => Ok(Vec::new()),
            Some(into) => {
                let mut pace = Pace::new(budget, &self.signals);
                let mut work = Work {
                    disk: &self.shared.disk,
                    dir: &self.dir,
                    store_id: manifest.store_id,
                    format: manifest.format,
                    inputs: &inputs,
                    into,
                    today: self.today(),
                    deletions: &manifest.deletions,
                    holds: &manifest.holds,
                    corrections_from: self.corrections_from(),
                    chunk_rows: self.chunk_rows,
                    next_number: &|| self.shared.next_number.fetch_add(1, Ordering::Relaxed),
                    pace: &mut |bytes| pace.go_on(bytes),
                    made: &mut made,
                };
                work.run()
            }
        };
        drop(inputs);
        let opened = outcome.and_then(|entries| {
            let open = |entry| read_back(&self.shared, &self.dir, manifest.store_id, entry);
            let outputs: Result<Vec<Segment>, _> = entries.into_iter().map(open).collect();
            outputs.map_err(|error| Failure::Io(io::Error::other(error.to_string())))
        });
        let outputs = opened.inspect_err(|_| {
            // Best effort: nobody knows of them, and a leftover is met at the next open.
            made.iter().for_each(|file| drop(self.shared.disk.remove(file)));
        })?;
        let written = outputs.iter().map(|segment| segment.entry.bytes).sum();
        let (reply, answer) = sync_channel(1);
        let install = Install { inputs: job.inputs.clone(), outputs, made, reply };
        self.send(Command::Install(install)).map_err(|_| Failure::Stopped)?;
        match answer.recv() {
            Ok(Ok(())) => Ok((read, written)),
            Ok(Err(error)) => Err(Failure::Io(io::Error::other(error.to_string()))),
            Err(_) => Err(Failure::Stopped),
        }
    }
}

/// Rests so that compaction keeps to its budget.
struct Pace<'a> {
    budget: Option<Budget>,
    signals: &'a Signals,
    began: Instant,
    bytes: u64,
}

impl<'a> Pace<'a> {
    /// The longest rest without a look at whether to stop.
    const REST_MAX: Duration = Duration::from_millis(200);

    fn new(budget: Option<Budget>, signals: &'a Signals) -> Pace<'a> {
        Pace { budget, signals, began: Instant::now(), bytes: 0 }
    }

    /// After some work; `bytes` have been written to the file at hand.
    fn go_on(&mut self, bytes: u64) -> bool {
        if self.signals.must_stop() {
            return false;
        }
        let Some(budget) = self.budget.filter(|_| self.signals.may_rest()) else { return true };
        let worked = self.began.elapsed();
        let written = bytes.saturating_sub(self.bytes);
        let for_cpu = worked.mul_f64((1.0 / budget.cpu_share.clamp(0.01, 1.0)) - 1.0);
        let for_disk = Duration::from_secs_f64(written as f64 / budget.bytes_per_s.max(1) as f64);
        let mut rest = for_cpu.max(for_disk.saturating_sub(worked));
        // Rests below a scheduler's tick are collected.
        if rest < Duration::from_millis(4) {
            return true;
        }
        while !rest.is_zero() && self.signals.may_rest() {
            let part = rest.min(Self::REST_MAX);
            thread::sleep(part);
            rest -= part;
        }
        (self.began, self.bytes) = (Instant::now(), bytes);
        true
    }
}

/// The handle on the thread.
pub(crate) struct CompactorThread {
    pub(crate) requests: SyncSender<Request>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl CompactorThread {
    /// Ends the thread, in the middle of a job if need be.
    pub(crate) fn join(&self) {
        self.signals.stop.store(true, Ordering::Relaxed);
        let _ = self.requests.try_send(Request::Look);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(thread::JoinHandle::join) {
            tracing::error!("the compaction thread panicked; the segments are as they were");
        }
    }
}
