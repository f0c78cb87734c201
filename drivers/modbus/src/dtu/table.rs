//! Which DTU is on which connection: what the listener and the devices of an organisation share.

use sdk::Clock;
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use types::Fault;

use super::line::{Line, Turn};

/// As many dial-ins with one id within [`CONTEST_WINDOW`], each while another connection stands, are more than one DTU
/// with a bad line makes.
const CONTEST_DIALS: usize = 6;
/// See [`CONTEST_DIALS`]; a contest is over when nobody dialled for so long.
const CONTEST_WINDOW: Duration = Duration::from_secs(60);
/// While an id is contested, a connection that was heard within this span is kept and the newcomer sent away.
const CONTEST_ALIVE: Duration = Duration::from_secs(10);

/// The table of DTUs, by registration id.
#[derive(Default)]
pub(crate) struct Dtus {
    slots: Mutex<HashMap<String, Arc<watch::Sender<Slot>>>>,
    listening: AtomicBool,
    /// The newest contest, and when somebody last dialled for it.
    contest: Mutex<Option<(Duration, Fault)>>,
}

/// What is known of one id. Kept while a connection stands or a device wants it, so the table is bounded by those.
#[derive(Default)]
pub(super) struct Slot {
    line: Option<Arc<Line>>,
    /// Devices that run and want this DTU.
    pub(super) users: usize,
    /// When the newest connections took the place of another that stood.
    dials: VecDeque<Duration>,
}

impl Slot {
    fn is_needed(&self) -> bool {
        self.line.is_some() || self.users > 0
    }
}

/// Two DTUs use one id, and the other one stays.
pub(super) struct SentAway;

impl Dtus {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<watch::Sender<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of an id and wakes who follows it; forgets it when nobody needs it any more.
    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Slot) -> T) -> (T, watch::Receiver<Slot>) {
        let mut slots = self.lock();
        let slot = slots.entry(id.to_string()).or_default().clone();
        let mut outcome = None;
        slot.send_modify(|slot| outcome = Some(change(slot)));
        let needed = Slot::is_needed(&slot.borrow());
        if !needed {
            slots.remove(id);
        }
        (outcome.expect("send_modify calls its closure"), slot.subscribe())
    }

    /// A DTU registered. The connection that stood under its id before is closed, unless the id is contested and that
    /// one is alive.
    pub(super) fn enter(self: &Arc<Dtus>, line: &Arc<Line>, now: Duration) -> Result<Entry, SentAway> {
        let mut contest = None;
        let (taken, follow) = self.change(&line.id, |slot| {
            if let Some(before) = &slot.line {
                if slot.dials.len() == CONTEST_DIALS {
                    slot.dials.pop_front();
                }
                slot.dials.push_back(now);
                let oldest = slot.dials.front().copied().unwrap_or(now);
                if slot.dials.len() == CONTEST_DIALS && now.saturating_sub(oldest) < CONTEST_WINDOW {
                    contest = Some((now, contested(&line.id, before.from, line.from)));
                    if now.saturating_sub(before.heard()) < CONTEST_ALIVE {
                        return Err(SentAway);
                    }
                }
            }
            Ok(slot.line.replace(line.clone()))
        });
        if contest.is_some() {
            *self.contest.lock().unwrap_or_else(PoisonError::into_inner) = contest;
        }
        if let Some(before) = taken? {
            before.close();
        }
        Ok(Entry { dtus: self.clone(), line: line.clone(), follow })
    }

    /// The connection of a DTU, if it is here.
    pub(super) fn line(&self, id: &str) -> Option<Arc<Line>> {
        self.lock().get(id).and_then(|slot| slot.borrow().line.clone())
    }

    /// Waits for the wire of a DTU to ask one unit behind it; `None` when the DTU is not here.
    pub(crate) async fn lend(&self, id: &str, unit: u8, clock: &Clock) -> Option<Turn> {
        loop {
            let line = self.line(id)?;
            let turn = line.turn().await;
            if line.is_closed() {
                // It was replaced meanwhile, or has just ended and nobody has noted that yet.
                self.leave(&line);
                continue;
            }
            match line.open_until(unit) {
                Some(until) if clock.monotonic() < until => {
                    // Others may ask theirs meanwhile.
                    drop(turn);
                    tokio::select! {
                        () = clock.sleep_until(until) => {}
                        () = line.until_closed() => {}
                    }
                }
                _ => return Some(turn),
            }
        }
    }

    /// Closes the connection that nobody wants and that was silent for longest; `false` when there is none.
    pub(super) fn close_unwanted(&self) -> bool {
        let unwanted = |slot: &Slot| slot.line.clone().filter(|line| slot.users == 0 && !line.is_closed());
        let found =
            self.lock().values().filter_map(|slot| unwanted(&slot.borrow())).min_by_key(|line| line.heard());
        found.inspect(|line| line.close()).is_some()
    }

    /// A connection is gone; another one under the same id stays.
    fn leave(&self, line: &Arc<Line>) {
        self.change(&line.id, |slot| slot.line.take_if(|here| Arc::ptr_eq(here, line)));
        line.close();
    }

    /// Somebody wants this id.
    pub(super) fn is_wanted(&self, id: &str) -> bool {
        self.lock().get(id).is_some_and(|slot| slot.borrow().users > 0)
    }

    /// A device that runs wants this DTU.
    pub(crate) fn want(self: &Arc<Dtus>, id: &str) -> Want {
        let ((), follow) = self.change(id, |slot| slot.users += 1);
        Want { dtus: self.clone(), id: id.to_string(), follow }
    }

    /// Whether the listener runs.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }
    /// The listener runs until this is dropped.
    pub(super) fn listening(self: &Arc<Dtus>) -> Listening {
        self.listening.store(true, Ordering::Relaxed);
        Listening(self.clone())
    }

    /// DTUs that are here, and how many of them nobody wants.
    pub(super) fn count(&self) -> (usize, usize) {
        let slots = self.lock();
        let here = slots.values().filter(|slot| slot.borrow().line.is_some());
        here.fold((0, 0), |(all, unwanted), slot| (all + 1, unwanted + usize::from(slot.borrow().users == 0)))
    }

    /// The newest contest that still goes on.
    pub(super) fn contest(&self, now: Duration) -> Option<Fault> {
        let mut contest = self.contest.lock().unwrap_or_else(PoisonError::into_inner);
        contest.take_if(|(last, _)| now.saturating_sub(*last) >= CONTEST_WINDOW);
        contest.as_ref().map(|(_, fault)| fault.clone())
    }
}

