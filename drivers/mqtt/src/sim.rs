//! A simulated device over this crate's own client: publishes values in one of two profiles and does what it is told.
//! Serves the tests and the demo plant.

use bytes::Bytes;
use rmqtt_codec::types::QoS;
use sdk::{Clock, Net};
use serde_json::json;
use std::time::Duration;
use types::{Fault, Time, Value};

use crate::{
    client::Event,
    config::Config,
    fault::{self, Trouble},
    json,
    profile::thingsboard::{ATTRIBUTES, RPC_REQUEST, TELEMETRY},
    session::Session,
    value,
};

/// What a simulated device speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// Telemetry with a token as user name; takes shared attributes and calls.
    Thingsboard,
    /// One JSON object on this topic; takes `{"name":value}` on the same topic with `/set` behind it.
    Json(String),
}

/// A simulated device.
#[derive(Debug, Clone)]
pub struct Device {
    /// The broker's name or address.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// MQTT client id.
    pub client_id: String,
    /// User name or token.
    pub username: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// What it speaks.
    pub style: Style,
    /// How often it publishes.
    pub period: Duration,
}

/// What stands behind a simulated device.
pub trait Machine: Send {
    /// All values as they are now.
    fn values(&mut self, now: Time) -> Vec<(String, Value)>;
    /// Takes a value as JSON, or says why not.
    fn take(&mut self, name: &str, raw: &str) -> Result<(), String>;
}

impl Device {
    /// Connects, publishes and obeys until the connection is lost; whoever runs it starts it again.
    pub async fn run(&self, machine: &mut dyn Machine, net: &Net, clock: &Clock) -> Fault {
        let config = match self.config() {
            Ok(config) => config,
            Err(fault) => return fault,
        };
        match self.live(&config, machine, net, clock).await {
            Ok(never) => match never {},
            Err(trouble) => trouble.fault(&config),
        }
    }

    fn config(&self) -> Result<Config, Fault> {
        let config = json!({
            "via": "client",
            "host": self.host,
            "port": self.port,
            "client_id": self.client_id,
            "username": self.username,
            "password": self.password,
            "payload": { "profile": "json" },
        });
        Config::parse(&config).map_err(fault::first)
    }

    async fn live(
        &self,
        config: &Config,
        machine: &mut dyn Machine,
        net: &Net,
        clock: &Clock,
    ) -> Result<std::convert::Infallible, Trouble> {
        let mut session = Session::open(config, net, clock).await?;
        let filters = match &self.style {
            Style::Thingsboard => vec![ATTRIBUTES.to_string(), format!("{RPC_REQUEST}+")],
            Style::Json(topic) => vec![format!("{topic}/set")],
        };
        session.subscribe(&filters, &mut Vec::new()).await?;
        let mut next = clock.monotonic();
        loop {
            let event = tokio::select! {
                biased;
                event = session.next_settled() => Some(event?),
                () = clock.sleep_until(next) => None,
            };
            match event {
                Some(Event::Message { topic, payload, .. }) => {
                    self.obey(&mut session, machine, &topic, &payload)?
                }
                Some(_) => continue,
                None => next += self.period,
            }
            // Also right after an order, so that it is seen at once.
            let topic = match &self.style {
                Style::Thingsboard => TELEMETRY,
                Style::Json(topic) => topic,
            };
            send(&mut session, topic, object(&machine.values(clock.now())))?;
        }
    }

    fn obey(
        &self,
        session: &mut Session,
        machine: &mut dyn Machine,
        topic: &str,
        payload: &[u8],
    ) -> Result<(), Trouble> {
        let text = String::from_utf8_lossy(payload);
        let Ok(raw) = json::check(&text) else { return Ok(()) };
        if let Some(id) = topic.strip_prefix(RPC_REQUEST) {
            let method = json::member(raw, "method").and_then(json::string).unwrap_or_default();
            let params = json::member(raw, "params").unwrap_or("null");
            let answer = match machine.take(&method, params) {
                Ok(()) => params.to_string(),
                Err(reason) => json!({ "error": reason }).to_string(),
            };
            return send(session, &format!("v1/devices/me/rpc/response/{id}"), answer);
        }
        let mut taken = Vec::new();
        let _checked = json::members(raw, &mut |step, said| {
            if machine.take(&step.text(), said).is_ok() {
                taken.push(format!("{}:{said}", json!(step.text())));
            }
        });
        match self.style {
            Style::Thingsboard if !taken.is_empty() => {
                send(session, ATTRIBUTES, format!("{{{}}}", taken.join(",")))
            }
            _ => Ok(()),
        }
    }
}

fn send(session: &mut Session, topic: &str, payload: String) -> Result<(), Trouble> {
    let sent = session.publish(topic, Bytes::from(payload), QoS::AtLeastOnce);
    sent.map(drop).map_err(Trouble::Closed)
}

fn object(values: &[(String, Value)]) -> String {
    let members: Vec<String> =
        values.iter().map(|(name, v)| format!("{}:{}", json!(name), value::to_json(v))).collect();
    format!("{{{}}}", members.join(","))
}
