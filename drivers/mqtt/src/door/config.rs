//! The `config` of the door: where it listens and what it allows. Unknown keys are refused with their place.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use types::{Fault, codes};
use utoipa::ToSchema;

use crate::{
    broker::{Policy, limits, topic},
    claim::Template,
};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to listen without encryption, such as 127.0.0.1:1883; left out: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<String>,
    /// Take unencrypted connections from the network too. Passwords and values can then be read on the way: only for
    /// devices that cannot do TLS, in a network of their own.
    #[serde(default)]
    pub(crate) plain_on_network: bool,
    /// Listen with encryption; left out: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// What clients without user name and password may do; left out: nothing.
    #[serde(default)]
    pub(crate) anonymous: Anonymous,
    /// Nobody may subscribe to these filters, or to narrower ones. A wider subscription still gets what lies below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) deny: Vec<String>,
    /// Let unknown clients in, bounded in number and without any effect, so that a person can see what they send and
    /// claim them. Switched off, they are refused, and listed all the same.
    #[serde(default = "yes")]
    #[schema(default = yes)]
    pub(crate) quarantine: bool,
    /// Messages of QoS 1 and 2 that are taken from one client at once.
    #[serde(default = "receive_max")]
    #[schema(default = receive_max, minimum = 1, maximum = 65535)]
    pub(crate) receive_max: u16,
    /// The longest keep alive, in s; 0 leaves it to the client.
    #[serde(default = "keep_alive_max_s")]
    #[schema(default = keep_alive_max_s, minimum = 0, maximum = 65535)]
    pub(crate) keep_alive_max_s: u16,
    /// The longest packet, in bytes.
    #[serde(default = "packet_bytes_max")]
    #[schema(default = packet_bytes_max, minimum = 1024, maximum = 16777216)]
    pub(crate) packet_bytes_max: u32,
    /// Products whose devices are made by themselves on first contact (一机一密, 一型一密).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) templates: Vec<Template>,
}

/// Encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Where to listen, such as 0.0.0.0:8883.
    pub(crate) listen: String,
    /// Names and addresses under which devices reach this node; they stand in the certificate that it makes for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) names: Vec<String>,
    /// Certificate chain in PEM; left out: the node makes its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_pem: Option<String>,
    /// Private key in PEM, with the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub(crate) key_pem: Option<String>,
}

/// Rights of clients without credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anonymous {
    /// Topic filters they may publish to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) publish: Vec<String>,
    /// Topic filters they may subscribe to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subscribe: Vec<String>,
}

fn yes() -> bool {
    true
}
fn receive_max() -> u16 {
    limits::FLIGHT_MAX
}
fn keep_alive_max_s() -> u16 {
    1_200
}
fn packet_bytes_max() -> u32 {
    1_024 * 1_024
}

/// What a person starts from: reachable from this machine only.
pub(crate) fn default_config() -> serde_json::Value {
    serde_json::json!({"listen": "127.0.0.1:1883", "quarantine": true})
}

impl Config {
    /// The most filters in one list.
    const FILTERS_MAX: usize = 64;
    /// The most templates.
    const TEMPLATES_MAX: usize = 64;
    /// Bounds of `packet_bytes_max`.
    const PACKET_BYTES: std::ops::RangeInclusive<u32> = 1_024..=16 * 1_024 * 1_024;

    /// Reads and checks; all mistakes at once, each with its place.
    pub(crate) fn parse(json: &serde_json::Value) -> Result<Config, Vec<Fault>> {
        let config: Config = sdk::parse_json(json).map_err(|fault| vec![fault])?;
        let mut wrong = Vec::new();
        config.check_listeners(&mut wrong);
        config.check_filters(&mut wrong);
        config.check_templates(&mut wrong);
        if config.receive_max == 0 {
            wrong.push(fault("/receive_max", "`receive_max` must be at least 1".into()));
        }
        if !Self::PACKET_BYTES.contains(&config.packet_bytes_max) {
            wrong.push(fault("/packet_bytes_max", "`packet_bytes_max` must be 1024 to 16777216".into()));
        }
        if wrong.is_empty() { Ok(config) } else { Err(wrong) }
    }

