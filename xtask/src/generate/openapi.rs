//! `docs/openapi.json`: the API as the binary itself describes it, kept in git so that every change of it is seen.

use std::{path::Path, process::Command};

use super::Generated;
use crate::{Failure, Outcome, run};

pub(super) fn expected(root: &Path) -> Outcome<Vec<Generated>> {
    let binary = run::build_sinew(root, run::WITH_WORKSPACE)?;
    let mut command = Command::new(&binary);
    command.arg("openapi").current_dir(root);
    let printed = run::output(command)?;
    let document: serde_json::Value = serde_json::from_str(&printed).map_err(|error| {
        Failure::new(format!("`sinew openapi` did not print JSON ({error}): mend the subcommand"))
    })?;
    let mut text =
        serde_json::to_string_pretty(&document).map_err(|error| Failure::new(error.to_string()))?;
    text.push('\n');
    Ok(vec![Generated { path: "docs/openapi.json", text }])
}
