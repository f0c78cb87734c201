//! Unknown clients: what one probably is, and whether a template vouches for it (一机一密, 一型一密). Pure.
//!
//! Two forms of proof are taken, both with user name `device&product`:
//!
//! 1. The secret itself as the MQTT password.
//! 2. A signature (public reference of Alibaba Cloud IoT Platform, "MQTT-TCP connection"): client id
//!    `X|securemode=3,signmethod=hmacsha256,timestamp=T|`, password the hex HMAC, keyed with the secret, of
//!    `clientIdXdeviceNameDproductKeyP` and, when a timestamp is given, `timestampT`. `hmacsha256` and `hmacsha1` are
//!    taken; `hmacmd5` is not.
//!
//! With 一机一密 the secret is the device's own, with 一型一密 it is that of the product and any device name passes.
//! Deliberately absent: registration that hands out secrets (`authType=register`).

use ring::hmac;
use sdk::DeviceDraft;
use serde::{Deserialize, Serialize};
use serde_json::json;
use types::{Fault, Point, ValueType};
use utoipa::ToSchema;

use crate::{
    address::Address,
    config::{Config, Payload, Profile},
    message::Message,
    topic,
};

/// What an unknown client showed of itself.
pub(crate) struct Stranger<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) username: Option<&'a str>,
    pub(crate) has_password: bool,
    /// What it published, the newest last.
    pub(crate) messages: &'a [Message],
}

impl Stranger<'_> {
    /// A config that would make it a device. The password is not in it: whoever adds the device enters it.
    pub(crate) fn suggested_config(&self) -> serde_json::Value {
        let payload = self.payload();
        let mut config = json!({ "via": "broker", "payload": payload });
        // Clients of a platform with tokens make up their client id; so does who signs with a time in it.
        let by_name = self.username.is_some()
            && (payload.profile == Profile::Thingsboard
                || self.client_id.contains('|')
                || self.client_id.is_empty());
        if !by_name {
            config["client_id"] = self.client_id.into();
        }
        if let Some(username) = self.username {
            config["username"] = username.into();
        }
        config
    }

    fn payload(&self) -> Payload {
        let plain = |profile| Payload { profile, time: None, root: None };
        let mut topics = self.messages.iter().map(|message| &*message.topic);
        if topics.clone().any(|topic| topic.starts_with("v1/devices/me/")) {
            return plain(Profile::Thingsboard);
        }
        let root =
            topics.find_map(|topic| topic.split_once("/thing/event/").map(|(root, _)| root.to_string()));
        let named = || {
            let (device, product) = self.username?.split_once('&')?;
            Some(format!("/sys/{product}/{device}"))
        };
        if let Some(root) = root.or_else(named).filter(|root| topic::check_name(root).is_ok()) {
            return Payload { root: Some(root), ..plain(Profile::Tsl) };
        }
        if self.messages.is_empty() && self.username.is_some() && !self.has_password {
            // A token and nothing else.
            return plain(Profile::Thingsboard);
        }
        let json = |message: &Message| message.payload.first().is_some_and(|byte| b"{[".contains(byte));
        match self.messages.is_empty() || self.messages.iter().any(json) {
            true => plain(Profile::Json),
            false => plain(Profile::Raw),
        }
    }
}

fn point(name: &str, address: &str, value_type: ValueType, unit: &str) -> Point {
    Point {
        name: name.to_string(),
        label: types::Label::default(),
        device: None,
        address: address.to_string(),
        asset: None,
        value_type,
        unit: unit.to_string(),
        scaling: None,
        range: None,
        states: std::collections::BTreeMap::new(),
        period_ms: 1_000,
        write: None,
    }
}

/// Makes devices of one product by themselves when they connect with a right secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    /// The product key, which devices send in their user name `device&product`.
    pub(crate) product: String,
    /// Secret of the product (一型一密): any device that proves it is taken. Left out: only devices of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub(crate) product_secret: Option<String>,
    /// Devices with secrets of their own (一机一密).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) devices: Vec<Identity>,
    /// What the messages look like; `{device}` and `{product}` in `root` are filled in.
    pub(crate) payload: Payload,
    /// Points that each device gets; `{device}` and `{product}` in addresses are filled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) points: Vec<TemplatePoint>,
}

/// A device that is expected.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The device's name.
    pub(crate) device: String,
    /// Its secret.
    #[schema(write_only)]
    pub(crate) secret: String,
}

/// A point of every device of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplatePoint {
    /// Key within its device.
    pub(crate) name: String,
    /// Where in the messages.
    pub(crate) address: String,
    /// UCUM code; `1` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
}

impl std::fmt::Debug for Template {
    // Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Template {{ {:?}, {} devices, {} points }}",
            self.product,
            self.devices.len(),
            self.points.len()
        )
    }
}

