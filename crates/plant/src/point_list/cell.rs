//! What single cells hold, both ways. Pure.

use std::collections::BTreeMap;

use types::{Label, ValueType};

/// Keeps a spreadsheet from running a text as a formula: it gets a leading apostrophe, as one would type it there.
pub(crate) fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\'']) { format!("'{text}") } else { text.to_string() }
}

/// The text behind [`guarded`].
pub(crate) fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').unwrap_or(text)
}

/// By our name or by one that engineers write.
pub(crate) fn value_type(text: &str) -> Option<ValueType> {
    Some(match text.to_lowercase().as_str() {
        "bool" | "boolean" | "bit" | "布尔" | "开关量" => ValueType::Bool,
        "i64" | "int" | "integer" | "int8" | "int16" | "int32" | "int64" | "整数" | "有符号整数" => {
            ValueType::I64
        }
        "u64" | "uint" | "uint8" | "uint16" | "uint32" | "uint64" | "word" | "dword" | "无符号整数" => {
            ValueType::U64
        }
        "f32" | "float" | "float32" | "real" | "单精度" | "浮点" => ValueType::F32,
        "f64" | "double" | "float64" | "lreal" | "双精度" => ValueType::F64,
        "string" | "text" | "文本" | "字符串" => ValueType::String,
        "bytes" | "字节" => ValueType::Bytes,
        _ => return None,
    })
}

/// A number as people write it; a decimal comma is taken where the list is separated by `;`.
pub(crate) fn number(text: &str, decimal_comma: bool) -> Option<f64> {
    let text = if decimal_comma { text.replace(',', ".") } else { text.to_string() };
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// `0=停机|stopped; 1=运行|running`; one language alone stands without `|` (English) or with it behind (Chinese).
/// A backslash takes the meaning from `\ ; | =`.
pub(crate) fn states_text(states: &BTreeMap<i64, Label>) -> String {
    let one = |(value, label): (&i64, &Label)| {
        let (zh, en) = (escaped(&label.zh), escaped(&label.en));
        if zh.is_empty() { format!("{value}={en}") } else { format!("{value}={zh}|{en}") }
    };
    states.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// See [`states_text`]; `None` when it is not that.
pub(crate) fn states(text: &str) -> Option<BTreeMap<i64, Label>> {
    let mut states = BTreeMap::new();
    for part in split(text, &[';', '；']) {
        if part.trim().is_empty() {
            continue;
        }
        let [value, names] = <[String; 2]>::try_from(split(&part, &['='])).ok()?;
        let value: i64 = value.trim().parse().ok()?;
        let mut names = split(&names, &['|']).into_iter().map(|name| unescaped(name.trim()));
        let label = match (names.next()?, names.next(), names.next()) {
            (en, None, None) => Label { zh: String::new(), en },
            (zh, Some(en), None) => Label { zh, en },
            _ => return None,
        };
        if states.insert(value, label).is_some() {
            return None;
        }
    }
    Some(states)
}

fn escaped(text: &str) -> String {
    let marks = |c: char| matches!(c, '\\' | ';' | '；' | '|' | '=');
    text.chars().flat_map(|c| marks(c).then_some('\\').into_iter().chain([c])).collect()
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// At each separator that no backslash stands before; escapes stay.
fn split(text: &str, separators: &[char]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if separators.contains(&c) {
            parts.push(String::new());
            continue;
        }
        let next = if c == '\\' { chars.next() } else { None };
        if let Some(part) = parts.last_mut() {
            part.push(c);
            part.extend(next);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_map;
    use proptest::prelude::{Strategy, any};

    #[test]
    fn states_survive() {
        let labels = [
            Label::plain("stopped"),
            Label::both("停机", ""),
            Label::both("运行", "running"),
            Label::both("a=b;c；|d\\", "\\|"),
        ];
        let states_in: BTreeMap<_, _> = (-1..).zip(labels).collect();
        assert_eq!(states(&states_text(&states_in)), Some(states_in));
        assert_eq!(states(""), Some(BTreeMap::new()));
        assert_eq!(states("0=停机；1=运行").map(|states| states.len()), Some(2));
        for wrong in ["0", "x=y", "0=a|b|c", "0=a;0=b", "0=a=b"] {
            assert_eq!(states(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn formulas_are_defused() {
        for text in ["=1+1", "@x", "-5", "+5", "'quoted", "plain", ""] {
            let shown = guarded(text);
            assert!(!shown.starts_with(['=', '+', '-', '@']));
            assert_eq!(unguarded(&shown), text);
        }
    }

    #[test]
    fn numbers_as_people_write_them() {
        for (text, comma, expected) in [
            ("1.5", false, Some(1.5)),
            ("1,5", true, Some(1.5)),
            ("1,5", false, None),
            ("-1e-3", false, Some(-0.001)),
            ("inf", false, None),
            ("ten", false, None),
        ] {
            assert_eq!(number(text, comma), expected, "{text}");
        }
    }

    /// Names in one language or both, without spaces at their ends, as the plant model keeps them.
    fn any_states() -> impl Strategy<Value = BTreeMap<i64, Label>> {
        let name = || "[^\\pC]{0,10}".prop_map(|name| name.trim().to_string());
        let label = (name(), name()).prop_map(|(zh, en)| Label { zh, en });
        btree_map(any::<i64>(), label.prop_filter("a state has a name", |label| !label.is_empty()), 0..8)
    }

    proptest::proptest! {
        #[test]
        fn any_states_survive(list in any_states()) {
            proptest::prop_assert_eq!(states(&states_text(&list)), Some(list));
        }

        #[test]
        fn any_text_is_an_answer(text in "\\PC*") {
            let _ = (states(&text), value_type(&text), number(&text, true));
            let shown = guarded(&text);
            proptest::prop_assert_eq!(unguarded(&shown), text);
        }
    }
}
