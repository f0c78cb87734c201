//! The `config` of a device: who connects to whom, and what its messages look like. Unknown keys are refused with their
//! place.

use serde::{Deserialize, Serialize};
use types::{Fault, codes};
use utoipa::ToSchema;

use crate::{json::Pointer, stamp::TimeUnit, topic};

/// Who connects to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Via {
    /// The device connects to the broker of this node.
    Broker,
    /// This node connects to a broker outside.
    Client,
}

/// Protocol version towards a broker outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    #[default]
    #[serde(rename = "3.1.1")]
    V311,
    /// MQTT 5.
    #[serde(rename = "5")]
    V5,
}

/// What messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Any JSON; a point names topic and place.
    Json,
    /// The payload is the value, as text.
    Raw,
    /// Property posts, events and services with `params`, as thing models (物模型) define them.
    Tsl,
    /// The topics and messages of a ThingsBoard device.
    Thingsboard,
}

/// Where a message says when its values were true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeField {
    /// JSON pointer, such as /ts.
    pub(crate) pointer: String,
    /// How the time is written.
    pub(crate) unit: TimeUnit,
}

/// What messages look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payload {
    /// Which kind of message.
    pub(crate) profile: Profile,
    /// Where a message carries its time; without it the time of arrival counts. With `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<TimeField>,
    /// The start of all topics of the device, such as /sys/product/device. With `tsl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
}

/// Topics that a device may use on the broker of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    /// Topic filters it may publish to.
    pub(crate) publish: Vec<String>,
    /// Topic filters it may subscribe to.
    pub(crate) subscribe: Vec<String>,
}

/// TLS towards a broker outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Certificates (PEM) of the authority that signed the broker's certificate. Only they are trusted, so nobody else
    /// can vouch for it.
    pub(crate) ca_pem: String,
    /// Name in the broker's certificate, where it is not `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
}

/// How a device and this node find each other, and what its messages look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Who connects to whom.
    pub(crate) via: Via,
    /// What messages look like.
    pub(crate) payload: Payload,
    /// MQTT client id: of the device with `broker` (left out: any), of this node with `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// MQTT user name. A ThingsBoard device sends its access token here, and no password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// MQTT password, or the device secret that it signs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub(crate) password: Option<String>,
    /// Topics the device may use; left out: publish anything, receive what its points set. With `broker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allow: Option<Allow>,
    /// Name or IP address of the broker. With `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// TCP port; 1883 when left out, 8883 with TLS. With `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub(crate) port: Option<u16>,
    /// Encrypts the connection; left out: plain TCP. With `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// Protocol version. With `client`.
    #[serde(default)]
    pub(crate) version: Version,
    /// How often both sides show that they are alive, in s. With `client`.
    #[serde(default = "keep_alive_s")]
    #[schema(default = keep_alive_s, minimum = 1, maximum = 3600)]
    pub(crate) keep_alive_s: u16,
    /// Forget what the broker kept while we were away. With `client`.
    #[serde(default = "yes")]
    #[schema(default = yes)]
    pub(crate) clean_start: bool,
    /// Delivery: 0 at most once, 1 at least once, 2 exactly once. With `client`.
    #[serde(default = "qos")]
    #[schema(default = qos, minimum = 0, maximum = 2)]
    pub(crate) qos: u8,
}

fn keep_alive_s() -> u16 {
    60
}
fn yes() -> bool {
    true
}
fn qos() -> u8 {
    1
}

impl Config {
    /// IANA: mqtt.
    pub(crate) const PORT_DEFAULT: u16 = 1_883;
    /// IANA: secure-mqtt.
    pub(crate) const PORT_TLS_DEFAULT: u16 = 8_883;
    /// The most filters in [`Allow`].
    pub(crate) const ALLOW_MAX: usize = 64;

    /// Reads and checks; all mistakes at once, each with its place.
    pub(crate) fn parse(json: &serde_json::Value) -> Result<Config, Vec<Fault>> {
        let config: Config = sdk::parse_json(json).map_err(|fault| vec![fault])?;
        let mut wrong = Wrong(Vec::new());
        config.check_side(&mut wrong);
        config.check_payload(&mut wrong);
        config.check_identity(&mut wrong);
        if wrong.0.is_empty() { Ok(config) } else { Err(wrong.0) }
    }

