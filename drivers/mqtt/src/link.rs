//! The way to a device: over a broker outside, or as a client of the broker of this node.

use bytes::Bytes;
use std::{collections::VecDeque, num::NonZeroU16};
use types::Fault;

use sdk::{Clock, Outage, Reach};

use crate::{
    broker::{Account, Admitted, Broker, Publish, Seen},
    client::Event,
    config::{Config, Profile, Via},
    fault::{self, Trouble},
    mapping::Mapping,
    message::{Message, Outgoing},
    profile::{thingsboard, tsl},
    session::{self, Session},
};

/// Something that happened on the way.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message(Message),
    /// A message that was too large.
    Skipped,
    /// The broker has a message of ours for good, or not.
    Taken { id: NonZeroU16, outcome: Result<(), String> },
    /// The device came.
    Online,
    /// The device left.
    Offline(String),
}

/// An open way.
pub(crate) enum Link {
    /// A broker outside; with what came before it had acknowledged our subscriptions.
    Outside { session: Box<Session>, early: VecDeque<Event>, qos: u8 },
    /// The broker of this node.
    Inside(Admitted),
}

/// An open way, and the filters that the broker refused with its reason.
pub(crate) struct Opened {
    pub(crate) link: Link,
    pub(crate) refused: Vec<(String, String)>,
}

impl Link {
    /// Connects and subscribes, or lets the device in.
    pub(crate) async fn open(config: &Config, mapping: &Mapping, reach: &Reach) -> Result<Opened, Outage> {
        match config.via {
            Via::Broker => {
                let broker = reach.hall.of::<Broker>();
                let broker = broker.ok_or_else(|| Outage::configuration(fault::no_broker()))?;
                let admitted = broker.admit(account(config, mapping)).map_err(Outage::configuration)?;
                Ok(Opened { link: Link::Inside(admitted), refused: Vec::new() })
            }
            Via::Client => {
                let opened = outside(config, mapping, reach).await;
                opened.map_err(|trouble| trouble.outage(config))
            }
        }
    }

    /// What happens next. May be dropped and called again.
    pub(crate) async fn next(&mut self, clock: &Clock) -> Result<Heard, Trouble> {
        match self {
            Link::Inside(admitted) => Ok(match admitted.next().await {
                Seen::Online { .. } => Heard::Online,
                Seen::Offline { reason } => Heard::Offline(reason.to_string()),
                Seen::Message(publish) => Heard::Message(message(&publish)),
            }),
            Link::Outside { session, early, .. } => loop {
                let event = match early.pop_front() {
                    Some(event) => event,
                    None => session.next().await?,
                };
                if let Some(heard) = heard(event, clock) {
                    return Ok(heard);
                }
            },
        }
    }

    /// Names all messages that [`Link::next`] gave out so far, for [`Link::settle`].
    pub(crate) fn ticket(&self) -> u64 {
        match self {
            Link::Inside(admitted) => admitted.ticket(),
            // What came early is given out first, and is owed an acknowledgement already.
            Link::Outside { early, .. } if !early.is_empty() => 0,
            Link::Outside { session, .. } => session.ticket(),
        }
    }

    /// What came of all messages up to a ticket is durable: they are acknowledged now, not earlier. Or it could not be
    /// stored.
    ///
    /// # Errors
    /// When it could not be stored and the broker outside would send it again: the way ends unacknowledged.
    pub(crate) fn settle(&mut self, ticket: u64, stored: bool) -> Result<(), Trouble> {
        match self {
            Link::Inside(admitted) => {
                admitted.settle(ticket, stored);
                Ok(())
            }
            Link::Outside { session, .. } => session.settle(ticket, stored),
        }
    }

    /// Sends; the id when the broker will say whether it has it.
    pub(crate) async fn send(&mut self, message: &Outgoing) -> Result<Option<NonZeroU16>, Fault> {
        /// What a device is told must not be lost on the last metre.
        const QOS_DOWN: u8 = 1;
        let payload = Bytes::from(message.payload.clone());
        match self {
            Link::Inside(admitted) => admitted.send(&message.topic, payload, QOS_DOWN).await.map(|()| None),
            Link::Outside { session, qos, .. } => session
                .publish(&message.topic, payload, session::qos(*qos))
                .map_err(|reason| fault::not_taken(&reason)),
        }
    }
}

/// What a client of our own broker published.
pub(crate) fn message(publish: &Publish) -> Message {
    Message {
        topic: publish.topic.clone(),
        payload: publish.payload.clone(),
        retained: false,
        received: publish.received,
    }
}

fn heard(event: Event, clock: &Clock) -> Option<Heard> {
    match event {
        Event::Message { topic, payload, retained } => {
            Some(Heard::Message(Message { topic: topic.into(), payload, retained, received: clock.now() }))
        }
        Event::Skipped => Some(Heard::Skipped),
        Event::Taken { id, outcome } => Some(Heard::Taken { id, outcome }),
        Event::Accepted { .. } | Event::Refused(_) | Event::Subscribed(_) | Event::Disconnected(_) => None,
    }
}

async fn outside(config: &Config, mapping: &Mapping, reach: &Reach) -> Result<Opened, Trouble> {
    let mut session = Session::open(config, &reach.net, &reach.clock).await?;
    let filters = mapping.filters();
    let mut early = Vec::new();
    let outcomes = session.subscribe(&filters, &mut early).await?;
    let refused: Vec<(String, String)> = filters
        .iter()
        .zip(outcomes)
        .filter_map(|(filter, outcome)| Some((filter.clone(), outcome.err()?)))
        .collect();
    if let Some((_, reason)) = refused.first().filter(|_| refused.len() == filters.len()) {
        return Err(Trouble::NothingAllowed(reason.clone()));
    }
    let link = Link::Outside { session: Box::new(session), early: early.into(), qos: config.qos };
    Ok(Opened { link, refused })
}

/// What the device may do at the broker of this node. Without rules of its own it may say anything, and hear what is
/// meant for it.
pub(crate) fn account(config: &Config, mapping: &Mapping) -> Account {
    let (publish, subscribe) = match &config.allow {
        Some(allow) => (allow.publish.clone(), allow.subscribe.clone()),
        None => (vec!["#".to_string()], downward(mapping)),
    };
    Account {
        client_id: config.client_id.clone(),
        username: config.username.clone(),
        password: config.password.clone(),
        publish,
        subscribe,
    }
}

fn downward(mapping: &Mapping) -> Vec<String> {
    match mapping.payload.profile {
        Profile::Thingsboard => thingsboard::downward(),
        Profile::Tsl => tsl::downward(mapping.root()),
        Profile::Json | Profile::Raw => {
            let sets = mapping.items.iter().filter_map(|item| item.address.as_ref()?.set.as_ref());
            sets.map(|set| set.topic.clone()).collect()
        }
    }
}
