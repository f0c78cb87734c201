//! `cargo x soak`: long tests, which an ordinary test run leaves out.
//!
//! A soak is a test marked `#[ignore = "soak: what it shows"]`. The list is read from the sources, so it cannot name
//! one that is not there.

use std::path::Path;

use crate::{Failure, Outcome, run, source, tree};

const MARK: &str = "#[ignore = \"soak: ";

/// One long test.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Soak {
    package: String,
    name: String,
    shows: String,
}

/// Runs the soak of this name (with or without its `soak_` in front), or lists all.
pub fn soak(root: &Path, name: Option<&str>) -> Outcome {
    let soaks = find(root);
    let Some(name) = name else {
        for soak in &soaks {
            println!("{:<20} {} ({})", soak.name, soak.shows, soak.package);
        }
        println!("{} long tests", soaks.len());
        return Ok(());
    };
    let wanted = |soak: &&Soak| soak.name == name || soak.name.strip_prefix("soak_") == Some(name);
    let Some(soak) = soaks.iter().find(wanted) else {
        return Err(Failure::new(format!("there is no long test `{name}`: `cargo x soak` lists them")));
    };
    println!("{}: {}", soak.name, soak.shows);
    run::run(run::cargo(root, &["test", "-p", &soak.package, &soak.name, "--", "--ignored", "--nocapture"]))
}

fn find(root: &Path) -> Vec<Soak> {
    let mut soaks = Vec::new();
    // Packages may lie inside each other; the innermost folder wins, which is the one listed last.
    let packages = tree::packages(root);
    for file in tree::files(root, &["rs"]) {
        let owner = packages
            .iter()
            .filter(|(_, folder)| file.starts_with(folder))
            .max_by_key(|(_, folder)| folder.components().count());
        let Some((package, _)) = owner else { continue };
        let text = tree::read(&file).unwrap_or_default();
        let package = package.replace('_', "-");
        soaks.extend(marked(&text).into_iter().map(|(name, shows)| Soak {
            package: package.clone(),
            name,
            shows,
        }));
    }
    soaks
}

fn marked(text: &str) -> Vec<(String, String)> {
    let masked = source::mask(text);
    // The mark itself holds a literal: it is found where the masked text still has the attribute.
    let attributes = text.match_indices(MARK).filter(|(at, _)| masked[*at..].starts_with("#[ignore"));
    attributes
        .filter_map(|(at, _)| {
            let rest = &text[at + MARK.len()..];
            let shows = rest.split('"').next()?.to_string();
            let after = &masked[at..];
            let name = after[after.find("fn ")? + 3..].trim_start();
            Some((name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(), shows))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_test_is_found_and_a_mention_is_not() {
        let text = "// #[ignore = \"soak: no\"]\n#[test]\n#[ignore = \"soak: cuts the power\"]\nfn soak_power() {}\n";
        assert_eq!(marked(text), [("soak_power".to_string(), "cuts the power".to_string())]);
    }
}
