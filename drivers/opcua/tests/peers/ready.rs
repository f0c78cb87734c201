//! Makes the OPC UA peers ready, for any test that includes this file by path, beside `start.rs`.
//!
//! On first use: a Python environment with exactly `requirements.txt`, and node modules with exactly `package-lock.json`,
//! under `$XDG_CACHE_HOME/sinew/peers` (or `~/.cache/sinew/peers`).

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use super::start::Program;

fn run(command: &mut Command, otherwise: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{otherwise}: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{otherwise}: {}", why.trim())) }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|d| d.join("Cargo.lock").exists()).map_or_else(
        || PathBuf::from("drivers/opcua/tests/peers"),
        |root| root.join("drivers/opcua/tests/peers"),
    )
}

/// Where peers keep what they need.
pub(crate) fn cache() -> Result<PathBuf, String> {
    let from = |name, more: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(more));
    let folder = from("XDG_CACHE_HOME", "")
        .or_else(|| from("HOME", ".cache"))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = folder.join("sinew/peers/opcua");
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder)
}

/// Holds others off while `folder` is made ready; ready when its stamp holds what is pinned.
fn once(folder: &Path, pinned: &str, make: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let lock = File::create(folder.with_extension("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let stamp = folder.with_extension("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == pinned) {
        return Ok(());
    }
    make()?;
    std::fs::write(&stamp, pinned).map_err(|e| e.to_string())
}

/// asyncua, with more arguments of `asyncua_server.py`.
pub(crate) fn asyncua(arguments: &[&str]) -> Result<Program, String> {
    let peers = peers();
    let pinned = std::fs::read_to_string(peers.join("requirements.txt")).map_err(|e| e.to_string())?;
    let folder = cache()?.join("python");
    let python = folder.join("bin/python");
    once(&folder, &pinned, || {
        let venv = "python3 with its venv module is needed for the asyncua peer";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), venv)?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        let pip = "asyncua could not be installed: connect to a Python package index once";
        run(Command::new(&python).args(install).arg(peers.join("requirements.txt")), pip)
    })?;
    Ok(program(python, peers.join("asyncua_server.py"), arguments))
}

/// node-opcua, with more arguments of `node_opcua_server.js`.
pub(crate) fn node_opcua(arguments: &[&str]) -> Result<Program, String> {
    let peers = peers();
    let pinned = std::fs::read_to_string(peers.join("package-lock.json")).map_err(|e| e.to_string())?;
    let folder = cache()?.join("node");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    once(&folder, &pinned, || {
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(peers.join(file), folder.join(file)).map_err(|e| e.to_string())?;
        }
        let npm = "node-opcua could not be installed: npm is needed, and a package registry once";
        run(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder), npm)
    })?;
    // Node finds modules beside the script only, so the script goes where the modules are.
    let script = folder.join(format!("server-{}.js", std::process::id()));
    std::fs::copy(peers.join("node_opcua_server.js"), &script).map_err(|e| e.to_string())?;
    Ok(program("node".into(), script, arguments))
}

fn program(command: PathBuf, script: PathBuf, arguments: &[&str]) -> Program {
    let script = script.display().to_string();
    let own = [script.as_str(), "--port", "{port}"];
    Program { command, arguments: own.iter().chain(arguments).map(|a| a.to_string()).collect() }
}
