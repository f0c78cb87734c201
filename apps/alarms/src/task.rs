//! The only loop of this app: follows the rows of all watched points, evaluates, and writes what turned.
//!
//! Nothing is lost and nothing happens twice. What a rule remembers is written with every turn and once a minute; after a
//! restart, a new rule or a follower that fell behind, the rows since then are read from the history, and rows that
//! were seen before change nothing. While records cannot be written nothing new is taken in: rows wait in the
//! follower, and what finds no room there is read from the history later.
//!
//! There is no subscription to events: one small read a second finds a changed rule as fast, without moving a cursor
//! through everything else that happens in an organisation.

use sdk::{Follower, Handles, LatestSample, Scope};
use std::{collections::HashMap, time::Duration};
use types::{Fault, ObjectId, PointId, Revision, Stored, codes};

use crate::{
    alarm::Alarm,
    engine::{Engine, Kept, Turned, Watch},
    evaluate::Operand,
    history::History,
    ready::Ready,
    rule::Rule,
    store::{self, Progress},
};

/// How often the clock alone may turn something, and rules that changed are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How long rows may be on their way: the clock decides for points that are silent only after it.
const GRACE: Duration = Duration::from_secs(2);
/// Rows from further ahead are left alone: a clock that runs wild would silence its rules until then.
const AHEAD_MAX: Duration = Duration::from_secs(300);
/// Ticks between two looks at the catalogue of points.
const TICKS_CATALOGUE: u64 = 5;
/// Ticks between two writes of what rules remember: how much a restart reads again.
const TICKS_KEEP: u64 = 60;
/// Ticks between two passes over the journal's oldest entries.
const TICKS_PRUNE: u64 = 3_600;
/// Memories in one commit.
const KEPT_MAX: usize = 1_000;
/// How often a write is tried before the task gives up and is started again by its supervisor, which logs why.
const WRITE_TRIES_MAX: u32 = 6;
/// The first wait between two tries; each is twice the one before.
const WRITE_WAIT: Duration = Duration::from_millis(500);

/// Runs until it is dropped.
///
/// # Errors
/// Storage that stays unwritable or unreadable. Started again, it goes on where it was.
pub(crate) async fn run(scope: Scope) -> Result<(), Fault> {
    let kept = store::all::<Kept>(&scope.records).await?;
    let kept = kept.into_iter().map(|stored| (stored.id, stored.body)).collect();
    let mut watcher = Watcher::new(scope);
    watcher.load(kept).await?;
    let clock = watcher.scope.clock.clone();
    let mut next_tick = clock.monotonic() + TICK;
    loop {
        tokio::select! {
            biased;
            () = clock.sleep_until(next_tick) => {
                next_tick = clock.monotonic() + TICK;
                watcher.tick().await?;
            }
            followed = watcher.follower.next() => {
                watcher.take(&followed.rows).await?;
                if followed.missed > 0 {
                    watcher.progress.missed += followed.missed;
                    watcher.catch_up().await?;
                }
            }
        }
    }
}

struct Watcher {
    scope: Scope,
    engine: Engine,
    follower: Follower,
    /// Turns that are not written yet.
    turned: Vec<Turned>,
    /// Of the rules that are loaded.
    rules: Revision,
    /// Of the watched points: number and revision.
    catalogue: Vec<(PointId, u64)>,
    progress: Progress,
    ticks: u64,
}

impl Watcher {
    fn new(scope: Scope) -> Watcher {
        let follower = scope.samples.follow(&[]);
        let progress = Progress::since(scope.clock.now());
        let (engine, turned) = (Engine::default(), Vec::new());
        Watcher { scope, engine, follower, turned, rules: 0, catalogue: Vec::new(), progress, ticks: 0 }
    }

    /// Loads all rules; those whose version is in `kept` go on with it, the others begin.
    async fn load(&mut self, mut kept: HashMap<ObjectId, Kept>) -> Result<(), Fault> {
        let Scope { caller, handles, .. } = &self.scope;
        let Handles { records, ids, plant, clock, .. } = handles;
        // Read before the rules: a rule that changes meanwhile is loaded again at the next tick.
        self.rules = store::rules_revision(records).await?;
        let (mut watches, mut unwatched, mut placed) = (Vec::new(), Vec::new(), Vec::new());
        for rule in store::all::<Rule>(records).await? {
            match Ready::new(plant, &rule.body) {
                Ok(ready) => {
                    let point = &ready.point.point;
                    placed.push((rule.id, point.asset, point.unit.clone()));
                    let kept = kept.remove(&rule.id).filter(|kept| kept.revision == rule.revision);
                    watches.push(self.watch(rule, ready, kept).await?);
                }
                Err(why) => unwatched.push((rule.id, why)),
            }
        }
        (self.progress.rules, self.progress.unwatched) = (watches.len() as u64, unwatched.len() as u64);
        store::mark_unwatched(records, ids, &unwatched, &caller.name, clock.now()).await?;
        for watch in &mut watches {
            seed(&self.scope, watch, &mut self.turned);
        }
        self.engine = Engine::new(watches);
        let catalogue = self.points_now();
        if catalogue != self.catalogue {
            store::place(records, &placed).await?;
            self.catalogue = catalogue;
        }
        self.follower = self.scope.samples.follow(&self.engine.points());
        self.catch_up().await
    }

