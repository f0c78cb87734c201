//! The `config` of a Modbus device: how to reach it and what it can bear. Unknown keys are refused with their place.

use sdk::SerialSettings;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Fault, codes};
use utoipa::ToSchema;

use crate::{
    dtu::registration::ID_BYTES_MAX,
    pdu::{READ_BITS_MAX, READ_REGISTERS_MAX},
};

/// How frames get to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Modbus TCP: `host` and `port`.
    Tcp,
    /// RTU frames through a transparent serial server that we connect to: `host` and `port`.
    RtuOverTcp,
    /// A serial port of this machine: `serial`.
    Serial,
    /// RTU frames through a DTU that dials in: `dtu_id`.
    Dtu,
}

/// Which function carries a write of whole registers or coils.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteWith {
    /// 5 and 6 for one cell, 15 and 16 for more.
    #[default]
    Auto,
    /// Always 15 and 16: some devices do not know 5 and 6.
    Multiple,
    /// 23 for registers: writes and reads back in one request.
    ReadWrite,
}

/// How to reach a device and what it can bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How frames get to the device.
    pub transport: Transport,
    /// Name or IP address; with `tcp` and `rtu_over_tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port; 502 when left out; with `tcp` and `rtu_over_tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<u16>,
    /// The serial port; with `serial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<SerialSettings>,
    /// The id with which the DTU registers, or `ip:` and its address when it says none; with `dtu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtu_id: Option<String>,
    /// Unit id (站号). Usually 1; 255 or 0 for some devices that are reached directly over TCP.
    #[serde(default = "unit_id")]
    #[schema(default = unit_id, minimum = 0, maximum = 255)]
    pub unit_id: u8,
    /// How long one request may take.
    #[serde(default = "timeout_ms")]
    #[schema(default = timeout_ms, minimum = 10, maximum = 60000)]
    pub timeout_ms: u32,
    /// The most registers the device gives in one request.
    #[serde(default = "registers_max")]
    #[schema(default = registers_max, minimum = 1, maximum = 125)]
    pub registers_max: u16,
    /// The most bits the device gives in one request.
    #[serde(default = "bits_max")]
    #[schema(default = bits_max, minimum = 1, maximum = 2000)]
    pub bits_max: u16,
    /// Read over registers that nobody asked for, to save requests.
    #[serde(default = "yes")]
    #[schema(default = yes)]
    pub fill_gaps: bool,
    /// The widest gap that is read over, in registers (bits: sixteen times as many).
    #[serde(default = "gap_max")]
    #[schema(default = gap_max, minimum = 0, maximum = 124)]
    pub gap_max: u16,
    /// Ask for each point by itself: for devices that only answer single addresses.
    #[serde(default)]
    #[schema(default = false)]
    pub one_request_per_point: bool,
    /// Silence before each request.
    #[serde(default)]
    #[schema(default = 0, minimum = 0, maximum = 1000)]
    pub inter_frame_delay_ms: u32,
    /// Requests on their way at once; more than 1 with `tcp` only.
    #[serde(default = "one")]
    #[schema(default = one, minimum = 1, maximum = 16)]
    pub max_in_flight: u8,
    /// Which function carries a write.
    #[serde(default)]
    pub write_with: WriteWith,
}

fn unit_id() -> u8 {
    1
}
fn timeout_ms() -> u32 {
    1_000
}
fn registers_max() -> u16 {
    READ_REGISTERS_MAX
}
fn bits_max() -> u16 {
    READ_BITS_MAX
}
fn yes() -> bool {
    true
}
fn gap_max() -> u16 {
    16
}
fn one() -> u8 {
    1
}

impl Config {
    /// The port when none is named (IANA: mbap).
    pub const PORT_DEFAULT: u16 = 502;

