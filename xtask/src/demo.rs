//! `cargo x demo`: from a fresh checkout to a live plant in one command.

use std::{path::Path, process::Command};

use crate::{Outcome, console, run};

/// Builds what changed and starts `sinew demo` with these arguments.
pub fn demo(root: &Path, args: &[&str]) -> Outcome {
    console::build(root)?;
    let binary = run::build_sinew(root, &["-p", "sinew"])?;
    let mut command = Command::new(binary);
    command.arg("demo").args(args).current_dir(root);
    replace(command)
}

/// Becomes the product, so that Ctrl-C and signals reach it and nothing of ours stays behind.
#[cfg(unix)]
fn replace(mut command: Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(crate::Failure::new(format!("`sinew demo` did not start: {error}")))
}

#[cfg(not(unix))]
fn replace(command: Command) -> Outcome {
    run::run(command)
}
