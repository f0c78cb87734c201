//! zh and en are both complete: every text in both, every fault code with what happened and what to do next.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{Source, line, none, root, sources};

/// Words that the console does not use, and what it says instead.
const ZH_NOT: &[(&str, &str)] =
    &[("您", "no pronoun"), ("告警", "报警"), ("账本", "存证"), ("合约", "授权规则 or 数据使用协议")];
/// Fewer codes than this and the scan itself is broken.
const CODES_MIN: usize = 20;

type Texts = BTreeMap<String, String>;

/// Every pair `zh.json`/`en.json`, `x.zh.json`/`x.en.json` in the tree: path of the zh one, zh, en.
fn pairs() -> Vec<(String, Texts, Texts)> {
    let root = root();
    let files = xtask::tree::files(&root, &["json"]);
    let catalogues = files.iter().map(|file| xtask::tree::shown(&root, file)).filter(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        !path.starts_with("xtask/")
            && ["zh.json", "en.json"].iter().any(|end| name == *end || name.ends_with(&format!(".{end}")))
    });
    let zh_names: BTreeSet<String> = catalogues.map(|path| path.replace("en.json", "zh.json")).collect();
    zh_names
        .into_iter()
        .map(|zh| (zh.clone(), texts(&zh), texts(&zh.replace("zh.json", "en.json"))))
        .collect()
}

/// All texts of a catalogue with their dotted keys; nested and flat ones alike. An absent file has none.
fn texts(path: &str) -> Texts {
    let mut flat = Texts::new();
    let Ok(text) = std::fs::read_to_string(root().join(path)) else { return flat };
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    flatten("", &json, &mut flat);
    flat
}

fn flatten(prefix: &str, json: &Value, into: &mut Texts) {
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        Value::String(text) => {
            into.insert(prefix.to_string(), text.clone());
        }
        other => {
            into.insert(prefix.to_string(), other.to_string());
        }
    }
}

#[test]
fn both_languages_have_every_text() {
    let mut wrong = Vec::new();
    for (path, zh, en) in pairs() {
        let place = path.replace("zh.json", "{zh,en}.json");
        let keys: BTreeSet<&String> = zh.keys().chain(en.keys()).collect();
        for key in keys {
            match (zh.get(key), en.get(key)) {
                // A fault that explains itself has no `why`, in either language.
                (Some(zh), Some(en)) if zh.is_empty() && en.is_empty() && is_why(key) => {}
                (Some(zh), Some(en)) if zh.trim().is_empty() || en.trim().is_empty() => {
                    wrong.push(format!("{place}: `{key}` is empty"));
                }
                (Some(zh), Some(en)) if placeholders(zh) != placeholders(en) => wrong.push(format!(
                    "{place}: `{key}` takes {:?} in zh and {:?} in en",
                    placeholders(zh),
                    placeholders(en)
                )),
                (Some(_), Some(_)) => {}
                (None, _) => wrong.push(format!("{place}: `{key}` has no zh text")),
                (_, None) => wrong.push(format!("{place}: `{key}` has no en text")),
            }
        }
    }
    none("Texts must be in both languages and take the same values:", wrong);
}

fn is_why(key: &str) -> bool {
    key.starts_with("fault.") && key.ends_with(".why")
}

/// `{name}` in a message; vue-i18n's quoted literals `{'@'}` are no values.
fn placeholders(text: &str) -> BTreeSet<&str> {
    let names = text.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names.map(str::trim).filter(|name| !name.starts_with('\'')).collect()
}

#[test]
fn zh_texts_use_our_words() {
    let mut wrong = Vec::new();
    for (path, zh, _) in pairs() {
        for (key, text) in zh {
            for (word, instead) in ZH_NOT.iter().filter(|(word, _)| text.contains(word)) {
                wrong.push(format!("{path}: `{key}` says {word}: {instead}"));
            }
        }
    }
    none("Words that GLOSSARY.md has another word for:", wrong);
}

