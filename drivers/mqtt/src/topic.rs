//! Topic names and filters (MQTT 5.0, 4.7; the same in 3.1.1). Pure.

/// The longest topic that is taken here; the standard allows 65,535 bytes, which no plant uses and every table pays for.
pub(crate) const TOPIC_BYTES_MAX: usize = 1_024;

/// A text that is no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopicError {
    /// Nothing there.
    #[error("there is no topic: write one such as plant/line-1/state")]
    Empty,
    /// See [`TOPIC_BYTES_MAX`].
    #[error("the topic is longer than {TOPIC_BYTES_MAX} bytes: shorten it")]
    Length,
    /// U+0000 is not allowed anywhere.
    #[error("the topic holds a null character: take it out")]
    Null,
    /// A wildcard that is not a level of its own, or `#` before the end.
    #[error("`+` stands for a whole level and `#` for all that follows: write plant/+/state or plant/#")]
    Wildcard,
    /// A wildcard where something is sent.
    #[error("a message goes to one topic: write it without `+` and `#`")]
    NotConcrete,
}

/// Whether `filter` is one.
pub(crate) fn check_filter(filter: &str) -> Result<(), TopicError> {
    check(filter)?;
    let levels = filter.split('/').count();
    for (level, text) in filter.split('/').enumerate() {
        let wild = text.contains(['+', '#']);
        if wild && (text.len() > 1 || (text == "#" && level + 1 < levels)) {
            return Err(TopicError::Wildcard);
        }
    }
    Ok(())
}

/// Whether a message can be sent to `topic`.
pub(crate) fn check_name(topic: &str) -> Result<(), TopicError> {
    check(topic)?;
    if topic.contains(['+', '#']) { Err(TopicError::NotConcrete) } else { Ok(()) }
}

fn check(text: &str) -> Result<(), TopicError> {
    match text {
        "" => Err(TopicError::Empty),
        t if t.len() > TOPIC_BYTES_MAX => Err(TopicError::Length),
        t if t.contains('\0') => Err(TopicError::Null),
        _ => Ok(()),
    }
}

/// Whether a message on `topic` is meant by `filter`. A wildcard first level leaves out topics that begin with `$`.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            // `a/#` means `a` as well.
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Whether every topic that `narrow` means is meant by `wide` too.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    if narrow.starts_with('$') && wide.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = narrow.split('/');
    for level in wide.split('/') {
        match (level, levels.next()) {
            ("#", _) => return true,
            (_, None | Some("#")) => return false,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_mean_what_the_standard_says() {
        for (filter, topic, meant) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+/c", "a/b/c", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/load", false),
            ("+/load", "$SYS/load", false),
            ("$SYS/#", "$SYS/load", true),
            ("/+", "/a", true),
            ("+", "/a", false),
        ] {
            assert_eq!(matches(filter, topic), meant, "{filter} {topic}");
        }
    }

    #[test]
    fn a_wide_filter_covers_a_narrow_one() {
        for (wide, narrow, covered) in [
            ("a/#", "a/b", true),
            ("a/#", "a/+/c", true),
            ("a/+", "a/b", true),
            ("a/b", "a/+", false),
            ("a/+", "a/#", false),
            ("#", "$SYS/a", false),
            ("a/b", "a/b", true),
        ] {
            assert_eq!(covers(wide, narrow), covered, "{wide} {narrow}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert_eq!(check_filter("a/#/b"), Err(TopicError::Wildcard));
        assert_eq!(check_filter("a+"), Err(TopicError::Wildcard));
        assert_eq!(check_filter(""), Err(TopicError::Empty));
        assert_eq!(check_filter("+/a/#"), Ok(()));
        assert_eq!(check_name("a/+"), Err(TopicError::NotConcrete));
        assert_eq!(check_name("a\0"), Err(TopicError::Null));
    }
}
