//! Profile `tsl`: messages of devices that follow a thing model (物模型, TSL): property posts, events, services, each
//! with an `id` and `params`. Source: the public Alink protocol reference, "device properties, events and services".
//!
//! ```text
//! {root}/thing/event/property/post         up    {"id":"1","params":{"temp":21.5,"run":{"value":true,"time":1700000000000}}}
//! {root}/thing/event/property/post_reply   down  {"id":"1","code":200,"data":{}}
//! {root}/thing/event/{event}/post          up    {"id":"2","params":{"value":{"code":7},"time":1700000000000}}
//! {root}/thing/service/property/set        down  {"id":"3","method":"thing.service.property.set","params":{"temp":30}}
//! {root}/thing/service/{service}           down  {"id":"4","method":"thing.service.{service}","params":{}}
//! … with _reply behind it                  up    {"id":"3","code":200,"data":{}}
//! ```
//!
//! Deliberately absent: batch posts (`batch`, `pack`), raw posts (`up_raw`), shadows, topology of sub-devices.

use serde_json::json;
use types::Fault;

use crate::{
    fault, json,
    json::Step,
    mapping::{Kind, Mapping},
    message::{Answer, Message, Outgoing, Taken},
    stamp::{Stamp, TimeUnit},
    value,
};

const OK: i64 = 200;
/// Request parameter error, in the reference's list of codes.
const WRONG_PARAMETERS: i64 = 460;

/// What a device publishes.
pub(crate) fn filters(root: &str) -> Vec<String> {
    vec![
        format!("{root}/thing/event/+/post"),
        format!("{root}/thing/service/+"),
        format!("{root}/thing/service/property/set_reply"),
    ]
}

/// What a device subscribes to.
pub(crate) fn downward(root: &str) -> Vec<String> {
    vec![
        format!("{root}/thing/event/+/post_reply"),
        format!("{root}/thing/service/+"),
        format!("{root}/thing/service/property/set"),
    ]
}

/// Sets a property.
pub(crate) fn set_property(root: &str, request: &str, property: &str, value: &str) -> Outgoing {
    let method = "thing.service.property.set";
    let payload = format!(
        "{{\"id\":\"{request}\",\"version\":\"1.0\",\"method\":\"{method}\",\"params\":{{{}:{value}}}}}",
        json!(property)
    );
    Outgoing { topic: format!("{root}/thing/service/property/set"), payload }
}

/// Calls a service. `params` is JSON; what is no object is passed as `value`.
pub(crate) fn call(root: &str, request: &str, service: &str, params: &str) -> Outgoing {
    let params = if params.starts_with('{') { params.to_string() } else { format!("{{\"value\":{params}}}") };
    let method = json!(format!("thing.service.{service}"));
    let payload =
        format!("{{\"id\":\"{request}\",\"version\":\"1.0\",\"method\":{method},\"params\":{params}}}");
    Outgoing { topic: format!("{root}/thing/service/{service}"), payload }
}

impl Mapping {
    /// Whatever a device sends below its root.
    pub(crate) fn take_tsl(&mut self, message: &Message, taken: &mut Taken) {
        let Some(rest) =
            message.topic.strip_prefix(self.root()).and_then(|rest| rest.strip_prefix("/thing/"))
        else {
            return;
        };
        let levels: Vec<&str> = rest.split('/').collect();
        match levels.as_slice() {
            ["event", "property", "post"] => {
                let posted = self.posted(message, taken, |mapping, params, taken| {
                    mapping.properties(params, message, taken);
                });
                self.answer(posted, "property", message, taken);
            }
            ["event", event, "post"] => {
                let name = (*event).to_string();
                let posted = self.posted(message, taken, |mapping, params, taken| {
                    mapping.event(&name, params, message, taken);
                });
                self.answer(posted, event, message, taken);
            }
            ["service", "property", "set_reply"] => replied(message, taken),
            ["service", service] if service.ends_with("_reply") => replied(message, taken),
            _ => {}
        }
    }