    /// The port that is meant.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls.is_some() { Self::PORT_TLS_DEFAULT } else { Self::PORT_DEFAULT })
    }

    /// The broker outside, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host.as_deref().unwrap_or("nowhere").trim(), self.port())
    }

    fn check_side(&self, wrong: &mut Wrong) {
        match self.via {
            Via::Client => {
                if self.host.as_ref().is_none_or(|host| host.trim().is_empty()) {
                    wrong.add("/host", "via `client` needs `host`, a name or an IP address");
                }
                if self.port == Some(0) {
                    wrong.add("/port", "`port` must be 1 to 65535; MQTT listens on 1883, with TLS on 8883");
                }
                if self.allow.is_some() {
                    wrong.add("/allow", "a broker outside has its own rules: leave `allow` out");
                }
                if self.client_id.as_ref().is_none_or(String::is_empty) {
                    wrong.add(
                        "/client_id",
                        "via `client` needs a `client_id` that nobody else uses at this broker",
                    );
                }
            }
            Via::Broker => {
                for (path, there) in [
                    ("/host", self.host.is_some()),
                    ("/port", self.port.is_some()),
                    ("/tls", self.tls.is_some()),
                ] {
                    if there {
                        wrong.add(
                            path,
                            "the device connects to this node: leave this out, or choose via `client`",
                        );
                    }
                }
            }
        }
        if !(1..=3_600).contains(&self.keep_alive_s) {
            wrong.add("/keep_alive_s", "`keep_alive_s` must be 1 to 3600");
        }
        if self.qos > 2 {
            wrong.add("/qos", "`qos` must be 0, 1 or 2");
        }
        if let Some(tls) = &self.tls
            && let Err(reason) = crate::client_tls::roots(&tls.ca_pem)
        {
            wrong.add("/tls/ca_pem", &reason);
        }
    }

    fn check_payload(&self, wrong: &mut Wrong) {
        let Payload { profile, time, root } = &self.payload;
        match (profile, root) {
            (Profile::Tsl, None) => {
                wrong.add("/payload/root", "profile `tsl` needs `root`, such as /sys/product/device");
            }
            (Profile::Tsl, Some(root)) => {
                if let Err(error) = topic::check_name(root) {
                    wrong.add("/payload/root", &error.to_string());
                }
            }
            (_, Some(_)) => wrong.add("/payload/root", "only profile `tsl` has a `root`: leave it out"),
            (_, None) => {}
        }
        if *profile == Profile::Thingsboard && self.via == Via::Client {
            wrong.add("/payload/profile", "a ThingsBoard device connects by itself: choose via `broker`");
        }
        match (profile, time) {
            (Profile::Json, Some(time)) => {
                if let Err(error) = Pointer::parse(&time.pointer) {
                    wrong.add("/payload/time/pointer", &error.to_string());
                }
            }
            (_, Some(_)) => {
                wrong.add(
                    "/payload/time",
                    "only profile `json` needs to be told where the time is: leave it out",
                );
            }
            (_, None) => {}
        }
    }

    fn check_identity(&self, wrong: &mut Wrong) {
        for (path, text) in
            [("/client_id", &self.client_id), ("/username", &self.username), ("/password", &self.password)]
        {
            if text.as_ref().is_some_and(|text| text.len() > usize::from(u16::MAX) || text.contains('\0')) {
                wrong.add(path, "the text is too long for MQTT or holds a null character");
            }
        }
        if self.via == Via::Broker && self.client_id.is_none() && self.username.is_none() {
            wrong.add("/client_id", "`client_id` or `username` is needed to know the device by");
        }
        if self.password.is_some()
            && self.username.is_none()
            && self.version == Version::V311
            && self.via == Via::Client
        {
            wrong.add("/username", "MQTT 3.1.1 has no password without a user name: enter `username`");
        }
        let Some(allow) = &self.allow else { return };
        for (list, filters) in [("publish", &allow.publish), ("subscribe", &allow.subscribe)] {
            if filters.len() > Self::ALLOW_MAX {
                wrong.add(&format!("/allow/{list}"), "more than 64 filters: use wildcards");
            }
            for (at, filter) in filters.iter().enumerate() {
                if let Err(error) = topic::check_filter(filter) {
                    wrong.add(&format!("/allow/{list}/{at}"), &error.to_string());
                }
            }
        }
    }
}

struct Wrong(Vec<Fault>);

impl Wrong {
    fn add(&mut self, path: &str, reason: &str) {
        let fault = Fault::new(codes::INVALID, format!("{reason}; correct this field and try again"));
        self.0.push(fault.arg("reason", reason).at(path));
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
        let broker =
            json!({"via": "broker", "username": "A1_TEST_TOKEN", "payload": {"profile": "thingsboard"}});
        assert!(Config::parse(&broker).is_ok());
        let client = json!({"via": "client", "host": "10.0.0.9", "client_id": "sinew", "payload": {"profile": "json"}});
        let config = Config::parse(&client).unwrap();
        assert_eq!((config.place().as_str(), config.qos, config.keep_alive_s), ("10.0.0.9:1883", 1, 60));
        let again = Config::parse(&serde_json::to_value(&config).unwrap());
        assert_eq!(again, Ok(config), "what is written out reads back");
    }

    #[test]
    fn the_schema_says_what_is_a_secret() {
        let schema = sdk::http::json_schema::<Config>();
        assert_eq!(schema["properties"]["password"]["writeOnly"], true);
        assert_eq!(schema["properties"]["keep_alive_s"]["default"], 60);
    }

    #[test]
    fn mistakes_are_named_by_place() {
        let payload = json!({"profile": "json"});
        assert_eq!(paths(json!({"via": "client", "payload": payload})), ["/host", "/client_id"]);
        assert_eq!(
            paths(json!({"via": "broker", "client_id": "a", "host": "b", "payload": {"profile": "tsl"}})),
            ["/host", "/payload/root"]
        );
        assert_eq!(paths(json!({"via": "broker", "payload": payload})), ["/client_id"]);
        assert_eq!(
            paths(
                json!({"via": "broker", "client_id": "a", "payload": {"profile": "json", "time": {"pointer": "ts", "unit": "ms"}}})
            ),
            ["/payload/time/pointer"]
        );
        assert_eq!(
            paths(
                json!({"via": "broker", "client_id": "a", "payload": payload, "allow": {"publish": ["a/#/b"], "subscribe": []}})
            ),
            ["/allow/publish/0"]
        );
        assert_eq!(
            paths(
                json!({"via": "client", "host": "a", "client_id": "c", "payload": payload, "tls": {"ca_pem": "x"}, "qos": 3, "password": "p"})
            ),
            ["/qos", "/tls/ca_pem", "/username"]
        );
        assert_eq!(
            paths(json!({"via": "broker", "client_id": "a", "payload": {"profile": "xml"}})),
            ["/payload/profile"]
        );
        assert_eq!(paths(json!({"via": "broker", "clientid": "a", "payload": payload})), ["/clientid"]);
    }
}
