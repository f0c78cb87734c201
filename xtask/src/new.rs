//! `cargo x new`: a leaf from the templates, complete and green.
//!
//! Templates are real files under `xtask/templates/<kind>/`, read at run time, with these marks: `@name@` (as given),
//! `@ident@` (its Rust form), `@Type@` (camel case). A mark in a file name is replaced too.

use std::path::Path;

use crate::{
    Failure, Outcome, generate,
    leaf::{Kind, Leaf},
    run, tree,
};

const EXTENSIONS: &[&str] = &["rs", "toml", "md", "json", "ts", "vue"];

/// Makes the folder and puts the leaf into the catalogue.
pub fn new(root: &Path, kind: &str, name: &str) -> Outcome {
    let leaf = Leaf::named(Kind::parse(kind)?, name)?;
    let folder = leaf.folder(root);
    if folder.exists() {
        return Err(Failure::new(format!("{} exists already: choose another name", leaf.path())));
    }
    for path in scaffold(root, &leaf, &folder)? {
        println!("wrote {}/{path}", leaf.path());
    }
    generate::generate(root, &["catalog"])?;
    println!("\nnext: cargo test -p {}", leaf.package());
    Ok(())
}

/// Writes a leaf's files below a folder, formatted; gives their paths within it.
pub fn scaffold(root: &Path, leaf: &Leaf, folder: &Path) -> Outcome<Vec<String>> {
    let files = filled(root, leaf)?;
    for (path, text) in &files {
        tree::write(&folder.join(path), text)?;
    }
    // Where lines break depends on how long the name is.
    let mut format = run::program("rustfmt", root, &["--edition", "2024"]);
    format.args(tree::files(folder, &["rs"]));
    run::output(format)?;
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Path within the leaf's folder, and content, of every file.
fn filled(root: &Path, leaf: &Leaf) -> Outcome<Vec<(String, String)>> {
    let templates = root.join("xtask/templates").join(leaf.kind.word());
    let files = tree::files(&templates, EXTENSIONS);
    if files.is_empty() {
        return Err(Failure::new(format!("{} has no templates", templates.display())));
    }
    files
        .iter()
        .map(|file| {
            // `Cargo.toml` itself would make the template a package of its own.
            let path = fill(&tree::shown(&templates, file), leaf).replace("Cargo.toml.toml", "Cargo.toml");
            Ok((path, fill(&tree::read(file)?, leaf)))
        })
        .collect()
}

fn fill(text: &str, leaf: &Leaf) -> String {
    let ident = leaf.name.replace('-', "_");
    text.replace("@name@", &leaf.name).replace("@ident@", &ident).replace("@Type@", &camel(&leaf.name))
}

fn camel(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled_completely() {
        let root = tree::root();
        for kind in Kind::ALL {
            let leaf = Leaf::named(kind, "cutting-tools").unwrap();
            let files = filled(&root, &leaf).unwrap();
            assert!(files.iter().any(|(path, _)| path == "Cargo.toml"), "{kind:?} has no manifest");
            assert!(files.iter().any(|(path, _)| path == "src/lib.rs"), "{kind:?} has no library");
            for (path, text) in files {
                let marks = ["@name@", "@ident@", "@Type@"];
                assert!(marks.iter().all(|mark| !path.contains(mark) && !text.contains(mark)), "{path}");
            }
        }
    }

    #[test]
    fn an_existing_leaf_is_not_overwritten() {
        let failure = new(&tree::root(), "driver", "modbus").unwrap_err();
        assert!(failure.0.contains("exists already"), "{failure}");
    }

    #[test]
    fn names_turn_into_types() {
        assert_eq!(camel("energy-meters2"), "EnergyMeters2");
    }
}
