//! What the figures were taken on, and how the machine is prepared.

use serde_json::{Value, json};
use std::process::Command;

/// The core of the measured server and the core of everything that talks to it.
pub(crate) const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// What a program prints, trimmed; empty when it cannot be run.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default()
}

pub(crate) fn commit() -> String {
    let changed = if said("git", &["status", "--porcelain"]).is_empty() { "" } else { " and changes" };
    said("git", &["rev-parse", "--short=12", "HEAD"]) + changed
}

/// Load averages of 1, 5 and 15 minutes, as the kernel writes them.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Processor, cores, memory and kernel.
pub(crate) fn describe() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> = cpus.lines().filter_map(|l| field(l, "model name")).collect();
    let meminfo = read("/proc/meminfo");
    json!({
        "processor": models.first(), "cores": models.len(),
        "memory": meminfo.lines().find_map(|l| field(l, "MemTotal")),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "rustc": said("rustc", &["--version"]),
    })
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    (found.trim() == name).then(|| value.trim())
}

/// Keeps this process, and so every client in it, off the server's core. `false` where there is only one core.
pub(crate) fn pin_clients() -> bool {
    pin(&CLIENT_CORE.to_string())
}

/// Gives this process, and what it starts, every core again.
pub(crate) fn unpin() -> bool {
    let last = said("nproc", &["--all"]).parse::<usize>().map_or(0, |cores| cores.saturating_sub(1));
    pin(&format!("0-{last}"))
}

fn pin(cores: &str) -> bool {
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-a", "-c", "-p", cores, &pid]).output();
    pinned.is_ok_and(|o| o.status.success())
}

/// Lets this process and its children open as many files as the system allows; returns how many that is.
pub(crate) fn raise_file_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard =
        limits.lines().find(|l| l.starts_with("Max open files")).and_then(|l| l.split_whitespace().nth(4));
    let Some(hard) = hard else { return 1024 };
    // A program of util-linux, because this project holds no unsafe code and the system call is one.
    let pid = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={hard}:{hard}")]).status();
    if raised.is_ok_and(|s| s.success()) { hard.parse().unwrap_or(1024) } else { 1024 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_field_is_found_by_its_name() {
        assert_eq!(super::field("model name\t: AMD EPYC", "model name"), Some("AMD EPYC"));
        assert_eq!(super::field("model\t: 1", "model name"), None);
        assert_eq!(super::field("no colon", "model name"), None);
    }
}
