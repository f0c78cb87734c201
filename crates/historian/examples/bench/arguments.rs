//! `--name value` pairs.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, str::FromStr};

use crate::Failure;

/// The same bytes in every run unless asked otherwise.
const SEED: u64 = 20_260_801;

pub(crate) struct Arguments {
    given: BTreeMap<String, String>,
    asked: RefCell<Vec<&'static str>>,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Failure> {
        let mut given = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("`{word}` is no `--name`"))?;
            let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
            given.insert(name.to_string(), value);
        }
        Ok(Arguments { given, asked: RefCell::default() })
    }

    pub(crate) fn text(&self, name: &'static str) -> Option<&str> {
        self.asked.borrow_mut().push(name);
        self.given.get(name).map(String::as_str)
    }

    /// # Errors
    /// What was given cannot be read.
    pub(crate) fn maybe<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Failure> {
        let parse = |text: &str| text.parse().map_err(|_| format!("--{name} cannot be `{text}`").into());
        self.text(name).map(parse).transpose()
    }

    /// # Errors
    /// What was given cannot be read.
    pub(crate) fn or<T: FromStr>(&self, name: &'static str, otherwise: T) -> Result<T, Failure> {
        Ok(self.maybe(name)?.unwrap_or(otherwise))
    }

    /// # Errors
    /// What was given cannot be read.
    pub(crate) fn seed(&self) -> Result<u64, Failure> {
        self.or("seed", SEED)
    }

    /// A folder for stores, removed at the end unless `--keep true`.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub(crate) fn folder(&self) -> Result<Folder, Failure> {
        let otherwise = || std::env::temp_dir().join(format!("sinew-historian-{}", std::process::id()));
        let path = self.text("dir").map_or_else(otherwise, PathBuf::from);
        if path.exists() {
            return Err(format!("{} exists: name a directory that does not", path.display()).into());
        }
        let keep = self.or("keep", false)?;
        std::fs::create_dir_all(&path)?;
        Ok(Folder { path, keep })
    }

    /// # Errors
    /// An argument that the command did not ask for: a typing error would measure something else.
    pub(crate) fn all_known(&self) -> Result<(), Failure> {
        let asked = self.asked.borrow();
        match self.given.keys().find(|name| !asked.contains(&name.as_str())) {
            Some(name) => Err(format!("this command knows no --{name}").into()),
            None => Ok(()),
        }
    }
}

pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    keep: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _removed = std::fs::remove_dir_all(&self.path);
        }
    }
}
