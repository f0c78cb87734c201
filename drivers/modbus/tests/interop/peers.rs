//! Makes the peers ready and runs them.

use serde_json::{Value as Json, json};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A peer program.
pub(crate) struct Server {
    program: Program,
    child: Child,
    /// What it said of itself when it listened.
    pub(crate) known: Json,
}

#[derive(Clone)]
pub(crate) struct Program {
    command: PathBuf,
    arguments: Vec<String>,
}

impl Server {
    pub(crate) fn start(program: &Program, port: u64) -> Server {
        let mut command = Command::new(&program.command);
        for argument in &program.arguments {
            command.arg(argument.replace("{port}", &port.to_string()));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the peer starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let known = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the peer said `{line}`: {e}"));
        Server { program: program.clone(), child, known }
    }
    pub(crate) fn port(&self) -> u64 {
        self.known["port"].as_u64().unwrap()
    }
    pub(crate) fn config(&self, more: Json) -> Json {
        let mut config =
            json!({"transport": "tcp", "host": "127.0.0.1", "port": self.port(), "timeout_ms": 1500});
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    }
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// On the same port again.
    pub(crate) fn restart(&mut self) {
        self.kill();
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

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/modbus")
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

fn run(command: &mut Command, otherwise: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{otherwise}: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{otherwise}: {}", why.trim())) }
}

fn cache() -> Result<PathBuf, String> {
    let from = |name, more: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(more));
    let folder = from("XDG_CACHE_HOME", "")
        .or_else(|| from("HOME", ".cache"))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = folder.join("sinew/peers/modbus");
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder)
}

pub(crate) fn pymodbus(arguments: &[&str]) -> Result<Program, String> {
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = ONCE.lock().unwrap_or_else(|e| e.into_inner());
    let pinned = std::fs::read_to_string(peers().join("requirements.txt")).map_err(|e| e.to_string())?;
    let folder = cache()?.join("python");
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&pinned) {
        let venv = "python3 with its venv module is needed for the pymodbus peer";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), venv)?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        let pip = "pymodbus could not be installed: connect to a Python package index once";
        run(Command::new(&python).args(install).arg(peers().join("requirements.txt")), pip)?;
        std::fs::write(&stamp, pinned).map_err(|e| e.to_string())?;
    }
    let script = peers().join("pymodbus_server.py").display().to_string();
    let own = [script.as_str(), "--port", "{port}"];
    Ok(Program { command: python, arguments: own.iter().chain(arguments).map(|a| a.to_string()).collect() })
}

/// `line` is a port, or the path of a serial port.
pub(crate) fn libmodbus(line: &str) -> Result<Program, String> {
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = ONCE.lock().unwrap_or_else(|e| e.into_inner());
    let target = cache()?.join("libmodbus_server");
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libmodbus"]).output();
    let flags = flags
        .ok()
        .filter(|o| o.status.success())
        .ok_or("libmodbus is needed: install libmodbus-dev and pkg-config")?;
    let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
    let fresh = target.with_extension(std::process::id().to_string());
    let mut compile = Command::new("cc");
    compile
        .args(["-O1", "-o"])
        .arg(&fresh)
        .arg(peers().join("libmodbus_server.c"))
        .args(flags.split_whitespace());
    run(&mut compile, "the libmodbus peer could not be compiled")?;
    // Another test may be running the one that is there.
    std::fs::rename(&fresh, &target).map_err(|e| e.to_string())?;
    Ok(Program { command: target, arguments: vec![line.into()] })
}
