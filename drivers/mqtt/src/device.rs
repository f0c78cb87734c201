//! One device at work: messages to rows, orders to messages, until the way to it is lost. The loop never waits for the
//! disk with a write in hand, and never runs ahead of the disk by more than [`ROWS_WAITING_MAX`].

use sdk::{BoxFuture, Clock, DeviceCounters, DeviceTask, Driver, Outage, Outbox, WriteOrder};
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::mpsc;

use crate::{
    address::Address,
    config::{Config, Via},
    fault::{self, Trouble},
    inspect,
    link::{Heard, Link, Opened},
    mapping::Mapping,
    message::{Message, Rows, Taken},
    probe,
    write::Writes,
};

/// Rows that may wait for the disk; then nothing more is taken from the broker until there is room.
const ROWS_WAITING_MAX: usize = 20_000;

/// The descriptor.
pub(crate) fn driver() -> Driver {
    Driver {
        id: "mqtt",
        name: ("MQTT", "MQTT"),
        config_schema: sdk::http::json_schema::<Config>,
        check_config: |json| Config::parse(json).map(drop),
        check_address: |text| Address::parse(text).map(|address| address.facts()),
        run: |task| Box::pin(run(task)),
        probe: |probe| Box::pin(probe::probe(probe)),
        inspect: |inspect| Box::pin(inspect::inspect(inspect)),
        browse: Some(|browse| Box::pin(inspect::browse(browse))),
    }
}

/// Runs one device until the way to it is lost.
pub(crate) async fn run(task: DeviceTask) -> Outage {
    let config = match Config::parse(&task.config) {
        Ok(config) => config,
        Err(faults) => return Outage::configuration(fault::first(faults)),
    };
    let mapping = Mapping::new(&config, &task.points, &|point| task.outbox.last_good(point));
    let Opened { link, refused } = match Link::open(&config, &mapping, &task.reach).await {
        Ok(opened) => opened,
        Err(outage) => return outage,
    };
    let now = task.reach.clock.now();
    let mut rows = mapping.unreadable(now);
    for (filter, _) in &refused {
        DeviceCounters::count(&task.counters.failures);
        rows.append(mapping.refused(filter, now));
    }
    let first_request = u32::try_from(now.unix_ms() & 0x3FFF_FFFF).unwrap_or(0);
    let mut device = Device {
        mapping,
        link,
        outbox: task.outbox,
        orders: task.writes,
        clock: task.reach.clock,
        counters: task.counters,
        writes: Writes::new(first_request),
        rows,
        late: Rows::default(),
        storing: None,
        settled: 0,
        there: config.via == Via::Client,
    };
    if device.there {
        device.outbox.online();
    } else {
        device.outbox.offline(fault::waiting(&config)).await;
    }
    device.serve(&config).await
}

