//! Files that are made from other files. `--check` compares instead of writing, so that a stale one fails.

use std::path::{Path, PathBuf};

use crate::{Failure, Outcome, tree};

pub mod catalog;
pub mod coverage;
mod openapi;
mod storage;

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// From the root.
    pub path: &'static str,
    /// All of it.
    pub text: String,
}

impl Generated {
    /// Why the file in the tree is not this one; `None` when it is.
    pub fn stale(&self, root: &Path) -> Option<String> {
        let found = std::fs::read_to_string(root.join(self.path)).unwrap_or_default();
        if found == self.text {
            return None;
        }
        let same = found.lines().zip(self.text.lines()).take_while(|(a, b)| a == b).count();
        let line = self.text.lines().nth(same).or_else(|| found.lines().nth(same)).unwrap_or_default();
        let line: String = line.trim().chars().take(100).collect();
        Some(format!("{} is stale from line {} on (`{line}`): run `cargo x gen`", self.path, same + 1))
    }
}

const PARTS: [&str; 4] = ["catalog", "coverage", "storage", "openapi"];

/// `cargo x gen`: all parts, or those named.
pub fn generate(root: &Path, args: &[&str]) -> Outcome {
    let check = args.contains(&"--check");
    let named: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--check").collect();
    if let Some(odd) = named.iter().find(|name| !PARTS.contains(name)) {
        return Err(Failure::new(format!("`{odd}` is not generated: name any of {}", PARTS.join(", "))));
    }
    for part in PARTS.into_iter().filter(|part| named.is_empty() || named.contains(part)) {
        apply(root, &files(root, part)?, check)?;
    }
    Ok(())
}

fn files(root: &Path, part: &str) -> Outcome<Vec<Generated>> {
    match part {
        "catalog" => catalog::expected(root),
        "coverage" => coverage::expected(root),
        "storage" => storage::expected(root),
        _ => openapi::expected(root),
    }
}

fn apply(root: &Path, files: &[Generated], check: bool) -> Outcome {
    let stale: Vec<(&Generated, String)> =
        files.iter().filter_map(|file| Some((file, file.stale(root)?))).collect();
    if check {
        return match stale.into_iter().map(|(_, why)| why).collect::<Vec<_>>() {
            none if none.is_empty() => Ok(()),
            whys => Err(Failure::new(whys.join("\n"))),
        };
    }
    for (file, _) in stale {
        let path: PathBuf = root.join(file.path);
        tree::write(&path, &file.text)?;
        println!("wrote {}", file.path);
    }
    Ok(())
}