#[test]
fn every_fault_code_is_translated() {
    let codes = codes(&sources());
    assert!(codes.len() >= CODES_MIN, "only {} fault codes were found: mend the scan", codes.len());
    let (mut zh, mut en) = (Texts::new(), Texts::new());
    for (_, more_zh, more_en) in pairs() {
        zh.extend(more_zh);
        en.extend(more_en);
    }
    let mut wrong = Vec::new();
    for (code, place) in &codes {
        let lacking: Vec<String> = [("zh", &zh), ("en", &en)]
            .into_iter()
            .flat_map(|(language, texts)| ["what", "next"].map(|part| (language, texts, part)))
            .filter(|(_, texts, part)| !texts.contains_key(&format!("fault.{code}.{part}")))
            .map(|(language, _, part)| format!("{part} in {language}"))
            .collect();
        if !lacking.is_empty() {
            wrong.push(format!("`fault.{code}` lacks {} (given in {place})", lacking.join(", ")));
        }
    }
    none(
        "Fault codes say what happened and what to do next, in both languages (console/src/i18n/faults.*.json):",
        wrong,
    );
}

/// Every message code in the sources with one place that gives it: literals and constants handed to `Fault::new`,
/// the shared `codes`, and dotted literals that open a call when their area is one of those.
fn codes(sources: &[Source]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let constants = constants(sources);
    let mut openers = Vec::new();
    for source in sources.iter().filter(|source| !source.test) {
        let tests_from = test_lines(source);
        for (at, literal) in xtask::source::strings(&source.text) {
            let number = line(&source.text, at);
            if tests_from.contains(&number) || !is_code(&literal) {
                continue;
            }
            let before = source.text[..at].trim_end();
            let place = format!("{}:{number}", source.path);
            if before.ends_with("Fault::new(") {
                found.insert(literal, place);
            } else if before.ends_with('(') && source.text[at + literal.len() + 2..].starts_with(',') {
                openers.push((literal, place));
            }
        }
        for opener in ["Fault::new(", "codes::"] {
            for (at, _) in source.code.match_indices(opener) {
                let rest = source.code[at + opener.len()..].trim_start();
                let path: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
                let name = path.rsplit("::").next().unwrap_or_default();
                if let Some(code) = constants.get(name) {
                    found.insert(code.clone(), format!("{}:{}", source.path, line(&source.code, at)));
                }
            }
        }
    }
    let areas: BTreeSet<String> =
        found.keys().filter_map(|code| Some(code.split_once('.')?.0.to_string())).collect();
    for (literal, place) in openers {
        let area = literal.split_once('.').map(|(area, _)| area);
        if area.is_some_and(|area| areas.contains(area)) {
            found.entry(literal).or_insert(place);
        }
    }
    found
}

/// Lines that were blanked because they belong to a test module.
fn test_lines(source: &Source) -> BTreeSet<usize> {
    let masked = xtask::source::mask(&source.text);
    let lines = masked.lines().zip(source.code.lines()).enumerate();
    lines.filter(|(_, (before, after))| before != after).map(|(n, _)| n + 1).collect()
}

/// `const NAME: &str = "value";` of all sources. Two constants of one name with different values are both codes only
/// if their shape says so; the scan takes the first.
fn constants(sources: &[Source]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.test) {
        for line in source.text.lines() {
            let Some((name, value)) =
                line.split_once("const ").and_then(|(_, rest)| rest.split_once(": &str = \""))
            else {
                continue;
            };
            let value = value.trim_end_matches("\";");
            if is_code(value) {
                all.entry(name.to_string()).or_insert_with(|| value.to_string());
            }
        }
    }
    all
}

/// The shape of a code, such as `device.no-tcp`; event names end in a version and file names in a kind: they are none.
fn is_code(text: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_lowercase())
            && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let version =
        last.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    text.split('.').all(part) && !version && !["toml", "json"].contains(&last)
}

#[test]
fn codes_and_placeholders_are_recognised() {
    for code in ["conflict", "device.no-tcp", "write.step-too-large"] {
        assert!(is_code(code), "{code}");
    }
    for other in ["", "alarms.raised.v1", "Device", "a b", "x/y", ".x", "1.2"] {
        assert!(!is_code(other), "{other}");
    }
    assert_eq!(placeholders("{a} of { b } {'@'}"), BTreeSet::from(["a", "b"]));
}
