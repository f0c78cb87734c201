//! The driver's own session reading as fast as the server answers: for measurements, see `bench/README.md`.
//!
//! `read --url URL --nodes N --per-read N --reads N` reads the Double variables `ns=2;i=1` to N in turns of `--per-read`:
//! it says `ready`, waits for a line, reads, and says how many values came and their sum.
//!
//! The modules are those of the driver, taken by path: a measurement is no reason to make them public.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "modules of the driver, of which this uses a part"
)]
#![allow(clippy::print_stdout, reason = "its output is its interface")]

#[path = "../src/certificate.rs"]
mod certificate;
#[path = "../src/config.rs"]
mod config;
#[path = "../src/der.rs"]
mod der;
#[path = "../src/facts.rs"]
mod facts;
#[path = "../src/fault.rs"]
mod fault;
#[path = "../src/session.rs"]
mod session;
#[path = "../src/value.rs"]
mod value;
#[path = "../src/wire.rs"]
mod wire;

use opcua::types::{NodeId, ReadValueId};
use sdk::{DeviceCounters, contract::driver::host_reach};
use std::{collections::HashMap, io::BufRead, sync::Arc};
use types::Value;

use config::Config;
use fault::Trouble;

/// Where the server of the measurement keeps its variables.
const NAMESPACE: u16 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(why) = run().await {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: HashMap<&str, &str> =
        arguments.chunks_exact(2).map(|p| (p[0].as_str(), p[1].as_str())).collect();
    let text = |name: &str| given.get(name).copied().ok_or_else(|| format!("{name} is missing"));
    let number = |name: &str| text(name)?.parse::<u32>().map_err(|e| format!("{name}: {e}"));
    let (nodes, per_read, reads) = (number("--nodes")?, number("--per-read")?, number("--reads")?);
    let json = serde_json::json!({
        "endpoint_url": text("--url")?, "security_policy": "None", "allow_none": true, "identity": "anonymous",
    });
    let config = Config::parse(&json).map_err(|faults| fault::first(faults).to_string())?;

    let reach = host_reach(sdk::Hall::none());
    let counters = Arc::new(DeviceCounters::default());
    let say = |trouble: Trouble| trouble.fault(&config).to_string();
    let server = session::choose(&reach, &config, &counters).await.map_err(say)?;
    let mut link = server.connect(&reach, &config, &counters).await.map_err(say)?;
    server.create(&mut link, &config).await.map_err(say)?;

    let asked: Vec<ReadValueId> = (1..=nodes).map(|n| facts::value_of(NodeId::new(NAMESPACE, n))).collect();
    let turns: Vec<&[ReadValueId]> = asked.chunks(per_read.max(1) as usize).collect();
    let wire = link.wire.clone();
    let measured = async {
        for turn in &turns {
            facts::read(&wire, turn, turn.len()).await?;
        }
        println!("ready");
        wait_for_a_line().await;
        let (mut count, mut sum) = (0_u64, 0.0);
        for turn in turns.iter().cycle().take(reads as usize) {
            for data in facts::read(&wire, turn, turn.len()).await? {
                if let Some(Value::F64(number)) = data.value.as_ref().and_then(value::native) {
                    (count, sum) = (count + 1, sum + number);
                }
            }
        }
        println!("{}", serde_json::json!({ "values": count, "sum": sum }));
        wait_for_a_line().await;
        Ok::<(), Trouble>(())
    };
    link.pump.during(measured).await.map_err(say)?;
    session::close(link).await;
    Ok(())
}

/// Without holding up the connection. Whether it was the end of the input makes no difference.
async fn wait_for_a_line() {
    let _read = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await;
}
