//! JSON one level at a time, borrowed from the message: what is not asked for is skipped, not built. Pure; no input
//! makes it panic, and nesting costs no stack.

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::HashMap, fmt};

/// The deepest place a pointer may name.
pub(crate) const DEPTH_MAX: usize = 16;

/// A place in a JSON document (RFC 6901). Empty: all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Pointer(pub(crate) Vec<String>);

/// A text that is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PointerError {
    /// See RFC 6901, 3.
    #[error("`{0}` is no JSON pointer: write /values/temp, with `~1` for a `/` in a name and `~0` for a `~`")]
    Shape(String),
    /// See [`DEPTH_MAX`].
    #[error("the pointer is deeper than {DEPTH_MAX} levels: point at the part above")]
    Depth,
}

impl Pointer {
    /// Reads `/a/0/b`.
    pub(crate) fn parse(text: &str) -> Result<Pointer, PointerError> {
        let wrong = || PointerError::Shape(text.chars().take(60).collect());
        if text.is_empty() {
            return Ok(Pointer::default());
        }
        let rest = text.strip_prefix('/').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        for step in rest.split('/') {
            let escapes_right = step.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
            if !escapes_right {
                return Err(wrong());
            }
            steps.push(step.replace("~1", "/").replace("~0", "~"));
        }
        if steps.len() > DEPTH_MAX { Err(PointerError::Depth) } else { Ok(Pointer(steps)) }
    }

    /// This place and one step on.
    pub(crate) fn then(&self, step: impl Into<String>) -> Pointer {
        let mut steps = self.0.clone();
        steps.push(step.into());
        Pointer(steps)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

/// The way to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Of an object.
    Key(Cow<'a, str>),
    /// Of an array.
    Index(usize),
}

impl Step<'_> {
    /// As a pointer writes it.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Step::Key(key) => Cow::Borrowed(key),
            Step::Index(index) => Cow::Owned(index.to_string()),
        }
    }
}

/// Checks that `text` is JSON and hands back its one value without the space around it.
pub(crate) fn check(text: &str) -> Result<&str, serde_json::Error> {
    serde_json::from_str::<&RawValue>(text).map(RawValue::get)
}

/// The members of an object or array, each with its own raw text; none of anything else.
pub(crate) fn members<'a>(
    raw: &'a str,
    each: &mut dyn FnMut(Step<'a>, &'a str),
) -> Result<(), serde_json::Error> {
    if !raw.trim_start().starts_with(['{', '[']) {
        return Ok(());
    }
    let mut reader = serde_json::Deserializer::from_str(raw);
    reader.deserialize_any(Members(each))?;
    reader.end()
}

/// One member of an object by its name; the last one when it is there twice, as most readers do.
pub(crate) fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    let read = members(raw, &mut |step, value| {
        if matches!(&step, Step::Key(key) if key == name) {
            found = Some(value);
        }
    });
    read.ok().and(found)
}

/// The text of a JSON string.
pub(crate) fn string(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.starts_with('"') {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(raw);
    let text = reader.deserialize_str(Text).ok()?;
    reader.end().ok().map(|()| text)
}

struct Members<'f, 'a>(&'f mut dyn FnMut(Step<'a>, &'a str));

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            let value: &'a RawValue = map.next_value()?;
            (self.0)(Step::Key(key), value.get());
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(value) = seq.next_element::<&'a RawValue>()? {
            (self.0)(Step::Index(index), value.get());
            index += 1;
        }
        Ok(())
    }
}

/// A string, borrowed unless it has escapes.
struct Text;

impl<'a> serde::de::DeserializeSeed<'a> for Text {
    type Value = Cow<'a, str>;
    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Cow<'a, str>, D::Error> {
        from.deserialize_str(Text)
    }
}

impl<'a> Visitor<'a> for Text {
    type Value = Cow<'a, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_string()))
    }
}

/// The places that somebody wants, as a tree: one walk over a message finds all of them.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    here: Vec<u32>,
    below: HashMap<String, Wanted>,
    /// The largest array index asked for, so that long arrays cost nothing behind it.
    index_max: Option<usize>,
}

impl Wanted {
    /// Asks for one more place.
    pub(crate) fn add(&mut self, steps: &[String], item: u32) {
        match steps.split_first() {
            None => self.here.push(item),
            Some((step, rest)) => {
                if let Ok(index) = step.parse::<usize>() {
                    self.index_max = self.index_max.max(Some(index));
                }
                self.below.entry(step.clone()).or_default().add(rest, item);
            }
        }
    }

