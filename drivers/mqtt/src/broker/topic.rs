//! Topics and filters: what is well formed, what matches, what a right covers.

pub(crate) use crate::topic::{TOPIC_BYTES_MAX, matches};

/// The most levels of a topic or filter; bounds the depth of the index of subscriptions.
pub const TOPIC_LEVELS_MAX: usize = 64;
/// Topics below this are between one client and its account: never routed, never retained. Same names for every device,
/// as ThingsBoard's devices use them.
pub const OWN_TOPICS: &str = "v1/devices/me/";
const SHARED: &str = "$share/";

fn short(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= TOPIC_BYTES_MAX
        && !text.contains('\0')
        && text.bytes().filter(|b| *b == b'/').count() < TOPIC_LEVELS_MAX
}

/// May be published to (MQTT 5, 4.7).
pub fn is_topic(text: &str) -> bool {
    short(text) && !text.contains(['+', '#'])
}

/// May be subscribed to, without a `$share` in front.
pub fn is_filter(text: &str) -> bool {
    if !short(text) {
        return false;
    }
    let mut levels = text.split('/').peekable();
    while let Some(level) = levels.next() {
        let well = match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            _ => !level.contains(['+', '#']),
        };
        if !well {
            return false;
        }
    }
    true
}

/// Group and filter of a shared subscription (MQTT 5, 4.8.2); `None` when it is not shared.
///
/// # Errors
/// When it starts like one and is not well formed.
pub(crate) fn shared(text: &str) -> Result<Option<(&str, &str)>, ()> {
    let Some(rest) = text.strip_prefix(SHARED) else { return Ok(None) };
    match rest.split_once('/') {
        Some((group, filter)) if !group.is_empty() && !group.contains(['+', '#']) && !filter.is_empty() => {
            Ok(Some((group, filter)))
        }
        _ => Err(()),
    }
}

/// The filter of a subscription without its group.
pub(crate) fn unshared(text: &str) -> &str {
    shared(text).ok().flatten().map_or(text, |(_, filter)| filter)
}

/// Between one client and its account only.
pub(crate) fn is_own(topic: &str) -> bool {
    topic.starts_with(OWN_TOPICS)
}

/// A filter that starts with a wildcard does not match a topic that starts with `$` (4.7.2).
fn hides(filter: &str, topic: &str) -> bool {
    topic.starts_with('$') && filter.starts_with(['+', '#'])
}

/// Every topic that matches `wanted` matches `right`.
pub(crate) fn covers(right: &str, wanted: &str) -> bool {
    if hides(right, wanted) {
        return false;
    }
    let (mut right, mut wanted) = (right.split('/'), wanted.split('/'));
    loop {
        match (right.next(), wanted.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard() {
        for (filter, topic, wanted) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "a/b", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/monitor", false),
            ("+/monitor", "$SYS/monitor", false),
            ("$SYS/#", "$SYS/monitor", true),
            ("sport", "Sport", false),
        ] {
            assert_eq!(matches(filter, topic), wanted, "{filter} {topic}");
        }
        for (filter, wanted) in [
            ("#", true),
            ("a/#", true),
            ("a/b#", false),
            ("a/#/b", false),
            ("+", true),
            ("+/a/#", true),
            ("a+", false),
            ("", false),
            ("/", true),
            ("a\0b", false),
        ] {
            assert_eq!(is_filter(filter), wanted, "{filter}");
        }
        assert!(is_topic("/") && !is_topic("") && !is_topic("a/+") && !is_topic("#"));
        assert!(!is_topic(&"a/".repeat(TOPIC_LEVELS_MAX)) && !is_topic(&"a".repeat(TOPIC_BYTES_MAX + 1)));
    }

    #[test]
    fn shared_filters_are_taken_apart() {
        assert_eq!(shared("$share/g/a/+"), Ok(Some(("g", "a/+"))));
        assert_eq!(shared("a/b"), Ok(None));
        for wrong in ["$share/g", "$share//a", "$share/g/", "$share/+/a"] {
            assert!(shared(wrong).is_err(), "{wrong}");
        }
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

    fn topic() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just(""), Just("$x")];
        prop::collection::vec(level, 1..6).prop_map(|levels| levels.join("/"))
    }

    proptest! {
        #[test]
        fn a_right_that_covers_a_filter_matches_whatever_it_matches(
            right in filter(), wanted in filter(), topic in topic()
        ) {
            if covers(&right, &wanted) && matches(&wanted, &topic) {
                prop_assert!(matches(&right, &topic));
            }
        }

        #[test]
        fn every_text_is_judged_without_panic(text in ".{0,40}") {
            let _ = (is_topic(&text), is_filter(&text), shared(&text), covers(&text, "a/#"), matches("a/#", &text));
        }
    }
}
