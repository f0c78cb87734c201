//! The samples of one seed, as the plain columns that our program writes: what every peer is given.

use serde_json::Value;
use std::path::{Path, PathBuf};

use super::ours::Programs;
use crate::harness::process;

/// A folder of columns, removed when dropped.
pub(super) struct Samples {
    pub(super) folder: PathBuf,
    pub(super) count: u64,
    pub(super) points: usize,
    /// Of all values, Bad ones too.
    pub(super) sum: f64,
}

impl Samples {
    /// # Errors
    /// Our program cannot write them.
    pub(super) fn make(
        programs: &Programs,
        data: &str,
        points: usize,
        rows: usize,
        seed: u64,
    ) -> Result<Samples, String> {
        let folder = process::fresh_folder("samples")?;
        let text = |n: usize| n.to_string();
        let said = programs.ours(
            "data",
            &[
                ("data", data.into()),
                ("points", text(points)),
                ("rows", text(rows)),
                ("seed", seed.to_string()),
                ("out", folder.display().to_string()),
            ],
        );
        let said: Value = said.inspect_err(|_| drop(std::fs::remove_dir_all(&folder)))?;
        let count = said["samples"].as_u64().unwrap_or_default();
        let sum = said["sum_with_bad"].as_f64().unwrap_or(f64::NAN);
        Ok(Samples { folder, count, points, sum })
    }

    /// What is wrong with a count and a sum that came back; `None` when they are these samples'.
    pub(super) fn fault(&self, count: u64, sum: f64) -> Option<String> {
        let near = (sum - self.sum).abs() <= 1e-9 * self.sum.abs().max(1.0);
        let differs = count != self.count || !near;
        differs.then(|| {
            format!("{} samples of sum {} went in, {count} of {sum} came back", self.count, self.sum)
        })
    }

    /// One column of a type.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn column<const N: usize>(&self, name: &str) -> Result<Vec<[u8; N]>, String> {
        let path = self.folder.join(name);
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(bytes.as_chunks::<N>().0.to_vec())
    }

    pub(super) fn has(&self, of_type: &str) -> bool {
        self.folder.join(format!("{of_type}.points")).exists()
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}
