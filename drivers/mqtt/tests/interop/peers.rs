//! Makes the peers ready and runs them.

use serde_json::Value as Json;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long a peer may take to listen or to say something.
const PATIENCE: Duration = Duration::from_secs(15);

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

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/mqtt")
}

fn cache() -> Result<PathBuf, String> {
    let from = |name, more: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(more));
    let folder = from("XDG_CACHE_HOME", "")
        .or_else(|| from("HOME", ".cache"))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = folder.join("sinew/peers/mqtt");
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder)
}

/// The Python of an environment with exactly these requirements.
fn python(requirements: &str) -> Result<PathBuf, String> {
    let list = peers().join(requirements);
    let pinned = std::fs::read_to_string(&list).map_err(|e| e.to_string())?;
    let folder = cache()?.join(requirements.trim_end_matches(".txt"));
    // Several test programs may come here at once.
    let lock = std::fs::File::create(folder.with_extension("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&pinned) {
        let venv = "python3 with its venv module is needed for the MQTT peers: install python3-venv";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), venv)?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        let pip = "the MQTT peers could not be installed: connect to a Python package index once";
        run(Command::new(&python).args(install).arg(list), pip)?;
        std::fs::write(&stamp, pinned).map_err(|e| e.to_string())?;
    }
    Ok(python)
}

/// mosquitto on a port of its own.
pub(crate) struct Mosquitto {
    child: Mutex<Child>,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Mosquitto {
    /// `settings` are lines of its configuration after the listener.
    pub(crate) fn start(settings: &str) -> Result<Mosquitto, String> {
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?;
        let folder =
            std::env::temp_dir().join(format!("sinew-mosquitto-{}-{}", std::process::id(), free.port()));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let config = format!("listener {} 127.0.0.1\npersistence false\n{settings}\n", free.port());
        std::fs::write(folder.join("mosquitto.conf"), config).map_err(|e| e.to_string())?;
        Self::run(folder, SocketAddr::from((Ipv4Addr::LOCALHOST, free.port())))
    }

    fn run(folder: PathBuf, address: SocketAddr) -> Result<Mosquitto, String> {
        let program = ["/usr/sbin/mosquitto", "mosquitto"].into_iter().find(|p| Path::new(p).exists());
        let mut command = Command::new(program.unwrap_or("mosquitto"));
        command.arg("-c").arg(folder.join("mosquitto.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command
            .spawn()
            .map_err(|e| format!("mosquitto is needed: install the package mosquitto ({e})"))?;
        let started = Mosquitto { child: Mutex::new(child), folder, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > PATIENCE {
                return Err(format!("mosquitto does not listen on {address}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(started)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        // It may have ended by itself.
        let _ended = child.kill();
        let _reaped = child.wait();
    }

    /// On the same port, after it was killed.
    pub(crate) fn start_again(&self) {
        let again = Mosquitto::run(self.folder.clone(), self.address).unwrap();
        std::mem::swap(&mut *self.child.lock().unwrap(), &mut *again.child.lock().unwrap());
        std::mem::forget(again);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
        // Left behind it would do no harm.
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

/// A device in Python that says in lines of JSON what it sees.
pub(crate) struct PythonDevice {
    child: tokio::process::Child,
    pub(crate) said: Arc<Mutex<Vec<Json>>>,
}

impl PythonDevice {
    pub(crate) fn thingsboard(port: u16, token: &str) -> Result<PythonDevice, String> {
        let python = python("requirements-thingsboard.txt")?;
        let port = port.to_string();
        Ok(Self::start(&python, "tb_device.py", &["--port", &port, "--token", token]))
    }

    pub(crate) fn paho(arguments: &[&str]) -> Result<PythonDevice, String> {
        Ok(Self::start(&python("requirements.txt")?, "paho_device.py", arguments))
    }

    fn start(python: &Path, script: &str, arguments: &[&str]) -> PythonDevice {
        use tokio::io::AsyncBufReadExt;
        let mut command = tokio::process::Command::new(python);
        command.arg(peers().join(script)).args(arguments).kill_on_drop(true);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
        let said: Arc<Mutex<Vec<Json>>> = Arc::default();
        let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = said.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Json::String(line));
                heard.lock().unwrap().push(line);
            }
        });
        PythonDevice { child, said }
    }

    /// Waits until it says something of this kind.
    pub(crate) async fn saw(&self, what: &str) -> Json {
        let start = Instant::now();
        loop {
            let found = self.said.lock().unwrap().iter().rev().find(|line| line["saw"] == what).cloned();
            if let Some(found) = found {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "it never saw {what}: {:?}", self.said.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
