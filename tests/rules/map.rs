//! ARCHITECTURE.md: its map names every folder of the tree that holds a crate, and nothing else. Leaves are named
//! together (`drivers/*`, `apps/*`): a leaf that comes or goes touches its own folder only.

use std::collections::BTreeSet;

use crate::tree::{members, read, root};

const LINES_MAX: usize = 200;

#[test]
fn the_map_is_the_tree() {
    let text = read("ARCHITECTURE.md");
    let rows: Vec<&str> = text.lines().filter_map(first_cell).collect();
    let mapped: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(rows.len(), mapped.len(), "a folder stands twice in the map of ARCHITECTURE.md");
    let members = members();
    let folders: BTreeSet<String> = members
        .iter()
        .filter_map(|package| package.manifest_path.as_std_path().parent())
        .map(|folder| xtask::tree::shown(&root(), folder))
        .map(|folder| match folder.split_once('/') {
            Some((leaves @ ("drivers" | "apps"), _)) => format!("{leaves}/*"),
            _ => folder,
        })
        .collect();
    let missing: Vec<&String> = folders.iter().filter(|folder| !mapped.contains(folder.as_str())).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md: give each of these a row `| `path` | … |`: {missing:?}");
    // A row for leaves is there before the first of them.
    let gone: Vec<&&str> =
        mapped.iter().filter(|path| !path.ends_with("/*") && !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md: these rows name what is not there: {gone:?}");
}

/// The back-ticked path that opens a table row.
fn first_cell(line: &str) -> Option<&str> {
    let cell = line.strip_prefix('|')?.split('|').next()?.trim();
    let path = cell.strip_prefix('`')?.strip_suffix('`')?;
    Some(path.trim_end_matches('/'))
}

#[test]
fn it_can_be_read_in_one_sitting() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(
        lines <= LINES_MAX,
        "ARCHITECTURE.md has {lines} lines: {LINES_MAX} at most, move detail into docs/"
    );
}

#[test]
fn only_a_back_ticked_path_is_a_row() {
    assert_eq!(first_cell("| `crates/types/` | words |"), Some("crates/types"));
    for other in ["| path | what |", "|---|---|", "`crates/types` is", "| `a` and `b | c |"] {
        assert!(first_cell(other).is_none_or(|path| path.contains('`')), "{other}");
    }
}