impl Template {
    /// What is wrong with it; `at` is its place in the door's config.
    pub(crate) fn faults(&self, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.product.is_empty() || self.product.contains('&') {
            faults.push(wrong(&format!("{at}/product"), "a product key has no `&` and is not empty"));
        }
        if self.product_secret.is_none() && self.devices.is_empty() {
            faults.push(wrong(
                &format!("{at}/product_secret"),
                "a template needs `product_secret` or `devices`",
            ));
        }
        if self.product_secret.as_ref().is_some_and(|secret| secret.len() < Self::SECRET_BYTES_MIN) {
            faults.push(wrong(&format!("{at}/product_secret"), "a secret has at least 8 characters"));
        }
        for (n, identity) in self.devices.iter().enumerate() {
            if identity.secret.len() < Self::SECRET_BYTES_MIN {
                faults.push(wrong(&format!("{at}/devices/{n}/secret"), "a secret has at least 8 characters"));
            }
        }
        let config = self.config("device", "secret-secret");
        for fault in Config::parse(&config).err().unwrap_or_default() {
            let path = format!("{at}{}", fault.path.clone().unwrap_or_default());
            faults.push(fault.at(path));
        }
        for (n, point) in self.points.iter().enumerate() {
            if let Err(fault) = Address::parse(&self.fill(&point.address, "device")) {
                faults.push(fault.at(format!("{at}/points/{n}/address")));
            }
        }
        faults
    }

    /// The shortest secret.
    const SECRET_BYTES_MIN: usize = 8;

    /// The device that this client proves to be; `None` when it is none of this product, or the proof is wrong.
    pub(crate) fn vouch(&self, client_id: &str, username: &str, password: &[u8]) -> Option<DeviceDraft> {
        let (device, product) = username.split_once('&')?;
        if product != self.product || !usable(device) {
            return None;
        }
        let own =
            self.devices.iter().find(|identity| identity.device == device).map(|identity| &identity.secret);
        let secret = own.or(self.product_secret.as_ref())?;
        if !proves(secret, client_id, username, password) {
            return None;
        }
        let points = self.points.iter().filter_map(|template| {
            let address = Address::parse(&self.fill(&template.address, device)).ok()?;
            let unit = template.unit.as_deref().unwrap_or("1");
            Some(point(&template.name, &address.to_string(), address.value_type, unit))
        });
        Some(DeviceDraft {
            name: device.to_string(),
            config: self.config(device, secret),
            points: points.collect(),
        })
    }

    fn config(&self, device: &str, secret: &str) -> serde_json::Value {
        let root = self.payload.root.as_ref().map(|root| self.fill(root, device));
        let payload = Payload { root, ..self.payload.clone() };
        json!({
            "via": "broker",
            "username": format!("{device}&{}", self.product),
            "password": secret,
            "payload": payload,
        })
    }

    fn fill(&self, text: &str, device: &str) -> String {
        text.replace("{device}", device).replace("{product}", &self.product)
    }
}

/// A device name becomes part of topics: it must not reach into those of others.
fn usable(device: &str) -> bool {
    !device.is_empty() && device.len() <= 64 && !device.contains(['+', '#', '/', '\0', '{', '}'])
}

fn wrong(path: &str, reason: &str) -> Fault {
    let detail = format!("{reason}; correct this field and try again");
    Fault::new(types::codes::INVALID, detail).arg("reason", reason).at(path)
}

/// Whether a password proves knowledge of a secret: it is the secret, or a signature made with it. Takes the same time
/// wherever they differ.
pub(crate) fn proves(secret: &str, client_id: &str, username: &str, password: &[u8]) -> bool {
    same(secret.as_bytes(), password)
        || signature(secret, client_id, username)
            .is_some_and(|wanted| same(wanted.as_bytes(), &password.to_ascii_lowercase()))
}

