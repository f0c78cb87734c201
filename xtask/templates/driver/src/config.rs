//! The `config` of a device: how to reach it. Unknown keys are refused with their place.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Fault, codes};
use utoipa::ToSchema;

/// How to reach a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Name or IP address.
    #[schema(min_length = 1)]
    pub(crate) host: String,
    /// TCP port.
    #[serde(default = "port")]
    #[schema(minimum = 1, maximum = 65535)]
    pub(crate) port: u16,
    /// How long one request may take.
    #[serde(default = "timeout_ms")]
    #[schema(minimum = 10, maximum = 60000)]
    pub(crate) timeout_ms: u32,
}

fn port() -> u16 {
    7_070
}
fn timeout_ms() -> u32 {
    1_000
}

impl Config {
    /// The shortest time that a network and a device need.
    const TIMEOUT_MS_MIN: u32 = 10;
    /// Longer than this and a person takes the device for dead.
    const TIMEOUT_MS_MAX: u32 = 60_000;

    /// Reads and checks; all mistakes at once, each with its place.
    pub(crate) fn parse(json: &serde_json::Value) -> Result<Config, Vec<Fault>> {
        let config: Config = sdk::parse_json(json).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let mut refuse = |place: &str, reason: &str| {
            let detail = format!("{reason}; correct this field and try again");
            faults.push(Fault::new(codes::INVALID, detail).arg("reason", reason).at(place));
        };
        if config.host.trim().is_empty() {
            refuse("/host", "a name or an IP address is needed");
        }
        if config.port == 0 {
            refuse("/port", "a port is 1 to 65535");
        }
        if !(Config::TIMEOUT_MS_MIN..=Config::TIMEOUT_MS_MAX).contains(&config.timeout_ms) {
            refuse("/timeout_ms", "a timeout is 10 to 60000 ms");
        }
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// How long one request may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms))
    }

    /// Where the device is, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_has_a_default() {
        let config = Config::parse(&json!({ "host": "10.0.0.7" })).unwrap();
        assert_eq!((config.place().as_str(), config.timeout_ms), ("10.0.0.7:7070", 1_000));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let faults = Config::parse(&json!({ "host": " ", "port": 0, "timeout_ms": 1 })).unwrap_err();
        let places: Vec<_> = faults.iter().filter_map(|fault| fault.path.as_deref()).collect();
        assert_eq!(places, ["/host", "/port", "/timeout_ms"]);
        let faults = Config::parse(&json!({ "host": "a", "prot": 1 })).unwrap_err();
        assert!(faults[0].detail.contains("prot"), "{}", faults[0]);
    }
}
