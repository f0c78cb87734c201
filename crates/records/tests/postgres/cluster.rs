//! A throw-away PostgreSQL: own folder, own Unix socket, gone when dropped. Needs Debian's `postgresql` package or
//! PostgreSQL's programs on the path, nothing running.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const MISSING: &str =
    "PostgreSQL is not installed: run `apt-get install postgresql` (15 or newer) and repeat the test";

/// A running server with one empty database, `postgres`.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Starts one. Without PostgreSQL on this machine: `None` and a line that says so, but a failure under `CI=true`.
    pub(crate) fn start() -> Option<Cluster> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(programs) = programs() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{MISSING}");
            eprintln!("skipped: {MISSING}");
            return None;
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Not below the system's temporary folder by its full name: a socket's path has at most 107 bytes.
        let folder = std::env::temp_dir().join(format!("sinew-pg-{}-{number}", std::process::id()));
        let mut cluster = Cluster { programs, folder, server: None };
        std::fs::create_dir_all(&cluster.folder).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&cluster.folder));
        }
        let initdb = cluster.programs.join("initdb");
        let data = cluster.folder.join("data");
        let options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"];
        run(as_postgres(&initdb).args(options).arg(data));
        cluster.resume();
        Some(cluster)
    }

    /// How to connect.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.display())
    }

    /// Stops the server; its data stays.
    pub(crate) fn pause(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // SIGINT: disconnect everybody, then end in order. SIGKILL would leave its shared memory behind.
        let told = Command::new("kill").arg("-INT").arg(server.id().to_string()).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = server.kill();
        }
        let _ = server.wait();
    }

    /// Starts the server again on the same data.
    pub(crate) fn resume(&mut self) {
        let mut server = as_postgres(&self.programs.join("postgres"));
        server.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        for setting in ["listen_addresses=", "fsync=off", "max_connections=60", "shared_buffers=16MB"] {
            server.arg("-c").arg(setting);
        }
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let child = server.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.server = Some(child);
        let start = Instant::now();
        let ready = || {
            let mut probe = Command::new(self.programs.join("pg_isready"));
            probe.arg("-q").arg("-h").arg(&self.folder).status().is_ok_and(|status| status.success())
        };
        while !ready() {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(start.elapsed() < START_TIMEOUT, "PostgreSQL does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pause();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder with `initdb` in it: Debian keeps each version in its own, newest last by number.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    found.pop().map(|(_, folder)| folder).or_else(on_path)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// PostgreSQL refuses to run as root. The server ends with the thread that started it, however that ends: start it from
/// the test's own thread.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT"]).arg(program);
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
