//! Tries a configuration once and tells the failures apart.

use sdk::{Probe, ProbeReport};
use std::time::Duration;
use types::Fault;

use crate::{
    broker::{Admitted, Broker, Seen},
    config::{Config, Via},
    fault::{self, Trouble},
    link,
    mapping::Mapping,
    packet::Hello,
    session::Session,
};

/// How long a device that waits as unknown gets to come back as known.
const ARRIVAL_WITHIN: Duration = Duration::from_secs(3);

/// Connects to the broker outside, or looks whether the device is at ours.
pub(crate) async fn probe(probe: Probe) -> Result<ProbeReport, Fault> {
    let config = Config::parse(&probe.config).map_err(fault::first)?;
    match config.via {
        Via::Client => outside(&config, &probe).await,
        Via::Broker => inside(&config, &probe).await,
    }
}

async fn outside(config: &Config, probe: &Probe) -> Result<ProbeReport, Fault> {
    let start = probe.reach.clock.monotonic();
    let session = beside(config, &probe.reach, "probe").await.map_err(|trouble| trouble.fault(config))?;
    let took = probe.reach.clock.monotonic().saturating_sub(start);
    session.close().await;
    Ok(report(took, vec![("broker".into(), config.place())]))
}

/// A connection beside that of a device that may be running: its own client id would end the device's. A broker that
/// takes only the one id gets it.
pub(crate) async fn beside(config: &Config, reach: &sdk::Reach, purpose: &str) -> Result<Session, Trouble> {
    let own = config.client_id.clone().unwrap_or_default();
    let hello = |client_id: String| Hello {
        client_id,
        username: config.username.clone(),
        password: config.password.clone(),
        keep_alive_s: config.keep_alive_s,
        clean_start: true,
    };
    match Session::greet(config, hello(format!("{own}-{purpose}")), &reach.net, &reach.clock).await {
        Err(Trouble::Refused(refusal)) if !refusal.credentials => {
            Session::greet(config, hello(own), &reach.net, &reach.clock).await
        }
        greeted => greeted,
    }
}

async fn inside(config: &Config, probe: &Probe) -> Result<ProbeReport, Fault> {
    let broker = probe.reach.hall.of::<Broker>().ok_or_else(fault::no_broker)?;
    let account = link::account(config, &Mapping::new(config, &[], &|_| None));
    let clock = &probe.reach.clock;
    let start = clock.monotonic();
    // Known for a moment: a client that waits as unknown is sent away and comes back as this device.
    let mut admitted = broker.admit(account)?;
    match clock.timeout(ARRIVAL_WITHIN, online(&mut admitted)).await {
        Ok((client_id, from)) => {
            let took = clock.monotonic().saturating_sub(start);
            Ok(report(took, vec![("client_id".into(), client_id), ("address".into(), from)]))
        }
        Err(_) => Err(fault::waiting(config)),
    }
}

async fn online(admitted: &mut Admitted) -> (String, String) {
    loop {
        if let Seen::Online { from, client_id } = admitted.next().await {
            return (client_id, from.to_string());
        }
    }
}

fn report(took: Duration, identity: Vec<(String, String)>) -> ProbeReport {
    ProbeReport { round_trip_ms: took.as_secs_f64() * 1e3, suggested_config: None, identity }
}
