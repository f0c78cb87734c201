//! One device at work: values come by subscription, or by polling where the server knows no other way; writes go ahead of
//! everything; and after a loss it comes back into the same session, or a new one, with nothing doubled.
//!
//! Everything happens in one future, nothing is spawned: dropping it closes the connection.

mod asking;
mod reports;
mod watching;

use futures_util::{StreamExt, stream::FuturesOrdered};
use opcua::types::*;
use sdk::{
    BoundPoint, BoxFuture, DeviceCounters, DeviceTask, Outage, Outbox, Reach, WriteOrder,
    poll::{RECHECK_PERIOD, Schedule},
};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use types::PointId;

use crate::{
    address::{Address, Target},
    config::Config,
    facts::{Facts, read, value_of},
    fault::{self, Trouble},
    rows::{Before, Rows},
    session::{self, Link, Server, Ticket},
    subscription::{Subscription, Watch},
    wire::Wire,
    write,
};

/// Publish requests under way at most.
const PUBLISHES_MAX: usize = 16;
/// After this long without a word the server is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How often what has no event of its own is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long values may take to come by themselves after a break. Then the rest is read, and gaps are looked for.
const SETTLE: Duration = Duration::from_secs(2);
/// Waits between tries to come back; the runtime takes over when the session has run out.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(2);

type Publishes = FuturesOrdered<BoxFuture<'static, Result<PublishResponse, Trouble>>>;

/// Runs one device until its connection is lost for good.
pub(crate) async fn run(task: DeviceTask) -> Outage {
    let config = match Config::parse(&task.config) {
        Ok(config) => Arc::new(config),
        Err(faults) => return Outage::configuration(fault::first(faults)),
    };
    let server = match session::choose(&task.reach, &config, &task.counters).await {
        Ok(server) => server,
        Err(trouble) => return trouble.outage(&config),
    };
    Box::pin(Device::new(task, config, server).run()).await
}

/// How the session at hand came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// The first of this run.
    Fresh,
    /// The one before, over a new connection: its subscriptions live.
    Same,
    /// A new one: subscriptions have to be moved or made again.
    Other,
}

pub(crate) struct Device {
    config: Arc<Config>,
    server: Server,
    reach: Reach,
    outbox: Outbox,
    writes: mpsc::Receiver<WriteOrder>,
    counters: Arc<DeviceCounters>,
    points: Arc<[BoundPoint]>,
    addresses: Vec<Option<Address>>,
    by_point: HashMap<PointId, u32>,
    rows: Rows,
    subscriptions: Vec<Subscription>,
    /// Items that cannot be watched, by period; the same in the schedule.
    polled: Vec<(Duration, Vec<Watch>)>,
    schedule: Schedule,
    phase_seed: u64,
    /// Items that the server refuses; asked for again now and then.
    refused: Vec<Watch>,
    recheck: Duration,
    /// Rows on their way to the disk, and the messages they came in, acknowledged once stored.
    storing: Option<BoxFuture<'static, ()>>,
    unstored: Vec<SubscriptionAcknowledgement>,
    stored: Vec<SubscriptionAcknowledgement>,
    history: Option<BoxFuture<'static, ()>>,
    /// When to look for gaps, and for what the break swallowed.
    settle: Option<Duration>,
    /// Items that were written, and when to look what the machine made of it: one that takes the value back before the
    /// server samples it reports no change.
    written: BTreeMap<u32, Duration>,
    resumed: bool,
    publishes_max: usize,
    heard: Duration,
    tick_at: Duration,
    announced: bool,
}

impl Device {
    fn new(task: DeviceTask, config: Arc<Config>, server: Server) -> Device {
        let addresses: Vec<Option<Address>> =
            task.points.iter().map(|point| Address::parse(&point.address).ok()).collect();
        let element = |address: &Option<Address>| match address.as_ref()?.target {
            Target::Value { element, .. } => element,
            Target::Method { .. } => None,
        };
        let elements = addresses.iter().map(element).collect();
        let by_point = task.points.iter().zip(0..).map(|(point, item)| (point.id, item)).collect();
        Device {
            config,
            server,
            outbox: task.outbox,
            writes: task.writes,
            counters: task.counters,
            rows: Rows::new(task.points.clone(), elements),
            points: task.points,
            addresses,
            by_point,
            subscriptions: Vec::new(),
            polled: Vec::new(),
            schedule: Schedule::new(&[], 0, Duration::ZERO),
            phase_seed: task.phase_seed,
            refused: Vec::new(),
            recheck: Duration::ZERO,
            storing: None,
            unstored: Vec::new(),
            stored: Vec::new(),
            history: None,
            settle: None,
            written: BTreeMap::new(),
            resumed: false,
            publishes_max: PUBLISHES_MAX,
            heard: Duration::ZERO,
            tick_at: Duration::ZERO,
            announced: true,
            reach: task.reach,
        }
    }

