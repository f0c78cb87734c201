//! SUBSCRIBE and UNSUBSCRIBE.

use std::sync::{Arc, PoisonError, atomic::Ordering::Relaxed};

use super::{
    client::Client,
    connection::{Connection, End},
    desk::Policy,
    held, limits,
    session::{Delivery, Subscription},
    shared::{By, Shared},
    topic,
};
use crate::wire::{
    self, Reason,
    control::{Options, Subscribe},
    first,
};

/// Whether a client may have a subscription with this filter, without its group.
fn allowed(policy: &Policy, by: &By, filter: &str) -> Result<(), Reason> {
    if policy.deny.iter().any(|denied| topic::covers(denied, filter)) {
        return Err(Reason::UNSPECIFIED);
    }
    let own = topic::is_own(filter) && by.account.is_some();
    if !own && !by.rights.subscribe.iter().any(|right| topic::covers(right, filter)) {
        return Err(Reason::NOT_AUTHORIZED);
    }
    Ok(())
}

impl Shared {
    /// Takes away what a kept session subscribed to under rights that its client has no more.
    pub(super) fn prune(&self, client: &Arc<Client>, policy: &Policy, by: &By) {
        let mut state = client.lock();
        let subscriptions = &mut state.session.subscriptions;
        let is_lost = |filter: &str| allowed(policy, by, topic::unshared(filter)).is_err();
        let lost: Vec<Box<str>> = subscriptions.keys().filter(|filter| is_lost(filter)).cloned().collect();
        if lost.is_empty() {
            return;
        }
        let mut index = self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
        for filter in &lost {
            subscriptions.remove(filter);
            index.remove(filter, client);
        }
        drop(index);
        self.epoch.fetch_add(1, Relaxed);
    }
}

impl Connection {
    pub(super) fn subscribe(&mut self, packet: Subscribe) -> Result<(), End> {
        let mut codes = Vec::with_capacity(packet.filters.len());
        for (filter, options) in &packet.filters {
            let code = match self.judge(filter, *options)? {
                Ok(()) => self.put(filter, *options, packet.subscription_id)?,
                Err(refusal) => {
                    self.shared.counts.denied.fetch_add(1, Relaxed);
                    refusal
                }
            };
            codes.push(code);
        }
        wire::put_codes(self.version, first::SUBACK, packet.packet_id, &codes, &mut self.replies);
        Ok(())
    }

    /// Whether the client may have this subscription; the outer error ends the connection.
    fn judge(&self, text: &str, options: Options) -> Result<Result<(), Reason>, Reason> {
        let (is_shared, filter) = match topic::shared(text) {
            Ok(Some((_, filter))) => (true, filter),
            Ok(None) => (false, text),
            Err(()) => return Ok(Err(Reason::FILTER)),
        };
        if is_shared && options.no_local {
            return Err(Reason::PROTOCOL);
        }
        if text.len() > topic::TOPIC_BYTES_MAX || !topic::is_filter(filter) {
            return Ok(Err(Reason::FILTER));
        }
        // A stranger is told that it subscribed, so that it goes on as its vendor meant it to; nothing comes of it.
        if self.by.stranger.is_some() {
            return Ok(Ok(()));
        }
        Ok(allowed(&self.desk.policy, &self.by, filter))
    }

    fn put(&mut self, text: &str, options: Options, id: Option<u32>) -> Result<Reason, End> {
        if self.by.stranger.is_some() {
            return Ok(Reason(options.qos));
        }
        let subscription = Subscription { options, id };
        let mut state = self.client.lock();
        if state.generation != self.generation {
            return Err(Reason::TAKEN_OVER.into());
        }
        let subscriptions = &mut state.session.subscriptions;
        let is_new = !subscriptions.contains_key(text);
        if is_new && subscriptions.len() >= limits::SUBSCRIPTIONS_MAX {
            return Ok(Reason::QUOTA);
        }
        subscriptions.insert(text.into(), subscription.clone());
        let filter = topic::unshared(text);
        if !topic::is_own(filter) {
            // Under the client's lock, so that a connection that takes over finds session and index alike.
            let mut index = self.shared.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
            index.put(text, &self.client, subscription);
            drop(index);
            self.shared.epoch.fetch_add(1, Relaxed);
        }
        drop(state);
        let wants_retained = match options.retain_handling {
            0 => true,
            1 => is_new,
            _ => false,
        };
        if wants_retained && filter.len() == text.len() {
            self.recall(filter, options, id);
        }
        Ok(Reason(options.qos))
    }

    /// Lines up the retained messages of a filter.
    fn recall(&mut self, filter: &str, options: Options, id: Option<u32>) {
        let kept = held(&self.shared.retained).matching(filter, self.shared.now());
        self.backlog.extend(kept.into_iter().map(|publish| Delivery {
            qos: publish.qos.min(options.qos),
            publish,
            retain: true,
            ids: id.map(|id| [id].into()),
        }));
        // Asking again and again must not pile up more than there is.
        self.backlog.truncate(limits::RETAINED_MAX);
    }

    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) -> Result<(), End> {
        let mut codes = Vec::with_capacity(filters.len());
        for filter in filters {
            let mut state = self.client.lock();
            if state.generation != self.generation {
                return Err(Reason::TAKEN_OVER.into());
            }
            let known = state.session.subscriptions.remove(filter.as_str()).is_some();
            if known {
                let mut index = self.shared.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
                index.remove(filter, &self.client);
                drop(index);
                self.shared.epoch.fetch_add(1, Relaxed);
            }
            codes.push(if known { Reason::SUCCESS } else { Reason::NO_SUBSCRIPTION });
        }
        wire::put_codes(self.version, first::UNSUBACK, packet_id, &codes, &mut self.replies);
        Ok(())
    }
}
