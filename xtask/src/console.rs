//! Building the console: packages only when their lock changed, pages only when a source changed.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use crate::{Failure, Outcome, run, tree};

/// What the bundler reads.
const EXTENSIONS: &[&str] = &["ts", "vue", "js", "mjs", "json", "css", "html", "svg", "png", "woff2"];

/// Makes `console/dist` be what the sources say.
pub(crate) fn build(root: &Path) -> Outcome {
    let console = root.join("console");
    if !console.join("package.json").is_file() {
        return Err(Failure::new("console/package.json is missing: the checkout is not complete"));
    }
    install(&console)?;
    let stamp = run::target_dir(root).join("xtask/console.stamp");
    let hash = hash_of(root, &sources(root));
    if console.join("dist/index.html").is_file() && fs::read_to_string(&stamp).ok().as_deref() == Some(&hash)
    {
        println!("console/dist is up to date");
        return Ok(());
    }
    run::run(run::program("npm", &console, &["run", "build"]))?;
    tree::write(&stamp, &hash)
}

/// `npm ci` in a folder, unless its lock file is the one of the last time.
pub(crate) fn install(folder: &Path) -> Outcome {
    let lock = folder.join("package-lock.json");
    let hash = hash_of(folder, &[lock, folder.join("package.json")]);
    let stamp = folder.join("node_modules/.installed");
    if fs::read_to_string(&stamp).ok().as_deref() == Some(&hash) {
        println!("{} packages are up to date", folder.file_name().unwrap_or_default().to_string_lossy());
        return Ok(());
    }
    run::run(run::program("npm", folder, &["ci", "--no-audit", "--no-fund"]))?;
    tree::write(&stamp, &hash)
}

/// The shell and the pages of every leaf, which the bundler finds in `*/ui`.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.join("console"), root.join("crates/server/ui")];
    for kind in ["apps", "drivers"] {
        folders
            .extend(tree::folders(&root.join(kind)).iter().map(|leaf| root.join(kind).join(leaf).join("ui")));
    }
    folders.iter().flat_map(|folder| tree::files(folder, EXTENSIONS)).collect()
}

/// Names and contents. Only ever compared on the same machine, so the hash need not be a standard one.
fn hash_of(root: &Path, files: &[PathBuf]) -> String {
    let mut hasher = DefaultHasher::new();
    for file in files {
        tree::shown(root, file).hash(&mut hasher);
        fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
