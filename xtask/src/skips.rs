//! What tests could not do: a test that does without a data set or a tool writes one line, and `check` adds them up.
//!
//! The test harness hides the output of tests that pass, so a skip would be silent. A line is `data<TAB>name` or
//! `tool<TAB>name`, appended to the file that `TESTS_SKIPPED` names; without that variable nothing is
//! written. (Its name does not start with `SINEW_`: those belong to the product, which refuses the ones it does not know.)

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Failure, Outcome, run, tree};

/// Names the file to append to.
pub(crate) const LOG_VARIABLE: &str = "TESTS_SKIPPED";

/// The file.
pub(crate) fn log(root: &Path) -> PathBuf {
    run::target_dir(root).join("xtask").join("skips.txt")
}

/// Begins with nothing skipped.
pub(crate) fn start(root: &Path) -> Outcome {
    tree::write(&log(root), "")
}

/// Prints what was skipped, by name and count. On a build server a missing tool is a failure: it was to be installed.
pub(crate) fn report(root: &Path, ci: bool) -> Outcome {
    let text = fs::read_to_string(log(root)).unwrap_or_default();
    let counts = count(&text);
    if counts.is_empty() {
        println!("nothing was skipped");
        return Ok(());
    }
    for ((kind, name), tests) in &counts {
        println!("skipped: {kind} {name} ({tests} {})", if *tests == 1 { "test" } else { "tests" });
    }
    let tools: Vec<&str> = counts.keys().filter(|(kind, _)| *kind == "tool").map(|(_, name)| *name).collect();
    if ci && !tools.is_empty() {
        return Err(Failure::new(format!(
            "tests were skipped for want of {}: install them in the stage `tools`",
            tools.join(", ")
        )));
    }
    Ok(())
}

fn count(text: &str) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for (kind, name) in text.lines().filter_map(|line| line.split_once('\t')) {
        *counts.entry((kind, name)).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_added_up_by_name() {
        let counts = count("data\tcwru\ntool\tpostgres\ndata\tcwru\nno tab\n");
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [(("data", "cwru"), 2), (("tool", "postgres"), 1)]
        );
    }
}
