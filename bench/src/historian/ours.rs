//! Our measured program, and whatever else could be made ready.

use serde_json::Value;
use std::{path::PathBuf, process::Command};

use crate::{
    harness::{
        contest::{OURS, Run},
        machine,
    },
    peers::{
        self,
        columns::{Columns, DUCKDB, PARQUET},
        servers,
    },
};

/// What ours is called with, and which of its figures are shown under which name.
pub(super) type Shown = &'static [(&'static str, &'static str)];

pub(super) struct Programs {
    ours: Result<PathBuf, String>,
    columns: Result<Columns, String>,
    servers: Vec<(String, Result<PathBuf, String>)>,
}

impl Programs {
    /// Downloads and builds happen here, before anything is measured.
    pub(super) fn ready(peers: &[&str]) -> Programs {
        let in_bulk = |peer: &&&str| [DUCKDB, PARQUET].contains(*peer);
        let needs_columns = peers.iter().any(|peer| in_bulk(&peer));
        let servers = peers.iter().filter(|peer| !in_bulk(peer));
        Programs {
            ours: peers::our_example("historian", "bench"),
            columns: if needs_columns { Columns::ready() } else { Err("not asked for".into()) },
            servers: servers.map(|peer| (peer.to_string(), servers::program(peer))).collect(),
        }
    }

    pub(super) fn versions(&self) -> Vec<(String, String)> {
        let mut versions = vec![(OURS.to_string(), machine::commit())];
        let ready = self.servers.iter().filter_map(|(name, program)| Some((name, program.as_ref().ok()?)));
        versions.extend(ready.map(|(name, program)| (name.clone(), servers::version(name, program))));
        if let Ok(columns) = &self.columns {
            versions.extend([DUCKDB, PARQUET].map(|name| (name.to_string(), columns.version(name))));
        }
        versions
    }

    pub(super) fn server(&self, name: &str) -> Result<servers::Server, String> {
        let ready = self.servers.iter().find(|(known, _)| known == name);
        let program = ready.ok_or_else(|| format!("{name} has no part in this case"))?.1.as_ref();
        servers::Server::start(name, program.map_err(Clone::clone)?)
    }

    pub(super) fn columns(&self) -> Result<&Columns, String> {
        self.columns.as_ref().map_err(Clone::clone)
    }

    /// Runs our program to its end and returns its figures.
    ///
    /// # Errors
    /// It cannot be built, fails, or finds that its store has not what was sent.
    pub(super) fn ours(&self, command: &str, arguments: &[(&str, String)]) -> Result<Value, String> {
        let mut program = Command::new(self.ours.as_ref().map_err(Clone::clone)?);
        program.arg(command);
        for (name, value) in arguments {
            program.args([&format!("--{name}"), value]);
        }
        let output = program.output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{command} {arguments:?}: {}", why.trim()));
        }
        serde_json::from_slice(&output.stdout).map_err(|e| format!("{command}: {e}"))
    }

    /// The same as a run; what ours finds wrong is a fault of the run.
    pub(super) fn our_run(
        &self,
        command: &str,
        arguments: &[(&str, String)],
        shown: Shown,
    ) -> Result<Run, String> {
        // A program that was not built is absent; one that fails has failed a run.
        self.ours.as_ref().map_err(Clone::clone)?;
        Ok(match self.ours(command, arguments) {
            Ok(said) => Run { figures: figures(&said, shown), fault: None },
            Err(why) => Run { figures: Vec::new(), fault: Some(why) },
        })
    }
}

/// Figures under their names here.
pub(super) fn figures(said: &Value, shown: Shown) -> Vec<(&'static str, f64)> {
    shown.iter().filter_map(|(theirs, here)| Some((*here, said[theirs].as_f64()?))).collect()
}
