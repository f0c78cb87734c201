//! Tries a configuration before the device exists, tells the failures apart, and looks for the one that works.

use sdk::{DeviceCounters, Probe, ProbeReport};
use std::{sync::Arc, time::Duration};
use types::Fault;

use crate::{
    config::{Config, Transport},
    fault::{self, Trouble},
    pdu::{Exception, Reply, Request, Table},
    session::Session,
};

/// How long a unit gets when others are tried; a bus with an answering device has answered by then.
const SCAN_TIMEOUT: Duration = Duration::from_millis(200);
/// The same behind a DTU, where a reply comes over a cellular network.
const SCAN_TIMEOUT_DTU: Duration = Duration::from_millis(800);
/// Any reply to this, a refusal too, proves that a Modbus device is there.
const QUESTION: Request = Request::Read { table: Table::HoldingRegisters, start: 0, count: 1 };

/// Unit ids that devices are shipped with, likely ones first.
fn usual_units() -> impl Iterator<Item = u8> {
    [1, 17].into_iter().chain(2..=16).chain([247, 255, 0])
}

/// What one try showed.
enum Answer {
    /// A device is there; its round trip.
    Alive(Duration),
    /// A device is there, but failing; some gateways say this for a unit that they do not have.
    Failing(Duration),
    /// A gateway is there, but not this unit.
    Absent(Exception),
    /// The way is open, and nothing came.
    Silent,
    /// The way is open, and what came is no Modbus.
    Foreign(String),
}

/// Tries `probe.config`, then what else it could have meant.
pub(crate) async fn probe(probe: Probe) -> Result<ProbeReport, Fault> {
    let config = Config::parse(&probe.config).map_err(fault::first)?;
    let first = ask(&probe, &config, config.timeout()).await?;
    if let Answer::Alive(took) = first {
        return Ok(report(took, None));
    }
    if !matches!(first, Answer::Foreign(_)) {
        let patience = if config.transport == Transport::Dtu { SCAN_TIMEOUT_DTU } else { SCAN_TIMEOUT };
        for unit in usual_units().filter(|unit| *unit != config.unit_id) {
            let other = Config { unit_id: unit, ..config.clone() };
            if let Ok(Answer::Alive(took)) = ask(&probe, &other, patience.min(config.timeout())).await {
                return Ok(report(took, Some(&other)));
            }
        }
    }
    if let (Answer::Silent | Answer::Foreign(_), Some(other)) = (&first, other_framing(&config))
        && let Ok(Answer::Alive(took)) = ask(&probe, &other, config.timeout()).await
    {
        return Ok(report(took, Some(&other)));
    }
    Err(match first {
        Answer::Failing(took) => return Ok(report(took, None)),
        Answer::Absent(exception) => fault::refusal(exception, "the probe", &config),
        Answer::Foreign(reason) => fault::no_modbus(&reason, &config),
        _ if matches!(config.transport, Transport::Serial | Transport::Dtu) => {
            fault::no_modbus("no usual unit id answers", &config)
        }
        _ => wrong_unit(&config),
    })
}

async fn ask(probe: &Probe, config: &Config, timeout: Duration) -> Result<Answer, Fault> {
    // A session of its own for every try: a late reply to one must not pass for the reply to the next.
    let counters = Arc::new(DeviceCounters::default());
    let opened = Session::open(config, &probe.reach, counters).await;
    let mut session = opened.map_err(|trouble| trouble.fault(config))?;
    session.ask_once_within(timeout);
    let start = probe.reach.clock.monotonic();
    let elapsed = || probe.reach.clock.monotonic().saturating_sub(start);
    Ok(match session.ask_one(&QUESTION).await {
        Ok((_, Reply::Refused(exception @ (Exception::GATEWAY_PATH | Exception::GATEWAY_TARGET)))) => {
            Answer::Absent(exception)
        }
        Ok((_, Reply::Refused(Exception::DEVICE_FAILURE))) => Answer::Failing(elapsed()),
        Ok(_) => Answer::Alive(elapsed()),
        Err(Trouble::Timeout) => Answer::Silent,
        Err(Trouble::Closed | Trouble::Broken(_)) => Answer::Foreign("it closes the connection".into()),
        Err(Trouble::Frame(error)) => Answer::Foreign(error.to_string()),
        Err(
            trouble @ (Trouble::Connect(_) | Trouble::Serial(_) | Trouble::Away { .. } | Trouble::NoDoor),
        ) => return Err(trouble.fault(config)),
    })
}

/// Transparent serial servers and Modbus gateways look alike from outside, and one is often taken for the other.
fn other_framing(config: &Config) -> Option<Config> {
    let transport = match config.transport {
        Transport::Tcp => Transport::RtuOverTcp,
        Transport::RtuOverTcp => Transport::Tcp,
        Transport::Serial | Transport::Dtu => return None,
    };
    Some(Config { transport, max_in_flight: 1, ..config.clone() })
}

fn report(took: Duration, suggested: Option<&Config>) -> ProbeReport {
    ProbeReport {
        round_trip_ms: took.as_secs_f64() * 1e3,
        suggested_config: suggested.and_then(|config| serde_json::to_value(config).ok()),
        identity: Vec::new(),
    }
}

fn wrong_unit(config: &Config) -> Fault {
    let (place, unit) = (config.place(), config.unit_id);
    let detail = format!(
        "{place} is connected, but unit {unit} does not answer, nor do 1 to 17, 247, 255 and 0; check the unit id on \
         the device, and that this port speaks Modbus"
    );
    Fault::new("modbus.wrong-unit", detail).arg("place", place).arg("unit_id", unit)
}
