//! The listener that DTUs dial: lets them in, finds out who they are, watches their lines. Only
//! this file, `introduction.rs` and `run.rs` have loops and timers.

use bytes::Bytes;
use sdk::{Arrival, Arrivals, Clock, DoorStatus, DoorTask, Heard, Outage, Stream};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::{AbortHandle, JoinSet};

use super::{
    admission::Admission,
    config::{DoorConfig, Patterns},
    heartbeat::Heartbeats,
    introduction::Introduction,
    line::{Idle, Line},
    table::{Dtus, Entry},
};
use crate::fault;

/// This share of all connections may be such that have not said who they are; then the oldest of them makes room. All
/// DTUs of a plant dial at once after a power cut, so it is large.
const STRANGERS_SHARE: usize = 2;
/// And no fewer than these.
const STRANGERS_MIN: usize = 64;
/// A DTU that no device wants for so long is shown as unknown; longer than devices pause between two runs.
const UNWANTED_AFTER: Duration = Duration::from_secs(5);
/// How often counts and contests are shown.
const REPORT_PERIOD: Duration = Duration::from_secs(1);
/// What a device behind a cellular DTU is given to answer, in ms.
const SUGGESTED_TIMEOUT_MS: u32 = 5_000;

/// Listens until the socket breaks.
pub(crate) async fn run(task: DoorTask) -> Outage {
    let checked = DoorConfig::parse(&task.config).and_then(|config| Ok((config.patterns()?, config)));
    let (patterns, config) = match checked {
        Ok(checked) => checked,
        Err(faults) => return Outage::configuration(fault::first(faults)),
    };
    let Some(dtus) = task.reach.hall.of::<Dtus>() else { return Outage::configuration(fault::no_door()) };
    let listener = match task.reach.net.listen_tcp(&config.listen).await {
        Ok(listener) => listener,
        Err(error) => return Outage::configuration(fault::no_listener(&config.listen, &error)),
    };
    task.status.listening(listener.local_address());
    let _listening = dtus.listening();
    let clock = task.reach.clock.clone();
    let mut admission = Admission::new(config.dials_per_minute_max, clock.monotonic());
    let connections_max = config.connections_max as usize;
    let place = config.listen.clone();
    let shared = Arc::new(Shared {
        nobody: Heartbeats::of_anybody(&patterns.heartbeats),
        config,
        patterns,
        dtus,
        clock: clock.clone(),
        arrivals: task.arrivals,
        status: task.status,
        strangers: Mutex::default(),
        counts: Counts::default(),
    });
    let mut connections = JoinSet::new();
    let mut report = clock.monotonic();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let admitted = admission.admit(from.ip().to_canonical(), clock.monotonic());
                    if admitted && (connections.len() < connections_max || shared.make_room()) {
                        shared.let_in(&mut connections, stream, from);
                    } else {
                        count(&shared.counts.refused);
                    }
                }
                Err(error) => return Outage::connection(fault::no_listener(&place, &error)),
            },
            Some(_ended) = connections.join_next() => {}
            () = clock.sleep_until(report) => {
                shared.report();
                report = clock.monotonic() + REPORT_PERIOD;
            }
        }
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) config: DoorConfig,
    pub(super) patterns: Patterns,
    /// Heartbeats of DTUs that have not said who they are.
    pub(super) nobody: Heartbeats,
    pub(super) dtus: Arc<Dtus>,
    pub(super) clock: Clock,
    pub(super) arrivals: Arrivals,
    status: DoorStatus,
    /// In the order of dialling.
    strangers: Mutex<BTreeMap<u64, AbortHandle>>,
    pub(super) counts: Counts,
}

