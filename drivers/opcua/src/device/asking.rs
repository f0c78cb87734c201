//! What the driver asks for by itself: reads, history, writes.

use opcua::types::*;
use sdk::WriteOrder;
use std::{collections::HashSet, sync::Arc};

use super::{Device, SETTLE};
use crate::{
    address::Target,
    facts::{Facts, read, value_of},
    fault::Trouble,
    history,
    rows::Came,
    subscription::Watch,
    wire::Wire,
    write,
};

impl Device {
    pub(super) async fn read_items(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        items: Vec<Watch>,
    ) -> Result<(), Trouble> {
        let values = self.read_values(wire, facts, &items).await?;
        let now = self.reach.clock.now();
        for (watch, data) in items.iter().zip(&values) {
            self.rows.take(watch.item, data, Came::Read, now);
        }
        Ok(())
    }

    async fn read_values(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        items: &[Watch],
    ) -> Result<Vec<DataValue>, Trouble> {
        let nodes: Vec<ReadValueId> = items
            .iter()
            .map(|watch| ReadValueId { index_range: watch.range.clone(), ..value_of(watch.node.clone()) })
            .collect();
        let values = read(wire, &nodes, facts.limits.read).await?;
        self.heard = self.reach.clock.monotonic();
        Ok(values)
    }

    /// Reads all watched items, or those that did not come by themselves. Reports of values from within a break have come
    /// by now, so that each is stored once.
    pub(super) async fn read_once(&mut self, wire: &Wire, facts: &Facts, all: bool) -> Result<(), Trouble> {
        let unseen: HashSet<u32> = self.rows.unseen().collect();
        let watched = self.subscriptions.iter().flat_map(|s| s.items.iter().copied());
        let wanted = watched.filter(|item| all || unseen.contains(item));
        let items: Vec<Watch> = wanted.filter_map(|item| self.resolve(facts, item).ok().flatten()).collect();
        self.read_items(wire, facts, items).await
    }

    /// Looks what became of values that were written a while ago.
    pub(super) async fn check_written(&mut self, wire: &Wire, facts: &Facts) -> Result<(), Trouble> {
        let now = self.reach.clock.monotonic();
        let due: Vec<u32> =
            self.written.iter().filter(|(_, at)| **at <= now).map(|(item, _)| *item).collect();
        if due.is_empty() {
            return Ok(());
        }
        self.written.retain(|_, at| *at > now);
        let items: Vec<Watch> =
            due.into_iter().filter_map(|item| self.resolve(facts, item).ok().flatten()).collect();
        let values = self.read_values(wire, facts, &items).await?;
        let now = self.reach.clock.now();
        for (watch, data) in items.iter().zip(&values) {
            self.rows.check(watch.item, data, now);
        }
        Ok(())
    }

    pub(super) fn fill_gaps(&mut self, wire: &Arc<Wire>, facts: &Facts) {
        let gaps = self.rows.gaps();
        if !self.config.history || gaps.is_empty() {
            return;
        }
        let wanted = |gap: crate::rows::Gap| {
            let watch = self.resolve(facts, gap.item).ok().flatten()?;
            Some((gap, watch, self.points.get(gap.item as usize)?.clone()))
        };
        let stretches = gaps.into_iter().filter_map(wanted).collect();
        let (wire, outbox) = (wire.clone(), self.outbox.clone());
        self.history = Some(Box::pin(history::fill(wire, facts.limits, outbox, stretches)));
    }

    pub(super) async fn write(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        order: WriteOrder,
    ) -> Result<(), Trouble> {
        let place = self.by_point.get(&order.point).map(|item| *item as usize);
        let known = place.and_then(|at| Some((self.points.get(at)?, self.addresses.get(at)?.as_ref()?)));
        let Some((point, address)) = known else {
            write::answer(order, Err(write::unknown_point()));
            return Ok(());
        };
        match write::write(wire, facts, point, address, &order.value).await {
            Ok(written) => {
                write::answer(order, Ok(written));
                if let Some(item) = place.filter(|_| matches!(address.target, Target::Value { .. })) {
                    self.written.insert(item as u32, self.reach.clock.monotonic() + SETTLE);
                }
            }
            Err(write::Failure::Refused(fault)) => write::answer(order, Err(fault)),
            Err(write::Failure::Lost(trouble)) => {
                write::answer(order, Err(trouble.fault(&self.config)));
                return Err(trouble);
            }
        }
        self.heard = self.reach.clock.monotonic();
        Ok(())
    }
}
