//! From a topic to those who get it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::Waker,
};

use super::{
    Publish,
    client::Client,
    held, limits,
    link::{Moment, Run},
    shared::{By, Shared},
    subscriptions::{Circle, Matched},
    topic,
};
use crate::wire::Reason;

/// What may happen to messages on a topic from one publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To subscribers, and to the account's device.
    Routed,
    /// To the account's device only.
    Own,
    /// Nowhere: the publisher has no right.
    Refused,
}

/// A topic of one publisher, looked up.
pub(crate) struct Route {
    pub(crate) topic: Arc<str>,
    pub(crate) way: Way,
    matched: Matched,
    /// More than one gets it: who is slow holds up the others.
    others: bool,
    epoch: u64,
}

/// The topics of one publisher that were looked up, as long as the index stays as it is.
#[derive(Default)]
pub(crate) struct Routes {
    last: Option<Arc<Route>>,
    by_topic: HashMap<Box<[u8]>, Arc<Route>>,
}

impl Routes {
    /// The route of a topic.
    ///
    /// # Errors
    /// [`Reason::TOPIC`] when it is no topic.
    pub(crate) fn find(
        &mut self,
        shared: &Shared,
        publisher: &Arc<Client>,
        by: &By,
        name: &[u8],
    ) -> Result<Arc<Route>, Reason> {
        let epoch = shared.epoch.load(Relaxed);
        if let Some(last) = &self.last
            && last.epoch == epoch
            && last.topic.as_bytes() == name
        {
            return Ok(last.clone());
        }
        let route = match self.by_topic.get(name) {
            Some(route) if route.epoch == epoch => route.clone(),
            found => {
                let known = found.map(|route| route.topic.clone());
                let route = Arc::new(shared.route(publisher, by, name, known, epoch)?);
                if self.by_topic.len() >= limits::ROUTES_MAX {
                    self.by_topic.clear();
                }
                self.by_topic.insert(name.into(), route.clone());
                route
            }
        };
        self.last = Some(route.clone());
        Ok(route)
    }
}

/// What comes of a batch beside the messages.
#[derive(Default)]
pub(crate) struct Aftermath {
    pub(crate) wakers: Vec<Waker>,
    /// A receiver that is full.
    pub(crate) full: Option<Arc<Client>>,
}

impl Route {
    /// A receiver that one had better wait for before sending more.
    pub(crate) fn full(&self) -> Option<&Arc<Client>> {
        let alone = self.matched.targets.iter().map(|target| &target.client).find(|client| client.is_full());
        alone.or_else(|| self.matched.circles.iter().find_map(Circle::full))
    }
}

impl Shared {
    fn route(
        &self,
        publisher: &Arc<Client>,
        by: &By,
        name: &[u8],
        known: Option<Arc<str>>,
        epoch: u64,
    ) -> Result<Route, Reason> {
        let topic = match known {
            Some(topic) => topic,
            None => {
                let name = std::str::from_utf8(name).map_err(|_| Reason::MALFORMED)?;
                if !topic::is_topic(name) {
                    return Err(Reason::TOPIC);
                }
                name.into()
            }
        };
        let way = if topic::is_own(&topic) {
            if by.account.is_some() { Way::Own } else { Way::Refused }
        } else if by.rights.publish.iter().any(|right| topic::matches(right, &topic)) {
            Way::Routed
        } else {
            Way::Refused
        };
        let matched = match way {
            Way::Routed => {
                let index = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
                index.matching(&topic, publisher)
            }
            _ => Matched::default(),
        };
        let receivers = matched.targets.len() + matched.circles.len() + usize::from(by.account.is_some());
        Ok(Route { topic, way, matched, others: receivers > 1, epoch })
    }

    /// Sends a run of QoS 0 packets to all who get them.
    pub(crate) fn deliver_run(&self, route: &Route, run: &Run<'_>, after: &mut Aftermath) {
        let moment = Moment { others: route.others, ..self.moment() };
        for target in &route.matched.targets {
            let put = target.client.put_run(run, target.ids.as_deref(), moment, &mut after.wakers);
            self.enter(&target.client, put);
            if put.full {
                after.full = Some(target.client.clone());
            }
        }
        // A run stays together: it goes to one member that is there.
        for target in route.matched.circles.iter().filter_map(Circle::next_connected) {
            let put = target.client.put_run(run, target.ids.as_deref(), moment, &mut after.wakers);
            self.enter(&target.client, put);
        }
    }

    /// Sends messages on one topic to all who get them, and keeps the retained.
    pub(crate) fn deliver(&self, route: &Route, messages: &[Arc<Publish>], after: &mut Aftermath) {
        for publish in messages.iter().filter(|publish| publish.retain) {
            if !held(&self.retained).put(publish) {
                self.counts.dropped.fetch_add(1, Relaxed);
            }
        }
        let moment = Moment { others: route.others, ..self.moment() };
        for target in &route.matched.targets {
            let put = target.client.put(messages, target, moment, &mut after.wakers);
            self.enter(&target.client, put);
            if put.full {
                after.full = Some(target.client.clone());
            }
        }
        for circle in &route.matched.circles {
            for publish in messages {
                // Who is there goes first; else one that keeps it for later.
                let Some(target) = circle.next_connected().or_else(|| circle.in_turn().next()) else {
                    continue;
                };
                let one = std::slice::from_ref(publish);
                let put = target.client.put(one, target, moment, &mut after.wakers);
                self.enter(&target.client, put);
            }
        }
    }

    /// Publishes one message on behalf of a client, such as its will.
    pub(crate) fn publish(&self, publisher: &Arc<Client>, by: &By, publish: &Arc<Publish>) {
        let epoch = self.epoch.load(Relaxed);
        let Ok(route) = self.route(publisher, by, publish.topic.as_bytes(), None, epoch) else { return };
        if route.way == Way::Refused {
            self.counts.denied.fetch_add(1, Relaxed);
            return;
        }
        if let Some(account) = &by.account {
            account.put(publish);
        }
        if route.way == Way::Routed {
            let mut after = Aftermath::default();
            self.deliver(&route, std::slice::from_ref(publish), &mut after);
            after.wakers.into_iter().for_each(Waker::wake);
        }
    }
}
