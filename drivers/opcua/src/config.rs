//! The `config` of an OPC UA device: where the server is, how the channel is secured, who we are to it, what it can bear.
//!
//! What is chosen here is what is used: a policy, a mode or an identity that the server does not offer is an error that
//! lists what it offers, never a reason to take something weaker.

use opcua::types::MessageSecurityMode;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Fault, codes};
use utoipa::ToSchema;

/// Security policies (OPC 10000-7, 6.6). Basic128Rsa15 and Basic256 rest on SHA-1 and are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum SecurityPolicy {
    /// RSA 2048 or more, AES-256, SHA-256. Nearly every server has it.
    #[default]
    Basic256Sha256,
    /// RSA-OAEP, AES-128, SHA-256.
    #[serde(rename = "Aes128_Sha256_RsaOaep")]
    Aes128Sha256RsaOaep,
    /// RSA-PSS, AES-256, SHA-256.
    #[serde(rename = "Aes256_Sha256_RsaPss")]
    Aes256Sha256RsaPss,
    /// No security at all; needs `allow_none`.
    None,
}

/// What is done to each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum SecurityMode {
    /// Nobody can change it on the way.
    Sign,
    /// Nobody can change or read it on the way.
    #[default]
    SignAndEncrypt,
}

/// Who we are to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// `user_name` and `password`.
    UserName,
    /// `certificate` and `private_key`.
    Certificate,
    /// The certificate of this node, which the channel uses too.
    OwnCertificate,
}

/// When the server reports a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// When value or quality changed.
    #[default]
    Change,
    /// Also when only its source timestamp changed.
    EveryTimestamp,
}

/// How to reach a server and what it can bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Such as `opc.tcp://192.168.1.20:4840`.
    pub endpoint_url: String,
    /// Security policy.
    #[serde(default)]
    pub security_policy: SecurityPolicy,
    /// Security mode; not looked at with policy `None`.
    #[serde(default)]
    pub security_mode: SecurityMode,
    /// Policy `None` is only taken together with this: anybody on the way can then read and change everything.
    #[serde(default)]
    #[schema(default = false)]
    pub allow_none: bool,
    /// Who we are.
    #[serde(default)]
    pub identity: Identity,
    /// With `user_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// With `user_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub password: Option<String>,
    /// PEM; with `certificate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// PEM, PKCS#8 or PKCS#1, without a pass phrase; with `certificate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub private_key: Option<String>,
    /// How often the server hands over what it collected.
    #[serde(default = "publishing_interval_ms")]
    #[schema(default = publishing_interval_ms, minimum = 50, maximum = 60000)]
    pub publishing_interval_ms: u32,
    /// When the server reports a value.
    #[serde(default)]
    pub report: Report,
    /// Values the server keeps of each point between two hand-overs.
    #[serde(default = "queue_size")]
    #[schema(default = queue_size, minimum = 2, maximum = 1000)]
    pub queue_size: u32,
    /// Points of one subscription; more points make more subscriptions.
    #[serde(default = "items_per_subscription")]
    #[schema(default = items_per_subscription, minimum = 1, maximum = 10000)]
    pub items_per_subscription: u32,
    /// Points or nodes of one request; 0 for what the server says of itself, 500 when it says nothing.
    #[serde(default)]
    #[schema(default = 0, minimum = 0, maximum = 10000)]
    pub operations_per_request: u32,
    /// How long one request may take.
    #[serde(default = "timeout_ms")]
    #[schema(default = timeout_ms, minimum = 100, maximum = 60000)]
    pub timeout_ms: u32,
    /// How long the server keeps our session and its subscriptions without hearing from us.
    #[serde(default = "session_timeout_ms")]
    #[schema(default = session_timeout_ms, minimum = 5000, maximum = 3600000)]
    pub session_timeout_ms: u32,
    /// Fill gaps from the server's history, where it keeps one.
    #[serde(default = "yes")]
    #[schema(default = yes)]
    pub history: bool,
}

