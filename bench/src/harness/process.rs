//! A program that is measured from outside: started, read in /proc, killed.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Clock ticks a second in /proc (USER_HZ): 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
/// A program that does not listen by then will not.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// A program that was interrupted and does not end by then is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How often a port is tried until it answers.
const TRY_EVERY: Duration = Duration::from_millis(5);

/// How to start a program.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Removed when the program is: what it wrote belongs to one run.
    pub(crate) folder: Option<PathBuf>,
    /// Its input and output are read; those of others go nowhere, so that no full pipe holds them up.
    pub(crate) talks: bool,
}

/// A running program, killed when dropped.
pub(crate) struct Process {
    child: Child,
    folder: Option<PathBuf>,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
}

/// Resident memory, in MB of 10^6 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    pub(crate) rss_mb: f64,
    pub(crate) peak_rss_mb: f64,
}

impl Process {
    /// Starts a program, on one core when `core` says so.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start(launch: Launch, core: Option<usize>) -> Result<Process, String> {
        let mut command = match core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(&launch.program);
                pinned
            }
            None => Command::new(&launch.program),
        };
        let pipe = || if launch.talks { Stdio::piped() } else { Stdio::null() };
        let command = command
            .args(&launch.arguments)
            .envs(launch.environment.iter().cloned())
            .stdin(pipe())
            .stdout(pipe())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", launch.program.display()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Process { child, folder: launch.folder, stdin, stdout })
    }

    /// Waits until the program takes connections.
    ///
    /// # Errors
    /// It ended, or does not listen in time.
    pub(crate) fn listens(&mut self, address: SocketAddr) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < LISTENS_WITHIN {
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended before it listened on {address}: {status}"));
            }
            std::thread::sleep(TRY_EVERY);
        }
        Err(format!("does not listen on {address} after {LISTENS_WITHIN:?}"))
    }

    /// Interrupts the program as Ctrl-C would, and returns all it said and had not been read.
    pub(crate) fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        let _sent = Command::new("kill").args(["-INT", &pid]).status();
        let start = Instant::now();
        while start.elapsed() < ENDS_WITHIN && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(TRY_EVERY);
        }
        let _killed = self.child.kill();
        let mut said = String::new();
        let _ended = self.stdout.take().map(|mut out| out.read_to_string(&mut said));
        said
    }

    /// CPU time used so far by all its threads, in s; in steps of 10 ms.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        cpu_s(&stat).unwrap_or(f64::NAN)
    }

    /// Resident memory, now and at most so far.
    pub(crate) fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        memory(&status).unwrap_or(Memory { rss_mb: f64::NAN, peak_rss_mb: f64::NAN })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        if let Some(folder) = &self.folder {
            let _removed = std::fs::remove_dir_all(folder);
        }
    }
}

/// User and system time in a line of /proc/PID/stat, in s.
fn cpu_s(stat: &str) -> Option<f64> {
    // The name may hold spaces and parentheses: fields are counted after the last `)`.
    // There, fields 14 (utime) and 15 (stime) of proc(5) are 11 and 12.
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |n: usize| fields.split_whitespace().nth(n)?.parse::<f64>().ok();
    Some((field(11)? + field(12)?) / TICKS)
}

/// VmRSS and VmHWM in the text of /proc/PID/status.
fn memory(status: &str) -> Option<Memory> {
    let mb = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1.024e-3)
    };
    Some(Memory { rss_mb: mb("VmRSS:")?, peak_rss_mb: mb("VmHWM:")? })
}

/// A port nobody listens on at the moment.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"))?;
    listener.local_addr().map_err(|e| e.to_string())
}

/// An empty folder of its own for one run of a program.
///
/// # Errors
/// It cannot be made.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf, String> {
    static MADE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("sinew-bench-{name}-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::{Memory, cpu_s, memory};

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "812 (a) b (c) S 1 812 812 0 -1 4194304 152 0 0 0 150 25 3 4 20 0 1 0 881 9 11";
        assert_eq!(cpu_s(stat), Some(1.75));
        assert_eq!(cpu_s("812 (short) S 1 2"), None);
        assert_eq!(cpu_s(""), None);
    }

    #[test]
    fn memory_is_counted_in_mb() {
        let status = "Name:\tx\nVmPeak:\t  9999 kB\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n";
        assert_eq!(memory(status), Some(Memory { rss_mb: 1.024, peak_rss_mb: 2.048 }));
        assert_eq!(memory("Name:\tzombie\n"), None);
    }
}