    /// What the broker goes by.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            anonymous_publish: self.anonymous.publish.clone(),
            anonymous_subscribe: self.anonymous.subscribe.clone(),
            deny: self.deny.clone(),
            receive_max: self.receive_max,
            keep_alive_max_s: self.keep_alive_max_s,
            packet_bytes_max: self.packet_bytes_max,
            quarantine: self.quarantine,
        }
    }

    fn check_listeners(&self, wrong: &mut Vec<Fault>) {
        if self.listen.is_none() && self.tls.is_none() {
            wrong.push(fault(
                "/listen",
                "nobody could connect: enter `listen`, or `tls` with an address".into(),
            ));
        }
        if let Some(listen) = &self.listen {
            match address(listen) {
                Err(detail) => wrong.push(fault("/listen", detail)),
                Ok(address) if !address.ip().is_loopback() && !self.plain_on_network => {
                    let detail = format!(
                        "{address} can be reached from the network, and without encryption passwords can be read on the way: use `tls`, or set `plain_on_network` for devices that cannot do it"
                    );
                    wrong.push(Fault::new("mqtt.plain-on-network", detail).at("/listen"));
                }
                Ok(_) => {}
            }
        }
        let Some(tls) = &self.tls else { return };
        if let Err(detail) = address(&tls.listen) {
            wrong.push(fault("/tls/listen", detail));
        }
        if tls.certificate_pem.is_some() != tls.key_pem.is_some() {
            let detail = "certificate and key belong together: enter both, or neither";
            wrong.push(fault("/tls/key_pem", detail.into()));
        }
        if let Err(fault) = super::tls::check(tls) {
            wrong.push(fault.at("/tls/certificate_pem"));
        }
    }

    fn check_filters(&self, wrong: &mut Vec<Fault>) {
        let lists = [
            ("/anonymous/publish", &self.anonymous.publish),
            ("/anonymous/subscribe", &self.anonymous.subscribe),
            ("/deny", &self.deny),
        ];
        for (path, list) in lists {
            if list.len() > Self::FILTERS_MAX {
                wrong
                    .push(fault(path, format!("at most {} filters: merge some with `#`", Self::FILTERS_MAX)));
            }
            for (i, filter) in list.iter().enumerate().filter(|(_, filter)| !topic::is_filter(filter)) {
                let detail = format!("`{filter}` is no topic filter: write one such as plant/line-1/#");
                wrong.push(
                    Fault::new("mqtt.filter", detail)
                        .arg("filter", filter.as_str())
                        .at(format!("{path}/{i}")),
                );
            }
        }
    }

    fn check_templates(&self, wrong: &mut Vec<Fault>) {
        if self.templates.len() > Self::TEMPLATES_MAX {
            wrong.push(fault("/templates", format!("at most {} templates", Self::TEMPLATES_MAX)));
        }
        for (i, template) in self.templates.iter().enumerate() {
            wrong.extend(template.faults(&format!("/templates/{i}")));
            if self.templates[..i].iter().any(|other| other.product == template.product) {
                let detail = "another template has this product key: put its devices there".into();
                wrong.push(fault(&format!("/templates/{i}/product"), detail));
            }
        }
    }
}

fn fault(path: &str, detail: String) -> Fault {
    Fault::new(codes::INVALID, detail.clone()).arg("reason", detail).at(path)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is no address to listen at: write IP and port, such as 127.0.0.1:1883 or 0.0.0.0:8883"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(json: serde_json::Value) -> Vec<String> {
        Config::parse(&json).unwrap_err().into_iter().map(|f| f.path.unwrap_or_default()).collect()
    }

    #[test]
    fn the_default_reaches_no_further_than_this_machine() {
        let config = Config::parse(&default_config()).unwrap();
        let listen: SocketAddr = config.listen.unwrap().parse().unwrap();
        assert!(listen.ip().is_loopback() && config.quarantine && config.tls.is_none());
        assert_eq!(config.anonymous, Anonymous::default());
    }

    #[test]
    fn plain_on_the_network_is_a_decision() {
        assert_eq!(wrong(json!({"listen": "0.0.0.0:1883"})), ["/listen"]);
        assert!(Config::parse(&json!({"listen": "0.0.0.0:1883", "plain_on_network": true})).is_ok());
        assert!(Config::parse(&json!({"tls": {"listen": "0.0.0.0:8883"}})).is_ok());
    }

    #[test]
    fn mistakes_come_together_and_with_their_place() {
        let config = json!({
            "listen": "here", "tls": {"listen": "there", "key_pem": "x"}, "deny": ["a/#", "a#"],
            "anonymous": {"publish": ["+x"]}, "receive_max": 0, "packet_bytes_max": 10,
            "templates": [{"product": "", "payload": {"profile": "json"}}],
        });
        let paths = wrong(config);
        for path in [
            "/listen",
            "/tls/listen",
            "/tls/key_pem",
            "/deny/1",
            "/anonymous/publish/0",
            "/receive_max",
            "/packet_bytes_max",
            "/templates/0/product",
        ] {
            assert!(paths.iter().any(|p| p == path), "{path} in {paths:?}");
        }
        assert_eq!(wrong(json!({"listen": "127.0.0.1:1", "extra": 1})), ["/extra"]);
        assert_eq!(wrong(json!({})), ["/listen"]);
    }
}
