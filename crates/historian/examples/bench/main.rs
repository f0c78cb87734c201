//! What the historian costs, one figure line a run, for `bench/` and for people:
//! `cargo run --release -p historian --example bench -- ingest|series|size|read|start|data [--flag value]…`.
//!
//! Data come from a seed and are there before anything is timed. Every run asks the store for its rows back and fails
//! when they are not those that were sent.
#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

mod arguments;
mod cold;
mod data;
mod feed;
mod figures;
mod ingest;
mod plant;
#[path = "../../../../bench/src/harness/random.rs"]
#[allow(dead_code, reason = "shared with the bench, which uses all of it")]
mod random;
mod raw;
mod read;
mod size;
mod start;
mod store;
mod trend;

use arguments::Arguments;

/// Whatever stops a run: it is printed and there are no figures.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let arguments = Arguments::parse(words)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let figures = match command.as_str() {
        "ingest" => runtime.block_on(ingest::run(&arguments))?,
        "series" => runtime.block_on(ingest::series(&arguments))?,
        "size" => runtime.block_on(size::run(&arguments))?,
        "read" => runtime.block_on(read::run(&arguments))?,
        "trend" => runtime.block_on(trend::run(&arguments))?,
        "start" => runtime.block_on(start::run(&arguments))?,
        "open" => runtime.block_on(start::open(&arguments))?,
        "data" => size::write(&arguments)?,
        other => {
            return Err(format!(
                "unknown command `{other}`: ingest, series, size, read, trend, start or data"
            )
            .into());
        }
    };
    arguments.all_known()?;
    println!("{}", figures.line());
    Ok(())
}
