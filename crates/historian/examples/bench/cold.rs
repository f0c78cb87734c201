//! Puts files out of the page cache, and says whether they are.

use std::{path::Path, path::PathBuf, process::Command};

use crate::Failure;

/// Of a store that counts as cold.
const RESIDENT_MAX: f64 = 0.013;

/// Lets go of every file of a folder; returns the share that stayed resident all the same.
///
/// # Errors
/// `dd` or `fincore` fails, or too much stays: such a run would measure the page cache.
pub(crate) fn evict(folder: &Path) -> Result<f64, Failure> {
    let files: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|file| Some(file.ok()?.path())).collect();
    let files: Vec<PathBuf> = files.into_iter().filter(|file| file.is_file()).collect();
    for file in &files {
        // posix_fadvise(DONTNEED) over all of it, by a program, because this project holds no unsafe code.
        let input = format!("if={}", file.display());
        let done = Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status()?;
        if !done.success() {
            return Err(format!("dd cannot evict {}", file.display()).into());
        }
    }
    let resident = resident(&files)?;
    let bytes: u64 = files.iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    let share = resident as f64 / bytes.max(1) as f64;
    if share > RESIDENT_MAX {
        return Err(format!("{:.1} % of {} stays in the page cache", share * 100.0, folder.display()).into());
    }
    Ok(share)
}

/// Bytes in the page cache, by mincore(2).
fn resident(files: &[PathBuf]) -> Result<u64, Failure> {
    let mut fincore = Command::new("fincore");
    fincore.args(["--bytes", "--noheadings", "--raw", "--output", "RES"]).args(files);
    let output = fincore.output()?;
    if !output.status.success() {
        return Err(format!("fincore: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum())
}
