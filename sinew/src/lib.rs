//! `sinew`: the command line and the wiring, nothing else. A library only so that scenarios can put a node together
//! exactly as the binary does.
#![allow(clippy::print_stdout, reason = "this is the command line")]

mod callers;
mod config;
mod demo;
mod node;
mod serve;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

pub use crate::callers::Callers;
use crate::config::Config;
pub use crate::node::RunningNode;

/// Sinew, an open industrial internet platform: one binary at the edge, in a plant, for a region.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    /// Configuration file; without it every key has its default. Any key can be set by environment:
    /// `server.listen` is SINEW_SERVER_LISTEN.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node: devices, history, API, console.
    Serve,
    /// Run a node with a simulated plant beside it, and open the console.
    Demo(demo::DemoOptions),
    /// Print the one-time code for the first administrator.
    SetupCode,
    /// Run the simulated plant alone: Modbus TCP servers on this machine.
    Plant(demo::PlantOptions),
    /// Give the running simulated plant a command, such as `fault leak on`; `help` lists them.
    #[command(name = "plant-command")]
    TellPlant {
        /// Where the plant takes commands.
        #[arg(long, default_value_t = demo::CONTROL_PORT)]
        port: u16,
        /// The command.
        words: Vec<String>,
    },
    /// Print the OpenAPI document of this binary.
    Openapi,
}

/// The whole program.
pub fn command_line() -> ExitCode {
    let cli = Cli::parse();
    let config = match config::load(cli.config.as_deref(), config::environment()) {
        Ok(config) => config,
        Err(error) => return fail(&error.to_string()),
    };
    start_log(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads to run on: {error}")),
    };
    match runtime.block_on(run(cli.command, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

async fn run(command: Command, config: Config) -> Result<(), String> {
    match command {
        Command::Serve => serve::serve(config).await.map_err(|e| e.to_string()),
        Command::Demo(options) => demo::demo(config, options).await,
        Command::SetupCode => serve::print_setup_code(&config).await.map_err(|e| e.to_string()),
        Command::Plant(options) => demo::plant(options).await,
        Command::TellPlant { port, words } => demo::plant_command(port, &words.join(" ")).await,
        Command::Openapi => {
            let document = server::openapi(&catalog::apps());
            println!("{}", serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?);
            Ok(())
        }
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("sinew: {message}");
    ExitCode::FAILURE
}

/// Targets of our own code, as beginnings: drivers and apps by the names their crates share.
const OURS: [&str; 12] = [
    "sinew",
    "runtime",
    "server",
    "query",
    "intake",
    "historian",
    "records",
    "plant",
    "access",
    "sdk",
    "driver_",
    "app_",
];

/// A single word is the level of what we say: libraries are silent, because what they call an error (a peer hung up) we
/// report with its cause. Anything longer is taken as it is, so `info,hyper=debug` shows them.
fn log_filter(level: &str) -> String {
    if level.contains(['=', ',']) {
        return level.to_string();
    }
    let ours: Vec<String> = OURS.iter().map(|target| format!("{target}={level}")).collect();
    format!("off,{}", ours.join(","))
}

fn start_log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_new(log_filter(&config.log.level))
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(log_filter("info")));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
