//! Starts servers that other people wrote, for any test that includes this file by path.
//!
//! They are made ready on first use: a Python environment under `$XDG_CACHE_HOME/sinew/peers` (or `~/.cache/sinew/peers`)
//! with exactly `requirements.txt`, and C programs linked to the system's libraries. Where that is not possible the test
//! says so and passes, unless `CI=true`, where it fails.

use serde_json::Value as Json;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A peer program that listens on a port and says so in one line of JSON.
pub(crate) struct Server {
    program: Program,
    child: Child,
    /// What it said of itself when it listened.
    pub(crate) known: Json,
}

/// How to start a peer: `{port}` in an argument is replaced.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) command: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Server {
    pub(crate) fn start(program: &Program, port: u64) -> Server {
        let mut command = Command::new(&program.command);
        for argument in &program.arguments {
            command.arg(argument.replace("{port}", &port.to_string()));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the peer starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("the peer's output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the peer says where it listens");
        let known = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the peer said `{line}`: {e}"));
        Server { program: program.clone(), child, known }
    }
    pub(crate) fn port(&self) -> u64 {
        self.known["port"].as_u64().expect("a port")
    }
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the peer can be killed");
        self.child.wait().expect("it ends");
    }
    /// On the same port again.
    pub(crate) fn start_again(&mut self) {
        let port = self.port();
        *self = Server::start(&self.program.clone(), port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A peer that cannot be made ready fails the test under `CI=true` and is passed over elsewhere.
pub(crate) fn unless_ci<T>(made: Result<T, String>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{reason}"),
        Err(reason) => {
            println!("passed over: {reason}");
            None
        }
    }
}

/// Runs a step of making a peer ready.
pub(crate) fn run(command: &mut Command, otherwise: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{otherwise}: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{otherwise}: {}", why.trim())) }
}

/// The folder of a peer's sources and lock file.
pub(crate) fn peer(name: &str) -> PathBuf {
    let peers = Path::new("tests/peers").join(name);
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|d| d.join("Cargo.lock").exists())
        .map_or_else(|| peers.clone(), |root| root.join(&peers))
}

/// Where a peer is kept ready from run to run.
pub(crate) fn cache(name: &str) -> Result<PathBuf, String> {
    let from = |name, more: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(more));
    let folder = from("XDG_CACHE_HOME", "")
        .or_else(|| from("HOME", ".cache"))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = folder.join("sinew/peers").join(name);
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder)
}

/// The Python of an environment with exactly what the peer's `requirements.txt` pins.
pub(crate) fn python(name: &str) -> Result<PathBuf, String> {
    let list = peer(name).join("requirements.txt");
    let pinned = std::fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let folder = cache(name)?.join("python");
    // Several test programs may come here at once.
    let lock = std::fs::File::create(folder.with_extension("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&pinned) {
        let venv = format!("python3 with its venv module is needed for the peer `{name}`");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), &venv)?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        let pip = format!("the peer `{name}` could not be installed: connect to a Python package index once");
        run(Command::new(&python).args(install).arg(list), &pip)?;
        std::fs::write(&stamp, pinned).map_err(|e| e.to_string())?;
    }
    Ok(python)
}

/// pymodbus, with more arguments of `pymodbus_server.py`.
pub(crate) fn pymodbus(arguments: &[&str]) -> Result<Program, String> {
    let (python, peers) = (python("modbus")?, peer("modbus"));
    let script = peers.join("pymodbus_server.py").display().to_string();
    let own = [script.as_str(), "--port", "{port}"];
    Ok(Program { command: python, arguments: own.iter().chain(arguments).map(|a| a.to_string()).collect() })
}

/// libmodbus, compiled here.
pub(crate) fn libmodbus() -> Result<Program, String> {
    let target = cache("modbus")?.join(format!("libmodbus_server-{}", std::process::id()));
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libmodbus"]).output();
    let flags = flags
        .ok()
        .filter(|o| o.status.success())
        .ok_or("libmodbus is needed: install libmodbus-dev and pkg-config")?;
    let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
    let source = peer("modbus").join("libmodbus_server.c");
    let mut compile = Command::new("cc");
    compile.arg("-O1").arg("-o").arg(&target).arg(source).args(flags.split_whitespace());
    run(&mut compile, "the libmodbus peer does not compile: install build-essential")?;
    Ok(Program { command: target, arguments: vec!["{port}".into()] })
}
