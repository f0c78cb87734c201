//! The browser tests: the real binary, a real browser.

use std::path::Path;

use crate::{Outcome, console, run};

/// `cargo x browser`: builds what the tests look at, then runs them.
pub fn browser(root: &Path) -> Outcome {
    console::build(root)?;
    specs(root)
}

/// The tests alone; they find the binary in `TESTED_BINARY`.
pub(crate) fn specs(root: &Path) -> Outcome {
    let folder = root.join("tests/browser");
    if !folder.join("package.json").is_file() {
        println!("there are no browser tests in this tree (tests/browser/package.json)");
        return Ok(());
    }
    console::install(&folder)?;
    let binary = run::build_sinew(root, run::WITH_WORKSPACE)?;
    let mut tests = run::program("npm", &folder, &["test"]);
    tests.env("TESTED_BINARY", binary);
    run::run(tests)
}
