//! Writes from order to answer, without a connection.

use serde_json::json;
use types::{Scaling, Time};

use super::*;
use crate::config::Config;

fn at(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A device with one point, a write on its way, and the answer to it.
struct Desk {
    mapping: Mapping,
    writes: Writes,
    answer: oneshot::Receiver<Result<Written, Fault>>,
    sent: Outgoing,
}

impl Desk {
    fn write(payload: serde_json::Value, address: &str, scaling: Option<Scaling>, value: Value) -> Desk {
        let config = json!({"via": "broker", "client_id": "c", "payload": payload});
        let point = sdk::BoundPoint {
            id: PointId(1),
            address: address.into(),
            value_type: value.value_type(),
            scaling,
            period_ms: 1_000,
        };
        let mut mapping = Mapping::new(&Config::parse(&config).unwrap(), &[point], &|_| None);
        let mut writes = Writes::new(6);
        let (reply, answer) = oneshot::channel();
        let plan = writes.plan(&mut mapping, PointId(1), &value).unwrap();
        let sent = plan.send.clone();
        writes.sent(plan, WriteOrder { point: PointId(1), value, reply }, None, &mapping, at(0));
        Desk { mapping, writes, answer, sent }
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Taken {
        let payload = payload.to_string().into();
        let message = Message {
            topic: topic.into(),
            payload,
            retained: false,
            received: Time(1_795_163_400_000_000_000),
        };
        let mut taken = self.mapping.take(&message);
        for answer in std::mem::take(&mut taken.answers) {
            self.writes.answered(answer, &mut self.mapping, &message, at(1), &mut taken);
        }
        self.writes.heard(&taken);
        taken
    }

    fn answered(&mut self) -> Option<Result<Option<Value>, String>> {
        let answer = self.answer.try_recv().ok()?;
        Some(answer.map(|written| written.read_back).map_err(|fault| fault.code.into_owned()))
    }
}

fn tsl() -> serde_json::Value {
    json!({"profile": "tsl", "root": "/sys/p/d"})
}

#[test]
fn a_property_is_set_when_the_device_says_so_and_shows_it() {
    let mut desk = Desk::write(tsl(), "property:temp f64", None, Value::F64(30.5));
    assert_eq!(desk.sent.topic, "/sys/p/d/thing/service/property/set");
    let sent: serde_json::Value = serde_json::from_str(&desk.sent.payload).unwrap();
    assert_eq!((&sent["id"], &sent["params"]), (&json!("7"), &json!({"temp": 30.5})));
    desk.hear("/sys/p/d/thing/service/property/set_reply", r#"{"id":"6","code":200}"#);
    desk.hear("/sys/p/d/thing/event/property/post", r#"{"params":{"temp":21}}"#);
    assert_eq!(desk.answered(), None, "another reply and the old value say nothing");
    desk.hear("/sys/p/d/thing/service/property/set_reply", r#"{"id":"7","code":200,"data":{}}"#);
    assert_eq!(desk.answered(), None);
    desk.hear("/sys/p/d/thing/event/property/post", r#"{"params":{"temp":30.5}}"#);
    assert_eq!(desk.answered(), Some(Ok(Some(Value::F64(30.5)))));
}

#[test]
fn a_device_that_refuses_is_quoted() {
    let mut desk = Desk::write(tsl(), "property:temp f64", None, Value::F64(30.5));
    desk.hear("/sys/p/d/thing/service/property/set_reply", r#"{"id":"7","code":460,"message":"too hot"}"#);
    let fault = desk.answer.try_recv().unwrap().unwrap_err();
    assert!(fault.code == "mqtt.device-refused" && fault.detail.contains("460 too hot"), "{fault}");
}

#[test]
fn a_service_answers_with_its_output() {
    let arguments = Value::String(r#"{"speed":5}"#.into());
    let mut desk = Desk::write(tsl(), "service:start /state string", None, arguments);
    let sent: serde_json::Value = serde_json::from_str(&desk.sent.payload).unwrap();
    assert_eq!(
        (desk.sent.topic.as_str(), &sent["params"]),
        ("/sys/p/d/thing/service/start", &json!({"speed": 5}))
    );
    let taken = desk
        .hear("/sys/p/d/thing/service/start_reply", r#"{"id":"7","code":200,"data":{"state":"running"}}"#);
    assert_eq!(desk.answered(), Some(Ok(Some(Value::String("running".into())))));
    assert_eq!(taken.rows.len(), 1, "the answer is a value of the point as well");
}

#[test]
fn what_is_shown_is_scaled_both_ways() {
    let scaling = Some(Scaling { gain: 0.1, offset: -50.0 });
    let address = r#"t /sp i64 set:cmd {"sp":$value}"#;
    let mut desk = Desk::write(json!({"profile": "json"}), address, scaling, Value::F64(20.5));
    assert_eq!((desk.sent.topic.as_str(), desk.sent.payload.as_str()), ("cmd", r#"{"sp":705}"#));
    desk.hear("t", r#"{"sp":705}"#);
    assert_eq!(desk.answered(), Some(Ok(Some(Value::F64(705.0 * 0.1 - 50.0)))));
}

#[test]
fn the_last_word_of_the_device_counts_when_time_is_up() {
    let address = "t /sp f64 set:cmd";
    let mut desk = Desk::write(json!({"profile": "json"}), address, None, Value::F64(5.0));
    desk.hear("t", r#"{"sp":4.9}"#);
    desk.writes.expire(at(2));
    assert_eq!((desk.answered(), desk.writes.deadline()), (None, Some(ECHO_WITHIN)));
    desk.writes.expire(at(4));
    assert_eq!(desk.answered(), Some(Ok(Some(Value::F64(4.9)))), "not what was asked for");
    let mut silent = Desk::write(json!({"profile": "json"}), address, None, Value::F64(5.0));
    silent.writes.expire(at(4));
    assert_eq!(silent.answered(), Some(Ok(None)), "sent, and nothing was heard");
}

#[test]
fn silence_and_loss_leave_it_in_doubt() {
    let thingsboard = json!({"profile": "thingsboard"});
    let mut desk = Desk::write(thingsboard.clone(), "rpc:go bool", None, Value::Bool(true));
    assert_eq!(desk.sent.payload, r#"{"method":"go","params":true}"#);
    desk.writes.expire(at(6));
    assert_eq!(desk.answered(), Some(Err("mqtt.no-answer".into())));
    let mut desk = Desk::write(thingsboard, "rpc:go bool", None, Value::Bool(true));
    desk.writes.lost("cable");
    assert_eq!(desk.answered(), Some(Err("write.interrupted".into())));
    assert_eq!(desk.writes.deadline(), None);
}

#[test]
fn a_template_is_filled_once() {
    let fill = |template: &str, value: Value| {
        fill(&Setting { topic: "t".into(), template: template.into() }, &value)
    };
    assert_eq!(fill(r#"{"sp":$value,"cost":"$5"}"#, Value::F64(21.5)), r#"{"sp":21.5,"cost":"$5"}"#);
    assert_eq!(fill("$text", Value::String("a b".into())), "a b");
    assert_eq!(fill("$value", Value::String("say \"$text\"".into())), r#""say \"$text\"""#);
    assert_eq!(fill("$value", Value::U64(u64::MAX)), "18446744073709551615");
}

#[test]
fn arguments_are_json_where_they_can_be() {
    assert_eq!(arguments(&Value::String("[1, \"a\"]".into())), "[1, \"a\"]");
    assert_eq!(arguments(&Value::String("[1,".into())), "\"[1,\"");
    assert_eq!(arguments(&Value::Bool(true)), "true");
}
