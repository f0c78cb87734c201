//! One JSON line, and what /proc says of this process.

use std::time::Duration;

/// Clock ticks a second in /proc (USER_HZ): 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Names end in their unit.
#[derive(Default)]
pub(crate) struct Figures(Vec<(String, String)>);

impl Figures {
    pub(crate) fn with(mut self, name: &str, value: f64) -> Figures {
        let value = if value.is_finite() { format!("{value}") } else { "null".into() };
        self.0.push((name.into(), value));
        self
    }
    pub(crate) fn count(self, name: &str, value: u64) -> Figures {
        self.with(name, value as f64)
    }
    /// Median and one tail, in ms.
    pub(crate) fn waits(self, name: &str, waits: &mut [Duration], tail: usize) -> Figures {
        waits.sort_unstable();
        let ms = |share| percentile(waits, share).as_secs_f64() * 1e3;
        self.with(&format!("{name}_p50_ms"), ms(50)).with(&format!("{name}_p{tail}_ms"), ms(tail))
    }
    pub(crate) fn line(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", pairs.join(","))
    }
}

/// Nearest rank, of sorted values.
fn percentile(sorted: &[Duration], share: usize) -> Duration {
    let rank = (sorted.len() * share).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// CPU time of all threads so far, in s; in steps of 10 ms.
pub(crate) fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold spaces and parentheses: fields are counted after the last `)`.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |(_, f)| f.split_whitespace().collect());
    let field = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok());
    field(11).zip(field(12)).map_or(f64::NAN, |(user, system)| (user + system) / TICKS)
}

/// `VmRSS` or `VmHWM`, in MB of 10^6 bytes.
pub(crate) fn memory_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1.024e-3)
}

/// Bytes of the files of a folder whose names end so.
pub(crate) fn bytes_of(folder: &std::path::Path, ending: &str) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let ours = files.filter(|file| file.file_name().to_string_lossy().ends_with(ending));
    ours.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
