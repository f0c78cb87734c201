//! Sizes and `unwrap`: what keeps a file readable in one sitting.

use serde::Deserialize;

use crate::tree::{line, none, read, sources};

const FILE_LINES_MAX: usize = 800;
const FILE_LINES_AIM: usize = 400;
const FUNCTION_LINES_MAX: usize = 100;
const FUNCTION_LINES_AIM: usize = 70;

/// How many are above the aim.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratchet {
    files_over_400: usize,
    functions_over_70: usize,
}

fn ratchet() -> Ratchet {
    toml::from_str(&read("tests/rules/ratchet.toml")).expect("tests/rules/ratchet.toml")
}

/// Sorts what was measured into refused and above the aim, and holds the second to its number.
fn hold(what: &str, measured: Vec<(usize, String)>, aim: usize, max: usize, allowed: usize) {
    let mut above: Vec<(usize, String)> = measured.into_iter().filter(|(lines, _)| *lines > aim).collect();
    above.sort_by(|a, b| b.cmp(a));
    let shown: Vec<String> = above.iter().map(|(lines, place)| format!("{lines:>5} {place}")).collect();
    println!("{} {what} of more than {aim} lines, {allowed} allowed", above.len());
    println!("{}", shown.join("\n"));
    let refused = above.iter().zip(&shown).filter(|((lines, _), _)| *lines > max).map(|(_, s)| s.clone());
    none(&format!("{what} of more than {max} lines; split them where the nouns part:"), refused.collect());
    assert!(
        above.len() <= allowed,
        "{} {what} of more than {aim} lines, {allowed} are allowed (tests/rules/ratchet.toml):\n{}",
        above.len(),
        shown.join("\n")
    );
}

#[test]
fn files_hold_to_the_ratchet() {
    let measured = sources()
        .into_iter()
        .map(|source| {
            let lines = if source.test {
                source.text.lines().count()
            } else {
                xtask::source_lines(&source.text, &source.code)
            };
            (lines, source.path)
        })
        .collect();
    hold("files", measured, FILE_LINES_AIM, FILE_LINES_MAX, ratchet().files_over_400);
}

#[test]
fn functions_hold_to_the_ratchet() {
    let measured = sources()
        .iter()
        .flat_map(|source| {
            let masked = xtask::source::mask(&source.text);
            let found = xtask::source::functions(&masked).into_iter();
            found.map(|f| (f.lines, format!("{}:{} {}", source.path, f.line, f.name))).collect::<Vec<_>>()
        })
        .collect();
    hold("functions", measured, FUNCTION_LINES_AIM, FUNCTION_LINES_MAX, ratchet().functions_over_70);
}

#[test]
fn unwraps_are_for_tests() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.test) {
        for (at, _) in source.code.match_indices(".unwrap()") {
            wrong.push(format!("{}:{}", source.path, line(&source.code, at)));
        }
    }
    none(
        "`unwrap` outside of tests: return the error, or `expect` with the reason why it cannot fail:",
        wrong,
    );
}
