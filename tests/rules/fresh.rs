//! Generated files are what their sources say, and what they claim is in the tree.

use crate::tree::{none, read, root};
use xtask::generate::{Generated, catalog, coverage};

fn stale(files: Vec<Generated>) -> Vec<String> {
    files.iter().filter_map(|file| file.stale(&root())).collect()
}

#[test]
fn the_catalogue_lists_every_leaf() {
    none("A leaf was added, renamed or removed:", stale(catalog::expected(&root()).expect("leaf folders")));
}

#[test]
fn the_coverage_tables_are_fresh() {
    none("docs/coverage.toml was changed:", stale(coverage::expected(&root()).expect("docs/coverage.toml")));
}

#[test]
fn the_coverage_table_names_only_tests_that_exist() {
    let coverage = coverage::load(&root()).expect("docs/coverage.toml");
    assert!(!coverage.capability.is_empty(), "docs/coverage.toml names nothing");
    none(
        "Rows of docs/coverage.toml that name a test which is not there. Write it as `package::module::function` or \
         `browser: title`:",
        coverage::unknown_tests(&root(), &coverage),
    );
}

/// That it is the API of this binary is compared by `cargo x gen --check openapi`, which needs the binary.
#[test]
fn the_openapi_document_is_whole() {
    let document: serde_json::Value = serde_json::from_str(&read("docs/openapi.json"))
        .expect("docs/openapi.json is JSON: run `cargo x gen`");
    assert!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "docs/openapi.json is not OpenAPI 3.1"
    );
    let paths = document["paths"].as_object().expect("docs/openapi.json has paths");
    // Where clients of other people's protocols come: these paths are theirs.
    let foreign = ["/write", "/api/v2/write", "/ping", "/query"];
    let is_odd = |path: &&String| !path.starts_with("/api/v1/") && !foreign.contains(&path.as_str());
    let odd = paths.keys().filter(is_odd).cloned().collect();
    none("Paths of docs/openapi.json outside of /api/v1:", odd);
    assert!(!paths.is_empty(), "docs/openapi.json has no path");
}
