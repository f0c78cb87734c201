//! Retained messages: the newest of each topic, for those who subscribe later.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Publish, limits, topic};

/// All retained messages, in memory, bounded by number and bytes.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    by_topic: BTreeMap<Arc<str>, Arc<Publish>>,
    bytes: usize,
}

impl Retained {
    /// Keeps a message in place of the one before; an empty payload removes it. False when there is no room: the one
    /// before is kept then.
    pub(crate) fn put(&mut self, publish: &Arc<Publish>) -> bool {
        if publish.payload.is_empty() {
            self.remove(&publish.topic);
            return true;
        }
        let before = self.by_topic.get(&publish.topic).map_or(0, |old| old.weight());
        let bytes = self.bytes - before + publish.weight();
        if bytes > limits::RETAINED_BYTES_MAX || (before == 0 && self.by_topic.len() >= limits::RETAINED_MAX)
        {
            return false;
        }
        self.bytes = bytes;
        self.by_topic.insert(publish.topic.clone(), publish.clone());
        true
    }

    fn remove(&mut self, topic: &str) {
        if let Some(old) = self.by_topic.remove(topic) {
            self.bytes -= old.weight();
        }
    }

    /// What matches a filter and has not expired. Topics are in order, so only those that begin like the filter are
    /// looked at.
    pub(crate) fn matching(&self, filter: &str, now: Duration) -> Vec<Arc<Publish>> {
        let alive = |publish: &&Arc<Publish>| !publish.is_expired(now);
        let Some(wild) = filter.find(['+', '#']) else {
            return self.by_topic.get(filter).filter(alive).cloned().into_iter().collect();
        };
        // `a/#` matches `a` itself too.
        let start = filter[..wild].trim_end_matches('/');
        let from = (std::ops::Bound::Included(start), std::ops::Bound::Unbounded);
        self.by_topic
            .range::<str, _>(from)
            .take_while(|(name, _)| name.starts_with(start))
            .filter(|(name, _)| topic::matches(filter, name))
            .map(|(_, publish)| publish)
            .filter(alive)
            .cloned()
            .collect()
    }

    /// Forgets what expired.
    pub(crate) fn sweep(&mut self, now: Duration) {
        let gone: Vec<Arc<str>> =
            self.by_topic.values().filter(|p| p.is_expired(now)).map(|p| p.topic.clone()).collect();
        for topic in gone {
            self.remove(&topic);
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.by_topic.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use types::Time;

    fn publish(topic: &str, payload: Vec<u8>) -> Arc<Publish> {
        Arc::new(Publish { retain: true, ..Publish::new(topic, payload.into(), 0, Time(0)) })
    }

    #[test]
    fn bytes_and_number_are_bounded_and_the_one_before_stays() {
        let mut retained = Retained::default();
        let large = vec![0; limits::RETAINED_BYTES_MAX / 2];
        assert!(retained.put(&publish("a", large.clone())));
        assert!(!retained.put(&publish("b", large.clone())));
        assert!(retained.put(&publish("a", vec![1])));
        assert!(retained.put(&publish("b", large.clone())) && !retained.put(&publish("a", large)));
        assert_eq!(retained.matching("a", Duration::ZERO)[0].payload, Bytes::from_static(&[1]));
        for topic in ["a", "b"] {
            assert!(retained.put(&publish(topic, Vec::new())));
        }
        assert_eq!((retained.len(), retained.bytes), (0, 0));
        for i in 0..limits::RETAINED_MAX {
            assert!(retained.put(&publish(&i.to_string(), vec![0])));
        }
        assert!(!retained.put(&publish("one more", vec![0])));
        assert!(retained.put(&publish("0", vec![1])));
    }

    proptest! {
        #[test]
        fn a_filter_finds_what_comparing_one_by_one_finds(
            topics in prop::collection::btree_set("(a|b|ab|\\$x|)(/(a|b|)){0,3}", 0..20),
            filter in "(a|b|ab|\\+|\\$x|)(/(a|b|\\+|)){0,3}(/#)?",
        ) {
            let mut retained = Retained::default();
            let topics: Vec<String> = topics.into_iter().filter(|t| topic::is_topic(t)).collect();
            for topic in &topics {
                retained.put(&publish(topic, vec![1]));
            }
            prop_assume!(topic::is_filter(&filter));
            let found: Vec<String> =
                retained.matching(&filter, Duration::ZERO).iter().map(|p| p.topic.to_string()).collect();
            let wanted: Vec<String> = topics.into_iter().filter(|t| topic::matches(&filter, t)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