    async fn run(mut self) -> Outage {
        let mut link = match self.server.connect(&self.reach, &self.config, &self.counters).await {
            Ok(link) => link,
            Err(trouble) => return trouble.outage(&self.config),
        };
        let mut ticket = match self.server.create(&mut link, &self.config).await {
            Ok(ticket) => ticket,
            Err(trouble) => return trouble.outage(&self.config),
        };
        let mut entry = Entry::Fresh;
        loop {
            let Link { wire, pump } = &mut link;
            let lost = tokio::select! {
                biased;
                served = self.serve(wire, entry) => match served {
                    Ok(endless) => match endless {},
                    Err(trouble) => trouble,
                },
                closed = pump.run() => closed,
            };
            drop(link);
            // What was read before a loss is not thrown away.
            self.flush().await;
            (link, entry) = match self.come_back(&mut ticket, lost).await {
                Ok(back) => back,
                Err(trouble) => return trouble.outage(&self.config),
            };
        }
    }

    /// Tries until the session must have run out at the server. A refused connection ends it at once: no process, no session.
    async fn come_back(&mut self, ticket: &mut Ticket, mut lost: Trouble) -> Result<(Link, Entry), Trouble> {
        let clock = self.reach.clock.clone();
        let until = clock.monotonic() + ticket.lifetime;
        let mut wait = RETRY_FIRST;
        loop {
            match self.enter(ticket).await {
                Ok(back) => return Ok(back),
                Err(trouble) => lost = worse(lost, trouble),
            }
            if lost.nobody_listens() || matches!(lost, Trouble::Person(_)) || clock.monotonic() >= until {
                return Err(lost);
            }
            if !std::mem::replace(&mut self.announced, true) {
                self.outbox.offline(lost.fault(&self.config)).await;
            }
            let refusal = lost.fault(&self.config);
            let mut pause = std::pin::pin!(clock.sleep(wait));
            loop {
                tokio::select! {
                    biased;
                    () = &mut pause => break,
                    Some(order) = self.writes.recv() => write::answer(order, Err(refusal.clone())),
                }
            }
            wait = RETRY_MAX.min(wait * 2);
        }
    }

    async fn enter(&mut self, ticket: &mut Ticket) -> Result<(Link, Entry), Trouble> {
        let mut link = self.server.connect(&self.reach, &self.config, &self.counters).await?;
        match self.server.activate(&mut link, ticket).await {
            Ok(()) => return Ok((link, Entry::Same)),
            Err(Trouble::Refused { .. }) => {}
            // Some servers close the connection when they do not know the session.
            Err(Trouble::Closed(_)) => {
                link = self.server.connect(&self.reach, &self.config, &self.counters).await?;
            }
            Err(trouble) => return Err(trouble),
        }
        *ticket = self.server.create(&mut link, &self.config).await?;
        Ok((link, Entry::Other))
    }

    async fn serve(&mut self, wire: &Arc<Wire>, entry: Entry) -> Result<Infallible, Trouble> {
        let facts = Facts::read(wire, &self.config).await?;
        let clock = self.reach.clock.clone();
        self.heard = clock.monotonic();
        if std::mem::replace(&mut self.announced, false) {
            self.begin(&facts);
            self.outbox.online();
        }
        self.subscribe(wire, &facts, entry).await?;
        let mut publishes = Publishes::new();
        loop {
            self.hand_over();
            self.ask(wire, &mut publishes);
            let next = self.schedule.next().map_or(self.tick_at, |due| due.min(self.tick_at));
            tokio::select! {
                biased;
                Some(order) = self.writes.recv() => self.write(wire, &facts, order).await?,
                () = finished(&mut self.storing) => self.stored.append(&mut self.unstored),
                Some(published) = publishes.next() => self.published(wire, &facts, published).await?,
                () = finished(&mut self.history) => {}
                () = clock.sleep_until(next) => self.tick(wire, &facts).await?,
            }
        }
    }

    /// A break ends that people were told of.
    fn begin(&mut self, facts: &Facts) {
        let outbox = self.outbox.clone();
        let now = facts.their_time(self.reach.clock.now());
        self.rows
            .begin(now, |point| Before { good: outbox.last_good(point.id), newest: outbox.newest(point.id) });
        self.settle = Some(self.reach.clock.monotonic() + SETTLE);
    }

