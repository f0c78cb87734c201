//! The command line of `cargo x`: words to functions, and nothing else.

#![allow(clippy::print_stdout, reason = "a command line tool talks on standard output")]

use std::process::ExitCode;

use xtask::{Failure, Outcome, generate};

const HELP: &str = "\
cargo x <command>

  gen [--check] [catalog|coverage|openapi ...]
                     write (or compare) what is generated: crates/catalog, docs/coverage*.md, docs/openapi.json
  new driver NAME    make drivers/NAME: a complete driver of a tiny line protocol, green from the start
  new app NAME       make apps/NAME: a complete app with one list, green from the start
  check [STAGE...]   what CI runs: tools console format generated lints tests scaffold openapi browser; or those named
  test               tools, console, all tests and browser tests, without format and lints
  browser            build the console and the binary, run the browser tests
  demo [ARGS...]     build the console and the binary, start `sinew demo` with ARGS (--no-browser, --port N)
  soak [NAME]        run one long test; without a name, list them
  size               lines, crates, edges, dependencies and unwraps of this tree
  help               this text

Environment: CI=true installs missing tools with apt-get and lets nothing be skipped.
             CARGO_TARGET_DIR is honoured; under CI it is ~/.cache/sinew/target when unset.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cargo x: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[&str]) -> Outcome {
    let root = xtask::tree::root();
    match args {
        [] | ["help" | "-h" | "--help", ..] | [_, "-h" | "--help"] => {
            println!("{HELP}");
            Ok(())
        }
        ["gen", rest @ ..] => generate::generate(&root, rest),
        ["new", kind, name] => xtask::new(&root, kind, name),
        ["new", ..] => Err(Failure::new("say what and how it is called: cargo x new driver|app NAME")),
        ["check", stages @ ..] => xtask::check(&root, stages),
        ["test"] => xtask::test(&root),
        ["browser"] => xtask::browser(&root),
        ["demo", rest @ ..] => xtask::demo(&root, rest),
        ["soak"] => xtask::soak(&root, None),
        ["soak", name] => xtask::soak(&root, Some(name)),
        ["size"] => xtask::size(&root),
        [other, ..] => Err(Failure::new(format!(
            "`{other}` with these arguments is not a command: `cargo x help` lists them"
        ))),
    }
}
