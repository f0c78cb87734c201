//! The release binary as a process, set up as a first user would.

use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::{
    client::Client,
    harness::process::{Launch, Process, fresh_folder},
};

pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) client: Client,
    /// From the start of the process to the first healthy answer.
    pub(crate) healthy_after: Duration,
}

impl Node {
    /// Starts a release node over a fresh folder, and makes its administrator.
    pub(crate) fn start() -> Node {
        let program = built();
        let folder = fresh_folder("node").expect("a folder for the node");
        let settings = [
            ("SINEW_SERVER_LISTEN", "127.0.0.1:0".to_string()),
            ("SINEW_STORAGE_DIR", folder.display().to_string()),
            ("SINEW_LOG_LEVEL", "warn".to_string()),
        ];
        let launch = Launch {
            program,
            arguments: vec!["serve".into()],
            environment: settings.to_vec(),
            folder: Some(folder),
            talks: true,
        };
        let started = Instant::now();
        let mut process = Process::start(launch, None).expect("the node starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
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
        Node { process, client, healthy_after }
    }
}

/// Builds the release binary, once for all nodes of a bench: a second build would be part of what is measured.
fn built() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built =
            Command::new("cargo").args(["build", "--release", "-p", "sinew"]).current_dir(&root).status();
        assert!(built.is_ok_and(|s| s.success()), "the release binary builds");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        target.join("release/sinew")
    };
    BUILT.get_or_init(build).clone()
}
