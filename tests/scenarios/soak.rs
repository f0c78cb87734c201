//! A run of cycles: a few in an ordinary test, many under `cargo x soak NAME`, which leaves a file in `bench/results/`
//! that holds commit, seed, load and counts. A long run that was cut goes on where it stopped.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) struct Soak {
    name: &'static str,
    wanted: u64,
    done: u64,
    before: u64,
    counted: u64,
    state: u64,
    seed: u64,
    started: std::time::Instant,
    commit: String,
    file: Option<PathBuf>,
}

impl Soak {
    /// A few cycles, for an ordinary test run.
    pub(crate) fn short(name: &'static str, cycles: u64) -> Soak {
        Soak::new(name, cycles, 0, None)
    }

    /// Many cycles, with a result file; goes on after those that this commit has done already.
    pub(crate) fn long(name: &'static str, cycles: u64) -> Soak {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|p| p.join("bench/results").is_dir());
        let file = root.expect("this is the project's tree").join(format!("bench/results/{name}.json"));
        let earlier = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let earlier = earlier.filter(|e| e["commit"] == json!(commit()));
        let before = earlier.and_then(|e| e["cycles"].as_u64()).filter(|done| *done < cycles).unwrap_or(0);
        Soak::new(name, cycles, before, Some(file))
    }

    fn new(name: &'static str, wanted: u64, before: u64, file: Option<PathBuf>) -> Soak {
        // Each part of a run draws other moments.
        let seed = 0x5EED ^ (before << 32);
        let started = std::time::Instant::now();
        let commit = if file.is_some() { commit() } else { String::new() };
        Soak { name, wanted, done: 0, before, counted: 0, state: seed, seed, started, commit, file }
    }

    /// A run that `cargo x soak` asked for.
    pub(crate) fn is_long(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
    /// Whether another cycle is due.
    pub(crate) fn more(&self) -> bool {
        self.before + self.done < self.wanted
    }
    pub(crate) fn cycle(&self) -> u64 {
        self.before + self.done
    }
    /// Cycles that an earlier part of this run did.
    pub(crate) fn cycle_before(&self) -> u64 {
        self.before
    }
    /// From `from` up to `to`; SplitMix64.
    pub(crate) fn random(&mut self, from: u64, to: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        from + (z ^ (z >> 31)) % (to - from)
    }
    /// One more cycle went well; `counted` is the total so far of what the run counts.
    pub(crate) fn count(&mut self, counted: u64) {
        self.done += 1;
        self.counted = counted;
        self.write(json!({}));
    }
    /// The end of the run.
    pub(crate) fn end(&self) {
        println!("{}: {} cycles, {} counted", self.name, self.before + self.done, self.counted);
    }
    /// Writes the result so far.
    pub(crate) fn write(&self, more: Value) {
        let Some(file) = &self.file else { return };
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut result = json!({
            "name": self.name, "commit": self.commit, "seed": self.seed, "cycles": self.before + self.done,
            "failed": 0, "counted": self.counted, "seconds": self.started.elapsed().as_secs(), "load": load.trim(),
        });
        if let (Some(result), Some(more)) = (result.as_object_mut(), more.as_object()) {
            result.extend(more.clone());
        }
        let text = serde_json::to_string_pretty(&result).expect("JSON");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the results folder can be made");
        std::fs::write(file, text + "\n").expect("the result can be written");
    }
}

impl Drop for Soak {
    /// A cycle that failed must not leave a file that looks like a run that went well.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.write(json!({ "failed": 1 }));
        }
    }
}

fn commit() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default()
}