    /// Reads and checks; all mistakes at once, each with its place.
    pub fn parse(json: &serde_json::Value) -> Result<Config, Vec<Fault>> {
        let config: Config = sdk::parse_json(json).map_err(|fault| vec![fault])?;
        let faults = config.faults();
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms))
    }

    /// The port that is meant.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(Self::PORT_DEFAULT)
    }

    /// Where the device is, for people.
    pub fn place(&self) -> String {
        match (&self.serial, &self.host) {
            _ if self.transport == Transport::Dtu => format!("DTU {}", self.dtu_id()),
            (Some(serial), _) => serial.path.clone(),
            (None, Some(host)) => format!("{host}:{}", self.port()),
            (None, None) => "nowhere".into(),
        }
    }

    /// The id of the DTU that is meant.
    pub fn dtu_id(&self) -> &str {
        self.dtu_id.as_deref().unwrap_or_default().trim()
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |path: &str, reason: String| {
            let fault = Fault::new(codes::INVALID, format!("{reason}; correct this field and try again"));
            faults.push(fault.arg("reason", reason).at(path));
        };
        self.check_place(&mut wrong);
        if let Some(serial) = &self.serial {
            if !matches!(serial.data_bits, 7 | 8) {
                wrong("/serial/data_bits", "`data_bits` must be 8 (7 is for Modbus ASCII)".into());
            }
            if !matches!(serial.stop_bits, 1 | 2) {
                wrong("/serial/stop_bits", "`stop_bits` must be 1 or 2".into());
            }
            if serial.baud == 0 {
                wrong("/serial/baud", "`baud` must be a rate such as 9600".into());
            }
        }
        for (path, value, min, max) in [
            ("/timeout_ms", self.timeout_ms, 10, 60_000),
            ("/registers_max", u32::from(self.registers_max), 1, u32::from(READ_REGISTERS_MAX)),
            ("/bits_max", u32::from(self.bits_max), 1, u32::from(READ_BITS_MAX)),
            ("/gap_max", u32::from(self.gap_max), 0, 124),
            ("/inter_frame_delay_ms", self.inter_frame_delay_ms, 0, 1_000),
            ("/max_in_flight", u32::from(self.max_in_flight), 1, 16),
        ] {
            if !(min..=max).contains(&value) {
                wrong(path, format!("{value} is not within {min} to {max}"));
            }
        }
        if self.max_in_flight > 1 && self.transport != Transport::Tcp {
            wrong("/max_in_flight", "only `tcp` can have more than one request on its way: write 1".into());
        }
        faults
    }

    /// Each transport needs its own fields and takes no others.
    fn check_place(&self, wrong: &mut impl FnMut(&str, String)) {
        match self.transport {
            Transport::Serial => {
                if self.serial.as_ref().is_none_or(|s| s.path.is_empty()) {
                    wrong(
                        "/serial",
                        "transport `serial` needs `serial` with a `path` such as /dev/ttyUSB0".into(),
                    );
                }
                if self.host.is_some() || self.port.is_some() {
                    let key = if self.host.is_some() { "/host" } else { "/port" };
                    wrong(key, "transport `serial` takes no `host` and no `port`: leave them out".into());
                }
            }
            Transport::Tcp | Transport::RtuOverTcp => {
                if self.host.as_ref().is_none_or(|host| host.trim().is_empty()) {
                    wrong("/host", "this transport needs `host`, a name or an IP address".into());
                }
                if self.port == Some(0) {
                    wrong("/port", "`port` must be 1 to 65535; Modbus TCP listens on 502".into());
                }
                if self.serial.is_some() {
                    wrong("/serial", "this transport takes no `serial`: leave it out".into());
                }
            }
            Transport::Dtu => {
                if !(1..=ID_BYTES_MAX).contains(&self.dtu_id().len()) {
                    let reason = format!(
                        "transport `dtu` needs `dtu_id`, up to {ID_BYTES_MAX} characters, as the DTU registers"
                    );
                    wrong("/dtu_id", reason);
                }
                for (path, there) in [
                    ("/host", self.host.is_some()),
                    ("/port", self.port.is_some()),
                    ("/serial", self.serial.is_some()),
                ] {
                    if there {
                        wrong(
                            path,
                            "transport `dtu` takes no `host`, `port` or `serial`: leave them out".into(),
                        );
                    }
                }
            }
        }
        if self.transport != Transport::Dtu && self.dtu_id.is_some() {
            wrong("/dtu_id", "`dtu_id` goes with transport `dtu` only: leave it out".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(json: serde_json::Value) -> Vec<String> {
        Config::parse(&json).unwrap_err().into_iter().filter_map(|f| f.path).collect()
    }

    #[test]
    fn a_short_config_is_enough() {
        let config = Config::parse(&json!({"transport": "tcp", "host": "10.0.0.5"})).unwrap();
        assert_eq!((config.port(), config.unit_id, config.timeout_ms, config.gap_max), (502, 1, 1_000, 16));
        assert_eq!(config.place(), "10.0.0.5:502");
        let schema = sdk::http::json_schema::<Config>();
        let written = serde_json::to_value(&config).unwrap();
        for (key, default) in
            schema["properties"].as_object().unwrap().iter().map(|(k, v)| (k, &v["default"]))
        {
            assert!(default.is_null() || *default == written[key], "{key}: the schema says {default}");
        }
        assert_eq!(schema["properties"]["gap_max"]["default"], 16);
        let again = Config::parse(&serde_json::to_value(&config).unwrap());
        assert_eq!(again, Ok(config), "what is written out reads back");
        let serial = json!({"transport": "serial", "serial": {"path": "/dev/ttyUSB0"}, "unit_id": 17});
        assert_eq!(Config::parse(&serial).unwrap().place(), "/dev/ttyUSB0");
        let dtu = json!({"transport": "dtu", "dtu_id": "13800001234", "unit_id": 3});
        assert_eq!(Config::parse(&dtu).unwrap().place(), "DTU 13800001234");
    }

    #[test]
    fn mistakes_are_named_by_place() {
        assert_eq!(paths(json!({"transport": "tcp"})), ["/host"]);
        assert_eq!(
            paths(json!({"transport": "tcp", "host": "a", "timeout_ms": 5, "gap_max": 500})),
            ["/timeout_ms", "/gap_max"]
        );
        assert_eq!(paths(json!({"transport": "serial", "host": "a"})), ["/serial", "/host"]);
        assert_eq!(
            paths(json!({"transport": "serial", "serial": {"path": "x", "bauds": 1}})),
            ["/serial/bauds"]
        );
        assert_eq!(paths(json!({"transport": "tcp", "host": "a", "unit_id": 256})), ["/unit_id"]);
        assert_eq!(paths(json!({"transport": "udp", "host": "a"})), ["/transport"]);
        assert_eq!(paths(json!({"transport": "dtu", "host": "a", "port": 1})), ["/dtu_id", "/host", "/port"]);
        assert_eq!(paths(json!({"transport": "tcp", "host": "a", "dtu_id": "1"})), ["/dtu_id"]);
        assert_eq!(
            paths(json!({"transport": "rtu_over_tcp", "host": "a", "max_in_flight": 4})),
            ["/max_in_flight"]
        );
        let fault = &Config::parse(&json!({"transport": "tcp", "host": "a", "unitid": 1})).unwrap_err()[0];
        assert_eq!(fault.path.as_deref(), Some("/unitid"));
        assert!(fault.detail.contains("`unit_id`"), "{}", fault.detail);
    }
}
