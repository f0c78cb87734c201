//! The loop of a polled device: writes first, then what is due, block by block.
//!
//! A block that the device refuses is halved down to its items once; what was found is remembered, so that the next
//! cycle asks around it. What stays refused gets one Bad row and is asked for again, alone, now and then: a controller
//! that was being loaded has its registers back later.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use types::{Fault, PointId, Quality, Section, Time, Value, codes};

use super::{
    Block, BlockReply, Holes, Polled, Refusal, ScaleError, Schedule, Span, Wiring, WriteFailure, fit, plan,
    scale, unscale,
};
use crate::{BoxFuture, Outage, WriteOrder, Written};

/// How often refused items are asked for again.
pub const RECHECK_PERIOD: Duration = Duration::from_secs(300);
/// How many of them at a time.
pub const RECHECKS_MAX: usize = 16;

/// Runs a device until its connection is lost.
pub async fn serve<P: Polled>(mut device: P, wiring: Wiring) -> Outage {
    if let Err(outage) = device.connect().await {
        return outage;
    }
    let Err(outage) = Poller::new(wiring).run(&mut device).await;
    outage
}

/// Never.
enum Endless {}

struct Poller {
    wiring: Wiring,
    by_point: HashMap<PointId, u32>,
    /// By period, the shortest first; the same in the schedule.
    groups: Vec<Group>,
    schedule: Schedule,
    holes: Holes,
    /// Items that the device refuses, next to be asked again first.
    refused: Vec<(usize, Span)>,
    /// A hole was found or filled: the blocks are out of date.
    outdated: bool,
    online: bool,
    rows: Vec<Section>,
}

/// Items of one period.
struct Group {
    period: Duration,
    spans: Vec<Span>,
    blocks: Arc<[Block]>,
}

impl Poller {
    fn new(wiring: Wiring) -> Poller {
        let mut groups: Vec<Group> = Vec::new();
        for span in &wiring.spans {
            let Some(point) = wiring.points.get(span.item as usize) else { continue };
            let period = Duration::from_millis(u64::from(point.period_ms));
            match groups.iter_mut().find(|g| g.period == period) {
                Some(group) => group.spans.push(*span),
                None => groups.push(Group { period, spans: vec![*span], blocks: Arc::default() }),
            }
        }
        groups.sort_by_key(|g| g.period);
        let periods: Vec<Duration> = groups.iter().map(|g| g.period).collect();
        let schedule = Schedule::new(&periods, wiring.phase_seed, wiring.clock.monotonic());
        let by_point = wiring.points.iter().zip(0..).map(|(point, item)| (point.id, item)).collect();
        Poller {
            wiring,
            by_point,
            groups,
            schedule,
            holes: Holes::default(),
            refused: Vec::new(),
            outdated: false,
            online: false,
            rows: Vec::new(),
        }
    }

    async fn run<P: Polled>(&mut self, device: &mut P) -> Result<Endless, Outage> {
        self.replan();
        self.report_unreadable();
        if self.groups.is_empty() {
            // Nothing will be asked, so this is the only sign of life there is.
            self.wiring.outbox.online();
        }
        self.publish(device).await?;
        let clock = self.wiring.clock.clone();
        let mut recheck = clock.monotonic() + RECHECK_PERIOD;
        loop {
            let next = self.schedule.next().unwrap_or(recheck).min(recheck);
            self.writes_until(device, clock.sleep_until(next)).await?;
            self.cycles(device, self.groups.len()).await?;
            if clock.monotonic() >= recheck {
                let read = self.recheck(device).await;
                self.publish(device).await?;
                read?;
                recheck = clock.monotonic() + RECHECK_PERIOD;
            }
        }
    }

