//! Cases as text: a profile, points, messages, and what must come of each. `tests/cases/README.txt` says how to read them.

use sdk::BoundPoint;
use serde_json::json;
use std::{collections::BTreeSet, fmt::Write as _};
use types::{PointId, Quality, Scaling, Time, Value};

use crate::{
    address::Address,
    config::Config,
    mapping::Mapping,
    message::{Message, Rows, Taken},
    profile::thingsboard,
};

/// 2026-11-20T08:30:00Z: when the first message of a case comes; each further one a second later.
const START: Time = Time(1_795_163_400_000_000_000);

struct Case {
    name: String,
    config: serde_json::Value,
    points: Vec<BoundPoint>,
    known: BTreeSet<u32>,
    steps: Vec<Step>,
}

struct Step {
    line: usize,
    message: Message,
    expected: Vec<String>,
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if line.is_empty() || word == "#" {
            continue;
        }
        if word == "case" {
            let config = json!({"via": "broker", "client_id": "c", "payload": {"profile": "json"}});
            cases.push(Case {
                name: rest.into(),
                config,
                points: Vec::new(),
                known: BTreeSet::new(),
                steps: Vec::new(),
            });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("line {number}: no case yet"));
        match word {
            "payload" => case.config["payload"] = serde_json::from_str(rest).unwrap(),
            "point" => case.points.push(point(case.points.len() as u32 + 1, rest)),
            "known" => case.known.extend(rest.split(' ').map(|n| n.parse::<u32>().unwrap())),
            "message" | "retained" => {
                let (topic, payload) = rest.split_once(' ').unwrap_or((rest, ""));
                let received = Time(START.0 + case.steps.len() as i64 * 1_000_000_000);
                let payload = unescape(payload).into();
                let message =
                    Message { topic: topic.into(), payload, retained: word == "retained", received };
                case.steps.push(Step { line: number, message, expected: Vec::new() });
            }
            _ => case.steps.last_mut().expect("a message first").expected.push(line.to_string()),
        }
    }
    cases
}

/// `scaled 0.1 -50` in front of an address scales it.
fn point(id: u32, text: &str) -> BoundPoint {
    let (scaling, address) = match text.strip_prefix("scaled ") {
        None => (None, text),
        Some(rest) => {
            let mut words = rest.splitn(3, ' ');
            let mut number = || words.next().unwrap().parse::<f64>().unwrap();
            let scaling = Scaling { gain: number(), offset: number() };
            (Some(scaling), words.next().unwrap())
        }
    };
    let value_type = match scaling {
        Some(_) => types::ValueType::F64,
        None => Address::parse(address).map_or(types::ValueType::F64, |address| address.value_type),
    };
    BoundPoint { id: PointId(id), address: address.into(), value_type, scaling, period_ms: 1_000 }
}

/// `\xff` is a byte, `{{4}}` in front of a text repeats it.
fn unescape(text: &str) -> Vec<u8> {
    if let Some((count, rest)) = text.strip_prefix("{{").and_then(|rest| rest.split_once("}}")) {
        return rest.repeat(count.parse().unwrap()).into_bytes();
    }
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn rows(word: &str, rows: &Rows, received: Time, to: &mut Vec<String>) {
    for (point, time, value, quality) in rows.0.iter().flat_map(|section| section.rows()) {
        let mut line = format!("{word} {} ", point.0);
        match value {
            None => line.push_str("none"),
            Some(Value::String(text)) => write!(line, "string {text:?}").unwrap(),
            Some(value) => write!(line, "{} {value}", crate::value::type_word(value.value_type())).unwrap(),
        }
        if quality != Quality::GOOD {
            write!(line, " {}", quality.name()).unwrap();
        }
        if time != received {
            write!(line, " at {time}").unwrap();
        }
        to.push(line);
    }
}

fn shown(taken: &Taken, received: Time) -> Vec<String> {
    let mut lines = Vec::new();
    rows("row", &taken.rows, received, &mut lines);
    rows("late", &taken.late, received, &mut lines);
    lines.sort();
    for reply in &taken.replies {
        lines.push(format!("reply {} {}", reply.topic, reply.payload));
    }
    for answer in &taken.answers {
        let outcome = answer.outcome.clone().unwrap_or_else(|reason| format!("refused: {reason}"));
        lines.push(format!("answer {} {outcome}", answer.request));
    }
    if let Some(fault) = &taken.fault {
        let reason = fault.args.get("reason").map_or(String::new(), |reason| format!(" {reason:?}"));
        let reason = reason.replace("Text(\"", "").replace("\")", "");
        lines.push(format!("fault {} x{}{reason}", fault.code, taken.failures));
    }
    lines
}

fn check(file: &str, text: &str) {
    let mut wrong = String::new();
    let mut seen = 0;
    for case in read(text) {
        let config = Config::parse(&case.config).unwrap_or_else(|faults| panic!("{}: {faults:?}", case.name));
        let last_good =
            |point: PointId| case.known.contains(&point.0).then_some(Time(START.0 - 1_000_000_000));
        let mut mapping = Mapping::new(&config, &case.points, &last_good);
        for step in case.steps {
            seen += 1;
            let got = shown(&mapping.take(&step.message), step.message.received);
            if got != step.expected {
                let lines =
                    |lines: &[String]| lines.iter().map(|l| format!("      {l}\n")).collect::<String>();
                let (name, line) = (&case.name, step.line);
                write!(
                    wrong,
                    "{file}:{line} {name}\n    expected\n{}    got\n{}",
                    lines(&step.expected),
                    lines(&got)
                )
                .unwrap();
            }
        }
    }
    assert!(seen > 0, "{file} has no message");
    assert!(wrong.is_empty(), "\n{wrong}");
}

macro_rules! files {
    ($($name:ident),*) => { $(#[test] fn $name() {
        let file = concat!(stringify!($name), ".txt");
        check(file, include_str!(concat!("../../tests/cases/", stringify!($name), ".txt")));
    })* };
}
files!(json, raw, thingsboard, tsl, hostile);

