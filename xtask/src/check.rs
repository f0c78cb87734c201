//! `cargo x check`: what CI runs, stage by stage, with the time each took.

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use crate::{Failure, Outcome, browser, console, generate, provision, run, skips};

/// More than this and people stop waiting for it.
const TOTAL_MAX: Duration = Duration::from_secs(58 * 60);

/// One stage: its name, what it does, and whether the later ones make sense without it.
struct Stage {
    name: &'static str,
    run: fn(&Path) -> Outcome,
    needed: bool,
}

const fn needed(name: &'static str, run: fn(&Path) -> Outcome) -> Stage {
    Stage { name, run, needed: true }
}

const fn stage(name: &'static str, run: fn(&Path) -> Outcome) -> Stage {
    Stage { name, run, needed: false }
}

/// The stage after which it is known what was skipped.
const TESTS: &str = "tests";

const CHECK: &[Stage] = &[
    needed("tools", |_| provision::provision()),
    needed("console", console::build),
    stage("format", |root| run::run(run::cargo(root, &["fmt", "--all", "--check"]))),
    stage("generated", |root| generate::generate(root, &["--check", "catalog", "coverage", "storage"])),
    stage("lints", lints),
    stage(TESTS, tests),
    stage("scaffold", |root| {
        run::run(run::cargo(root, &["test", "-p", "xtask", "--test", "scaffold", "--", "--ignored"]))
    }),
    stage("openapi", |root| generate::generate(root, &["--check", "openapi"])),
    stage("browser", browser::specs),
];

/// Every stage in CI's order, or only those named.
pub fn check(root: &Path, named: &[&str]) -> Outcome {
    if let Some(odd) = named.iter().find(|name| !CHECK.iter().any(|stage| stage.name == **name)) {
        let known: Vec<&str> = CHECK.iter().map(|stage| stage.name).collect();
        return Err(Failure::new(format!("`{odd}` is no stage: name any of {}", known.join(", "))));
    }
    let wanted = |stage: &&Stage| named.is_empty() || named.contains(&stage.name);
    stages(root, CHECK.iter().filter(wanted))
}

/// Every test, without format, lints and comparisons.
pub fn test(root: &Path) -> Outcome {
    let tests = ["tools", "console", TESTS, "browser"];
    stages(root, CHECK.iter().filter(|stage| tests.contains(&stage.name)))
}

/// Lints compile dependencies as metadata only and so share nothing with the tests but build scripts and macros. They
/// come first all the same: they take the smaller part of the time and find the mistakes that are quickly mended.
fn lints(root: &Path) -> Outcome {
    run::run(run::cargo(
        root,
        &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    ))
}

fn tests(root: &Path) -> Outcome {
    let mut command = run::cargo(root, &["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.env(skips::LOG_VARIABLE, skips::log(root));
    run::run(command)
}

/// Runs the stages, all of them even after a failure unless the later ones need it: a person who waited wants to see
/// everything that is wrong.
fn stages<'a>(root: &Path, stages: impl Iterator<Item = &'a Stage>) -> Outcome {
    skips::start(root)?;
    let begun = Instant::now();
    let mut table = String::new();
    let mut failures = Vec::new();
    let mut tested = false;
    for stage in stages {
        tested |= stage.name == TESTS;
        println!("\n== {} ==", stage.name);
        let start = Instant::now();
        let outcome = (stage.run)(root);
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        // Writing to a string cannot fail.
        let _ok = writeln!(table, "{:<12} {:>6.1} min  {verdict}", stage.name, minutes(start.elapsed()));
        let stop = outcome.is_err() && stage.needed;
        if let Err(failure) = outcome {
            println!("{} failed: {failure}", stage.name);
            failures.push(format!("{}: {failure}", stage.name));
        }
        if stop {
            break;
        }
    }
    let total = begun.elapsed();
    println!("\n{table}{:<12} {:>6.1} min", "total", minutes(total));
    if total > TOTAL_MAX {
        failures.push(format!(
            "it took {:.1} minutes, {:.0} are allowed: the table above says where they went",
            minutes(total),
            minutes(TOTAL_MAX)
        ));
    }
    if tested {
        failures.extend(skips::report(root, run::ci()).err().map(|failure| failure.0));
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n         "))) }
}

fn minutes(span: Duration) -> f64 {
    span.as_secs_f64() / 60.0
}
