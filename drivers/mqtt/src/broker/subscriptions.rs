//! Who subscribes to what: an index from topic to subscribers.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{client::Client, session::Subscription, topic};

/// One client's subscription at one place of the index.
struct Entry {
    client: Arc<Client>,
    subscription: Subscription,
}

/// Members that share one subscription; each message goes to one of them.
struct Group {
    name: Box<str>,
    members: Vec<Entry>,
    /// Whose turn it is.
    turn: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Node {
    levels: HashMap<Box<str>, Node>,
    /// Behind `+`.
    any: Option<Box<Node>>,
    /// Filters that end here.
    here: Leaf,
    /// Filters that end here with `#`.
    rest: Leaf,
}

#[derive(Default)]
struct Leaf {
    entries: Vec<Entry>,
    groups: Vec<Group>,
}

/// The index.
#[derive(Default)]
pub(crate) struct Subscriptions {
    /// Filters without wildcards, which are most.
    exact: HashMap<Box<str>, Leaf>,
    wild: Node,
}

/// One subscriber of a topic; overlapping subscriptions of a client are one.
pub(crate) struct Target {
    pub(crate) client: Arc<Client>,
    pub(crate) qos: u8,
    pub(crate) retain_as_published: bool,
    pub(crate) ids: Option<Arc<[u32]>>,
}

/// Subscribers of which one gets the message.
pub(crate) struct Circle {
    pub(crate) targets: Vec<Target>,
    turn: Arc<AtomicUsize>,
}

impl Circle {
    /// The members, beginning with the one whose turn it is.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = &Target> {
        let start = self.turn.fetch_add(1, Ordering::Relaxed) % self.targets.len().max(1);
        self.targets[start..].iter().chain(&self.targets[..start])
    }

    /// The member that is there and whose turn it is; one with room goes first.
    pub(crate) fn next_connected(&self) -> Option<&Target> {
        let mut full = None;
        for target in self.in_turn().filter(|target| target.client.is_connected()) {
            if !target.client.is_full() {
                return Some(target);
            }
            full = full.or(Some(target));
        }
        full
    }

    /// A member to wait for, when none that is there has room.
    pub(crate) fn full(&self) -> Option<&Arc<Client>> {
        let full = self.targets.iter().find(|target| target.client.is_full())?;
        let free = |target: &Target| target.client.is_connected() && !target.client.is_full();
        (!self.targets.iter().any(free)).then_some(&full.client)
    }
}

/// All that a message on one topic goes to.
#[derive(Default)]
pub(crate) struct Matched {
    pub(crate) targets: Vec<Target>,
    pub(crate) circles: Vec<Circle>,
}

impl Leaf {
    fn put(&mut self, group: Option<&str>, client: &Arc<Client>, subscription: Subscription) {
        let entries = match group {
            None => &mut self.entries,
            Some(name) => {
                let at = self.groups.iter().position(|g| &*g.name == name).unwrap_or_else(|| {
                    self.groups.push(Group { name: name.into(), members: Vec::new(), turn: Arc::default() });
                    self.groups.len() - 1
                });
                &mut self.groups[at].members
            }
        };
        match entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.client, client)) {
            Some(entry) => entry.subscription = subscription,
            None => {
                // Most places have one subscriber: no room is made ahead.
                entries.reserve_exact(1);
                entries.push(Entry { client: client.clone(), subscription });
            }
        }
    }

    fn remove(&mut self, group: Option<&str>, client: &Arc<Client>) {
        match group {
            None => self.entries.retain(|entry| !Arc::ptr_eq(&entry.client, client)),
            Some(name) => {
                if let Some(group) = self.groups.iter_mut().find(|g| &*g.name == name) {
                    group.members.retain(|entry| !Arc::ptr_eq(&entry.client, client));
                }
                self.groups.retain(|group| !group.members.is_empty());
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.groups.is_empty()
    }

    fn collect(&self, publisher: &Arc<Client>, to: &mut Collecting) {
        for entry in &self.entries {
            if !(entry.subscription.options.no_local && Arc::ptr_eq(&entry.client, publisher)) {
                to.add(entry);
            }
        }
        for group in &self.groups {
            let targets = group.members.iter().map(Entry::target).collect();
            to.matched.circles.push(Circle { targets, turn: group.turn.clone() });
        }
    }
}

impl Entry {
    fn target(&self) -> Target {
        Target {
            client: self.client.clone(),
            qos: self.subscription.options.qos,
            retain_as_published: self.subscription.options.retain_as_published,
            ids: self.subscription.id.map(|id| Arc::from([id])),
        }
    }
}

#[derive(Default)]
struct Collecting {
    matched: Matched,
    /// Place in `matched.targets` by client number.
    places: HashMap<u64, usize>,
}

impl Collecting {
    fn add(&mut self, entry: &Entry) {
        let Some(at) = self.places.get(&entry.client.number) else {
            self.places.insert(entry.client.number, self.matched.targets.len());
            self.matched.targets.push(entry.target());
            return;
        };
        let target = &mut self.matched.targets[*at];
        target.qos = target.qos.max(entry.subscription.options.qos);
        target.retain_as_published |= entry.subscription.options.retain_as_published;
        if let Some(id) = entry.subscription.id {
            let before = target.ids.as_deref().unwrap_or_default();
            target.ids = Some(before.iter().copied().chain([id]).collect());
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }

    fn leaf(&mut self, filter: &str) -> &mut Leaf {
        let mut node = self;
        for level in filter.split('/') {
            node = match level {
                "#" => return &mut node.rest,
                "+" => node.any.get_or_insert_default(),
                _ => node.levels.entry(level.into()).or_default(),
            };
        }
        &mut node.here
    }

    /// Takes a client out and gives empty places back. The depth is bounded by the number of levels of a filter.
    fn remove<'a>(
        &mut self,
        mut levels: impl Iterator<Item = &'a str>,
        group: Option<&str>,
        client: &Arc<Client>,
    ) {
        match levels.next() {
            None => self.here.remove(group, client),
            Some("#") => self.rest.remove(group, client),
            Some("+") => {
                if let Some(any) = &mut self.any {
                    any.remove(levels, group, client);
                    if any.is_empty() {
                        self.any = None;
                    }
                }
            }
            Some(level) => {
                if let Some(node) = self.levels.get_mut(level) {
                    node.remove(levels, group, client);
                    if node.is_empty() {
                        self.levels.remove(level);
                    }
                }
            }
        }
    }

    fn collect<'a>(
        &self,
        mut levels: impl Iterator<Item = &'a str> + Clone,
        publisher: &Arc<Client>,
        to: &mut Collecting,
    ) {
        self.rest.collect(publisher, to);
        let Some(level) = levels.next() else { return self.here.collect(publisher, to) };
        if let Some(node) = self.levels.get(level) {
            node.collect(levels.clone(), publisher, to);
        }
        if let Some(any) = &self.any {
            any.collect(levels, publisher, to);
        }
    }
}

