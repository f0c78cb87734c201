//! The `config` of the listener that DTUs dial: where, and what they say. Unknown keys are refused with their place.

use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};
use types::{Fault, codes};
use utoipa::ToSchema;

use super::{heartbeat::HeartbeatPattern, registration::Registrations};

/// Patterns of each kind.
pub const PATTERNS_MAX: usize = 32;

/// The listener that DTUs dial, and what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorConfig {
    /// IP address and port, such as `0.0.0.0:8899`.
    pub listen: String,
    /// Listen on a network in plain TCP. DTUs know no TLS: do it in a private APN, a VPN, or behind a firewall.
    #[serde(default)]
    #[schema(default = false)]
    pub plain_on_network: bool,
    /// Registration packets, tried in order, such as `{id}`, `{imei}`, `REG:{id},{*}\r\n`, `\xAA{hex:6}`.
    #[serde(default = "registrations")]
    #[schema(default = registrations)]
    pub registrations: Vec<String>,
    /// Heartbeat packets, such as `www.usr.cn`, `\xFE\xFE`, `HB:{id}`.
    #[serde(default)]
    #[schema(default = heartbeats)]
    pub heartbeats: Vec<String>,
    /// A DTU must say who it is within this span.
    #[serde(default = "registration_timeout_s")]
    #[schema(default = registration_timeout_s, minimum = 1, maximum = 600)]
    pub registration_timeout_s: u32,
    /// A connection on which nothing comes for so long is closed; longer than heartbeat and longest period.
    #[serde(default = "idle_timeout_s")]
    #[schema(default = idle_timeout_s, minimum = 1, maximum = 86400)]
    pub idle_timeout_s: u32,
    /// Connections at once; further ones are closed at once.
    #[serde(default = "connections_max")]
    #[schema(default = connections_max, minimum = 1, maximum = 20000)]
    pub connections_max: u32,
    /// Dial-ins a minute from one address; many DTUs of one carrier may share one.
    #[serde(default = "dials_per_minute_max")]
    #[schema(default = dials_per_minute_max, minimum = 1, maximum = 100000)]
    pub dials_per_minute_max: u32,
}

fn registrations() -> Vec<String> {
    vec!["{id}".into()]
}
fn heartbeats() -> Vec<String> {
    Vec::new()
}
fn registration_timeout_s() -> u32 {
    30
}
fn idle_timeout_s() -> u32 {
    300
}
fn connections_max() -> u32 {
    2_000
}
fn dials_per_minute_max() -> u32 {
    1_200
}

/// What the patterns stand for.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    pub(super) registrations: Registrations,
    pub(super) heartbeats: Vec<HeartbeatPattern>,
}

impl DoorConfig {
    /// What a person starts from: this machine only.
    pub fn start() -> DoorConfig {
        DoorConfig {
            listen: "127.0.0.1:8899".into(),
            plain_on_network: false,
            registrations: registrations(),
            heartbeats: heartbeats(),
            registration_timeout_s: registration_timeout_s(),
            idle_timeout_s: idle_timeout_s(),
            connections_max: connections_max(),
            dials_per_minute_max: dials_per_minute_max(),
        }
    }

    /// Reads and checks; all mistakes at once, each with its place.
    pub fn parse(json: &serde_json::Value) -> Result<DoorConfig, Vec<Fault>> {
        let config: DoorConfig = sdk::parse_json(json).map_err(|fault| vec![fault])?;
        match config.patterns() {
            Ok(_) => Ok(config),
            Err(faults) => Err(faults),
        }
    }

    pub(super) fn registration_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.registration_timeout_s))
    }
    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_timeout_s))
    }

    /// The patterns, or everything that is wrong.
    pub(super) fn patterns(&self) -> Result<Patterns, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut wrong = |path: String, reason: String| {
            let fault = Fault::new(codes::INVALID, format!("{reason}; correct this field and try again"));
            faults.push(fault.arg("reason", reason).at(path));
        };
        match self.listen.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() || self.plain_on_network => {}
            Ok(address) => wrong(
                "/plain_on_network".into(),
                format!(
                    "{} can be reached from a network, and DTUs know no TLS: switch `plain_on_network` on if that \
                     network is closed, or listen on 127.0.0.1",
                    address.ip()
                ),
            ),
            Err(_) => wrong(
                "/listen".into(),
                "`listen` takes an IP address and a port, such as 0.0.0.0:8899".into(),
            ),
        }
        for (path, value, min, max) in [
            ("/registration_timeout_s", self.registration_timeout_s, 1, 600),
            ("/idle_timeout_s", self.idle_timeout_s, 1, 86_400),
            ("/connections_max", self.connections_max, 1, 20_000),
            ("/dials_per_minute_max", self.dials_per_minute_max, 1, 100_000),
        ] {
            if !(min..=max).contains(&value) {
                wrong(path.into(), format!("{value} is not within {min} to {max}"));
            }
        }
        for (path, patterns) in [("/registrations", &self.registrations), ("/heartbeats", &self.heartbeats)] {
            if patterns.len() > PATTERNS_MAX {
                wrong(path.into(), format!("at most {PATTERNS_MAX} patterns"));
            }
        }
        let registrations = Registrations::parse(&self.registrations);
        if let Err((at, error)) = &registrations {
            wrong(format!("/registrations/{at}"), error.to_string());
        }
        let mut heartbeats = Vec::new();
        for (at, text) in self.heartbeats.iter().enumerate() {
            match HeartbeatPattern::parse(text) {
                Ok(heartbeat) => heartbeats.push(heartbeat),
                Err(error) => wrong(format!("/heartbeats/{at}"), error.to_string()),
            }
        }
        match registrations {
            Ok(registrations) if faults.is_empty() => Ok(Patterns { registrations, heartbeats }),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(json: serde_json::Value) -> Vec<String> {
        DoorConfig::parse(&json).unwrap_err().into_iter().filter_map(|fault| fault.path).collect()
    }

    #[test]
    fn a_short_config_is_enough_and_the_schema_says_the_same() {
        let config = DoorConfig::parse(&json!({"listen": "127.0.0.1:8899"})).unwrap();
        assert_eq!(config, DoorConfig::start());
        let schema = sdk::http::json_schema::<DoorConfig>();
        let written = serde_json::to_value(&config).unwrap();
        for (key, property) in schema["properties"].as_object().unwrap() {
            let default = &property["default"];
            assert!(default.is_null() || *default == written[key], "{key}: the schema says {default}");
        }
        assert_eq!(DoorConfig::parse(&written), Ok(config), "what is written out reads back");
    }

    #[test]
    fn mistakes_are_named_by_place() {
        assert_eq!(paths(json!({"listen": "0.0.0.0:8899"})), ["/plain_on_network"]);
        assert!(DoorConfig::parse(&json!({"listen": "0.0.0.0:8899", "plain_on_network": true})).is_ok());
        assert_eq!(paths(json!({"listen": "8899"})), ["/listen"]);
        let patterns = json!({
            "listen": "127.0.0.1:1", "registrations": ["{id}", "REG"], "heartbeats": ["HB", "{*}"], "idle_timeout_s": 0,
        });
        assert_eq!(paths(patterns), ["/idle_timeout_s", "/registrations/1", "/heartbeats/1"]);
        assert_eq!(paths(json!({"listen": "127.0.0.1:1", "tls": true})), ["/tls"]);
    }
}