    /// Runs what is due of the first `groups`.
    fn cycles<'a, P: Polled>(
        &'a mut self,
        device: &'a mut P,
        groups: usize,
    ) -> BoxFuture<'a, Result<(), Outage>> {
        Box::pin(async move {
            for due in self.schedule.take(self.wiring.clock.monotonic(), groups) {
                if self.outdated {
                    self.replan();
                }
                self.wiring.counters.late_cycles.fetch_add(due.late, Ordering::Relaxed);
                let read = self.cycle(device, due.group).await;
                // What was read before a loss is not thrown away.
                self.publish(device).await?;
                read?;
            }
            Ok(())
        })
    }

    fn replan(&mut self) {
        for group in &mut self.groups {
            group.blocks = plan(group.spans.clone(), &self.wiring.limits, &self.holes).blocks.into();
        }
        self.outdated = false;
    }

    /// One row for every point that no request can ever read.
    fn report_unreadable(&mut self) {
        let planned = self.groups.iter().flat_map(|g| g.blocks.iter()).flat_map(|b| &b.spans);
        let mut readable = vec![false; self.wiring.points.len()];
        planned.for_each(|span| readable[span.item as usize] = true);
        let now = self.wiring.clock.now();
        for item in (0..).zip(readable).filter(|(_, readable)| !readable).map(|(item, _)| item) {
            self.row(item, now, None, Quality::BAD_CONFIGURATION);
        }
    }

    async fn cycle<P: Polled>(&mut self, device: &mut P, group: usize) -> Result<(), Outage> {
        // Shared, because a cycle that is let in between may plan anew.
        let blocks = self.groups[group].blocks.clone();
        for some in blocks.chunks(device.blocks_at_once().max(1)) {
            let replies = self.ask(device, some).await?;
            for (block, reply) in some.iter().zip(replies) {
                if self.take(device, block, reply) == Outcome::Refused {
                    self.halve(device, group, block.clone()).await?;
                }
            }
            // A long cycle lets shorter periods in between its blocks.
            if self.schedule.is_due(self.wiring.clock.monotonic(), group) {
                self.cycles(device, group).await?;
            }
        }
        Ok(())
    }

    /// Writes what is ordered, then reads.
    async fn ask<P: Polled>(
        &mut self,
        device: &mut P,
        blocks: &[Block],
    ) -> Result<Vec<BlockReply<P::Data>>, Outage> {
        while let Ok(order) = self.wiring.writes.try_recv() {
            self.write(device, order).await?;
        }
        device.read(blocks).await
    }

    /// Turns a reply into rows.
    fn take<P: Polled>(&mut self, device: &P, block: &Block, reply: BlockReply<P::Data>) -> Outcome {
        if !self.online {
            self.online = true;
            self.wiring.outbox.online();
        }
        match reply.outcome {
            Ok(data) => {
                for span in &block.spans {
                    let (value, quality) = self.shown(span.item, device.value(span, block, &data));
                    self.row(span.item, reply.at, value, quality);
                }
                Outcome::Read
            }
            Err(Refusal::Passing(quality)) => {
                block.spans.iter().for_each(|span| self.row(span.item, reply.at, None, quality));
                Outcome::Unclear
            }
            Err(Refusal::Address) => Outcome::Refused,
        }
    }

    /// Finds out why a block was refused: asks for its halves, and theirs.
    fn halve<'a, P: Polled>(
        &'a mut self,
        device: &'a mut P,
        group: usize,
        block: Block,
    ) -> BoxFuture<'a, Result<(), Outage>> {
        Box::pin(async move {
            self.outdated = true;
            let (left, right) = block.halves();
            let Some(right) = right else {
                self.refuse(group, &left);
                return Ok(());
            };
            // Halves may overlap; then the border is where the right one starts.
            let between = (left.area, left.end().min(right.start), right.start);
            let mut both_read = true;
            for half in [left, right] {
                let replies = self.ask(device, std::slice::from_ref(&half)).await?;
                for reply in replies {
                    let outcome = self.take(device, &half, reply);
                    both_read &= outcome == Outcome::Read;
                    if outcome == Outcome::Refused {
                        self.halve(device, group, half.clone()).await?;
                    }
                }
            }
            if both_read {
                // Each half is given, both together are not: the fault lies between them.
                self.holes.add(between.0, between.1, between.2);
            }
            Ok(())
        })
    }

    /// The device has no such item.
    fn refuse(&mut self, group: usize, block: &Block) {
        let now = self.wiring.clock.now();
        self.holes.add(block.area, block.start, block.end());
        for span in &block.spans {
            self.groups[group].spans.retain(|s| s.item != span.item);
            self.refused.push((group, *span));
            self.row(span.item, now, None, Quality::BAD_ADDRESS);
        }
    }

    /// Asks for some refused items, each alone.
    async fn recheck<P: Polled>(&mut self, device: &mut P) -> Result<(), Outage> {
        for _ in 0..self.refused.len().min(RECHECKS_MAX) {
            let (group, span) = self.refused.remove(0);
            let Some(block) = Block::around(vec![span]) else { continue };
            let replies = self.ask(device, std::slice::from_ref(&block)).await?;
            let read = replies.into_iter().any(|reply| self.take(device, &block, reply) == Outcome::Read);
            if read {
                self.groups[group].spans.push(span);
                self.outdated = true;
            } else {
                self.refused.push((group, span));
            }
        }
        Ok(())
    }

    /// Raw to shown, and the quality that goes with it.
    fn shown(&self, item: u32, raw: Result<Value, Quality>) -> (Option<Value>, Quality) {
        let Some(point) = self.wiring.points.get(item as usize) else {
            return (None, Quality::BAD_CONFIGURATION);
        };
        let raw = match raw {
            Ok(raw) => raw,
            Err(quality) => return (None, quality),
        };
        match scale(raw, point.scaling).map(|value| fit(value, point.value_type)) {
            Some(Ok(value)) => match value {
                Value::F32(v) if !v.is_finite() => (Some(value), Quality::BAD_OUT_OF_RANGE),
                Value::F64(v) if !v.is_finite() => (Some(value), Quality::BAD_OUT_OF_RANGE),
                value => (Some(value), Quality::GOOD),
            },
            Some(Err(ScaleError::OutOfRange { .. })) => (None, Quality::BAD_OUT_OF_RANGE),
            Some(Err(ScaleError::NotComparable { .. })) | None => (None, Quality::BAD_CONFIGURATION),
        }
    }

    fn row(&mut self, item: u32, time: Time, value: Option<Value>, quality: Quality) {
        let Some(point) = self.wiring.points.get(item as usize).map(|p| p.id) else { return };
        let of = value.as_ref().map(Value::value_type);
        let section = match self.rows.iter_mut().position(|s| s.values.value_type() == of) {
            Some(at) => &mut self.rows[at],
            None => {
                self.rows.push(Section::empty(of));
                self.rows.last_mut().expect("one was just pushed")
            }
        };
        section.push(point, time, value, quality);
    }

    /// Hands the rows over; writes go on meanwhile, however far the disk is behind.
    async fn publish<P: Polled>(&mut self, device: &mut P) -> Result<(), Outage> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let outbox = self.wiring.outbox.clone();
        // Polled rows cannot be asked for again: what is refused is counted and shown by the outbox.
        let mut stored = Box::pin(async move { drop(outbox.publish(rows).await) });
        let written = self.writes_until(device, &mut stored).await;
        if written.is_err() {
            stored.await;
        }
        written
    }

    /// Writes what is ordered until `done`.
    async fn writes_until<P: Polled>(
        &mut self,
        device: &mut P,
        done: impl Future<Output = ()>,
    ) -> Result<(), Outage> {
        let mut done = std::pin::pin!(done);
        loop {
            let order = tokio::select! {
                biased;
                Some(order) = self.wiring.writes.recv() => order,
                () = &mut done => return Ok(()),
            };
            self.write(device, order).await?;
        }
    }

    async fn write<P: Polled>(&mut self, device: &mut P, order: WriteOrder) -> Result<(), Outage> {
        let WriteOrder { point, value, reply } = order;
        if reply.is_closed() {
            // Taken back while it waited: writing was switched off, or nobody waits for it any more.
            return Ok(());
        }
        let outcome = self.try_write(device, point, value).await;
        let (answer, lost) = match outcome {
            Ok(written) => (Ok(written), Ok(())),
            Err(WriteFailure::Refused(fault)) => (Err(fault), Ok(())),
            Err(WriteFailure::Lost(outage)) => (Err(in_doubt(&outage)), Err(outage)),
        };
        // Whoever asked may have gone; what was written stays written.
        let _gone = reply.send(answer);
        lost
    }

    async fn try_write<P: Polled>(
        &mut self,
        device: &mut P,
        point: PointId,
        value: Value,
    ) -> Result<Written, WriteFailure> {
        let found = self.by_point.get(&point).copied();
        let Some((item, bound)) = found.and_then(|i| Some((i, self.wiring.points.get(i as usize)?))) else {
            let detail = "this device has no such point any more; look at its points and try again";
            return Err(WriteFailure::Refused(Fault::new(codes::NOT_FOUND, detail)));
        };
        let raw = unscale(value, bound.scaling, device.native(item)).map_err(|error| {
            let fault = Fault::new("write.does-not-fit", format!("{error}; choose another value"));
            WriteFailure::Refused(fault.arg("reason", error.to_string()))
        })?;
        let read_back = device.write(item, raw).await?;
        Ok(Written { read_back: read_back.and_then(|raw| self.shown(item, Ok(raw)).0) })
    }
}

/// A connection that broke during a write says nothing about the write.
fn in_doubt(outage: &Outage) -> Fault {
    let detail = format!(
        "the connection was lost during the write ({}), so it is not known whether the device took it: look at the machine \
         before trying again",
        outage.fault.detail
    );
    Fault::new("write.interrupted", detail).arg("reason", outage.fault.detail.as_str())
}

/// What came of asking for one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Read,
    Refused,
    Unclear,
}

#[cfg(test)]
mod tests;
