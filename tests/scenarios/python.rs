//! The Python package, installed from the repository, against a node: its own tests and the examples of its README, with pandas and polars.

use access::Role;
use std::process::Command;

use crate::{
    peers::{peer, python, unless_ci},
    support::{TempDir, node::Node},
};

#[test]
fn the_packages_own_tests_pass_against_a_node() {
    let Some(python) = unless_ci(python("python")) else { return };
    let node = Node::start("python");
    let client = node.client(node.organisation("Works One"), Role::Admin);
    let package = peer("python").join("../../../python");
    let installed = TempDir::new("python-package");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"];
    let output = Command::new(&python)
        .args(pip)
        .args(["--no-build-isolation", "--target"])
        .arg(installed.path())
        .arg(&package)
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Nothing is left beside the sources.
    let output = Command::new(&python)
        .args(["-B", "-m", "pytest", "-q", "-o"])
        .arg(format!("cache_dir={}", installed.path().join("cache").display()))
        .current_dir(&package)
        .env("PYTHONPATH", installed.path())
        .env("SINEW_URL", format!("http://{}", client.address()))
        .env("SINEW_TOKEN", client.token())
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{}", said.lines().last().unwrap_or_default());
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // Without a node they would be passed over.
    assert!(!said.contains("skipped"), "{said}");
}