    /// What is wanted below a member.
    pub(crate) fn below(&self, step: &Step<'_>) -> Option<&Wanted> {
        match step {
            Step::Key(key) => self.below.get(key.as_ref()),
            Step::Index(index) if Some(*index) <= self.index_max => self.below.get(step.text().as_ref()),
            Step::Index(_) => None,
        }
    }

    /// Every wanted place of a checked document with its raw text, in the order of the document. A place that the
    /// document names twice comes twice.
    pub(crate) fn find<'a>(&self, raw: &'a str, found: &mut Vec<(u32, &'a str)>) {
        found.extend(self.here.iter().map(|item| (*item, raw)));
        if self.below.is_empty() {
            return;
        }
        // The document was checked, so this cannot fail; if it did, what is missing is missing.
        let _checked = members(raw, &mut |step, value| {
            if let Some(below) = self.below(&step) {
                below.find(value, found);
            }
        });
    }
}

/// Every leaf of a checked document with its place: what is no object and no array, empty ones too. What lies deeper
/// than [`DEPTH_MAX`] counts as one leaf. At most `max`.
pub(crate) fn leaves(raw: &str, max: usize) -> Vec<(Pointer, &str)> {
    let mut found = Vec::new();
    gather(raw, &Pointer::default(), max, &mut found);
    found
}

fn gather<'a>(raw: &'a str, at: &Pointer, max: usize, found: &mut Vec<(Pointer, &'a str)>) {
    let mut inner = false;
    if at.0.len() < DEPTH_MAX {
        let _checked = members(raw, &mut |step, value| {
            inner = true;
            if found.len() < max {
                gather(value, &at.then(step.text()), max, found);
            }
        });
    }
    if !inner && found.len() < max {
        found.push((at.clone(), raw));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find<'a>(pointers: &[&str], text: &'a str) -> Vec<(u32, &'a str)> {
        let mut wanted = Wanted::default();
        for (item, pointer) in (0..).zip(pointers) {
            wanted.add(&Pointer::parse(pointer).unwrap().0, item);
        }
        let mut found = Vec::new();
        wanted.find(check(text).unwrap(), &mut found);
        found
    }

    #[test]
    fn one_walk_finds_every_place() {
        let text = r#" {"a":{"b":[1,{"c":2}],"b c":3},"~/":4,"x":1e999} "#;
        assert_eq!(
            find(&["/a/b/1/c", "/a/b c", "/~0~1", "/a/b/0", "/a/b/7", "/x", "/y"], text),
            [(3, "1"), (0, "2"), (1, "3"), (2, "4"), (5, "1e999")]
        );
        assert_eq!(find(&[""], " 21.5\n"), [(0, "21.5")]);
        assert_eq!(find(&["/a"], r#"{"a":1,"a":2}"#), [(0, "1"), (0, "2")], "both are seen");
        assert_eq!(find(&["/a", "/a/b"], r#"{"a":{"b":1}}"#), [(0, r#"{"b":1}"#), (1, "1")]);
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{}1{}", "[".repeat(400_000), "]".repeat(400_000));
        assert_eq!(find(&["/0/0/0"], &deep).len(), 1);
        assert_eq!(leaves(check(&deep).unwrap(), 10).len(), 1);
    }

    #[test]
    fn pointers_come_back() {
        for text in ["", "/", "/a~1b/~0", "/0/1"] {
            assert_eq!(Pointer::parse(text).unwrap().to_string(), text);
        }
        for text in ["a", "/~2", "/a~"] {
            assert!(matches!(Pointer::parse(text), Err(PointerError::Shape(_))), "{text}");
        }
        assert_eq!(Pointer::parse(&"/a".repeat(DEPTH_MAX + 1)), Err(PointerError::Depth));
    }

    proptest! {
        #[test]
        fn leaves_are_found_again_by_their_places(text in r#"[\[\]{}",:a0-9. ]{0,40}"#) {
            if let Ok(raw) = check(&text) {
                for (pointer, leaf) in leaves(raw, 100) {
                    let hits = find(&[pointer.to_string().as_str()], raw);
                    prop_assert!(hits.contains(&(0, leaf)));
                }
            }
        }
    }
}