    /// Hands rows over, one batch at a time: a driver does not run ahead of the disk.
    fn hand_over(&mut self) {
        if self.storing.is_some() || self.rows.is_empty() {
            return;
        }
        let (live, earlier) = self.rows.hand_over();
        let outbox = self.outbox.clone();
        self.storing = Some(Box::pin(async move {
            if !earlier.is_empty()
                && let Err(fault) = outbox.backfill(earlier).await
            {
                tracing::warn!(%fault, "rows from before were not stored");
            }
            if !live.is_empty() {
                // The server keeps no more than a message or two: what the disk refuses is lost, counted and shown.
                let _stored = outbox.publish(live).await;
            }
        }));
    }

    async fn flush(&mut self) {
        finished_or_none(&mut self.storing).await;
        self.hand_over();
        finished_or_none(&mut self.storing).await;
        self.unstored.clear();
    }

    /// Keeps enough publish requests at the server. While rows wait for the disk none is added: the server keeps what
    /// comes, as long as its queues and the subscription last.
    fn ask(&mut self, wire: &Arc<Wire>, publishes: &mut Publishes) {
        if self.subscriptions.is_empty() || !self.rows.is_empty() {
            return;
        }
        let now = self.reach.clock.monotonic();
        if publishes.is_empty() {
            self.subscriptions.iter_mut().for_each(|subscription| subscription.heard = now);
        }
        let silence = self.subscriptions.iter().map(|s| s.keep_alive).max().unwrap_or(KEEP_ALIVE);
        let timeout = 3 * silence + wire.timeout();
        while publishes.len() < self.publishes_max.min(self.subscriptions.len() + 1) {
            let acknowledged = std::mem::take(&mut self.stored);
            let request = PublishRequest {
                request_header: RequestHeader::dummy(),
                subscription_acknowledgements: (!acknowledged.is_empty()).then_some(acknowledged),
            };
            let wire = wire.clone();
            publishes.push_back(Box::pin(async move { wire.call_within(request, timeout).await }));
        }
    }

    /// Polls what is due, and looks after everything that should have happened by itself.
    async fn tick(&mut self, wire: &Arc<Wire>, facts: &Facts) -> Result<(), Trouble> {
        let clock = self.reach.clock.clone();
        for due in self.schedule.take(clock.monotonic(), self.polled.len()) {
            self.counters.late_cycles.fetch_add(due.late, std::sync::atomic::Ordering::Relaxed);
            let items = self.polled[due.group].1.clone();
            self.read_items(wire, facts, items).await?;
        }
        self.check_written(wire, facts).await?;
        let now = clock.monotonic();
        self.tick_at = now + TICK;
        if now.saturating_sub(self.heard) > KEEP_ALIVE {
            let state = value_of(VariableId::Server_ServerStatus_State.into());
            read(wire, &[state], 1).await?;
            self.heard = clock.monotonic();
        }
        let silent = |s: &&Subscription| now.saturating_sub(s.heard) > 2 * s.keep_alive + wire.timeout();
        let asked = self.storing.is_none();
        if let Some(id) = self.subscriptions.iter().find(silent).map(|s| s.id).filter(|_| asked) {
            self.repair(wire, facts, id).await?;
        }
        if now >= self.recheck {
            self.recheck = now + RECHECK_PERIOD;
            let refused = std::mem::take(&mut self.refused);
            self.watch(wire, facts, refused).await?;
        }
        if self.settle.is_some_and(|settle| now >= settle) && self.history.is_none() {
            self.settle = None;
            let resumed = std::mem::take(&mut self.resumed);
            if resumed {
                // Servers may answer publish requests of the connection that was lost: those messages went nowhere.
                self.catch_up_all(wire, facts).await?;
            }
            self.read_once(wire, facts, resumed).await?;
            self.fill_gaps(wire, facts);
        }
        Ok(())
    }
}

/// What is told of two troubles: that a person must act, else what came last.
fn worse(first: Trouble, second: Trouble) -> Trouble {
    match (first, second) {
        (Trouble::Person(fault), _) => Trouble::Person(fault),
        (_, second) => second,
    }
}

/// Waits for what is there; for ever when nothing is. What is done is taken away.
async fn finished(work: &mut Option<BoxFuture<'static, ()>>) {
    match work {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
    }
    *work = None;
}

async fn finished_or_none(work: &mut Option<BoxFuture<'static, ()>>) {
    if work.is_some() {
        finished(work).await;
    }
}