    /// One rule with what it remembers; without that, it begins when it was written, in the state its alarm has. One that
    /// was not watched for a time begins now: its alarm was cleared then, of which its memory knows nothing.
    async fn watch(&self, rule: Stored<Rule>, ready: Ready, kept: Option<Kept>) -> Result<Watch, Fault> {
        let Stored { id, revision, changed, body: rule } = rule;
        let Ready { point, setpoint, evaluator } = ready;
        let records = &self.scope.records;
        let alarm = records.get::<Alarm>(id).await?.map(|stored| stored.body);
        let active = alarm.as_ref().is_some_and(|alarm| alarm.bits.active);
        let memory = match kept {
            _ if alarm.is_some_and(|alarm| alarm.unwatched.is_some()) => {
                let memory = evaluator.begin(self.scope.clock.now(), active);
                store::keep(records, &[(id, Kept { revision, memory: memory.clone() })]).await?;
                memory
            }
            Some(kept) => kept.memory,
            None => evaluator.begin(changed, active),
        };
        let (point, setpoint, latching) = (point.id, setpoint.map(|point| point.id), rule.latching);
        Ok(Watch { rule: id, revision, latching, point, setpoint, evaluator, memory })
    }

    fn points_now(&self) -> Vec<(PointId, u64)> {
        let found = self.scope.plant.points_by_id(&self.engine.points());
        found.into_iter().flatten().map(|point| (point.id, point.revision)).collect()
    }

    /// Evaluates rows in their order and writes what turned.
    async fn take(&mut self, rows: &[LatestSample]) -> Result<(), Fault> {
        let latest = self.scope.clock.now().plus(AHEAD_MAX);
        for sound in rows.chunk_by(|a, b| (a.time <= latest) == (b.time <= latest)) {
            if sound[0].time > latest {
                self.progress.ahead += sound.len() as u64;
            } else {
                self.progress.late += self.engine.rows(sound, &mut self.turned);
            }
        }
        self.progress.rows += rows.len() as u64;
        self.write().await
    }

    /// Reads what the history has since the rows that were last seen.
    async fn catch_up(&mut self) -> Result<(), Fault> {
        let end = self.scope.clock.now().plus(AHEAD_MAX);
        let mut history = History::new(self.scope.samples.clone(), self.engine.resume_from(), end);
        while let Some((_, rows)) = history.next().await? {
            self.take(&rows).await?;
        }
        self.write().await
    }

    /// Once a second.
    async fn tick(&mut self) -> Result<(), Fault> {
        self.ticks += 1;
        let catalogue_changed =
            self.ticks.is_multiple_of(TICKS_CATALOGUE) && self.points_now() != self.catalogue;
        if catalogue_changed || store::rules_revision(&self.scope.records).await? != self.rules {
            let kept = self.engine.kept().collect();
            self.load(kept).await?;
        }
        let now = self.scope.clock.now();
        if self.engine.set_back(now.plus(AHEAD_MAX), now) {
            self.catch_up().await?;
        }
        self.engine.tick(now.minus(GRACE), &mut self.turned);
        self.write().await?;
        let Scope { caller, handles, .. } = &self.scope;
        while store::end_shelves(&handles.records, &handles.ids, &caller.name, now).await? == store::PASS_MAX
        {
        }
        if self.ticks.is_multiple_of(TICKS_KEEP) {
            let kept: Vec<(ObjectId, Kept)> = self.engine.kept().collect();
            for kept in kept.chunks(KEPT_MAX) {
                store::keep(&handles.records, kept).await?;
            }
            self.progress.at = now;
            store::tell_progress(&handles.records, &self.progress).await?;
        }
        if self.ticks.is_multiple_of(TICKS_PRUNE) {
            while store::prune(&handles.records, now).await? == store::PASS_MAX {}
        }
        Ok(())
    }

    /// Writes what turned, in bounded commits. Tries again for a while when records are not there.
    async fn write(&mut self) -> Result<(), Fault> {
        let Scope { caller, handles, .. } = &self.scope;
        for turned in self.turned.chunks(store::TURNS_MAX) {
            let (mut tries, mut wait) = (1, WRITE_WAIT);
            while let Err(fault) = store::record(&handles.records, &handles.ids, turned, &caller.name).await {
                if tries == WRITE_TRIES_MAX {
                    return Err(fault);
                }
                // Somebody acted on one of the alarms: that needs another look and no wait.
                if fault.code != codes::CONFLICT {
                    handles.clock.sleep(wait).await;
                    wait *= 2;
                }
                tries += 1;
            }
        }
        self.turned.clear();
        Ok(())
    }
}

/// A rule that begins takes the value that was there before it; what came since then is read from the history.
fn seed(scope: &Scope, watch: &mut Watch, turned: &mut Vec<Turned>) {
    let operands = [(watch.setpoint, Operand::Setpoint), (Some(watch.point), Operand::Measured)];
    for (point, operand) in operands {
        let Some(point) = point.filter(|_| !watch.memory.knows(operand)) else { continue };
        let latest = scope.samples.latest(&[point]).pop().flatten();
        let Some(latest) = latest.filter(|latest| latest.quality_time < watch.memory.at) else { continue };
        let value = latest.value.filter(|_| !latest.quality.is_bad());
        let row = LatestSample { point, time: latest.quality_time, value, quality: latest.quality };
        watch.row(operand, &row, turned);
    }
}