    /// Hands the `params` of a message on.
    fn posted<'m>(
        &mut self,
        message: &'m Message,
        taken: &mut Taken,
        each: impl FnOnce(&mut Mapping, &'m str, &mut Taken),
    ) -> Result<&'m str, Fault> {
        let raw = super::object(message)?;
        match json::member(raw, "params").filter(|params| params.starts_with('{')) {
            Some(params) => each(self, params, taken),
            None => return Err(fault::shape(&message.topic, "it has no `params` with values in them")),
        }
        Ok(raw)
    }

    /// Each property plain, or as `{"value":…,"time":ms}`.
    fn properties(&mut self, params: &str, message: &Message, taken: &mut Taken) {
        let mut timed: Vec<(String, &str, &str)> = Vec::new();
        let mut plain = false;
        let _checked = json::members(params, &mut |step, said| match (
            &step,
            json::member(said, "value"),
            json::member(said, "time"),
        ) {
            (Step::Key(key), Some(value), Some(time)) => timed.push((key.to_string(), value, time)),
            (Step::Key(key), Some(value), None) => timed.push((key.to_string(), value, "")),
            _ => plain = true,
        });
        let arrival = Mapping::arrival(message);
        if timed.is_empty() {
            return self.gather(&Kind::Properties, params, arrival, message, taken);
        }
        // Properties that carry the same time, as they mostly do, go through together.
        while let Some(time) = timed.first().map(|(_, _, time)| *time) {
            let (same, rest) = timed.into_iter().partition::<Vec<_>, _>(|(_, _, other)| *other == time);
            timed = rest;
            let members: Vec<String> =
                same.iter().map(|(key, value, _)| format!("{}:{value}", json!(key))).collect();
            let stamp = match time {
                "" => arrival.clone(),
                time => Stamp::said(time, TimeUnit::Ms, message.received),
            };
            self.gather(&Kind::Properties, &format!("{{{}}}", members.join(",")), stamp, message, taken);
        }
        if plain {
            let mut members = Vec::new();
            let _checked = json::members(params, &mut |step, said| {
                if json::member(said, "value").is_none() {
                    members.push(format!("{}:{said}", json!(step.text())));
                }
            });
            self.gather(&Kind::Properties, &format!("{{{}}}", members.join(",")), arrival, message, taken);
        }
    }

    fn event(&mut self, event: &str, params: &str, message: &Message, taken: &mut Taken) {
        let (output, stamp) = match json::member(params, "value").filter(|value| value.starts_with('{')) {
            Some(value) => {
                let time = json::member(params, "time");
                let said = time.map(|time| Stamp::said(time, TimeUnit::Ms, message.received));
                (value, said.unwrap_or_else(|| Mapping::arrival(message)))
            }
            None => (params, Mapping::arrival(message)),
        };
        let inside = format!("{{{}:{output}}}", json!(event));
        self.gather(&Kind::Events, &inside, stamp, message, taken);
    }

    /// The reply that a post asks for: one that has an `id` and does not say `"sys":{"ack":0}`.
    fn answer(&mut self, posted: Result<&str, Fault>, event: &str, message: &Message, taken: &mut Taken) {
        let (code, text) = match &posted {
            Ok(_) => (OK, "success".to_string()),
            Err(fault) => (WRONG_PARAMETERS, fault.detail.clone()),
        };
        let raw = posted.or_else(|fault| {
            taken.wrong(|| fault);
            super::object(message)
        });
        let Ok(raw) = raw else { return };
        let silent = json::member(raw, "sys").and_then(|sys| json::member(sys, "ack")) == Some("0");
        let Some(id) = json::member(raw, "id").filter(|id| id.len() <= 128 && !silent) else { return };
        let payload = format!(
            "{{\"id\":{id},\"code\":{code},\"data\":{{}},\"message\":{},\"method\":{},\"version\":\"1.0\"}}",
            json!(text),
            json!(format!("thing.event.{event}.post")),
        );
        taken.replies.push(Outgoing { topic: format!("{}_reply", message.topic), payload });
    }
}

/// The reply to something we asked.
fn replied(message: &Message, taken: &mut Taken) {
    let raw = match super::object(message) {
        Ok(raw) => raw,
        Err(fault) => return taken.wrong(|| fault),
    };
    let Some(id) = json::member(raw, "id") else {
        return taken.wrong(|| fault::shape(&message.topic, "the reply has no `id`"));
    };
    let request = json::string(id).unwrap_or(id.into()).into_owned();
    let code = json::member(raw, "code")
        .and_then(|code| value::from_json(code, types::ValueType::I64).ok())
        .flatten();
    let outcome = match code {
        Some(types::Value::I64(OK)) => Ok(json::member(raw, "data").unwrap_or("{}").to_string()),
        _ => {
            let said = json::member(raw, "message").and_then(json::string).unwrap_or_default();
            let code = json::member(raw, "code").unwrap_or("none");
            Err(format!("code {code} {said}").trim_end().to_string())
        }
    };
    taken.answers.push(Answer { request, outcome });
}
