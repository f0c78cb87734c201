//! Shows what a device says: its newest messages with every leaf, and its topics as a tree.

use sdk::{Browse, Clock, Inspect, Inspection, Reach};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use types::Fault;

use crate::{
    address::{Address, Source},
    broker::{Broker, Seen, strangers},
    client::Event,
    config::{Config, Profile, Via},
    fault, link, look,
    mapping::Mapping,
    message::Message,
    probe, topic,
};

/// How long is listened at a broker outside.
const LISTEN_FOR: Duration = Duration::from_secs(2);
/// How long an unknown device gets to come back and speak.
const ARRIVE_WITHIN: Duration = Duration::from_secs(3);
/// Messages shown.
const MESSAGES_MAX: usize = 20;
/// Topics that are kept while listening.
const TOPICS_MAX: usize = 2_000;

/// The newest messages and all that can be read of them.
pub(crate) async fn inspect(inspect: Inspect) -> Result<Inspection, Fault> {
    let config = Config::parse(&inspect.config).map_err(fault::first)?;
    let filter = filter(&inspect.address)?;
    let heard = listen(&config, &inspect.reach, &filter).await?;
    let count = usize::from(inspect.cells).clamp(1, MESSAGES_MAX);
    let messages: Vec<Message> = heard.newest(count);
    if messages.is_empty() {
        return Err(fault::nothing_heard(&filter, LISTEN_FOR.as_secs()));
    }
    Ok(look::inspection(&config.payload, &messages))
}

/// The topics seen, as a tree.
pub(crate) async fn browse(browse: Browse) -> Result<(), Fault> {
    let config = Config::parse(&browse.config).map_err(fault::first)?;
    let filter = filter(&browse.at)?;
    let heard = listen(&config, &browse.reach, &filter).await?;
    let messages: Vec<Message> = heard.by_topic.into_values().collect();
    if messages.is_empty() {
        return Err(fault::nothing_heard(&filter, LISTEN_FOR.as_secs()));
    }
    let nodes = look::tree(&config.payload, &messages, browse.at.trim(), browse.deep);
    for some in nodes.chunks(Browse::BATCH_NODES_MAX) {
        if browse.out.send(some.to_vec()).await.is_err() {
            // Whoever asked has left.
            return Ok(());
        }
    }
    Ok(())
}

/// What to listen to: the topic of an address, or everything.
fn filter(address: &str) -> Result<String, Fault> {
    match address.trim() {
        "" => Ok("#".to_string()),
        text => match Address::parse(text)?.source {
            Some(Source::Topic(filter)) => Ok(filter),
            _ => Ok("#".to_string()),
        },
    }
}

/// What was heard: the last messages, and the newest of each topic.
#[derive(Default)]
struct Collected {
    last: VecDeque<Message>,
    by_topic: BTreeMap<String, Message>,
}

impl Collected {
    fn add(&mut self, message: Message) {
        if self.by_topic.len() < TOPICS_MAX || self.by_topic.contains_key(&*message.topic) {
            self.by_topic.insert(message.topic.to_string(), message.clone());
        }
        if self.last.len() >= MESSAGES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(message);
    }

    /// Forgets what is not on this topic.
    fn keep(&mut self, filter: &str) {
        self.last.retain(|message| topic::matches(filter, &message.topic));
        self.by_topic.retain(|name, _| topic::matches(filter, name));
    }

    /// Newest first. Topics that speak seldom are not pushed out by one that never stops.
    fn newest(&self, count: usize) -> Vec<Message> {
        let mut of_topics: Vec<&Message> = self.by_topic.values().collect();
        of_topics.sort_by_key(|message| std::cmp::Reverse(message.received));
        let first = of_topics.into_iter().take(count);
        let mut chosen: Vec<Message> = first.cloned().collect();
        for message in self.last.iter().rev() {
            if chosen.len() < count && !chosen.contains(message) {
                chosen.push(message.clone());
            }
        }
        chosen.sort_by_key(|message| std::cmp::Reverse(message.received));
        chosen
    }
}

async fn listen(config: &Config, reach: &Reach, filter: &str) -> Result<Collected, Fault> {
    match config.via {
        Via::Broker => {
            let mut collected = Collected::default();
            inside(config, reach, &mut collected).await?;
            collected.keep(filter);
            Ok(collected)
        }
        Via::Client => {
            let mut collected = Collected::default();
            let whole = filter == "#" && config.payload.profile == Profile::Tsl;
            let root = config.payload.root.as_deref().unwrap_or_default().trim_end_matches('/');
            let filter = if whole { format!("{root}/#") } else { filter.to_string() };
            let result = outside(config, reach, &filter, &mut collected).await;
            result.map_err(|trouble| trouble.fault(config)).map(|()| collected)
        }
    }
}

/// What the device said last. Of one that nobody knows yet: what it said while it waited; when that was nothing, it is
/// known for a moment, and comes back to speak.
async fn inside(config: &Config, reach: &Reach, collected: &mut Collected) -> Result<(), Fault> {
    let broker = reach.hall.of::<Broker>().ok_or_else(fault::no_broker)?;
    let account = link::account(config, &Mapping::new(config, &[], &|_| None));
    broker.recent(&account).iter().for_each(|publish| collected.add(link::message(publish)));
    let waiting =
        reach.arrivals.list().into_iter().filter(|waiting| strangers::fits(&waiting.arrival, &account));
    waiting.flat_map(strangers::said).for_each(|message| collected.add(message));
    if !collected.last.is_empty() {
        return Ok(());
    }
    // It is known already, and has said nothing.
    let Ok(mut admitted) = broker.admit(account) else { return Ok(()) };
    let until = reach.clock.monotonic() + ARRIVE_WITHIN;
    loop {
        let left = until.saturating_sub(reach.clock.monotonic());
        match reach.clock.timeout(left, admitted.next()).await {
            Err(_) => return Ok(()),
            Ok(Seen::Message(publish)) => collected.add(link::message(&publish)),
            Ok(_) => {}
        }
        // Nobody keeps what an unknown device says; without an answer it would say no more.
        admitted.settle(admitted.ticket(), true);
        if collected.last.len() >= MESSAGES_MAX {
            return Ok(());
        }
    }
}

async fn outside(
    config: &Config,
    reach: &Reach,
    filter: &str,
    collected: &mut Collected,
) -> Result<(), fault::Trouble> {
    let mut session = probe::beside(config, reach, "look").await?;
    let mut early = Vec::new();
    let outcomes = session.subscribe(&[filter.to_string()], &mut early).await?;
    if let Some(Err(reason)) = outcomes.into_iter().next() {
        return Err(fault::Trouble::NothingAllowed(reason));
    }
    let clock = reach.clock.clone();
    early.into_iter().filter_map(|event| message(event, &clock)).for_each(|message| collected.add(message));
    let until = clock.monotonic() + LISTEN_FOR;
    loop {
        let left = until.saturating_sub(clock.monotonic());
        match clock.timeout(left, session.next_settled()).await {
            Err(_) => break,
            Ok(event) => {
                if let Some(message) = message(event?, &clock) {
                    collected.add(message);
                }
            }
        }
    }
    session.close().await;
    Ok(())
}

fn message(event: Event, clock: &Clock) -> Option<Message> {
    match event {
        Event::Message { topic, payload, retained } => {
            Some(Message { topic: topic.into(), payload, retained, received: clock.now() })
        }
        _ => None,
    }
}
