//! DuckDB and Parquet (written and read by pyarrow): files of columns, filled in bulk by a script of ours.

use std::path::PathBuf;

use crate::harness::{machine, process::Launch};

pub(crate) const DUCKDB: &str = "duckdb";
pub(crate) const PARQUET: &str = "parquet";
const SCRIPTS: &str = "columns";

pub(crate) struct Columns {
    python: PathBuf,
}

impl Columns {
    /// # Errors
    /// Python or the packages are not to be had.
    pub(crate) fn ready() -> Result<Columns, String> {
        Ok(Columns { python: super::python(SCRIPTS)? })
    }
    pub(crate) fn version(&self, engine: &str) -> String {
        let package = if engine == DUCKDB { "duckdb" } else { "pyarrow" };
        let ask = format!("import importlib.metadata as m; print('{package}', m.version('{package}'))");
        machine::said(&self.python.display().to_string(), &["-c", &ask])
    }
    pub(crate) fn script(&self, name: &str, engine: &str, more: &[(&str, String)]) -> Launch {
        let script = super::scripts(SCRIPTS).join(name).display().to_string();
        let mut arguments = vec![script, "--engine".into(), engine.into()];
        for (flag, value) in more {
            arguments.extend([format!("--{flag}"), value.clone()]);
        }
        Launch { program: self.python.clone(), arguments, environment: Vec::new(), folder: None, talks: true }
    }
}
