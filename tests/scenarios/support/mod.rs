//! What scenarios stand on: a node in this process over real HTTP, and the real binary as a process.

pub(crate) mod binary;
pub(crate) mod client;
pub(crate) mod dice;
pub(crate) mod node;

/// A folder of its own for one test, removed when it passes.
pub(crate) struct TempDir(std::path::PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> TempDir {
        let dir = std::env::temp_dir().join(format!("sinew-{name}-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
        TempDir(dir)
    }
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _kept = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Says that a program which other people wrote could not be had here, so that this part was passed over; `cargo x check` adds
/// them up.
pub(crate) fn skipped(name: &str, why: &str) {
    println!("passed over: {name}: {}", why.trim());
    if let Some(log) = std::env::var_os("TESTS_SKIPPED") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log);
        let written =
            log.and_then(|mut log| std::io::Write::write_all(&mut log, format!("data\t{name}\n").as_bytes()));
        written.expect("what was skipped can be written down");
    }
}

/// Tries until it gives something; fails with what was waited for.
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(std::time::Instant::now() < end, "waited {seconds} s for: {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
