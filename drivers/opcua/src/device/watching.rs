//! Which items are watched, polled or refused: spread over subscriptions of bounded size.

use opcua::types::NumericRange;
use sdk::poll::{RECHECK_PERIOD, Schedule};
use std::time::Duration;
use types::Quality;

use super::{Device, Entry, SETTLE};
use crate::{
    address::{Address, Target},
    facts::Facts,
    fault::Trouble,
    subscription::{self, Watch, Watched, is_session},
    wire::Wire,
};

impl Device {
    /// Makes the server report every item once: in the subscriptions that live, else in new ones.
    pub(super) async fn subscribe(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        entry: Entry,
    ) -> Result<(), Trouble> {
        match entry {
            Entry::Fresh => return self.watch_all(wire, facts).await,
            Entry::Same => {}
            Entry::Other => {
                let ids = self.subscriptions.iter().map(|subscription| subscription.id).collect();
                let came = subscription::transfer(wire, ids).await?;
                self.subscriptions.retain(|subscription| came.contains(&subscription.id));
                if self.subscriptions.is_empty() {
                    return self.watch_all(wire, facts).await;
                }
            }
        }
        self.stored.clear();
        let now = self.reach.clock.monotonic();
        self.subscriptions.iter_mut().for_each(|living| living.heard = now);
        self.catch_up_all(wire, facts).await?;
        self.settle = Some(now + SETTLE);
        self.resumed = true;
        self.watch_missing(wire, facts).await
    }

    /// Forgets what was watched and starts over.
    pub(super) async fn watch_all(&mut self, wire: &Wire, facts: &Facts) -> Result<(), Trouble> {
        let old = std::mem::take(&mut self.subscriptions).into_iter().map(|s| s.id).collect();
        subscription::delete(wire, old).await?;
        self.stored.clear();
        self.polled.clear();
        self.refused.clear();
        self.schedule = Schedule::new(&[], 0, Duration::ZERO);
        self.recheck = self.reach.clock.monotonic() + RECHECK_PERIOD;
        self.watch_missing(wire, facts).await
    }

    /// Watches every item that is neither watched, polled nor refused.
    pub(super) async fn watch_missing(&mut self, wire: &Wire, facts: &Facts) -> Result<(), Trouble> {
        let mut known = vec![false; self.points.len()];
        let watched = self.subscriptions.iter().flat_map(|s| s.items.iter().copied());
        let others =
            self.polled.iter().flat_map(|(_, items)| items).chain(&self.refused).map(|watch| watch.item);
        watched.chain(others).for_each(|item| known[item as usize] = true);
        let now = self.reach.clock.now();
        let mut missing = Vec::new();
        for item in (0..).zip(known).filter(|(_, known)| !known).map(|(item, _)| item) {
            match self.resolve(facts, item) {
                Ok(Some(watch)) => missing.push(watch),
                // A method has nothing to be read.
                Ok(None) => {}
                Err(quality) => self.rows.refuse(item, quality, now),
            }
        }
        self.watch(wire, facts, missing).await
    }

    /// What an item asks for at this server.
    pub(super) fn resolve(&self, facts: &Facts, item: u32) -> Result<Option<Watch>, Quality> {
        let address = self.addresses.get(item as usize).and_then(Option::as_ref);
        let Address { target, .. } = address.ok_or(Quality::BAD_CONFIGURATION)?;
        let Target::Value { node, element } = target else { return Ok(None) };
        let node = node.resolve(&facts.namespaces).ok_or(Quality::BAD_ADDRESS)?;
        let range = element.map_or(NumericRange::None, NumericRange::Index);
        let period_ms = self.points.get(item as usize).map_or(0, |point| point.period_ms);
        Ok(Some(Watch { item, node, range, period_ms }))
    }

    /// Spreads items over subscriptions of bounded size.
    pub(super) async fn watch(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        mut items: Vec<Watch>,
    ) -> Result<(), Trouble> {
        let most = self.config.items_per_subscription as usize;
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(most));
            let some = std::mem::replace(&mut items, rest);
            let mut made = match subscription::create(wire, &self.config).await {
                Ok(made) => made,
                Err(Trouble::Refused { status, .. }) if !is_session(status) => {
                    self.poll(some);
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            let answers = subscription::watch(wire, &self.config, &facts.limits, &mut made, &some).await;
            let answers = match answers {
                Ok(answers) => answers,
                Err(Trouble::Refused { status, .. }) if !is_session(status) => {
                    some.iter().map(|_| Watched::NotWatchable).collect()
                }
                Err(trouble) => return Err(trouble),
            };
            match made.items.is_empty() {
                true => subscription::delete(wire, vec![made.id]).await?,
                false => self.subscriptions.push(made),
            }
            self.sort_out(some, answers);
        }
        Ok(())
    }

    pub(super) fn sort_out(&mut self, items: Vec<Watch>, answers: Vec<Watched>) {
        let now = self.reach.clock.now();
        let mut to_poll = Vec::new();
        for (watch, answer) in items.into_iter().zip(answers) {
            match answer {
                Watched::Yes => {}
                Watched::NotWatchable => to_poll.push(watch),
                Watched::Refused(quality) => {
                    self.rows.refuse(watch.item, quality, now);
                    self.refused.push(watch);
                }
            }
        }
        self.poll(to_poll);
    }

    /// Reads these from now on, each at its period.
    pub(super) fn poll(&mut self, items: Vec<Watch>) {
        if items.is_empty() {
            return;
        }
        for watch in items {
            let period = Duration::from_millis(u64::from(watch.period_ms));
            match self.polled.iter_mut().find(|(of, _)| *of == period) {
                Some((_, group)) => group.push(watch),
                None => self.polled.push((period, vec![watch])),
            }
        }
        let periods: Vec<Duration> = self.polled.iter().map(|(period, _)| *period).collect();
        self.schedule = Schedule::new(&periods, self.phase_seed, self.reach.clock.monotonic());
    }
}
