//! The control port: a desk with one clerk a connection, one line in, one line out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sdk::Clock;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::control::{Command, CommandError, LINE_BYTES_MAX, help_line};
use crate::malfunction::Malfunction;
use crate::plant::Plant;
use crate::registers::SharedPlant;
use crate::serve::ServeError;

/// Control connections at once; further ones wait in the listener's queue.
pub const CONTROL_CONNECTIONS_MAX: usize = 8;
/// A control connection that says nothing for this long is closed.
pub const CONTROL_SILENCE_MAX: Duration = Duration::from_secs(60);

/// When each network comes back, in the clock's monotonic time; in the past for one that is not cut.
pub(crate) type Cuts = BTreeMap<String, watch::Sender<Duration>>;

/// What the control port works on.
pub(crate) struct Desk {
    pub(crate) plant: SharedPlant,
    pub(crate) speed: AtomicU32,
    pub(crate) cuts: Cuts,
    /// Network by device.
    pub(crate) devices: BTreeMap<String, String>,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
}

impl Desk {
    fn answer(&self, line: &str) -> String {
        match Command::parse(line).and_then(|command| self.obey(command)) {
            Ok(done) => format!("ok {done}\n"),
            Err(error) => format!("error {error}\n"),
        }
    }

    fn obey(&self, command: Command) -> Result<String, CommandError> {
        let mut plant = self.plant.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match command {
            Command::Help => help_line(),
            Command::List => self.list(&plant),
            Command::Status => self.status(&plant),
            Command::Fault(malfunction, on) => {
                plant.set(malfunction, on);
                format!("{} {}", malfunction.name(), if on { "on" } else { "off" })
            }
            Command::NetworkCut { device, seconds } => {
                let cut = self.devices.get(&device).and_then(|endpoint| self.cuts.get(endpoint));
                let cut = cut.ok_or_else(|| CommandError::NoDevice(device.clone(), self.device_names()))?;
                cut.send_replace(self.clock.monotonic() + Duration::from_secs(seconds.into()));
                format!("network-cut {device} for {seconds} s")
            }
            Command::Clear => {
                for malfunction in Malfunction::ALL {
                    plant.set(malfunction, false);
                }
                for cut in self.cuts.values() {
                    cut.send_replace(Duration::ZERO);
                }
                self.speed.store(1, Ordering::Relaxed);
                "everything is back to normal".into()
            }
            Command::Speed(speed) => {
                self.speed.store(speed, Ordering::Relaxed);
                format!("speed {speed}")
            }
        })
    }

    fn list(&self, plant: &Plant) -> String {
        let mut parts: Vec<String> = Vec::new();
        for malfunction in Malfunction::ALL {
            let on = if plant.malfunctions().contains(&malfunction) { "on" } else { "off" };
            parts.push(format!("{} {on}", malfunction.name()));
        }
        let now = self.clock.monotonic();
        for (endpoint, until) in &self.cuts {
            let left = until.borrow().saturating_sub(now);
            if !left.is_zero() {
                parts.push(format!("network-cut {endpoint} {} s left", left.as_secs() + 1));
            }
        }
        format!("{}; network-cut takes {}", parts.join(", "), self.device_names())
    }

    fn device_names(&self) -> String {
        self.devices.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn status(&self, plant: &Plant) -> String {
        let figure =
            |asset, property| plant.read(asset, property).and_then(|v| v.as_f64()).unwrap_or(f64::NAN);
        format!(
            "seed {}, speed {}, header pressure {:.2} bar, incomer {:.1} kW, parts finished {}, tank level {:.2} m",
            self.seed,
            self.speed.load(Ordering::Relaxed),
            figure("station", "header_pressure"),
            figure("incomer", "active_power"),
            figure("line", "finished_parts"),
            figure("tank", "level"),
        )
    }
}

/// Answers on the control port.
pub(crate) async fn serve_control(listener: TcpListener, desk: Arc<Desk>) -> ServeError {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONTROL_CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, desk.clone()));
                }
                Err(error) => return ServeError::Stopped { endpoint: "control".into(), error },
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Answers line by line until the other side leaves, falls silent or sends more than a line can hold.
async fn converse(stream: TcpStream, desk: Arc<Desk>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(LINE_BYTES_MAX as u64 + 1);
        let read = desk.clock.timeout(CONTROL_SILENCE_MAX, bounded.read_until(b'\n', &mut line));
        let Ok(count) = read.await else { return Ok(()) };
        if count? == 0 {
            return Ok(());
        }
        let answer = desk.answer(&String::from_utf8_lossy(&line));
        writer.write_all(answer.as_bytes()).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}