/// Since the listener started.
#[derive(Default)]
pub(super) struct Counts {
    dials: AtomicU64,
    refused: AtomicU64,
    /// Strangers that made room, or said too much.
    pub(super) dismissed: AtomicU64,
    /// Newcomers under a contested id.
    sent_away: AtomicU64,
    /// Lines on which nothing came any more.
    silent: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Shared {
    fn strangers(&self) -> MutexGuard<'_, BTreeMap<u64, AbortHandle>> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All places are taken: a connection that no device wants, or else the stranger that dialled first, gives up its
    /// own, so that whoever makes up ids keeps no DTU out that is wanted. `false` when every one is wanted.
    fn make_room(&self) -> bool {
        let made = self.dtus.close_unwanted() || {
            let oldest = self.strangers().pop_first();
            oldest.inspect(|(_, stranger)| stranger.abort()).is_some()
        };
        if made {
            count(&self.counts.dismissed);
        }
        made
    }

    fn let_in(self: &Arc<Shared>, connections: &mut JoinSet<()>, stream: Box<dyn Stream>, from: SocketAddr) {
        let number = self.counts.dials.fetch_add(1, Ordering::Relaxed);
        let mut strangers = self.strangers();
        let most = (self.config.connections_max as usize / STRANGERS_SHARE).max(STRANGERS_MIN);
        if strangers.len() >= most
            && let Some((_, oldest)) = strangers.pop_first()
        {
            oldest.abort();
            count(&self.counts.dismissed);
        }
        // Under the lock: it takes itself off the list, which must not come first.
        let stranger = Stranger { shared: self.clone(), number };
        strangers.insert(number, connections.spawn(attend(stranger, stream, from)));
    }

    fn report(&self) {
        let (here, unwanted) = self.dtus.count();
        let counts = &self.counts;
        self.status.count("dtus", here as u64);
        self.status.count("unclaimed", unwanted as u64);
        self.status.count("unregistered", self.strangers().len() as u64);
        for (name, counter) in [
            ("dials", &counts.dials),
            ("refused", &counts.refused),
            ("dismissed", &counts.dismissed),
            ("sent_away", &counts.sent_away),
            ("silent", &counts.silent),
        ] {
            self.status.count(name, counter.load(Ordering::Relaxed));
        }
        self.status.warn(self.dtus.contest(self.clock.monotonic()));
    }

    /// Shows a DTU that nobody wants, with what it said first.
    pub(super) fn knock(&self, id: &str, from: SocketAddr, first: &[u8]) {
        let now = self.clock.now();
        let hex = first.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let facts = vec![
            ("dtu_id".to_string(), id.to_string()),
            ("first_bytes".to_string(), first.escape_ascii().to_string()),
            ("first_bytes_hex".to_string(), hex),
        ];
        let suggested_config = serde_json::json!({
            "transport": "dtu", "dtu_id": id, "unit_id": 1, "timeout_ms": SUGGESTED_TIMEOUT_MS,
        });
        self.arrivals.knock(now, Arrival { key: id.to_string(), from, facts, suggested_config });
        self.heard(id, first);
    }

    fn heard(&self, id: &str, bytes: &[u8]) {
        if !bytes.is_empty() {
            let payload = Bytes::copy_from_slice(bytes);
            self.arrivals.heard(id, Heard { time: self.clock.now(), channel: String::new(), payload });
        }
    }
}

/// A connection that has not said who it is; leaves the list when dropped.
struct Stranger {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.shared.strangers().remove(&self.number);
    }
}

/// One connection, from its first byte to its end.
async fn attend(stranger: Stranger, mut stream: Box<dyn Stream>, from: SocketAddr) {
    let shared = stranger.shared.clone();
    let met = Introduction::new(&shared, from).meet(stream.as_mut()).await;
    drop(stranger);
    let Ok(Some((registered, first))) = met else { return };
    let packet = &first[..registered.bytes.min(first.len())];
    let heartbeats = Heartbeats::of(&shared.patterns.heartbeats, &registered.raw_id, packet);
    let line = Line::new(registered.id, from, heartbeats, stream, shared.clock.clone());
    match shared.dtus.enter(&line, shared.clock.monotonic()) {
        Ok(entry) => {
            watch(&shared, entry, &line, &first).await;
            line.end().await;
        }
        Err(_sent_away) => count(&shared.counts.sent_away),
    }
}

/// Watches a line until it ends: takes what comes while nobody asks, shows it while no device wants it.
async fn watch(shared: &Shared, mut entry: Entry, line: &Line, first: &[u8]) {
    let clock = &shared.clock;
    let idle_timeout = shared.config.idle_timeout();
    let mut space = [0; 256];
    let mut unwanted_since = Some(clock.monotonic());
    let (mut shown, mut settled) = (false, false);
    loop {
        let wanted = entry.follow.borrow_and_update().users > 0;
        let now = clock.monotonic();
        let mut until = line.heard() + idle_timeout;
        if now >= until {
            count(&shared.counts.silent);
            return;
        }
        if wanted {
            if !settled {
                shared.arrivals.settled(&line.id);
            }
            (unwanted_since, shown, settled) = (None, false, true);
        } else if !shown {
            settled = false;
            let show_at = *unwanted_since.get_or_insert(now) + UNWANTED_AFTER;
            if now >= show_at {
                shared.knock(&line.id, line.from, first);
                shown = true;
            } else {
                until = until.min(show_at);
            }
        }
        let idle = tokio::select! {
            biased;
            () = line.until_closed() => return,
            changed = entry.follow.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            idle = line.idle(&mut space, clock.sleep_until(until)) => idle,
        };
        match idle {
            Idle::Ended => return,
            Idle::Bytes(bytes) if shown => shared.heard(&line.id, &space[..bytes]),
            Idle::Bytes(_) | Idle::Nothing => {}
        }
    }
}
