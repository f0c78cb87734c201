//! What `cargo x new` makes is green: it compiles without warnings, keeps its format and passes its contract.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use xtask::leaf::{Kind, Leaf};

/// Left out of an ordinary run because it builds a workspace of its own; `cargo x check` has a stage for it.
#[test]
#[ignore = "soak: a new driver and a new app compile without warnings and pass their tests"]
fn new_leaves_are_green() {
    let root = xtask::tree::root();
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let workspace = target.join("scaffold");
    if workspace.exists() {
        fs::remove_dir_all(&workspace).unwrap();
    }
    // First, because a leaf is formatted when it is made, with the settings found above it; the target folder may lie
    // outside of the checkout.
    fs::create_dir_all(&workspace).unwrap();
    for file in ["Cargo.lock", "clippy.toml", "rustfmt.toml"] {
        fs::copy(root.join(file), workspace.join(file)).unwrap();
    }
    for (kind, name) in [(Kind::Driver, "line-meter"), (Kind::App, "cutting-tools")] {
        let leaf = Leaf::named(kind, name).unwrap();
        xtask::scaffold(&root, &leaf, &leaf.folder(&workspace)).unwrap();
    }
    fs::write(workspace.join("Cargo.toml"), manifest(&root)).unwrap();
    cargo(&workspace, &target, &["fmt", "--check", "-p", "driver-line-meter", "-p", "app-cutting-tools"]);
    cargo(&workspace, &target, &["clippy", "--offline", "--all-targets", "--", "-D", "warnings"]);
    cargo(&workspace, &target, &["test", "--offline"]);
}

/// The root's manifest with these leaves as its only members, so that versions, lints and profiles are the same.
fn manifest(root: &Path) -> String {
    let text = fs::read_to_string(root.join("Cargo.toml")).expect("the root manifest");
    let line = |line: &str| match line {
        members if members.starts_with("members = ") => "members = [\"drivers/*\", \"apps/*\"]".to_string(),
        // Settings of single packages: cargo warns of those that are not in this graph.
        package if package.ends_with("{ opt-level = 2 }") => String::new(),
        other => other.replace("path = \"", &format!("path = \"{}/", root.display())),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn cargo(workspace: &Path, target: &Path, args: &[&str]) {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(workspace).env("CARGO_TARGET_DIR", target);
    let status = command.status().expect("cargo starts");
    assert!(status.success(), "cargo {} in {}", args.join(" "), workspace.display());
}
