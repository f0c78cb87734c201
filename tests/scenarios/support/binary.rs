//! The real binary as a process of its own: started, spoken to, killed.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use super::client::Client;

/// The binary, built once with the very profile the tests run in.
pub(crate) fn sinew() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let built = Command::new(cargo)
            // As the later stages of CI build it: another choice of packages is another choice of features, and so of
            // all that is built.
            .args(["build", "-q", "--workspace", "--bins", "--manifest-path"])
            .arg(manifest)
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the binary builds");
        // target/debug/deps/scenarios-… → target/debug/sinew
        let test = std::env::current_exe().expect("this program has a path");
        let binary = test.ancestors().nth(2).expect("a target folder").join("sinew");
        assert!(binary.exists(), "{} exists", binary.display());
        binary
    })
}

/// A node as a process.
pub(crate) struct Process {
    child: Child,
    pub(crate) client: Client,
    pub(crate) setup_code: Option<String>,
}

impl Process {
    /// Starts `sinew serve` on a free port over a data folder and waits until it is up.
    pub(crate) fn serve(dir: &Path, environment: &[(&str, &str)]) -> Process {
        let mut child = Command::new(sinew())
            .arg("serve")
            .env("SINEW_SERVER_LISTEN", "127.0.0.1:0")
            .env("SINEW_STORAGE_DIR", dir)
            .env("SINEW_LOG_LEVEL", "warn")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut next = || lines.next().and_then(Result::ok);
        let first = next().expect("the node says where it is");
        let address = first.rsplit("http://").next().expect("an address").to_string();
        let client = Client::new(address);
        let needed = client.get("/setup")["needed"] == true;
        let setup_code =
            needed.then(|| next().expect("a setup code").rsplit(' ').next().expect("a word").to_string());
        Process { child, client, setup_code }
    }

    /// First start: makes the administrator and gives a client with its session.
    pub(crate) fn set_up(&self) -> Client {
        let code = self.setup_code.as_deref().expect("a fresh node");
        let body = serde_json::json!({
            "code": code, "organisation": "Works One", "name": "anna", "password": "correct horse battery", "locale": "en"
        });
        let session = self.client.post("/setup", body);
        self.client.with_token(session["token"].as_str().expect("a token"))
    }

    pub(crate) fn sign_in(&self) -> Client {
        let body = serde_json::json!({ "name": "anna", "password": "correct horse battery" });
        let session = self.client.post("/session", body);
        self.client.with_token(session["token"].as_str().expect("a token"))
    }

    /// As a power switch would: no signal handler runs.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