fn contested(id: &str, first: SocketAddr, second: SocketAddr) -> Fault {
    let detail = format!(
        "two devices use id {id} from {first} and {second}: give each DTU an id of its own. Until then the one that is \
         connected stays, and the other one is sent away"
    );
    Fault::new("modbus.dtu-contested", detail)
        .arg("dtu_id", id)
        .arg("first", first.to_string())
        .arg("second", second.to_string())
}

/// Resets the sign when the listener ends.
pub(super) struct Listening(Arc<Dtus>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listening.store(false, Ordering::Relaxed);
    }
}

/// A connection's place in the table; given up when dropped.
pub(super) struct Entry {
    dtus: Arc<Dtus>,
    line: Arc<Line>,
    /// Changes with the devices that want it.
    pub(super) follow: watch::Receiver<Slot>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.dtus.leave(&self.line);
    }
}

/// A device's wish for a DTU; given up when dropped.
pub(crate) struct Want {
    dtus: Arc<Dtus>,
    id: String,
    follow: watch::Receiver<Slot>,
}

impl Want {
    /// The connection now, if any.
    pub(super) fn line(&self) -> Option<Arc<Line>> {
        self.follow.borrow().line.clone()
    }
    /// Waits until the DTU is here.
    pub(super) async fn until_here(&mut self) {
        // The sender lives as long as this wish.
        let _here = self.follow.wait_for(|slot| slot.line.is_some()).await;
    }
    /// Waits until the DTU is gone; a new connection in place of the old one is not that.
    pub(super) async fn until_gone(&mut self) {
        let _gone = self.follow.wait_for(|slot| slot.line.is_none()).await;
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        self.dtus.change(&self.id, |slot| slot.users = slot.users.saturating_sub(1));
    }
}
