//! `cargo x check`: what CI runs, stage by stage, with the time each took.

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use crate::{Failure, Outcome, browser, console, generate, provision, run, skips};

/// More than this and people stop waiting for it.
const TOTAL_MAX: Duration = Duration::from_secs(45 * 60);

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

const CHECK: &[Stage] = &[
    needed("tools", |_| provision::provision()),
    needed("console", console::build),
    stage("format", |root| run::run(run::cargo(root, &["fmt", "--all", "--check"]))),
    stage("generated", |root| generate::generate(root, &["--check", "catalog", "coverage"])),
    stage("lints", lints),
    stage("tests", tests),
    stage("openapi", |root| generate::generate(root, &["--check", "openapi"])),
    stage("browser", browser::specs),
];

const TEST: &[Stage] = &[
    needed("tools", |_| provision::provision()),
    needed("console", console::build),
    stage("tests", tests),
    stage("browser", browser::specs),
];

/// Every stage, in CI's order.
pub fn check(root: &Path) -> Outcome {
    stages(root, CHECK)
}

/// Every test, without format, lints and comparisons.
pub fn test(root: &Path) -> Outcome {
    stages(root, TEST)
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
fn stages(root: &Path, stages: &[Stage]) -> Outcome {
    skips::start(root)?;
    let begun = Instant::now();
    let mut table = String::new();
    let mut failures = Vec::new();
    for stage in stages {
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
    failures.extend(skips::report(root, run::ci()).err().map(|failure| failure.0));
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n         "))) }
}

fn minutes(span: Duration) -> f64 {
    span.as_secs_f64() / 60.0
}
