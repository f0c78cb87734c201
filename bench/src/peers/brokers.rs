//! MQTT brokers: how each is made ready and started, with settings that favour it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::harness::{
    contest::OURS,
    machine,
    options::Options,
    process::{self, Launch, Process},
};

/// Programs ready to start, and what they call themselves.
pub(crate) struct Brokers {
    programs: Vec<(String, Result<PathBuf, String>)>,
    core: Option<usize>,
    stand_in: Option<String>,
}

/// A running broker and where it listens.
pub(crate) struct Broker {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Brokers {
    /// Makes ours and the peers ready: downloads and builds happen here, before anything is measured.
    pub(crate) fn ready(options: &Options, peers: &[&str]) -> Brokers {
        let ours = options.stand_in.as_deref().unwrap_or(OURS);
        let mut programs: Vec<(String, Result<PathBuf, String>)> = Vec::new();
        for name in std::iter::once(&ours).chain(peers) {
            if programs.iter().all(|(known, _)| known != name) {
                programs.push((name.to_string(), program(name)));
            }
        }
        let core = options.pinned.then_some(machine::SERVER_CORE);
        Brokers { programs, core, stand_in: options.stand_in.clone() }
    }

    /// What each program says of its version.
    pub(crate) fn versions(&self) -> Vec<(String, String)> {
        let ready = self.programs.iter().filter_map(|(name, program)| Some((name, program.as_ref().ok()?)));
        ready.map(|(name, program)| (name.clone(), version(name, program))).collect()
    }

    /// Starts a broker over fresh storage and waits until it listens.
    ///
    /// # Errors
    /// It could not be made ready, or does not start.
    pub(crate) fn start(&self, name: &str) -> Result<Broker, String> {
        let name = if name == OURS { self.stand_in.as_deref().unwrap_or(OURS) } else { name };
        let ready = self.programs.iter().find(|(known, _)| known == name);
        let program = ready.ok_or_else(|| format!("{name} was not made ready"))?.1.clone()?;
        let address = process::free_address()?;
        let mut process = Process::start(launch(name, &program, address)?, self.core)?;
        process.listens(address)?;
        Ok(Broker { process, address })
    }
}

fn program(name: &str) -> Result<PathBuf, String> {
    match name {
        OURS => super::our_example("driver-mqtt", "broker"),
        "mosquitto" => {
            let packages = ["mosquitto", "libmosquitto1", "libcjson1", "libwrap0", "libdlt2"];
            super::debian(name, &packages, "usr/sbin/mosquitto")
        }
        "nats-server" => super::debian(name, &["nats-server"], "usr/sbin/nats-server"),
        "rumqttd" => super::cargo_install(name, "0.20.0"),
        _ => Err(format!("unknown broker `{name}`: mosquitto, nats-server or rumqttd")),
    }
}

fn version(name: &str, program: &Path) -> String {
    let argument = match name {
        OURS => return machine::commit(),
        "mosquitto" => "-h",
        _ => "--version",
    };
    let mut command = std::process::Command::new(program);
    command.arg(argument).envs(libraries(program));
    let said = command.output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    said.lines().next().unwrap_or_default().to_string()
}

/// Libraries unpacked beside a Debian program.
fn libraries(program: &Path) -> Vec<(&'static str, String)> {
    let root = program.ancestors().find(|folder| folder.ends_with("root"));
    let found = root.map(|r| r.join("usr/lib/x86_64-linux-gnu").display().to_string());
    found.map(|folder| ("LD_LIBRARY_PATH", folder)).into_iter().collect()
}

fn launch(name: &str, program: &Path, address: SocketAddr) -> Result<Launch, String> {
    let folder = process::fresh_folder(name)?;
    let (port, at) = (address.port(), folder.display().to_string());
    let config = match name {
        "mosquitto" => mosquitto(port),
        "nats-server" => nats(port, process::free_address()?.port(), &at),
        "rumqttd" => rumqttd(port),
        _ => String::new(),
    };
    let file = format!("{at}/{}", if name == "rumqttd" { "broker.toml" } else { "broker.conf" });
    std::fs::write(&file, config).map_err(|e| format!("{file}: {e}"))?;
    let arguments = if name == OURS { vec![port.to_string()] } else { vec!["-c".into(), file] };
    let environment = libraries(program);
    Ok(Launch { program: program.into(), arguments, environment, folder: Some(folder), talks: name == OURS })
}

/// No persistence and no bound on a subscriber's queue: it drops nothing.
fn mosquitto(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n\
         log_dest none\nsys_interval 1\n"
    )
}

/// MQTT needs JetStream, which writes to a folder; messages of QoS 0 do not pass through it.
fn nats(port: u16, own_port: u16, folder: &str) -> String {
    format!(
        "server_name: bench\nlisten: \"127.0.0.1:{own_port}\"\njetstream {{ store_dir: \"{folder}\" }}\n\
         mqtt {{ listen: \"127.0.0.1:{port}\" }}\n"
    )
}

/// Segments of 100 MiB × 10 and no delay between connections: with its own example's 1 ms, 10,000 take 10 s.
fn rumqttd(port: u16) -> String {
    format!(
        "id = 0\n[router]\nid = 0\nmax_connections = 20010\nmax_outgoing_packet_count = 200\n\
         max_segment_size = 104857600\nmax_segment_count = 10\n\
         [v4.1]\nname = \"v4-1\"\nlisten = \"127.0.0.1:{port}\"\nnext_connection_delay_ms = 0\n\
         [v4.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 20480\n\
         max_inflight_count = 100\ndynamic_filters = true\n"
    )
}
