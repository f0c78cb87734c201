//! The broker and the command line clients of Mosquitto (Debian: mosquitto-clients).

use driver_mqtt::broker::Broker;
use sdk::{Arrivals, DoorStatus, DoorTask, Enrolment, EnrolmentPort, contract::driver::host_reach};
use std::{process::Stdio, sync::Arc, time::Duration};
use tokio::process::Command;

#[path = "../../../../tests/peers/start.rs"]
#[allow(dead_code, reason = "of the peers of all tests, this one needs little")]
mod start;

struct Nobody;

impl EnrolmentPort for Nobody {
    fn enrol(&self, _: sdk::DeviceDraft) -> sdk::BoxFuture<'_, Result<types::ObjectId, types::Fault>> {
        Box::pin(async { Err(types::Fault::new(types::codes::FORBIDDEN, "no templates here")) })
    }
}

fn mosquitto() -> Result<(), String> {
    let found = std::process::Command::new("mosquitto_pub").arg("--help").stdout(Stdio::null()).status();
    found
        .map(drop)
        .map_err(|e| format!("mosquitto_pub and mosquitto_sub are needed, install mosquitto-clients: {e}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_publishes_and_subscribes_with_every_version_and_qos() {
    if start::unless_ci(mosquitto()).is_none() {
        return;
    }
    let door = driver_mqtt::door();
    let reach = host_reach((door.hall)());
    let broker = reach.hall.of::<Broker>().unwrap();
    let status = DoorStatus::default();
    let task = DoorTask {
        config: serde_json::json!({"listen": "127.0.0.1:0", "anonymous": {"publish": ["#"], "subscribe": ["#"]}}),
        reach,
        arrivals: Arrivals::default(),
        enrolment: Enrolment::new(Arc::new(Nobody)),
        status: status.clone(),
    };
    let running = tokio::spawn((door.run)(task));
    while status.addresses().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let port = status.addresses()[0].port().to_string();
    for version in ["mqttv31", "mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let publish = async |qos: &str, payload: &str| {
                let line = format!("-V {version} -p {port} -q {qos} -t plant/line-1/state -m {payload}");
                let mut command = Command::new("mosquitto_pub");
                assert!(command.args(line.split(' ')).status().await.unwrap().success());
            };
            let line = format!("-V {version} -p {port} -q {qos} -t plant/+/state -C 4 -W 20 -v");
            let before = broker.view().messages_out;
            let subscriber = Command::new("mosquitto_sub")
                .args(line.split(' '))
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            // With QoS 1 the broker answers after it has passed the message on: the first that goes out shows that the
            // subscription is there.
            while broker.view().messages_out == before {
                publish("1", "ready").await;
            }
            for payload in ["one", "zwei", "三"] {
                publish(qos, payload).await;
            }
            let output = subscriber.wait_with_output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let wanted = "plant/line-1/state ready\nplant/line-1/state one\nplant/line-1/state zwei\nplant/line-1/state 三\n";
            assert_eq!(text, wanted, "{version} {qos}");
        }
    }
    assert_eq!(broker.view().dropped, 0);
    running.abort();
}
