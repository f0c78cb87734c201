//! `cargo x size`: the figures that must not creep up unseen.

use cargo_metadata::MetadataCommand;
use std::{collections::BTreeMap, path::Path};

use crate::{Failure, Outcome, source, tree};

/// Prints the table.
pub fn size(root: &Path) -> Outcome {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .exec()
        .map_err(|error| Failure::new(format!("cargo metadata: {error}")))?;
    let members = metadata.workspace_packages();
    let edges: usize =
        members.iter().flat_map(|p| &p.dependencies).filter(|dependency| dependency.path.is_some()).count();
    let (mut lines, mut unwraps) = (BTreeMap::new(), 0);
    for file in tree::files(root, &["rs", "ts", "vue"]) {
        let shown = tree::shown(root, &file);
        let text = tree::read(&file)?;
        let tests = is_test_file(&shown);
        let (mut code, mut test) = (text.lines().count(), 0);
        if tests {
            (code, test) = (0, code);
        } else if shown.ends_with(".rs") {
            let left = source::without_tests(&source::mask(&text));
            unwraps += left.matches(".unwrap()").count();
            let kept = source_lines(&text, &left);
            (code, test) = (kept, code - kept);
        }
        let area = shown.split('/').next().unwrap_or_default().to_string();
        let sum: &mut (usize, usize) = lines.entry(area).or_default();
        *sum = (sum.0 + code, sum.1 + test);
    }
    println!("{:<12} {:>8} {:>8}", "lines", "code", "tests");
    for (area, (code, test)) in &lines {
        println!("{area:<12} {code:>8} {test:>8}");
    }
    let (code, test) = lines.values().fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    println!("{:<12} {code:>8} {test:>8}", "all");
    println!("\ncrates {}, edges between them {edges}", members.len());
    println!("dependencies from outside {}, all platforms", metadata.packages.len() - members.len());
    println!("unwraps outside tests {unwraps}");
    Ok(())
}

/// Whether a file holds only tests, by its place.
pub fn is_test_file(shown: &str) -> bool {
    shown.starts_with("tests/") || shown.contains("/tests/") || shown.ends_with("/tests.rs")
}

/// Lines of a file that are not in its test modules. A line that was blanked with a test module has no code left, but
/// had some before.
pub fn source_lines(text: &str, without_tests: &str) -> usize {
    let masked = source::mask(text);
    let gone = masked
        .lines()
        .zip(without_tests.lines())
        .filter(|(before, after)| !before.trim().is_empty() && after.trim().is_empty())
        .count();
    text.lines().count() - gone
}
