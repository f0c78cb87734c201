//! Tries a configuration before the device exists and says what the server is, what it offers and what is odd about it.

use opcua::types::*;
use sdk::{DeviceCounters, Probe, ProbeReport, Reach};
use std::sync::Arc;
use types::Fault;

use crate::{
    config::Config,
    facts::{read, value_of},
    fault::{self, Trouble},
    session::{self, Link, Server},
    value,
};

/// Opens a session for one question, whatever it is.
pub(crate) async fn visit(reach: &Reach, config: &Config) -> Result<(Server, Link), Trouble> {
    let counters = Arc::new(DeviceCounters::default());
    let server = session::choose(reach, config, &counters).await?;
    let mut link = server.connect(reach, config, &counters).await?;
    server.create(&mut link, config).await?;
    Ok((server, link))
}

/// Connects, signs in and asks for the time.
pub(crate) async fn probe(probe: Probe) -> Result<ProbeReport, Fault> {
    let config = Config::parse(&probe.config).map_err(fault::first)?;
    let asked = async {
        let (server, mut link) = visit(&probe.reach, &config).await?;
        let clock = &probe.reach.clock;
        let start = clock.monotonic();
        let time = [value_of(VariableId::Server_ServerStatus_CurrentTime.into())];
        let answer = link.pump.during(read(&link.wire, &time, 1)).await;
        let took = clock.monotonic().saturating_sub(start);
        let theirs = answer?.into_iter().next().and_then(|data| data.value);
        let mut identity = identity(&server);
        if let Some(Variant::DateTime(theirs)) = theirs
            && let Some(theirs) = value::time(&theirs)
        {
            let ahead_ms = (theirs.0 - clock.now().0) / 1_000_000;
            identity.push(("clock_ahead_ms".into(), ahead_ms.to_string()));
        }
        session::close(link).await;
        Ok(ProbeReport { round_trip_ms: took.as_secs_f64() * 1e3, suggested_config: None, identity })
    };
    Box::pin(asked).await.map_err(|trouble: Trouble| trouble.fault(&config))
}

fn identity(server: &Server) -> Vec<(String, String)> {
    let application = &server.endpoint.server;
    let mut facts = vec![
        ("application_uri".to_string(), application.application_uri.as_ref().to_string()),
        ("product_uri".to_string(), application.product_uri.as_ref().to_string()),
        ("application_name".to_string(), application.application_name.text.as_ref().to_string()),
        ("endpoints".to_string(), session::list(&server.offered)),
    ];
    facts.extend(
        server.host_mismatch.iter().map(|host| ("host_not_in_certificate".to_string(), host.clone())),
    );
    facts.retain(|(_, fact)| !fact.is_empty());
    facts
}
