//! A message of our own to one device: a command, an answer.

use bytes::Bytes;
use std::{sync::Arc, task::Waker};
use types::Fault;

use super::Shared;
use crate::broker::{Publish, accounts::Entry, held, limits, session::Delivery, topic};

impl Shared {
    /// Sends a message of our own to one account's client.
    pub(crate) fn send_to(&self, entry: &Entry, topic: &str, payload: Bytes, qos: u8) -> Result<(), Fault> {
        if !topic::is_topic(topic) {
            let detail =
                format!("`{topic}` is no topic: write one without wildcards, such as plant/line-1/set");
            return Err(Fault::new("mqtt.topic", detail).arg("topic", topic));
        }
        let client = held(&entry.client).clone().ok_or_else(|| {
            Fault::new(
                "mqtt.offline",
                "the device is not connected to the broker: check its supply and network",
            )
        })?;
        let granted = {
            let state = client.lock();
            let subscriptions = &state.session.subscriptions;
            let matching =
                subscriptions.iter().filter(|(filter, _)| topic::matches(topic::unshared(filter), topic));
            matching.map(|(_, subscription)| subscription.options.qos).max()
        };
        let Some(granted) = granted else {
            let detail = format!(
                "the device did not subscribe to {topic}: check in its configuration which topic it takes commands on"
            );
            return Err(Fault::new("mqtt.not-subscribed", detail).arg("topic", topic));
        };
        let expires = Some(self.now() + limits::COMMAND_LIFE);
        let publish = Publish { expires, is_command: true, ..Publish::new(topic, payload, qos, self.wall()) };
        let publish = Arc::new(publish);
        let delivery = Delivery { qos: publish.qos.min(granted), publish, retain: false, ids: None };
        let mut wakers = Vec::new();
        let put = client.put_deliveries([delivery].into_iter(), self.moment(), &mut wakers);
        self.enter(&client, put);
        wakers.into_iter().for_each(Waker::wake);
        if put.taken == 0 {
            let detail = "the device does not take its messages: too many wait for it; check its network";
            return Err(Fault::new("mqtt.full", detail));
        }
        Ok(())
    }
}