fn publishing_interval_ms() -> u32 {
    500
}
fn queue_size() -> u32 {
    10
}
fn items_per_subscription() -> u32 {
    1_000
}
fn timeout_ms() -> u32 {
    5_000
}
fn session_timeout_ms() -> u32 {
    30_000
}
fn yes() -> bool {
    true
}

impl SecurityPolicy {
    /// As the standard writes it.
    pub const fn name(self) -> &'static str {
        match self {
            SecurityPolicy::Basic256Sha256 => "Basic256Sha256",
            SecurityPolicy::Aes128Sha256RsaOaep => "Aes128_Sha256_RsaOaep",
            SecurityPolicy::Aes256Sha256RsaPss => "Aes256_Sha256_RsaPss",
            SecurityPolicy::None => "None",
        }
    }

    pub(crate) const fn spoken(self) -> opcua::crypto::SecurityPolicy {
        match self {
            SecurityPolicy::Basic256Sha256 => opcua::crypto::SecurityPolicy::Basic256Sha256,
            SecurityPolicy::Aes128Sha256RsaOaep => opcua::crypto::SecurityPolicy::Aes128Sha256RsaOaep,
            SecurityPolicy::Aes256Sha256RsaPss => opcua::crypto::SecurityPolicy::Aes256Sha256RsaPss,
            SecurityPolicy::None => opcua::crypto::SecurityPolicy::None,
        }
    }
}

impl Config {
    /// The port when none is named (OPC 10000-6, 7.2).
    pub const PORT_DEFAULT: u16 = 4840;
    const SCHEME: &'static str = "opc.tcp://";

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

    /// Host and port of the endpoint; `None` when the URL names no host.
    pub fn host_and_port(&self) -> Option<(String, u16)> {
        host_and_port(&self.endpoint_url)
    }

