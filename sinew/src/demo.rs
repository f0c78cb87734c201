//! `sinew demo`: a node and, in a process of its own, a simulated plant that speaks Modbus TCP, OPC UA and MQTT. No value
//! reaches the node except through its drivers.

use clap::Args;
use std::{net::SocketAddr, path::PathBuf, process::Stdio};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    config::Config,
    node::Node,
    serve::{bind, run},
};

mod provision;

/// Where the simulated plant takes commands.
pub(crate) const CONTROL_PORT: u16 = 15_019;
/// Ports of the simulated devices that listen start here.
const FIRST_PORT: u16 = 15_020;
/// Where the node's broker waits for the simulated devices that come by themselves: not 1883, which a broker of this
/// machine may have.
const MQTT_PORT: u16 = 18_830;
/// Where the demo takes PostgreSQL clients: beside the port of a PostgreSQL that may be here.
const POSTGRES_PORT: u16 = 5433;
/// What the plant may say in a demo. The library behind its OPC UA servers complains of keys that an open server on
/// loopback does not have.
const PLANT_LOG: &str = "warn,opcua_server=off,opcua_core=off,opcua_crypto=off";

/// Options of `sinew demo`.
#[derive(Args)]
pub(crate) struct DemoOptions {
    /// Where console and API listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the demo keeps its data; removed by hand when you are done with it.
    #[arg(long, default_value = "demo-data")]
    dir: PathBuf,
    /// Do not open a browser.
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    plant: PlantOptions,
    /// Port for PostgreSQL clients; 0 takes a free one.
    #[arg(long, default_value_t = POSTGRES_PORT)]
    postgres_port: u16,
}

/// Options of `sinew plant`.
#[derive(Args, Clone)]
pub(crate) struct PlantOptions {
    /// The same seed gives the same plant.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// First of the ports of devices that listen (Modbus TCP, OPC UA); 0 takes free ones.
    #[arg(long, default_value_t = FIRST_PORT)]
    first_port: u16,
    /// Port for commands; 0 takes a free one.
    #[arg(long, default_value_t = CONTROL_PORT)]
    control_port: u16,
    /// Port of the node's MQTT broker, which the meters connect to; 0 takes a free one for a demo.
    #[arg(long, default_value_t = MQTT_PORT)]
    mqtt_port: u16,
}

/// Runs node and plant until stopped.
pub(crate) async fn demo(mut config: Config, options: DemoOptions) -> Result<(), String> {
    config.server.listen = options.listen;
    config.storage.dir = options.dir;
    // The demo is a node of its own, whatever store this machine's real node uses.
    config.records.url.clear();
    let listener = bind(config.server.listen).await.map_err(|e| e.to_string())?;
    let node = Node::start(&config).await.map_err(|e| e.to_string())?;
    let org = provision::organisation(&node).await?;
    let mqtt_port = provision::open_broker(&node, org, options.plant.mqtt_port).await?;
    let (_plant, ports) = start_plant(&PlantOptions { mqtt_port, ..options.plant }).await?;
    let links = provision::provision(&node, org, &ports).await?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let url = format!("http://{address}/#/link/{}", links.engineer.reveal());
    println!("The demo plant runs. Open (once, within ten minutes, on this machine):\n\n  {url}\n");
    println!("As administrator (once, likewise):\n\n  http://{address}/#/link/{}\n", links.admin.reveal());
    let postgres = config.server.postgres.unwrap_or(([127, 0, 0, 1], options.postgres_port).into());
    match node.open_postgres(postgres) {
        Ok(at) => println!(
            "Ask in SQL:  psql -h {} -p {} -U token sinew   (password: a token, page Access tokens)\n",
            at.ip(),
            at.port()
        ),
        // Another demo has it: what is shown here works without.
        Err(error) => {
            println!("No SQL over the PostgreSQL wire: {error}; choose another with --postgres-port\n")
        }
    }
    println!("Make something go wrong:  sinew plant-command --port {} help", ports.control);
    if !options.no_browser {
        open_browser(&url);
    }
    run(node, listener, &config).await.map_err(|e| e.to_string())
}

/// The plant as a child process; it ends with us.
async fn start_plant(
    options: &PlantOptions,
) -> Result<(tokio::process::Child, example_plant::Ports), String> {
    let program = std::env::current_exe().map_err(|e| format!("finding this program: {e}"))?;
    let mut child = tokio::process::Command::new(program)
        .arg("plant")
        .args(["--seed", &options.seed.to_string()])
        .args(["--first-port", &options.first_port.to_string()])
        .args(["--control-port", &options.control_port.to_string()])
        .args(["--mqtt-port", &options.mqtt_port.to_string()])
        .env("SINEW_LOG_LEVEL", PLANT_LOG)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("starting the simulated plant: {e}"))?;
    let stdout = child.stdout.take().ok_or("the simulated plant has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next_line().await.map_err(|e| e.to_string())?.ok_or(
        "the simulated plant ended at once: see its message above; another demo may hold its ports, then choose others \
         with --first-port and --control-port",
    )?;
    let ports =
        serde_json::from_str(&first).map_err(|e| format!("the simulated plant said `{first}`: {e}"))?;
    Ok((child, ports))
}

/// Runs the plant alone. Its first line of output is its ports as JSON; it ends when its input ends.
pub(crate) async fn plant(options: PlantOptions) -> Result<(), String> {
    let started = example_plant::start(example_plant::Options {
        seed: options.seed,
        first_port: options.first_port,
        control_port: options.control_port,
        mqtt_port: options.mqtt_port,
        clock: runtime::host_clock(),
        net: runtime::host_net(),
    })
    .await?;
    println!("{}", serde_json::to_string(&started.ports).map_err(|e| e.to_string())?);
    tokio::select! {
        ended = started.run => ended,
        () = parent_gone() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|e| e.to_string()),
    }
}

/// A pipe from a parent ends when the parent ends, however it ended. Anything else on the input does not count.
async fn parent_gone() {
    use std::{io::Read, os::unix::fs::FileTypeExt};
    if !std::fs::metadata("/dev/stdin").is_ok_and(|m| m.file_type().is_fifo()) {
        std::future::pending::<()>().await;
    }
    let (gone, seen) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: a read that blocks must not hold up the end of the runtime.
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while matches!(std::io::stdin().read(&mut bytes), Ok(n) if n > 0) {}
        drop(gone);
    });
    let _ended = seen.await;
}

/// Sends one command to the plant and prints its answer. Help, and saying nothing, need no plant that runs.
pub(crate) async fn plant_command(port: u16, command: &str) -> Result<(), String> {
    let asks_help = matches!(example_plant::Command::parse(command), Ok(example_plant::Command::Help));
    if asks_help || command.trim().is_empty() {
        print!("{}", example_plant::help());
        return Ok(());
    }
    let nobody = |e: std::io::Error| {
        format!("no simulated plant takes commands on port {port} ({e}): start `sinew demo`")
    };
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(nobody)?;
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{command}\n").as_bytes()).await.map_err(|e| e.to_string())?;
    write.shutdown().await.map_err(|e| e.to_string())?;
    let mut lines = BufReader::new(read).lines();
    let mut failed = None;
    while let Some(line) = lines.next_line().await.map_err(|e| e.to_string())? {
        if let Some(error) = line.strip_prefix("error ") {
            failed = Some(error.to_string());
        } else {
            println!("{line}");
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Best effort: a machine without a desktop has no browser, and the address is printed anyway.
fn open_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = std::process::Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if opened.is_err() {
        tracing::debug!("no browser could be opened");
    }
}
