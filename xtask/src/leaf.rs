//! Leaves: the folders in `drivers/` and `apps/`, and how their crates are called.

use std::path::{Path, PathBuf};

use crate::{Failure, Outcome, tree};

/// What a leaf is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One protocol.
    Driver,
    /// One industrial feature.
    App,
}

impl Kind {
    /// Every kind, in the order of the catalogue.
    pub const ALL: [Kind; 2] = [Kind::Driver, Kind::App];

    /// `driver` or `app`: the descriptor function and the prefix of the package.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Driver => "driver",
            Kind::App => "app",
        }
    }
    /// The folder that holds leaves of this kind.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Driver => "drivers",
            Kind::App => "apps",
        }
    }
    /// From its word.
    pub fn parse(word: &str) -> Outcome<Kind> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| Failure::new(format!("`{word}` is no kind of leaf: write driver or app")))
    }
}

/// One leaf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// What it is.
    pub kind: Kind,
    /// Its folder's name.
    pub name: String,
}

impl Leaf {
    /// The longest name; it becomes part of URLs, feature names and table names.
    pub const NAME_CHARS_MAX: usize = 32;

    /// A leaf with a checked name: lower-case letters and digits in words joined by single hyphens, a letter first.
    pub fn named(kind: Kind, name: &str) -> Outcome<Leaf> {
        let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !starts || !name.split('-').all(word) || name.len() > Leaf::NAME_CHARS_MAX {
            return Err(Failure::new(format!(
                "`{name}` cannot name a {kind}: use lower-case letters and digits, words joined by single hyphens, \
                 a letter first, at most {max} characters, such as `dlt645` or `energy-meters`",
                kind = kind.word(),
                max = Leaf::NAME_CHARS_MAX,
            )));
        }
        Ok(Leaf { kind, name: name.to_string() })
    }
    /// `driver-modbus`: its package and its cargo feature.
    pub fn package(&self) -> String {
        format!("{}-{}", self.kind.word(), self.name)
    }
    /// `driver_modbus`: its name in Rust.
    pub fn ident(&self) -> String {
        self.package().replace('-', "_")
    }
    /// `drivers/modbus`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind.folder(), self.name)
    }
    /// Its folder.
    pub fn folder(&self, root: &Path) -> PathBuf {
        root.join(self.path())
    }
}

/// All leaves of the tree, drivers first, each kind in the order of names. A folder that is not a proper leaf is an
/// error, not left out: a leaf that is silently absent from the product is the worse surprise.
pub fn leaves(root: &Path) -> Outcome<Vec<Leaf>> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for name in tree::folders(&root.join(kind.folder())) {
            let leaf = Leaf::named(kind, &name)?;
            let manifest = leaf.folder(root).join("Cargo.toml");
            let package = tree::package_name(&tree::read(&manifest)?);
            if package.as_deref() != Some(leaf.package().as_str()) {
                return Err(Failure::new(format!(
                    "{}/Cargo.toml must name its package `{}`, found {package:?}",
                    leaf.path(),
                    leaf.package()
                )));
            }
            found.push(leaf);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_packages_and_identifiers() {
        let leaf = Leaf::named(Kind::App, "energy-meters").unwrap();
        assert_eq!(
            (leaf.package().as_str(), leaf.ident().as_str(), leaf.path().as_str()),
            ("app-energy-meters", "app_energy_meters", "apps/energy-meters")
        );
    }

    #[test]
    fn odd_names_are_refused() {
        for name in ["", "Modbus", "4s", "a--b", "-a", "a-", "a_b", "a/b", "../x", "é", &"x".repeat(33)] {
            assert!(Leaf::named(Kind::Driver, name).is_err(), "{name:?} was taken");
        }
    }
}