    /// Mode as it goes over the wire.
    pub(crate) fn mode(&self) -> MessageSecurityMode {
        match (self.security_policy, self.security_mode) {
            (SecurityPolicy::None, _) => MessageSecurityMode::None,
            (_, SecurityMode::Sign) => MessageSecurityMode::Sign,
            (_, SecurityMode::SignAndEncrypt) => MessageSecurityMode::SignAndEncrypt,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |path: &str, reason: String| {
            let fault = Fault::new(codes::INVALID, format!("{reason}; correct this field and try again"));
            faults.push(fault.arg("reason", reason).at(path));
        };
        if self.host_and_port().is_none() {
            wrong("/endpoint_url", "an endpoint looks like opc.tcp://192.168.1.20:4840".into());
        }
        if self.security_policy == SecurityPolicy::None && !self.allow_none {
            let reason =
                "policy `None` secures nothing: choose another one, or set `allow_none` on a trusted line";
            wrong("/allow_none", reason.into());
        }
        self.identity_faults(&mut wrong);
        for (path, value, min, max) in [
            ("/publishing_interval_ms", self.publishing_interval_ms, 50, 60_000),
            ("/queue_size", self.queue_size, 2, 1_000),
            ("/items_per_subscription", self.items_per_subscription, 1, 10_000),
            ("/operations_per_request", self.operations_per_request, 0, 10_000),
            ("/timeout_ms", self.timeout_ms, 100, 60_000),
            ("/session_timeout_ms", self.session_timeout_ms, 5_000, 3_600_000),
        ] {
            if !(min..=max).contains(&value) {
                wrong(path, format!("{value} is not within {min} to {max}"));
            }
        }
        faults
    }

    fn identity_faults(&self, wrong: &mut impl FnMut(&str, String)) {
        let user = self.identity == Identity::UserName;
        let certificate = self.identity == Identity::Certificate;
        for (path, field, wanted, with) in [
            ("/user_name", &self.user_name, user, "user_name"),
            ("/password", &self.password, user, "user_name"),
            ("/certificate", &self.certificate, certificate, "certificate"),
            ("/private_key", &self.private_key, certificate, "certificate"),
        ] {
            // A password may be empty on purpose; a form sends empty texts for what it hides.
            let there = field.as_ref().is_some_and(|text| !text.is_empty() || path == "/password");
            if wanted && !there {
                wrong(path, format!("identity `{with}` needs this"));
            } else if !wanted && field.as_ref().is_some_and(|text| !text.is_empty()) {
                wrong(path, format!("only identity `{with}` takes this: leave it out"));
            }
        }
    }
}

/// Host and port of an `opc.tcp` URL; the port is the standard's when none is named.
pub(crate) fn host_and_port(url: &str) -> Option<(String, u16)> {
    let scheme = url.get(..Config::SCHEME.len())?;
    let rest = url.get(Config::SCHEME.len()..)?.split('/').next()?;
    if !scheme.eq_ignore_ascii_case(Config::SCHEME) || rest.chars().any(char::is_whitespace) {
        return None;
    }
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => Config::PORT_DEFAULT,
    };
    (!host.is_empty()).then(|| (host.to_string(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(json: serde_json::Value) -> Vec<String> {
        Config::parse(&json).unwrap_err().into_iter().filter_map(|f| f.path).collect()
    }

    #[test]
    fn a_url_is_enough_and_means_a_secured_channel() {
        let config = Config::parse(&json!({"endpoint_url": "opc.tcp://plc-7/path"})).unwrap();
        assert_eq!(config.host_and_port(), Some(("plc-7".into(), 4840)));
        assert_eq!(config.mode(), MessageSecurityMode::SignAndEncrypt);
        let schema = sdk::http::json_schema::<Config>();
        let written = serde_json::to_value(&config).unwrap();
        for (key, property) in schema["properties"].as_object().unwrap() {
            let default = &property["default"];
            assert!(default.is_null() || *default == written[key], "{key}: the schema says {default}");
        }
        for secret in ["password", "private_key"] {
            assert_eq!(schema["properties"][secret]["writeOnly"], true, "{secret} is sealed at rest");
        }
        assert_eq!(Config::parse(&written), Ok(config), "what is written out reads back");
    }

    #[test]
    fn hosts_and_ports() {
        let of = |url: &str| host_and_port(url);
        assert_eq!(of("opc.tcp://[fe80::1]:5000/x"), Some(("fe80::1".into(), 5000)));
        assert_eq!(of("OPC.TCP://h:1"), Some(("h".into(), 1)));
        for wrong in
            ["", "http://h", "opc.tcp://", "opc.tcp://h:0", "opc.tcp://h:x", "opc.tcp://a b", "opc.tcp:é"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mistakes_are_named_by_place() {
        let url = "opc.tcp://h";
        assert_eq!(paths(json!({"endpoint_url": "h:4840"})), ["/endpoint_url"]);
        assert_eq!(paths(json!({"endpoint_url": url, "security_policy": "None"})), ["/allow_none"]);
        assert_eq!(
            paths(json!({"endpoint_url": url, "security_policy": "Basic128Rsa15"})),
            ["/security_policy"]
        );
        assert_eq!(paths(json!({"endpoint_url": url, "security_policy": "Basic256"})), ["/security_policy"]);
        assert_eq!(paths(json!({"endpoint_url": url, "identity": "user_name"})), ["/user_name", "/password"]);
        assert_eq!(paths(json!({"endpoint_url": url, "password": "x"})), ["/password"]);
        assert_eq!(
            paths(json!({"endpoint_url": url, "identity": "certificate", "certificate": "x"})),
            ["/private_key"]
        );
        assert_eq!(
            paths(json!({"endpoint_url": url, "queue_size": 1, "timeout_ms": 1})),
            ["/queue_size", "/timeout_ms"]
        );
        assert_eq!(paths(json!({"endpoint_url": url, "urls": 1})), ["/urls"]);
    }
}
