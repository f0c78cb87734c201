//! `cargo x demo`: from a fresh checkout to a live plant in one command.

use std::{path::Path, process::Command};

use crate::{Failure, Outcome, console, run};

/// Builds what changed and starts `sinew demo` with these arguments; `--port N` is short for `--listen 127.0.0.1:N`.
pub fn demo(root: &Path, args: &[&str]) -> Outcome {
    let args = listening(args)?;
    console::build(root)?;
    let binary = run::build_sinew(root, run::ALONE)?;
    let mut command = Command::new(binary);
    command.arg("demo").args(args).current_dir(root);
    replace(command)
}

fn listening(args: &[&str]) -> Outcome<Vec<String>> {
    let mut args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
    if let Some(at) = args.iter().position(|arg| arg == "--port") {
        let port: Option<u16> = args.get(at + 1).and_then(|port| port.parse().ok());
        let port =
            port.ok_or_else(|| Failure::new("--port needs a number from 0 to 65535, such as --port 8090"))?;
        args.splice(at..at + 2, ["--listen".to_string(), format!("127.0.0.1:{port}")]);
    }
    Ok(args)
}

/// Becomes the product, so that Ctrl-C and signals reach it and nothing of ours stays behind.
#[cfg(unix)]
fn replace(mut command: Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(Failure::new(format!("`sinew demo` did not start: {error}")))
}

#[cfg(not(unix))]
fn replace(command: Command) -> Outcome {
    run::run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_becomes_an_address() {
        let args = listening(&["--no-browser", "--port", "8090", "--seed", "1"]).unwrap();
        assert_eq!(args, ["--no-browser", "--listen", "127.0.0.1:8090", "--seed", "1"]);
        assert!(listening(&["--port"]).is_err() && listening(&["--port", "x"]).is_err());
    }
}
