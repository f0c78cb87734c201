//! Words: what types may be called, what the glossary holds, what sources and documents do not speak of.

use crate::tree::{line, none, read, root, sources};

/// Parts of type names that say nothing. `Info` and `Base` hide what is meant as well as `Manager` does.
const EMPTY_WORDS: &[&str] =
    &["Manager", "Helper", "Helpers", "Util", "Utils", "Common", "Base", "Info", "Misc"];

#[test]
fn type_names_say_something() {
    let mut wrong = Vec::new();
    for source in sources() {
        let words: Vec<(usize, &str)> = xtask::source::words(&source.code).collect();
        for pair in words.windows(2) {
            let ((_, keyword), (at, name)) = (pair[0], pair[1]);
            if !["struct", "enum", "trait", "type", "union"].contains(&keyword) {
                continue;
            }
            let empty = camel_words(name).into_iter().find(|word| EMPTY_WORDS.contains(&word.as_str()));
            if let Some(empty) = empty {
                wrong.push(format!(
                    "{}:{}: `{name}` has `{empty}` in it",
                    source.path,
                    line(&source.code, at)
                ));
            }
        }
    }
    none("Name these types by the noun of the field that they are:", wrong);
}

fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        if c.is_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words
}

#[test]
fn every_shared_type_is_in_the_glossary() {
    let glossary = read("GLOSSARY.md");
    let library = read("crates/types/src/lib.rs");
    let exported = library.lines().skip_while(|line| !line.starts_with("pub use")).collect::<String>();
    let missing: Vec<String> = xtask::source::words(&exported)
        .map(|(_, word)| word)
        .filter(|word| word.starts_with(|c: char| c.is_uppercase()))
        // An error is named after what it is about, and that has a row.
        .filter(|word| !word.ends_with("Error"))
        .filter(|word| !glossary.contains(&format!("`{word}`")))
        .map(str::to_string)
        .collect();
    assert!(exported.contains("Point"), "crates/types/src/lib.rs exports nothing: mend the scan");
    none("Types of `types` without a row in GLOSSARY.md (zh, en, identifier, standard):", missing);
}

/// Spelt in two halves, so that this file does not break its own rule.
const DENIED: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/tmp/bash", "_jobs", "a path of one machine"),
    ("/home/", "user", "a path of one machine"),
    ("GitHub iss", "ue", "say what is the case, not where it was discussed"),
    ("/iss", "ues/", "say what is the case, not where it was discussed"),
    ("registry.np", "mjs.org", "where packages come from is the lock file's matter"),
    ("static.crat", "es.io", "where packages come from is the lock file's matter"),
    ("TO", "DO", "do it, or write it down as planned in docs/coverage.toml"),
    ("FIX", "ME", "mend it"),
    ("XX", "X", "say what is the case"),
    ("AI-gen", "erated", "sources speak of the plant"),
    ("language mo", "del", "sources speak of the plant"),
    ("as an A", "I", "sources speak of the plant"),
];

/// Files that people wrote; lock files name hosts by their nature.
const WRITTEN: &[&str] =
    &["rs", "md", "toml", "json", "ts", "vue", "css", "html", "js", "mjs", "py", "sh", "sql"];

#[test]
fn nothing_speaks_of_the_workshop() {
    let root = root();
    let mut wrong = Vec::new();
    for file in xtask::tree::files(&root, WRITTEN) {
        let path = xtask::tree::shown(&root, &file);
        if path.ends_with("package-lock.json") {
            continue;
        }
        let text = xtask::tree::read(&file).unwrap_or_default();
        for (head, tail, why) in DENIED {
            if let Some(at) = text.find(&format!("{head}{tail}")) {
                wrong.push(format!("{path}:{}: `{head}{tail}`: {why}", line(&text, at)));
            }
        }
        if path.ends_with(".rs") || path.ends_with(".md") {
            let at = numbered(&text);
            wrong.extend(at.map(|at| format!("{path}:{}: a number in some list of tasks", line(&text, at))));
        }
    }
    none("Sources and documents speak of the product, not of how it was made:", wrong);
}

/// Where a text points to an entry of a tracker: a hash with two digits or more, after a space or an open bracket.
fn numbered(text: &str) -> Option<usize> {
    text.match_indices('#').map(|(at, _)| at).find(|at| {
        let before = text[..*at].ends_with([' ', '(']);
        before && text[at + 1..].bytes().take_while(u8::is_ascii_digit).count() >= 2
    })
}

#[test]
fn every_source_says_what_it_is_for() {
    let mute = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! ") && !source.text.starts_with("#!"))
        .map(|source| source.path)
        .collect();
    none("These files do not open with a `//!` line that says what the room is for:", mute);
}

#[test]
fn words_are_told_apart() {
    assert_eq!(camel_words("DeviceInfoPage"), ["Device", "Info", "Page"]);
    assert_eq!(camel_words("Database"), ["Database"], "a part of a word is none");
    let text = |before: &str, after: &str| format!("{before}{}{after}", '#');
    assert_eq!(numbered(&text("see ", "123")), Some(4));
    for fine in [text("", " 12. Title"), text("color:", "123456"), text("see ", "4")] {
        assert_eq!(numbered(&fine), None, "{fine}");
    }
}
