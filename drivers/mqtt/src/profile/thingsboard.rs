//! Profile `thingsboard`: the device side of that platform's MQTT API, so that a device needs a new host and nothing
//! else. Source: the platform's public reference, "MQTT Device API" (telemetry, attributes, RPC), standard topics.
//!
//! Deliberately absent: the gateway API (`v1/gateway/…`), the short topics (`v2/…`), firmware and claiming.

use serde_json::json;
use std::collections::BTreeMap;

use crate::{
    fault, json,
    mapping::{Kind, Mapping},
    message::{Answer, Message, Outgoing, PAYLOAD_BYTES_MAX, Taken},
    stamp::{Stamp, TimeUnit},
};

/// Device to platform: values.
pub(crate) const TELEMETRY: &str = "v1/devices/me/telemetry";
/// Both ways: client attributes up, shared attributes down.
pub(crate) const ATTRIBUTES: &str = "v1/devices/me/attributes";
/// Device to platform, with an id behind it.
const ATTRIBUTES_REQUEST: &str = "v1/devices/me/attributes/request/";
/// Platform to device, with the id behind it.
const ATTRIBUTES_RESPONSE: &str = "v1/devices/me/attributes/response/";
/// Both ways, with an id behind it.
pub(crate) const RPC_REQUEST: &str = "v1/devices/me/rpc/request/";
/// Both ways, with the id behind it.
const RPC_RESPONSE: &str = "v1/devices/me/rpc/response/";

/// Messages that a device is told it may have on their way at once.
const IN_FLIGHT: u32 = 100;

/// What a device publishes.
pub(crate) fn filters() -> Vec<String> {
    let with_id = [ATTRIBUTES_REQUEST, RPC_REQUEST, RPC_RESPONSE].map(|topic| format!("{topic}+"));
    [TELEMETRY.to_string(), ATTRIBUTES.to_string()].into_iter().chain(with_id).collect()
}

/// What a device subscribes to.
pub(crate) fn downward() -> Vec<String> {
    let with_id = [ATTRIBUTES_RESPONSE, RPC_REQUEST, RPC_RESPONSE].map(|topic| format!("{topic}+"));
    [ATTRIBUTES.to_string()].into_iter().chain(with_id).collect()
}

/// Attributes as they were said last, so that a device that asks for them is answered.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    client: BTreeMap<String, String>,
    shared: BTreeMap<String, String>,
}

impl Attributes {
    /// The most attributes of each kind.
    const COUNT_MAX: usize = 256;
    /// The longest one, as JSON.
    const BYTES_MAX: usize = 4_096;

    fn keep(kind: &mut BTreeMap<String, String>, key: &str, raw: &str) {
        let room = kind.contains_key(key) || kind.len() < Self::COUNT_MAX;
        if room && key.len() + raw.len() <= Self::BYTES_MAX {
            kind.insert(key.to_string(), raw.to_string());
        }
    }

    /// What was sent to the device.
    pub(crate) fn share(&mut self, key: &str, raw: &str) {
        Self::keep(&mut self.shared, key, raw);
    }