fn same(wanted: &[u8], given: &[u8]) -> bool {
    wanted.len() == given.len() && wanted.iter().zip(given).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// The signature that this client id and user name call for; see the module.
fn signature(secret: &str, client_id: &str, username: &str) -> Option<String> {
    let (device, product) = username.split_once('&')?;
    let (own, parameters) = client_id.strip_suffix('|')?.split_once('|')?;
    let parameter = |name: &str| parameters.split(',').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    let algorithm = match parameter("signmethod")? {
        "hmacsha256" => hmac::HMAC_SHA256,
        "hmacsha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        _ => return None,
    };
    let mut content = format!("clientId{own}deviceName{device}productKey{product}");
    if let Some(timestamp) = parameter("timestamp") {
        content.push_str("timestamp");
        content.push_str(timestamp);
    }
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), content.as_bytes());
    Some(tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Time;

    fn message(topic: &str, payload: &str) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.to_string().into(),
            retained: false,
            received: Time(0),
        }
    }

    fn stranger<'a>(username: Option<&'a str>, has_password: bool, messages: &'a [Message]) -> Stranger<'a> {
        Stranger { client_id: "c1", username, has_password, messages }
    }

    #[test]
    fn a_profile_is_guessed_from_what_was_heard() {
        let telemetry = [message("v1/devices/me/telemetry", "{\"t\":1}")];
        let posts = [message("/sys/p/d/thing/event/property/post", "{}")];
        let json = [message("plant/1", "{\"t\":1}")];
        let raw = [message("plant/1", "5")];
        for (stranger, config) in [
            (
                stranger(Some("TOKEN"), false, &telemetry),
                json!({"via": "broker", "username": "TOKEN", "payload": {"profile": "thingsboard"}}),
            ),
            (
                stranger(Some("TOKEN"), false, &[]),
                json!({"via": "broker", "username": "TOKEN", "payload": {"profile": "thingsboard"}}),
            ),
            (
                stranger(None, false, &posts),
                json!({"via": "broker", "client_id": "c1", "payload": {"profile": "tsl", "root": "/sys/p/d"}}),
            ),
            (
                stranger(Some("d&p"), true, &[]),
                json!({"via": "broker", "client_id": "c1", "username": "d&p", "payload": {"profile": "tsl", "root": "/sys/p/d"}}),
            ),
            (
                stranger(Some("u"), true, &json),
                json!({"via": "broker", "client_id": "c1", "username": "u", "payload": {"profile": "json"}}),
            ),
            (
                stranger(None, false, &raw),
                json!({"via": "broker", "client_id": "c1", "payload": {"profile": "raw"}}),
            ),
        ] {
            let suggested = stranger.suggested_config();
            assert_eq!(suggested, config);
            assert!(Config::parse(&suggested).is_ok(), "{suggested}");
        }
    }

    fn template() -> Template {
        serde_json::from_value(json!({
            "product": "pump",
            "product_secret": "product-secret",
            "devices": [{"device": "p1", "secret": "own-secret"}],
            "payload": {"profile": "tsl", "root": "/sys/{product}/{device}"},
            "points": [{"name": "temp", "address": "property:temp", "unit": "Cel"}],
        }))
        .unwrap()
    }

    #[test]
    fn a_template_makes_a_device_of_whoever_proves_a_secret() {
        let template = template();
        assert_eq!(template.faults(""), []);
        let draft = template.vouch("anything", "p7&pump", b"product-secret").unwrap();
        assert_eq!((draft.name.as_str(), draft.points.len()), ("p7", 1));
        assert_eq!(draft.config["payload"]["root"], "/sys/pump/p7");
        assert!(Config::parse(&draft.config).is_ok());
        assert!(template.vouch("x", "p1&pump", b"own-secret").is_some(), "its own secret");
        for (username, password) in [
            ("p1&pump", "product-secret"),
            ("p7&pump", "own-secret"),
            ("p7&other", "product-secret"),
            ("p7&pump", ""),
            ("a/b&pump", "product-secret"),
            ("#&pump", "product-secret"),
            ("p7", "product-secret"),
        ] {
            assert!(template.vouch("x", username, password.as_bytes()).is_none(), "{username} {password}");
        }
    }

    #[test]
    fn signatures_are_those_of_the_reference() {
        // The reference's own example, whose last characters it hides.
        let id = "12345|securemode=3,signmethod=hmacsha1,timestamp=789|";
        let signed = signature("secret", id, "device&pk").unwrap().to_uppercase();
        assert!(signed.starts_with("FAFD82A3D602B37FB0FA8B7892F24A477F85"), "{signed}");
        assert!(proves("secret", id, "device&pk", signed.as_bytes()), "upper case too");
        assert!(!proves("secret", id, "device&px", signed.as_bytes()));
        assert!(!proves("other", id, "device&pk", signed.as_bytes()));
        assert!(signature("secret", "12345|signmethod=hmacmd5|", "device&pk").is_none());
    }

    #[test]
    fn what_is_wrong_with_a_template_is_named() {
        let template = Template { product: "a&b".into(), product_secret: Some("short".into()), ..template() };
        let paths: Vec<String> = template.faults("/templates/0").into_iter().filter_map(|f| f.path).collect();
        assert_eq!(paths, ["/templates/0/product", "/templates/0/product_secret"]);
        let mut template = self::template();
        template.points[0].address = "property:".into();
        template.payload.root = None;
        let paths: Vec<String> = template.faults("/t").into_iter().filter_map(|f| f.path).collect();
        assert_eq!(paths, ["/t/payload/root", "/t/points/0/address"]);
    }
}
