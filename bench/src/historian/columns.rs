//! Talking to the scripts around DuckDB and pyarrow.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout},
    time::Instant,
};

use super::samples::Samples;
use crate::{
    harness::{
        contest::Run,
        figures::rate,
        process::{Launch, Process, fresh_folder},
    },
    peers::columns::Columns,
};

/// What one script says and is told.
struct Talk {
    process: Process,
    output: BufReader<ChildStdout>,
    input: ChildStdin,
}

impl Talk {
    fn start(launch: Launch) -> Result<Talk, String> {
        let mut process = Process::start(launch, None)?;
        let output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let input = process.stdin.take().ok_or("no input")?;
        Ok(Talk { process, output, input })
    }
    fn go(&mut self) -> Result<(), String> {
        writeln!(self.input, "go").map_err(|e| e.to_string())
    }
    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) | Err(_) => Err("the script ended without a word".into()),
            Ok(_) => Ok(line.trim().to_string()),
        }
    }
    fn hears(&mut self, word: &str) -> Result<(), String> {
        let said = self.line()?;
        if said == word { Ok(()) } else { Err(format!("the script said `{said}`")) }
    }
    fn json(&mut self) -> Result<Value, String> {
        let said = self.line()?;
        serde_json::from_str(&said).map_err(|e| format!("the script said `{said}`: {e}"))
    }
}

/// One bulk load of columns that are in memory already.
pub(super) fn load(columns: &Columns, engine: &str, samples: &Samples, fields: usize) -> Result<Run, String> {
    let folder = fresh_folder(engine)?;
    let more = [
        ("data", samples.path().display().to_string()),
        ("store", folder.join("store").display().to_string()),
        ("fields", fields.to_string()),
    ];
    let launch = Launch { folder: Some(folder), ..columns.script("load.py", engine, &more) };
    let mut talk = Talk::start(launch)?;
    talk.hears("ready")?;
    let (cpu, start, before) = (talk.process.cpu_s(), Instant::now(), talk.process.memory());
    talk.go()?;
    talk.hears("loaded")?;
    let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), talk.process.cpu_s() - cpu);
    let memory = talk.process.memory();
    talk.go()?;
    let said = talk.json()?;
    let found = (said["samples"].as_u64().unwrap_or_default(), said["sum"].as_f64().unwrap_or(f64::NAN));
    let per = |seconds| rate(samples.count, seconds).unwrap_or(f64::NAN);
    let figures = vec![
        ("samples_per_cpu_s", per(cpu_s)),
        ("samples_per_s", per(wall_s)),
        ("cpu_s", cpu_s),
        ("wall_s", wall_s),
        ("rss_before_mb", before.rss_mb),
        ("peak_rss_mb", memory.peak_rss_mb),
        ("bytes_per_sample", said["bytes"].as_f64().unwrap_or(f64::NAN) / samples.count as f64),
    ];
    Ok(Run { figures, fault: samples.fault(found.0, found.1) })
}

/// Runs a script that asks nothing, in a folder of its own, and returns what it says.
pub(super) fn said(
    columns: &Columns,
    script: &str,
    engine: &str,
    samples: &Samples,
    more: &[(&str, String)],
) -> Result<Value, String> {
    let folder = fresh_folder(engine)?;
    let mut all = vec![
        ("data", samples.path().display().to_string()),
        ("store", folder.join("store").display().to_string()),
    ];
    all.extend(more.iter().cloned());
    let launch = Launch { folder: Some(folder), ..columns.script(script, engine, &all) };
    Talk::start(launch)?.json()
}
