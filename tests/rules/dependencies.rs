//! What comes from outside: licences, packages we do not take, one version of each. `docs/dependencies.toml` has the
//! lists and the exceptions with their reasons. A leaf that needs an exception of its own gives it in
//! `dependencies.toml` in its folder, so that it comes and goes with the leaf.
//!
//! Only packages of this platform are looked at, so that the test can run without a network once they are fetched.

use cargo_metadata::semver::Version;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use crate::tree::{none, read, root};

/// All of `docs/dependencies.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    licences: Vec<String>,
    banned: Vec<Banned>,
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Banned {
    package: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// `licence`, `banned`, `duplicate` or `advisory`.
    rule: String,
    /// Package name, or the advisory's identifier.
    subject: String,
    why: String,
}

/// A leaf's own `dependencies.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeafPolicy {
    exception: Vec<Exception>,
}

fn policy() -> Policy {
    let mut policy: Policy = toml::from_str(&read("docs/dependencies.toml")).expect("docs/dependencies.toml");
    for leaf in xtask::leaf::leaves(&root()).expect("the leaves are in order") {
        let file = format!("{}/dependencies.toml", leaf.path());
        if root().join(&file).exists() {
            let of_leaf: LeafPolicy = toml::from_str(&read(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            policy.exception.extend(of_leaf.exception);
        }
    }
    policy
}

/// What a rule lets pass.
pub(crate) fn exceptions(rule: &str) -> BTreeSet<String> {
    policy().exception.into_iter().filter(|e| e.rule == rule).map(|e| e.subject).collect()
}

/// A package from outside.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: Version,
    licence: String,
}

/// Every package from outside that this platform builds for the workspace, its tests included.
pub(crate) fn outside() -> BTreeSet<Package> {
    let tree = |extra: &[&str]| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}|{l}"]);
        cargo.args(extra).current_dir(root()).output().expect("cargo tree")
    };
    let mut output = tree(&["--offline"]);
    if !output.status.success() {
        // Nothing was fetched yet: then the network is there, or nothing would have been compiled.
        output = tree(&[]);
    }
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo tree prints UTF-8");
    let packages: BTreeSet<Package> = text.lines().filter_map(package).collect();
    assert!(packages.len() > 50, "cargo tree printed {} packages: mend the scan", packages.len());
    packages
}

/// Reads `name v1.2.3 (proc-macro) (*)|MIT OR Apache-2.0`; our own packages have a path and are left out.
fn package(line: &str) -> Option<Package> {
    let (named, licence) = line.split_once('|')?;
    let mut words = named.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?.parse().ok()?);
    let ours = words.any(|word| word.starts_with("(/") || word.contains(":\\"));
    let licence = licence.trim_end_matches(" (*)").to_string();
    (!ours).then(|| Package { name: name.to_string(), version, licence })
}

#[test]
fn licences_are_on_the_list() {
    let policy = policy();
    let accepted = exceptions("licence");
    let mut wrong = Vec::new();
    for package in outside() {
        if !allowed(&package.licence, &policy.licences) && !accepted.contains(&package.name) {
            wrong.push(format!("{} {}: `{}`", package.name, package.version, package.licence));
        }
    }
    none("Licences that docs/dependencies.toml does not list:", wrong);
}

/// Reads an SPDX expression (`OR`, `AND`, brackets, the old `/`): true when a choice exists that is all on the list.
fn allowed(expression: &str, list: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let verdict = either(&words, &mut at, list);
    verdict && at == words.len()
}

fn either(words: &[&str], at: &mut usize, list: &[String]) -> bool {
    let mut verdict = both(words, at, list);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= both(words, at, list);
    }
    verdict
}

fn both(words: &[&str], at: &mut usize, list: &[String]) -> bool {
    let mut verdict = one(words, at, list);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at, list);
    }
    verdict
}

fn one(words: &[&str], at: &mut usize, list: &[String]) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let verdict = either(words, at, list);
        *at += 1;
        return verdict;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    list.iter().any(|licence| licence == word)
}

#[test]
fn banned_packages_are_absent() {
    let policy = policy();
    let accepted = exceptions("banned");
    let wrong = outside()
        .iter()
        .filter(|package| !accepted.contains(&package.name))
        .filter_map(|package| policy.banned.iter().find(|banned| banned.package == package.name))
        .map(|banned| format!("{}: {}", banned.package, banned.why))
        .collect();
    none("Packages that we do not take:", wrong);
}

#[test]
fn each_package_is_there_once() {
    let accepted = exceptions("duplicate");
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in outside() {
        versions.entry(package.name).or_default().insert(package.version.to_string());
    }
    let twice: BTreeMap<_, _> = versions.into_iter().filter(|(_, versions)| versions.len() > 1).collect();
    let wrong = twice
        .iter()
        .filter(|(name, _)| !accepted.contains(*name))
        .map(|(name, v)| format!("{name}: {v:?}"))
        .collect();
    none(
        "Packages in two versions. Align what pulls them in, or give the reason in docs/dependencies.toml:",
        wrong,
    );
    let idle = accepted.into_iter().filter(|name| !twice.contains_key(name)).collect();
    none(
        "Exceptions that nothing needs any more; remove them from docs/dependencies.toml or the leaf's dependencies.toml:",
        idle,
    );
}

#[test]
fn every_exception_has_a_reason() {
    let policy = policy();
    let known = ["licence", "banned", "duplicate", "advisory"];
    let odd = policy.exception.iter().filter(|e| e.why.len() < 20 || !known.contains(&e.rule.as_str()));
    none("Exceptions without a reason or with an unknown rule:", odd.map(|e| e.subject.clone()).collect());
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let list: Vec<String> = ["MIT", "Apache-2.0"].map(String::from).into();
    for good in
        ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR (MIT AND Apache-2.0)", "Apache-2.0 WITH LLVM-exception OR X"]
    {
        assert!(allowed(good, &list), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0"] {
        assert!(!allowed(bad, &list), "{bad}");
    }
}

#[test]
fn lines_of_cargo_tree_are_read() {
    let found = package("serde_derive v1.0.2 (proc-macro)|MIT OR Apache-2.0 (*)").expect("a package");
    assert_eq!((found.name.as_str(), found.licence.as_str()), ("serde_derive", "MIT OR Apache-2.0"));
    assert!(package("types v0.0.0 (/somewhere/crates/types)|Apache-2.0").is_none(), "our own are left out");
    assert!(package("").is_none());
}