impl Subscriptions {
    /// Puts a subscription in, in place of one with the same filter.
    pub(crate) fn put(&mut self, filter: &str, client: &Arc<Client>, subscription: Subscription) {
        let (group, filter) = parts(filter);
        let leaf = match filter.contains(['+', '#']) {
            true => self.wild.leaf(filter),
            false => self.exact.entry(filter.into()).or_default(),
        };
        leaf.put(group, client, subscription);
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, filter: &str, client: &Arc<Client>) {
        let (group, filter) = parts(filter);
        if filter.contains(['+', '#']) {
            self.wild.remove(filter.split('/'), group, client);
        } else if let Some(leaf) = self.exact.get_mut(filter) {
            leaf.remove(group, client);
            if leaf.is_empty() {
                self.exact.remove(filter);
            }
        }
    }

    /// Who gets what `publisher` sends to `topic`.
    pub(crate) fn matching(&self, topic: &str, publisher: &Arc<Client>) -> Matched {
        let mut to = Collecting::default();
        if let Some(leaf) = self.exact.get(topic) {
            leaf.collect(publisher, &mut to);
        }
        if topic.starts_with('$') {
            // Only below its own first level: wildcards at the front do not see it.
            let mut levels = topic.split('/');
            if let Some(node) = levels.next().and_then(|first| self.wild.levels.get(first)) {
                node.collect(levels, publisher, &mut to);
            }
        } else {
            self.wild.collect(topic.split('/'), publisher, &mut to);
        }
        to.matched
    }
}

fn parts(filter: &str) -> (Option<&str>, &str) {
    match topic::shared(filter) {
        Ok(Some((group, filter))) => (Some(group), filter),
        _ => (None, filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::Options;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn subscription(qos: u8) -> Subscription {
        let options = Options { qos, no_local: false, retain_as_published: false, retain_handling: 0 };
        Subscription { options, id: None }
    }

    fn clients(n: u64) -> Vec<Arc<Client>> {
        (0..n).map(|i| Arc::new(Client::new(i, &i.to_string()))).collect()
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just(""), Just("+"), Just("$x")];
        (prop::collection::vec(level, 1..5), any::<bool>()).prop_map(|(mut levels, rest)| {
            if rest {
                levels.push("#");
            }
            levels.join("/")
        })
    }

    proptest! {
        #[test]
        fn the_index_finds_what_comparing_one_by_one_finds(
            steps in prop::collection::vec((any::<bool>(), 0_usize..4, filter()), 0..40),
            topics in prop::collection::vec("(a|b|\\$x|)(/(a|b|\\$x|)){0,4}", 1..10),
        ) {
            let clients = clients(5);
            let (mut index, mut plain) = (Subscriptions::default(), BTreeSet::new());
            for (put, client, filter) in &steps {
                if *put {
                    index.put(filter, &clients[*client], subscription(1));
                    plain.insert((*client, filter.clone()));
                } else {
                    index.remove(filter, &clients[*client]);
                    plain.remove(&(*client, filter.clone()));
                }
            }
            for topic in &topics {
                let found: BTreeSet<u64> =
                    index.matching(topic, &clients[4]).targets.iter().map(|t| t.client.number).collect();
                let wanted: BTreeSet<u64> =
                    plain.iter().filter(|(_, f)| topic::matches(f, topic)).map(|(c, _)| *c as u64).collect();
                prop_assert_eq!(found, wanted, "{}", topic);
            }
            for (client, filter) in plain {
                index.remove(&filter, &clients[client]);
            }
            prop_assert!(index.exact.is_empty() && index.wild.is_empty(), "nothing is left behind");
        }
    }

    #[test]
    fn a_circle_goes_round_and_empty_groups_are_gone() {
        let clients = clients(3);
        let mut index = Subscriptions::default();
        for client in &clients {
            index.put("$share/g/a/+", client, subscription(1));
        }
        index.put("$share/h/a/b", &clients[0], subscription(1));
        let matched = index.matching("a/b", &clients[0]);
        assert_eq!((matched.targets.len(), matched.circles.len()), (0, 2));
        let circle = matched.circles.iter().find(|circle| circle.targets.len() == 3).unwrap();
        let firsts: Vec<u64> = (0..6).map(|_| circle.in_turn().next().unwrap().client.number).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
        for client in &clients {
            index.remove("$share/g/a/+", client);
        }
        index.remove("$share/h/a/b", &clients[0]);
        assert!(index.exact.is_empty() && index.wild.is_empty());
    }
}
