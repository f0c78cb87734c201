//! What the server reports: messages in order, those that were missed, and subscriptions that ended.

use opcua::types::*;
use sdk::DeviceCounters;

use super::Device;
use crate::{
    facts::Facts,
    fault::Trouble,
    rows::Came,
    subscription::{self, Missed, next},
    wire::Wire,
};

impl Device {
    pub(super) async fn published(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        published: Result<PublishResponse, Trouble>,
    ) -> Result<(), Trouble> {
        self.heard = self.reach.clock.monotonic();
        let response = match published {
            Ok(response) => response,
            // Whether anything is wrong shows when a subscription stays silent.
            Err(Trouble::Timeout) => return Ok(()),
            Err(Trouble::Refused { status: StatusCode::BadTooManyPublishRequests, .. }) => {
                self.publishes_max = (self.publishes_max - 1).max(1);
                return Ok(());
            }
            Err(Trouble::Refused { status: StatusCode::BadNoSubscription, .. }) => {
                // Several requests may bring the same news; new subscriptions have been heard of just now.
                let old = self
                    .subscriptions
                    .iter()
                    .any(|s| self.heard.saturating_sub(s.heard) > wire.timeout() / 2);
                return if old || self.subscriptions.is_empty() {
                    self.repair_all(wire, facts).await
                } else {
                    Ok(())
                };
            }
            Err(trouble) => return Err(trouble),
        };
        let id = response.subscription_id;
        let Some(subscription) = self.subscriptions.iter_mut().find(|s| s.id == id) else {
            // One of an earlier time that the server still keeps.
            return subscription::delete(wire, vec![id]).await;
        };
        subscription.heard = self.heard;
        let message = response.notification_message;
        let sequence = message.sequence_number;
        if subscription.sequence.is_some_and(|last| !subscription::is_after(sequence, last)) {
            // It came already, when missed ones were asked for.
            return Ok(());
        }
        // A keep-alive carries the number that the next message will have.
        let expected = subscription.sequence.map_or(sequence, next);
        if expected != sequence {
            self.catch_up(wire, facts, id, expected, Some(sequence)).await?;
        }
        if message.notification_data.as_ref().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        self.message(wire, facts, id, message).await
    }

    /// Takes in what was missed of a subscription.
    pub(super) async fn catch_up(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        id: u32,
        first: u32,
        end: Option<u32>,
    ) -> Result<(), Trouble> {
        match subscription::missed(wire, id, first, end).await? {
            Missed::Gone => self.repair(wire, facts, id).await,
            Missed::Messages(messages) => {
                for message in messages {
                    Box::pin(self.message(wire, facts, id, message)).await?;
                }
                Ok(())
            }
        }
    }

    /// Takes a message in.
    pub(super) async fn message(
        &mut self,
        wire: &Wire,
        facts: &Facts,
        id: u32,
        message: NotificationMessage,
    ) -> Result<(), Trouble> {
        let now = self.reach.clock.now();
        let mut ended = false;
        for notification in message.notification_data.iter().flatten() {
            if let Some(changes) = notification.inner_as::<DataChangeNotification>() {
                for change in changes.monitored_items.iter().flatten() {
                    self.rows.take(change.client_handle, &change.value, Came::Reported, now);
                }
            } else if notification.inner_as::<StatusChangeNotification>().is_some() {
                // Timed out, or taken over by somebody else: either way it is not ours any more.
                ended = true;
            }
        }
        if let Some(subscription) = self.subscriptions.iter_mut().find(|s| s.id == id) {
            subscription.sequence = Some(message.sequence_number);
            let acknowledgement =
                SubscriptionAcknowledgement { subscription_id: id, sequence_number: message.sequence_number };
            self.unstored.push(acknowledgement);
        }
        if ended { self.repair(wire, facts, id).await } else { Ok(()) }
    }

    /// Makes a subscription that is gone anew.
    pub(super) async fn repair(&mut self, wire: &Wire, facts: &Facts, id: u32) -> Result<(), Trouble> {
        DeviceCounters::count(&self.counters.failures);
        self.subscriptions.retain(|subscription| subscription.id != id);
        self.unstored.retain(|one| one.subscription_id != id);
        self.stored.retain(|one| one.subscription_id != id);
        subscription::delete(wire, vec![id]).await?;
        self.begin(facts);
        self.watch_missing(wire, facts).await
    }

    pub(super) async fn repair_all(&mut self, wire: &Wire, facts: &Facts) -> Result<(), Trouble> {
        let ids: Vec<u32> = self.subscriptions.iter().map(|subscription| subscription.id).collect();
        DeviceCounters::count(&self.counters.failures);
        self.subscriptions.clear();
        (self.unstored, self.stored) = (Vec::new(), Vec::new());
        subscription::delete(wire, ids).await?;
        self.begin(facts);
        self.watch_missing(wire, facts).await
    }

    pub(super) async fn catch_up_all(&mut self, wire: &Wire, facts: &Facts) -> Result<(), Trouble> {
        let known: Vec<(u32, Option<u32>)> = self.subscriptions.iter().map(|s| (s.id, s.sequence)).collect();
        for (id, sequence) in known {
            self.catch_up(wire, facts, id, sequence.map_or(1, next), None).await?;
        }
        Ok(())
    }
}
