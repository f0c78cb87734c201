//! What the rules read: the sources of the tree, and how they report what they found.

use std::path::PathBuf;

/// One Rust source of the tree.
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
    /// Comments and literals blanked, test modules too.
    pub(crate) code: String,
    /// Holds nothing but tests.
    pub(crate) test: bool,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    xtask::tree::root()
}

/// Every Rust source but the templates, which are not Rust until they are filled.
pub(crate) fn sources() -> Vec<Source> {
    let root = root();
    xtask::tree::files(&root, &["rs"])
        .into_iter()
        .map(|file| {
            let path = xtask::tree::shown(&root, &file);
            let text = read(&path);
            let code = xtask::source::without_tests(&xtask::source::mask(&text));
            let test = xtask::is_test_file(&path);
            Source { path, text, code, test }
        })
        .filter(|source| !source.path.starts_with("xtask/templates/"))
        .collect()
}

/// A file that must be there.
pub(crate) fn read(path: &str) -> String {
    let read = std::fs::read_to_string(root().join(path));
    read.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The line of a byte offset, from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Fails with everything that breaks a rule at once.
pub(crate) fn none(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}\n  {}\n", found.join("\n  "));
}

/// The graph of the workspace itself, without anything from outside.
pub(crate) fn members() -> Vec<cargo_metadata::Package> {
    let mut command = cargo_metadata::MetadataCommand::new();
    command.current_dir(root()).no_deps().other_options(["--offline".to_string()]);
    command.exec().expect("cargo metadata of the workspace").packages
}
