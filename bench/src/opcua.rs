//! OPC UA: what a value read costs the client, ours or asyncua's, from one and the same server.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{ChildStdin, ChildStdout},
    time::Instant,
};

use crate::{
    calibration::Calibration,
    harness::{
        contest::{Contest, OURS, Run},
        figures::rate,
        machine,
        options::Options,
        process::{self, Launch, Process},
        report::{Bound, Exit, Goal, Report},
    },
    peers::{
        self,
        asyncua::{ASYNCUA, Asyncua},
    },
};

const NODES: usize = 1_000;
const PER_READ: usize = 100;
const READS: usize = 2_000;
const READS_SHORT: usize = 100;
const ROUNDS: usize = 5;

pub(crate) fn run(options: &Options) -> Exit {
    let asyncua = match Asyncua::ready() {
        Ok(asyncua) => asyncua,
        Err(why) => {
            println!("not measured: {why}");
            return Exit::OurCounts;
        }
    };
    let ours = match options.stand_in {
        Some(_) => Err("a stand-in".into()),
        None => peers::our_example("driver-opcua", "read"),
    };
    if options.pinned && !machine::pin_clients() {
        println!("cannot pin to two cores: say --unpinned to measure without");
        return Exit::OurCounts;
    }
    let (before, load_before) = (Calibration::take(), machine::load());
    let reads = if options.short { READS_SHORT } else { READS };
    let title = format!("{NODES} nodes in Reads of {PER_READ}");
    let settings = json!({ "nodes": NODES, "per_read": PER_READ, "reads": reads, "server": "asyncua", "security": "None" });
    let contest = Contest::hold(title.clone(), settings, &[ASYNCUA], options.rounds_or(ROUNDS), |name| {
        one(&asyncua, &ours, options, name, reads)
    });
    let versions = vec![(ASYNCUA.into(), asyncua.version()), (OURS.into(), machine::commit())];
    let figure = "values_per_cpu_s";
    let goals = vec![Goal { title, figure, bound: Bound::TimesPeer(ASYNCUA), m1: 10.0, m2: 10.0 }];
    let columns = &["values_per_cpu_s", "values_per_s", "cpu_s", "peak_rss_mb"];
    let contests = vec![contest];
    Report { case: "opcua-read", options, versions, before, load_before, contests, goals, columns }.publish()
}

fn one(
    asyncua: &Asyncua,
    ours: &Result<PathBuf, String>,
    options: &Options,
    name: &str,
    reads: usize,
) -> Result<Run, String> {
    let port = process::free_address()?.port();
    let mut server =
        Process::start(asyncua.server(port, NODES), options.pinned.then_some(machine::SERVER_CORE))?;
    line(&mut BufReader::new(server.stdout.take().ok_or("no output")?))?;

    let mut arguments = vec!["--url".into(), format!("opc.tcp://127.0.0.1:{port}/bench")];
    for (flag, value) in [("--nodes", NODES), ("--per-read", PER_READ), ("--reads", reads)] {
        arguments.extend([flag.to_string(), value.to_string()]);
    }
    let launch = match (name, ours) {
        (OURS, Err(_)) if options.stand_in.is_some() => asyncua.client(arguments),
        (OURS, ours) => {
            Launch { program: ours.clone()?, arguments, environment: Vec::new(), folder: None, talks: true }
        }
        _ => asyncua.client(arguments),
    };
    // Pinned as this program is.
    let mut client = Process::start(launch, None)?;
    let mut output = BufReader::new(client.stdout.take().ok_or("no output")?);
    let mut input = client.stdin.take().ok_or("no input")?;
    read(&client, &mut output, &mut input, reads)
}

fn read(
    client: &Process,
    output: &mut BufReader<ChildStdout>,
    input: &mut ChildStdin,
    reads: usize,
) -> Result<Run, String> {
    let ready = line(output)?;
    if ready != "ready" {
        return Err(format!("the client said `{ready}`"));
    }
    let (cpu, start) = (client.cpu_s(), Instant::now());
    writeln!(input, "go").map_err(|e| e.to_string())?;
    let said = line(output)?;
    let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), client.cpu_s() - cpu);
    let said: Value = serde_json::from_str(&said).map_err(|e| format!("the client said `{said}`: {e}"))?;
    let memory = client.memory();
    // Half of each node's number, so many times each.
    let values = reads * PER_READ;
    let sum = (NODES * (NODES + 1)) as f64 / 4.0 * (values / NODES) as f64;
    let right = said["values"] == values && said["sum"].as_f64() == Some(sum);
    let fault = (!right).then(|| format!("{values} values of sum {sum} were due, it read {said}"));
    let per = |seconds| rate(values as u64, seconds).unwrap_or(f64::NAN);
    let figures = vec![
        ("values_per_cpu_s", per(cpu_s)),
        ("values_per_s", per(wall_s)),
        ("cpu_s", cpu_s),
        ("wall_s", wall_s),
        ("peak_rss_mb", memory.peak_rss_mb),
    ];
    Ok(Run { figures, fault })
}

fn line(output: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut line = String::new();
    match output.read_line(&mut line) {
        Ok(0) | Err(_) => Err("it ended without a word".into()),
        Ok(_) => Ok(line.trim().to_string()),
    }
}
