//! Where the repository is and what files it has.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Failure, Outcome};

/// Folders that hold what was built or fetched, never what was written.
const NOT_SOURCE: &[&str] = &["target", "node_modules", "dist", ".git", ".venv", "__pycache__"];

/// The repository's root folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// All written files below a folder whose extension is one of these, in order; a folder that is absent has none.
pub fn files(under: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(under, extensions, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        // A link may lead out of the tree or round in circles: what it points to is not ours.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !NOT_SOURCE.iter().any(|skip| name.to_str() == Some(skip)) {
                collect(&path, extensions, found);
            }
        } else if kind.is_file()
            && path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e))
        {
            found.push(path);
        }
    }
}

/// Names of the folders directly in a folder, in order.
pub fn folders(within: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(within)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !NOT_SOURCE.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// A text file, or a failure that names it.
pub fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(Failure::at(path))
}

/// Writes a text file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Failure::at(folder))?;
    }
    fs::write(path, text).map_err(Failure::at(path))
}

/// A path as it is written in texts: from the root, with `/`.
pub fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Every package of the tree with its folder, by the name that Rust paths use (`driver_modbus`).
pub fn packages(root: &Path) -> BTreeMap<String, PathBuf> {
    let manifests = files(root, &["toml"]).into_iter().filter(|p| p.ends_with("Cargo.toml"));
    manifests
        .filter_map(|manifest| {
            let text = fs::read_to_string(&manifest).ok()?;
            Some((package_name(&text)?.replace('-', "_"), manifest.parent()?.to_path_buf()))
        })
        .collect()
}

/// The package name that a manifest gives.
pub(crate) fn package_name(manifest: &str) -> Option<String> {
    let table: toml::Table = manifest.parse().ok()?;
    table.get("package")?.get("name")?.as_str().map(str::to_string)
}