#[test]
fn addresses() {
    let mut seen = 0;
    for (number, line) in (1..).zip(include_str!("../../tests/cases/addresses.txt").lines()) {
        let Some((text, expected)) = line.split_once(" => ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        seen += 1;
        let text = text.trim_end();
        let got = match Address::parse(text) {
            Ok(address) => format!("{address}{}", if address.is_writable() { " (writable)" } else { "" }),
            Err(fault) => format!("refused: {}", fault.detail),
        };
        let right = match expected.strip_prefix("refused: ") {
            Some(part) => got.starts_with("refused: ") && got.contains(part),
            None => got == expected,
        };
        assert!(right, "addresses.txt:{number}\n  {text}\n  expected {expected}\n  got      {got}");
    }
    assert!(seen > 20, "only {seen} addresses");
}

#[test]
fn a_device_subscribes_to_no_more_than_it_needs() {
    let config = json!({"via": "client", "host": "h", "client_id": "c", "payload": {"profile": "json"}});
    let points: Vec<BoundPoint> = ["a/b /x", "a/+ /y", "a/b /z", "c /x", "set:d", "telemetry:x"]
        .iter()
        .zip(1..)
        .map(|(a, id)| point(id, a))
        .collect();
    let mapping = Mapping::new(&Config::parse(&config).unwrap(), &points, &|_| None);
    assert_eq!(mapping.filters(), ["a/+", "c"]);
    assert_eq!(mapping.unreadable(START).len(), 1, "telemetry is of another profile");
    assert!(thingsboard::filters().contains(&"v1/devices/me/rpc/response/+".to_string()));
}

proptest::proptest! {
    /// Whatever comes, on any topic, in any profile: it is taken or refused, and rows are columns of equal length.
    #[test]
    fn no_message_panics(
        profile in 0usize..4,
        topic in 0usize..6,
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        text in r#"[\[\]{}":,a-c0-9.eE+\-ntrufalse \\]{0,80}"#,
        binary in proptest::prelude::any::<bool>(),
    ) {
        let payloads = [
            json!({"profile": "json", "time": {"pointer": "/a", "unit": "ms"}}),
            json!({"profile": "raw"}),
            json!({"profile": "tsl", "root": "/sys/p/d"}),
            json!({"profile": "thingsboard"}),
        ];
        let topics = [
            "a", "v1/devices/me/telemetry", "v1/devices/me/attributes/request/1", "v1/devices/me/rpc/request/1",
            "/sys/p/d/thing/event/property/post", "/sys/p/d/thing/service/property/set_reply",
        ];
        let config = json!({"via": "broker", "client_id": "c", "payload": payloads[profile]});
        let addresses = ["a /a f64", "a /a/b i64", "a string", "telemetry:a bool", "property:a /b u64"];
        let points: Vec<BoundPoint> = addresses.iter().zip(1..).map(|(a, id)| point(id, a)).collect();
        let mut mapping = Mapping::new(&Config::parse(&config).unwrap(), &points, &|_| None);
        let payload = if binary { noise } else { text.into_bytes() };
        let message = Message { topic: topics[topic].into(), payload: payload.into(), retained: false, received: START };
        let taken = mapping.take(&message);
        for section in taken.rows.0.iter().chain(&taken.late.0) {
            proptest::prop_assert_eq!(section.points.len(), section.values.len());
        }
    }
}
