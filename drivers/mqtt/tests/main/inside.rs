//! Devices that connect to this node's own broker.

use driver_mqtt::sim::Style;
use sdk::{Browse, Inspect, Probe, contract::driver::host_reach};
use serde_json::json;
use std::time::Duration;
use types::{PointId, Quality, Value, ValueType};

use crate::harness::{Memory, OwnBroker, Running, point, sim, simulate};

const TOKEN: &str = "A1_TEST_TOKEN";

fn config() -> serde_json::Value {
    json!({"via": "broker", "username": TOKEN, "payload": {"profile": "thingsboard"}})
}

fn points() -> Vec<sdk::BoundPoint> {
    vec![
        point(1, "telemetry:temperature f64", ValueType::F64),
        point(2, "attributes:limit f64", ValueType::F64),
        point(3, "rpc:speed i64", ValueType::I64),
        point(4, "rpc:nothing f64", ValueType::F64),
        point(5, "telemetry:count u64", ValueType::U64),
    ]
}

fn memory() -> Memory {
    Memory::of(&[
        ("temperature", Value::F64(21.5)),
        ("count", Value::U64(u64::MAX)),
        ("limit", Value::F64(5.0)),
        ("speed", Value::I64(0)),
    ])
}

fn device(broker: &OwnBroker) -> driver_mqtt::sim::Device {
    driver_mqtt::sim::Device {
        username: Some(TOKEN.into()),
        ..sim(broker.address, "made-up-id", Style::Thingsboard)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_a_token_speaks_obeys_and_leaves() {
    let broker = OwnBroker::start(json!({})).await;
    let running = Running::start(config(), points(), broker.hall.clone());
    running.outbox.wait_until("to be shown as waiting", |o| !o.offline_faults().is_empty()).await;
    let waiting = running.outbox.offline_faults();
    assert_eq!(waiting[0].code, "mqtt.waiting");
    assert!(waiting[0].detail.contains(TOKEN), "{}", waiting[0]);
    let refused = running.write(2, Value::F64(9.0)).await.unwrap_err();
    assert_eq!(refused.code, "mqtt.not-connected");

    let simulated = simulate(device(&broker), memory());
    running.until_good(1, &Value::F64(21.5)).await;
    running.until_good(5, &Value::U64(u64::MAX)).await;
    assert!(running.outbox.is_online());

    let written = running.write(2, Value::F64(9.25)).await.unwrap();
    assert_eq!(written.read_back, Some(Value::F64(9.25)), "the device's own attribute says so");
    let written = running.write(3, Value::I64(1_450)).await.unwrap();
    assert_eq!(written.read_back, Some(Value::I64(1_450)), "the answer to the call");
    running.until_good(3, &Value::I64(1_450)).await;
    let refused = running.write(4, Value::F64(1.0)).await.unwrap_err();
    assert_eq!(refused.code, "mqtt.device-refused");
    assert!(refused.detail.contains("there is no nothing"), "{refused}");
    let refused = running.write(1, Value::F64(1.0)).await.unwrap_err();
    assert_eq!(refused.code, "mqtt.read-only");
    assert_eq!(running.failures(), 0);

    drop(simulated);
    running.outbox.wait_until("to be shown as gone", |o| !o.is_online()).await;
    assert_eq!(running.outbox.offline_faults().last().unwrap().code, "mqtt.left");
    let _back = simulate(device(&broker), memory());
    running.outbox.clear();
    running.until_good(1, &Value::F64(21.5)).await;
    assert!(running.outbox.is_online() && !running.task.is_finished(), "the same run goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_finds_the_device_or_says_what_to_set() {
    let broker = OwnBroker::start(json!({})).await;
    let probe =
        || (driver_mqtt::driver().probe)(Probe { config: config(), reach: host_reach(broker.hall.clone()) });
    let fault = probe().await.unwrap_err();
    assert_eq!(fault.code, "mqtt.waiting");
    let _device = simulate(device(&broker), memory());
    let report = probe().await.unwrap();
    assert!(report.identity.contains(&("client_id".into(), "made-up-id".into())), "{report:?}");
    let none =
        (driver_mqtt::driver().probe)(Probe { config: config(), reach: host_reach(sdk::Hall::none()) });
    assert_eq!(none.await.unwrap_err().code, "mqtt.no-broker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_carries_can_be_looked_at() {
    let broker = OwnBroker::open().await;
    let _device = simulate(sim(broker.address, "pump", Style::Json("plant/1/state".into())), memory());
    let config = json!({
        "via": "client", "host": "127.0.0.1", "port": broker.address.port(), "client_id": "sinew",
        "payload": {"profile": "json"},
    });
    let reach = host_reach(sdk::Hall::none());
    let inspect =
        Inspect { config: config.clone(), address: "plant/+/state".into(), cells: 20, reach: reach.clone() };
    let seen = (driver_mqtt::driver().inspect)(inspect).await.unwrap();
    assert!(seen.raw.len() > 5 && seen.raw.iter().all(|cell| cell.address == "plant/1/state"));
    assert!(
        seen.raw[0].text.as_ref().is_some_and(|text| text.contains("21.5")) && seen.raw[0].time.is_some()
    );
    let of = |address: &str| seen.candidates.iter().find(|c| c.address == address).map(|c| c.value.clone());
    assert_eq!(of("plant/1/state /temperature f64"), Some(json!(21.5)));
    assert_eq!(of("plant/1/state /count u64"), Some(json!("18446744073709551615")));

    let (out, mut nodes) = tokio::sync::mpsc::channel(Browse::BATCHES_MAX);
    let browse = Browse { config, at: String::new(), deep: true, out, reach };
    (driver_mqtt::driver().browse.unwrap())(browse).await.unwrap();
    let all = nodes.recv().await.unwrap();
    assert_eq!(all[0].address, "plant/#");
    assert!(all.iter().any(|node| node.address == "plant/1/state /limit f64"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_sees_nothing_says_so() {
    let broker = OwnBroker::open().await;
    let config = json!({
        "via": "client", "host": "127.0.0.1", "port": broker.address.port(), "client_id": "sinew",
        "payload": {"profile": "json"},
    });
    let reach = host_reach(sdk::Hall::none());
    let nothing = Inspect { config, address: "nobody/here".into(), cells: 20, reach };
    assert_eq!((driver_mqtt::driver().inspect)(nothing).await.unwrap_err().code, "mqtt.nothing-heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_point_that_does_not_fit_the_profile_is_named_once() {
    let broker = OwnBroker::start(json!({})).await;
    let wrong = vec![point(1, "plant/1 /temp f64", ValueType::F64)];
    let running = Running::start(config(), wrong, broker.hall.clone());
    let rows = running.outbox.wait_for_points(1).await;
    assert_eq!((rows[0].0, rows[0].2.clone(), rows[0].3), (PointId(1), None, Quality::BAD_CONFIGURATION));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(running.outbox.rows().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_device_is_claimed_with_what_it_showed() {
    let broker = OwnBroker::start(json!({})).await;
    let _device = simulate(device(&broker), memory());
    let suggested = loop {
        match broker.arrivals.list().first() {
            Some(waiting) => break waiting.arrival.suggested_config.clone(),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(suggested, config(), "its token and its profile");
    let look = || Inspect {
        config: suggested.clone(),
        address: String::new(),
        cells: 20,
        reach: host_reach(broker.hall.clone()),
    };
    let seen = (driver_mqtt::driver().inspect)(look()).await.unwrap();
    let offered =
        |seen: &sdk::Inspection| seen.candidates.iter().any(|c| c.address == "telemetry:temperature f64");
    assert!(offered(&seen), "before it is a device: {seen:?}");
    let running = Running::start(suggested.clone(), points(), broker.hall.clone());
    running.until_good(1, &Value::F64(21.5)).await;
    let seen = (driver_mqtt::driver().inspect)(look()).await.unwrap();
    assert!(offered(&seen) && seen.raw.iter().all(|cell| cell.time.is_some()), "while it runs: {seen:?}");
    assert!(!running.task.is_finished() && running.outbox.is_online(), "a look disturbs nobody");
}