struct Device {
    mapping: Mapping,
    link: Link,
    outbox: Outbox,
    orders: mpsc::Receiver<WriteOrder>,
    clock: Clock,
    counters: Arc<DeviceCounters>,
    writes: Writes,
    /// Not handed over yet.
    rows: Rows,
    late: Rows,
    /// Being handed over; answers whether all of it is durable.
    storing: Option<(u64, BoxFuture<'static, bool>)>,
    /// Messages up to this ticket were acknowledged.
    settled: u64,
    /// The device is connected.
    there: bool,
}

impl Device {
    async fn serve(&mut self, config: &Config) -> Outage {
        let trouble = loop {
            if self.storing.is_none()
                && let Err(trouble) = self.store()
            {
                break trouble;
            }
            let room = self.rows.len() + self.late.len() < ROWS_WAITING_MAX;
            let stored = async {
                match self.storing.as_mut() {
                    Some((_, storing)) => storing.await,
                    None => std::future::pending().await,
                }
            };
            let deadline = self.writes.deadline();
            let expired = async {
                match deadline {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(order) = self.orders.recv(), if self.writes.has_room() => self.order(order).await,
                done = stored => if let Err(trouble) = self.stored(done) {
                    break trouble;
                },
                () = expired => self.writes.expire(self.clock.monotonic()),
                heard = self.link.next(&self.clock), if room => match heard {
                    Ok(heard) => if let Err(trouble) = self.heard(heard).await {
                        break trouble;
                    },
                    Err(trouble) => break trouble,
                },
            }
        };
        let outage = trouble.outage(config);
        self.writes.lost(&outage.fault.detail);
        // What was read before a loss is not thrown away; that the way has ended is known already.
        let _ended = self.store_all().await;
        outage
    }

    /// Hands over what waits and stays until it is stored.
    async fn store_all(&mut self) -> Result<(), Trouble> {
        let mut ended = Ok(());
        loop {
            if let Some((_, storing)) = &mut self.storing {
                let done = storing.await;
                ended = ended.and(self.stored(done));
            }
            ended = ended.and(self.store());
            if self.storing.is_none() {
                return ended;
            }
        }
    }

    /// Rows were handed over: the messages they came in are acknowledged only now.
    fn stored(&mut self, done: bool) -> Result<(), Trouble> {
        let Some((ticket, _)) = self.storing.take() else { return Ok(()) };
        self.settle(ticket, done)
    }

    fn settle(&mut self, ticket: u64, stored: bool) -> Result<(), Trouble> {
        if ticket <= self.settled {
            return Ok(());
        }
        self.settled = ticket;
        self.link.settle(ticket, stored)
    }

    /// Hands over what waits, if anything does. Messages without rows are settled at once.
    fn store(&mut self) -> Result<(), Trouble> {
        let ticket = self.link.ticket();
        if self.rows.0.is_empty() && self.late.0.is_empty() {
            return self.settle(ticket, true);
        }
        let rows = std::mem::take(&mut self.rows).0;
        let late = std::mem::take(&mut self.late).0;
        let (outbox, counters) = (self.outbox.clone(), self.counters.clone());
        let handed_over = async move {
            let mut done = rows.is_empty() || outbox.publish(rows).await.is_ok();
            if !late.is_empty() && outbox.backfill(late).await.is_err() {
                DeviceCounters::count(&counters.failures);
                done = false;
            }
            done
        };
        self.storing = Some((ticket, Box::pin(handed_over)));
        Ok(())
    }

    async fn heard(&mut self, heard: Heard) -> Result<(), Trouble> {
        match heard {
            Heard::Message(message) => self.message(&message).await,
            Heard::Skipped => DeviceCounters::count(&self.counters.failures),
            Heard::Taken { id, outcome } => self.writes.taken(id, outcome),
            Heard::Online => {
                self.there = true;
                self.outbox.online();
            }
            Heard::Offline(reason) => {
                self.there = false;
                self.writes.lost(&reason);
                // Rows that came before go first: they were true then.
                self.store_all().await?;
                self.outbox.offline(fault::left(&reason)).await;
            }
        }
        Ok(())
    }

    async fn message(&mut self, message: &Message) {
        DeviceCounters::count(&self.counters.requests);
        let mut taken = self.mapping.take(message);
        for answer in std::mem::take(&mut taken.answers) {
            let now = self.clock.monotonic();
            self.writes.answered(answer, &mut self.mapping, message, now, &mut taken);
        }
        self.writes.heard(&taken);
        for reply in &taken.replies {
            if self.link.send(reply).await.is_err() {
                taken.failures += 1;
            }
        }
        let Taken { rows, late, failures, .. } = taken;
        self.counters.failures.fetch_add(failures, Ordering::Relaxed);
        self.rows.append(rows);
        self.late.append(late);
    }

    async fn order(&mut self, order: WriteOrder) {
        if order.reply.is_closed() {
            // Taken back while it waited: writing was switched off, or nobody waits for it any more.
            return;
        }
        let planned = match self.there {
            true => self.writes.plan(&mut self.mapping, order.point, &order.value),
            false => Err(fault::not_connected()),
        };
        let sent = match planned {
            Ok(plan) => self.link.send(&plan.send).await.map(|untaken| (plan, untaken)),
            Err(fault) => Err(fault),
        };
        match sent {
            Ok((plan, untaken)) => {
                self.writes.sent(plan, order, untaken, &self.mapping, self.clock.monotonic());
            }
            // Whoever asked may have gone.
            Err(fault) => drop(order.reply.send(Err(fault))),
        }
    }
}
