//! Running other programs: what is run is shown, what fails is named.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, Outcome};

/// Whether this runs on a build server, where nothing may be skipped.
pub(crate) fn ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir(root: &Path) -> PathBuf {
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        return root.join(dir);
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    match cache {
        // A checkout on a build server is new each time: the cache must live outside of it.
        Some(cache) if ci() => cache.join("sinew").join("target"),
        _ => root.join("target"),
    }
}

/// A cargo call on this workspace, as a person would type it.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    // `cargo run` puts the variables of the xtask package into our environment; a nested build must not see them.
    let inherited = env::vars_os().map(|(name, _)| name);
    let ours = inherited.filter(|name| name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_")));
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in ours {
        command.env_remove(name);
    }
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    command.current_dir(root).env("CARGO_TARGET_DIR", target_dir(root)).args(args);
    command
}

/// A program in a folder.
pub(crate) fn program(name: &str, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.current_dir(folder).args(args);
    command
}

/// Shows the call, runs it with our own terminal, and fails when it fails.
pub(crate) fn run(mut command: Command) -> Outcome {
    let line = line(&command);
    println!("\n$ {line}");
    let status =
        command.status().map_err(|error| Failure::new(format!("`{line}` did not start: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` failed ({status})"))) }
}

/// Runs a call and takes what it prints; its errors go to the terminal.
pub(crate) fn output(mut command: Command) -> Outcome<String> {
    let line = line(&command);
    command.stderr(std::process::Stdio::inherit());
    let output =
        command.output().map_err(|error| Failure::new(format!("`{line}` did not start: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}` failed ({})", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::new(format!("`{line}` did not print UTF-8")))
}

fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Whether a program of this name is on the path.
pub(crate) fn on_path(name: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// With the features of the whole workspace: beside a test run nothing is compiled twice.
pub(crate) const WITH_WORKSPACE: &[&str] = &["--workspace", "--bins"];
/// The binary and what it needs, nothing else: the shortest way to a running product.
pub(crate) const ALONE: &[&str] = &["-p", "sinew"];

/// Builds the binary of the product in debug form and says where it is.
pub(crate) fn build_sinew(root: &Path, scope: &[&str]) -> Outcome<PathBuf> {
    let mut args = vec!["build"];
    args.extend(scope);
    run(cargo(root, &args))?;
    Ok(target_dir(root).join("debug").join(format!("sinew{}", env::consts::EXE_SUFFIX)))
}
