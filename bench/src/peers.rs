//! Programs that other people wrote, made ready on first use under `$XDG_CACHE_HOME/sinew/peers` (or `~/.cache/…`).

pub(crate) mod asyncua;
pub(crate) mod brokers;
pub(crate) mod columns;
pub(crate) mod servers;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of one peer, made when absent.
///
/// # Errors
/// It cannot be made.
fn cache(peer: &str) -> Result<PathBuf, String> {
    let from = |name, more: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(more));
    let folder = from("XDG_CACHE_HOME", "")
        .or_else(|| from("HOME", ".cache"))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = folder.join("sinew/peers").join(peer);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// Runs a command to its end.
///
/// # Errors
/// `otherwise`, and what the command complained of.
fn run(command: &mut Command, otherwise: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{otherwise}: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{otherwise}: {}", why.trim())) }
}

/// Unpacks Debian packages, without installing them: no service starts, and nothing outside the cache changes.
fn debian(peer: &str, packages: &[&str], program: &str) -> Result<PathBuf, String> {
    let folder = cache(peer)?;
    let program = folder.join("root").join(program);
    if program.exists() {
        return Ok(program);
    }
    let advice =
        format!("{peer}: `apt-get download {}` needs Debian 12 and its archive once", packages.join(" "));
    run(Command::new("apt-get").arg("download").args(packages).current_dir(&folder), &advice)?;
    let files = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for package in
        files.filter_map(Result::ok).map(|f| f.path()).filter(|f| f.extension().is_some_and(|e| e == "deb"))
    {
        run(
            Command::new("dpkg").arg("-x").arg(&package).arg(folder.join("root")),
            "dpkg cannot unpack a package",
        )?;
    }
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{peer}: {} is not in its package", program.display()))
    }
}

/// Builds a published program from source; takes minutes the first time.
fn cargo_install(name: &str, version: &str) -> Result<PathBuf, String> {
    let folder = cache(name)?;
    let program = folder.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    println!("building {name} {version}: this takes minutes, once");
    let mut install = Command::new("nice");
    install.args(["-n", "19", "cargo", "install", name, "--version", version, "-j1", "--root"]).arg(&folder);
    install.env("CARGO_TARGET_DIR", folder.join("target")).current_dir(&folder);
    run(&mut install, &format!("{name} cannot be built"))?;
    let _removed = std::fs::remove_dir_all(folder.join("target"));
    Ok(program)
}

/// Builds a Go program with exactly what `bench/peers/<peer>/go.mod` and `go.sum` pin.
fn go(peer: &str, package: &str) -> Result<PathBuf, String> {
    let folder = cache(peer)?;
    let program = folder.join("bin").join(peer);
    if program.exists() {
        return Ok(program);
    }
    for name in ["go.mod", "go.sum"] {
        let pins = scripts(peer).join(name);
        std::fs::copy(&pins, folder.join(name)).map_err(|e| format!("{}: {e}", pins.display()))?;
    }
    println!("building {peer}: this takes minutes, once");
    let mut build = Command::new("nice");
    build.args(["-n", "19", "go", "build", "-p", "1", "-trimpath", "-o"]).arg(&program).arg(package);
    run(
        build.current_dir(&folder),
        &format!("{peer} cannot be built: Go and its module proxy are needed once"),
    )?;
    Ok(program)
}

/// One archive from a Maven repository, without what it depends on.
fn maven(peer: &str, artifact: &str, archive: &str) -> Result<PathBuf, String> {
    let folder = cache(peer)?;
    let archive = folder.join(archive);
    if archive.exists() {
        return Ok(archive);
    }
    let mut copy = Command::new("mvn");
    copy.args(["-q", "-B", "dependency:copy", &format!("-Dartifact={artifact}")]);
    copy.arg(format!("-DoutputDirectory={}", folder.display()));
    // The folder has no project of its own.
    run(copy.current_dir(&folder), &format!("{peer}: Maven and its repository are needed once"))?;
    if archive.exists() { Ok(archive) } else { Err(format!("{peer}: {} did not come", archive.display())) }
}

/// A Python environment with exactly what `bench/peers/<peer>/requirements.txt` pins.
fn python(peer: &str) -> Result<PathBuf, String> {
    let pins = scripts(peer).join("requirements.txt");
    let pinned = std::fs::read_to_string(&pins).map_err(|e| format!("{}: {e}", pins.display()))?;
    let folder = cache(peer)?.join("python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&pinned) {
        let venv = "python3 with its venv module is needed";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), venv)?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        let advice = format!("{peer} could not be installed: connect to a Python package index once");
        run(Command::new(&python).args(install).arg(&pins), &advice)?;
        std::fs::write(&stamp, pinned).map_err(|e| e.to_string())?;
    }
    Ok(python)
}

/// Our own scripts around a peer.
fn scripts(peer: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(peer)
}

/// Builds an example of one of our crates in release mode and returns the program.
///
/// # Errors
/// It does not compile.
pub(crate) fn our_example(package: &str, example: &str) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new("cargo")
        .args(["build", "--release", "-p", package, "--example", example])
        .current_dir(&root)
        .status();
    if !built.is_ok_and(|s| s.success()) {
        return Err(format!("cargo build --release -p {package} --example {example} fails"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/examples").join(example))
}
