//! Every device through the driver of its protocol: values, set-points, networks that go away, a stranger who knocks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use example_plant::{ModelPoint, Options, model, start};
use sdk::contract::driver::{Recorder, device_task, host_reach};
use sdk::{
    Arrivals, BoundPoint, BoxFuture, DeviceDraft, DoorStatus, DoorTask, Enrolment, EnrolmentPort, Hall,
    WriteOrder,
};
use types::{Fault, ObjectId, PointId, Quality, Value};

use crate::{driver, eventually, options, say};

/// The node's broker by itself: its port, what it shares with devices, and who waits before it.
struct Broker {
    port: u16,
    hall: Hall,
    arrivals: Arrivals,
    listening: tokio::task::JoinHandle<sdk::Outage>,
}

struct Nobody;

impl EnrolmentPort for Nobody {
    fn enrol(&self, _: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        Box::pin(async { Err(Fault::new("test", "no template is set")) })
    }
}

impl Broker {
    async fn start() -> Broker {
        let door = driver_mqtt::door();
        let (hall, status, arrivals) = ((door.hall)(), DoorStatus::default(), Arrivals::default());
        let mut config = (door.default_config)();
        config["listen"] = "127.0.0.1:0".into();
        let task = DoorTask {
            config,
            reach: host_reach(hall.clone()),
            arrivals: arrivals.clone(),
            enrolment: Enrolment::new(Arc::new(Nobody)),
            status: status.clone(),
        };
        let listening = tokio::spawn((door.run)(task));
        let address = eventually("the broker listens", || status.addresses().first().copied()).await;
        Broker { port: address.port(), hall, arrivals, listening }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A device's points as its driver gets them.
fn bound(points: &[&ModelPoint]) -> Vec<BoundPoint> {
    let bound = |(id, entry): (u32, &&ModelPoint)| BoundPoint {
        id: PointId(id),
        address: entry.point.address.clone(),
        value_type: entry.point.value_type,
        scaling: entry.point.scaling,
        // Sooner than in the plant, so that slow points do not hold the test up.
        period_ms: 50,
    };
    (0..).zip(points).map(bound).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_point_arrives_good_through_its_driver() {
    let broker = Broker::start().await;
    let served = start(Options { mqtt_port: broker.port, ..options() }).await.unwrap();
    let model = model(&served.ports).unwrap();
    let running = tokio::spawn(served.run);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &model.devices {
        let points: Vec<_> = model.points.iter().filter(|point| point.device == entry.key).collect();
        let recorder = Recorder::new();
        let reach = host_reach(broker.hall.clone());
        let (task, _writes) = device_task(entry.device.config.clone(), bound(&points), &recorder, reach);
        let polling = tokio::spawn((driver(&entry.device.driver).run)(task));
        for (PointId(id), _, value, quality) in recorder.wait_for_points(points.len()).await {
            let point = &points[id as usize].point;
            // Of one that comes by itself it is known at first that it is not there yet.
            if quality == Quality::BAD_NO_COMMUNICATION && entry.device.driver == "mqtt" {
                continue;
            }
            assert_eq!(quality, Quality::GOOD, "{} {}", entry.key, point.name);
            let value = value.unwrap();
            assert_eq!(value.value_type(), point.value_type, "{} {}", entry.key, point.name);
            if let (Some([low, high]), Some(number)) = (point.range, value.as_f64()) {
                assert!((low..=high).contains(&number), "{} {}: {number}", entry.key, point.name);
            }
        }
        *seen.entry(&entry.device.driver).or_default() += points.len();
        polling.abort();
    }
    assert!(seen.values().all(|points| *points >= 36), "{seen:?}");
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), ["modbus", "mqtt", "opcua"]);
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_that_nobody_entered_knocks_and_is_heard() {
    let broker = Broker::start().await;
    let served = start(Options { mqtt_port: broker.port, ..options() }).await.unwrap();
    let known = model(&served.ports).unwrap();
    let running = tokio::spawn(served.run);
    assert!(known.devices.iter().all(|device| device.key != "spare_meter"), "it is not in the model");
    let waiting = eventually("the spare meter knocks", || {
        let heard = |w: &sdk::Waiting| w.arrival.facts.iter().any(|(_, fact)| fact == "spare_meter");
        broker.arrivals.list().into_iter().find(|w| heard(w) && !w.heard.is_empty())
    })
    .await;
    let suggested = &waiting.arrival.suggested_config;
    assert_eq!((driver("mqtt").check_config)(suggested), Ok(()), "{suggested}");
    assert_eq!(suggested["username"], "demo-spare-meter");
    let said = String::from_utf8_lossy(&waiting.heard[0].payload).into_owned();
    assert!(said.contains("\"active_power\":"), "{said}");
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_loses_its_network_and_comes_back() {
    let broker = Broker::start().await;
    let served = start(Options { mqtt_port: broker.port, ..options() }).await.unwrap();
    let model = model(&served.ports).unwrap();
    let control = SocketAddr::new(served.ports.host, served.ports.control);
    let running = tokio::spawn(served.run);
    for key in ["station", "mill1", "air_meter"] {
        let entry = model.devices.iter().find(|device| device.key == key).unwrap();
        let points: Vec<_> = model.points.iter().filter(|point| point.device == key).collect();
        let (recorder, lost) = (Recorder::new(), Arc::new(AtomicBool::new(false)));
        let device = tokio::spawn({
            let (config, points, recorder) = (entry.device.config.clone(), bound(&points), recorder.clone());
            let lost = lost.clone();
            let (run, hall) = (driver(&entry.device.driver).run, broker.hall.clone());
            // As the runtime does: again after each loss.
            async move {
                loop {
                    let reach = host_reach(hall.clone());
                    let (task, _writes) = device_task(config.clone(), points.clone(), &recorder, reach);
                    drop(run(task).await);
                    lost.store(true, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
        recorder.wait_for_points(points.len()).await;
        recorder.wait_until("it is there", |r| r.is_online()).await;
        assert_eq!(
            say(control, &format!("fault network-cut {key} 60")).await,
            format!("ok network-cut {key} for 60 s")
        );
        // A connection ends the run; a device that comes by itself may be away while the run goes on.
        let gone = || (lost.load(Ordering::Relaxed) || !recorder.is_online()).then_some(());
        eventually("it is gone", gone).await;
        assert_eq!(say(control, "clear").await, "ok everything is back to normal");
        recorder.clear();
        recorder.wait_for("it is back", |rows| rows.iter().any(|row| row.3.is_good())).await;
        device.abort();
    }
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_point_over_opc_ua_reaches_the_machine() {
    let served = start(options()).await.unwrap();
    let model = model(&served.ports).unwrap();
    let running = tokio::spawn(served.run);
    let entry = model.devices.iter().find(|device| device.key == "mill1").unwrap();
    let points: Vec<_> = model.points.iter().filter(|point| point.device == "mill1").collect();
    let feed = points.iter().position(|point| point.property == "feed_override").unwrap();
    let feed = PointId(feed as u32);
    let recorder = Recorder::new();
    let (task, writes) =
        device_task(entry.device.config.clone(), bound(&points), &recorder, host_reach(Hall::none()));
    let device = tokio::spawn((driver("opcua").run)(task));
    recorder.wait_for_points(points.len()).await;
    let write = async |value: f64| {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let order = WriteOrder { point: feed, value: Value::F64(value), reply };
        writes.send(order).await.expect("it takes orders");
        answer.await.expect("an answer")
    };
    assert_eq!(write(80.0).await.unwrap().read_back, Some(Value::F64(80.0)));
    // It takes the machine a moment to see what was written; and it takes 50 to 120 %, what is beyond is not kept.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(write(500.0).await);
    recorder.clear();
    recorder
        .wait_for("the machine keeps 80 %", |rows| {
            rows.iter().rfind(|row| row.0 == feed).is_some_and(|row| row.2 == Some(Value::F64(80.0)))
        })
        .await;
    device.abort();
    running.abort();
}