    /// The answer to `{"clientKeys":"a,b","sharedKeys":"c"}`; without keys, all of them.
    fn answer(&self, request: &str) -> String {
        let keys = |name: &str| json::member(request, name).and_then(json::string);
        let (client, shared) = (keys("clientKeys"), keys("sharedKeys"));
        let all = client.is_none() && shared.is_none();
        let part = |name: &str, kind: &BTreeMap<String, String>, keys: Option<&str>| {
            let asked = |key: &str| all || keys.is_some_and(|keys| keys.split(',').any(|k| k.trim() == key));
            let members: Vec<String> = kind
                .iter()
                .filter(|(key, _)| asked(key))
                .map(|(key, raw)| format!("{}:{raw}", json!(key)))
                .collect();
            (!members.is_empty()).then(|| format!("\"{name}\":{{{}}}", members.join(",")))
        };
        let parts = [
            part("client", &self.client, client.as_deref()),
            part("shared", &self.shared, shared.as_deref()),
        ];
        format!("{{{}}}", parts.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

impl Mapping {
    /// Whatever a device sends.
    pub(crate) fn take_thingsboard(&mut self, message: &Message, taken: &mut Taken) {
        let topic = &*message.topic;
        let done = if topic == TELEMETRY {
            self.telemetry(message, taken)
        } else if topic == ATTRIBUTES {
            self.client_attributes(message, taken)
        } else if let Some(id) = topic.strip_prefix(ATTRIBUTES_REQUEST) {
            super::object(message).map(|raw| {
                let payload = self.attributes.answer(raw);
                taken.replies.push(Outgoing { topic: format!("{ATTRIBUTES_RESPONSE}{id}"), payload });
            })
        } else if let Some(id) = topic.strip_prefix(RPC_RESPONSE) {
            super::document(message).map(|raw| {
                let refused =
                    json::member(raw, "error").map(|reason| json::string(reason).unwrap_or(reason.into()));
                let outcome = refused.map_or(Ok(raw.to_string()), |reason| Err(reason.into_owned()));
                taken.answers.push(Answer { request: id.to_string(), outcome });
            })
        } else if let Some(id) = topic.strip_prefix(RPC_REQUEST) {
            super::object(message).map(|raw| {
                let payload = answer_call(raw, message);
                taken.replies.push(Outgoing { topic: format!("{RPC_RESPONSE}{id}"), payload });
            })
        } else {
            return;
        };
        if let Err(fault) = done {
            taken.wrong(|| fault);
        }
    }

    /// `{k:v}`, `{ts,values}`, or a list of either.
    fn telemetry(&mut self, message: &Message, taken: &mut Taken) -> Result<(), types::Fault> {
        let raw = super::document(message)?;
        let mut records = Vec::new();
        match raw.as_bytes().first() {
            Some(b'{') => records.push(raw),
            Some(b'[') => {
                let _checked = json::members(raw, &mut |_, record| records.push(record));
            }
            _ => return Err(fault::shape(&message.topic, "it is neither a JSON object nor a list of them")),
        }
        for record in records {
            if !record.starts_with('{') {
                taken.wrong(|| {
                    fault::shape(&message.topic, "its list holds something that is no JSON object")
                });
                continue;
            }
            match (json::member(record, "ts"), json::member(record, "values")) {
                (Some(ts), Some(values)) if values.starts_with('{') => {
                    let stamp = Stamp::said(ts, TimeUnit::Ms, message.received);
                    self.gather(&Kind::Telemetry, values, stamp, message, taken);
                }
                _ => self.gather(&Kind::Telemetry, record, Mapping::arrival(message), message, taken),
            }
        }
        Ok(())
    }

    fn client_attributes(&mut self, message: &Message, taken: &mut Taken) -> Result<(), types::Fault> {
        let raw = super::object(message)?;
        let _checked = json::members(raw, &mut |step, value| {
            Attributes::keep(&mut self.attributes.client, &step.text(), value);
        });
        self.gather(&Kind::Attributes, raw, Mapping::arrival(message), message, taken);
        Ok(())
    }
}

/// The answer to a call of the device. Answered are the time, and what the platform's own client libraries ask when they
/// connect. Whatever else a device may call was written for one installation; it is refused, because silence would leave
/// the device waiting.
fn answer_call(request: &str, message: &Message) -> String {
    let method = json::member(request, "method").and_then(json::string).unwrap_or_default();
    match &*method {
        "getCurrentTime" | "getTime" => message.received.unix_ms().to_string(),
        "getSessionLimits" => {
            json!({"maxPayloadSize": PAYLOAD_BYTES_MAX, "maxInflightMessages": IN_FLIGHT, "rateLimits": {}})
                .to_string()
        }
        other => {
            let name: String = other.chars().take(60).collect();
            json!({ "error": format!("there is no method `{name}`; getCurrentTime is answered") }).to_string()
        }
    }
}
