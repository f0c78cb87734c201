//! The release binary as a process, and what /proc says of it.

use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::client::Client;

pub(crate) struct Node {
    child: Child,
    pub(crate) client: Client,
    /// From the start of the process to the first healthy answer.
    pub(crate) healthy_after: Duration,
    dir: PathBuf,
}

/// Clock ticks a second in /proc (USER_HZ): 100 on Linux.
const TICKS: f64 = 100.0;

impl Node {
    /// Builds and starts a release node over a fresh folder, and makes its administrator.
    pub(crate) fn start() -> Node {
        let binary = build();
        let dir = std::env::temp_dir().join(format!("sinew-bench-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&dir);
        let started = Instant::now();
        let mut child = Command::new(binary)
            .arg("serve")
            .env("SINEW_SERVER_LISTEN", "127.0.0.1:0")
            .env("SINEW_STORAGE_DIR", &dir)
            .env("SINEW_LOG_LEVEL", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().and_then(Result::ok).expect("a line");
        let address = line().rsplit("http://").next().expect("an address").to_string();
        let client = Client::new(address);
        client.get("/health");
        let healthy_after = started.elapsed();
        let code = line().rsplit(' ').next().expect("a setup code").to_string();
        let session = client.post(
            "/setup",
            json!({ "code": code, "organisation": "Bench", "name": "anna", "password": "correct horse battery" }),
        );
        let client = client.with_token(session["token"].as_str().expect("a token"));
        Node { child, client, healthy_after, dir }
    }

    /// CPU time used so far, in s.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the node runs");
        // After the name in parentheses: field 14 (utime) and 15 (stime) of proc(5) are 11 and 12 from there.
        let after = stat.rsplit(')').next().expect("fields");
        let field =
            |n: usize| after.split_whitespace().nth(n).and_then(|f| f.parse::<f64>().ok()).expect("a number");
        (field(11) + field(12)) / TICKS
    }

    /// Resident and peak resident memory, in MB.
    pub(crate) fn memory_mb(&self) -> (f64, f64) {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the node runs");
        let kb = |name: &str| {
            let line = status.lines().find(|l| l.starts_with(name)).expect("a line");
            line.split_whitespace().nth(1).and_then(|f| f.parse::<f64>().ok()).expect("a number")
        };
        (kb("VmRSS:") * 1.024e-3, kb("VmHWM:") * 1.024e-3)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.dir);
    }
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new("cargo").args(["build", "--release", "-p", "sinew"]).current_dir(&root).status();
    assert!(built.is_ok_and(|s| s.success()), "the release binary builds");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("release/sinew")
}
