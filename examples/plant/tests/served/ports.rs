//! Registers over Modbus TCP written out by hand, and the control port.

use std::net::SocketAddr;
use std::time::Duration;

use example_plant::{Options, ServeError, model, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{ATTEMPTS, options, say};

/// One Modbus TCP exchange, written out by hand; the PDU of the reply.
async fn exchange(to: SocketAddr, unit: u8, pdu: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    let mut frame = vec![0, 7, 0, 0, 0, pdu.len() as u8 + 1, unit];
    frame.extend(pdu);
    stream.write_all(&frame).await?;
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let mut reply = vec![0; usize::from(head[5]) - 1];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}

/// Keys of the devices behind these ports.
fn ports_devices(ports: &example_plant::Ports) -> Vec<String> {
    model(ports).expect("good data files").devices.into_iter().map(|device| device.key).collect()
}

#[tokio::test]
async fn devices_answer_commands_act_and_a_cut_network_comes_back() {
    let served = start(options()).await.unwrap();
    let ports = served.ports.clone();
    let running = tokio::spawn(served.run);
    let at = |endpoint: &str| SocketAddr::new(ports.host, ports.endpoints[endpoint]);
    let control = SocketAddr::new(ports.host, ports.control);
    let say = async |line: &str| say(control, line).await;

    // The feed override of lathe 2, 100.0 %, then set to 80.0 % with function 6.
    assert_eq!(exchange(at("lathes"), 2, &[3, 0, 0, 0, 1]).await.unwrap(), [3, 2, 3, 232]);
    assert_eq!(exchange(at("lathes"), 2, &[6, 0, 0, 3, 32]).await.unwrap(), [6, 0, 0, 3, 32]);
    assert_eq!(exchange(at("lathes"), 2, &[3, 0, 0, 0, 1]).await.unwrap(), [3, 2, 3, 32]);
    assert_eq!(
        exchange(at("lathes"), 1, &[3, 0, 0, 0, 1]).await.unwrap(),
        [3, 2, 3, 232],
        "lathe 1 kept its own"
    );
    assert_eq!(exchange(at("lathes"), 1, &[4, 0, 30, 0, 1]).await.unwrap(), [0x84, 2], "a hole");

    assert_eq!(say("fault leak on").await, "ok leak on");
    let list = say("list").await;
    let faults =
        "ok bearing-wear off, leak on, stuck-sensor off, spindle-stop off; network-cut takes air_meter, ";
    assert!(list.starts_with(faults), "{list}");
    assert!(ports_devices(&ports).iter().all(|device| list.contains(device)), "{list}");
    assert!(say("help").await.starts_with("ok fault bearing-wear on|off | "));
    assert!(say("status").await.starts_with("ok seed 4, speed 1, header pressure "));
    assert!(
        say("fault network-cut pump1 5")
            .await
            .starts_with("error there is no device `pump1`: write one of air_meter,")
    );
    assert!(say("make coffee").await.contains("send help"));

    assert_eq!(say("fault network-cut water 60").await, "ok network-cut water for 60 s");
    let mut refused = false;
    for _ in 0..ATTEMPTS {
        refused = exchange(at("water"), 1, &[2, 0, 0, 0, 1]).await.is_err();
        if refused {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(refused, "nobody listens while the network is cut");
    assert!(say("list").await.contains(", network-cut water "));
    assert!(exchange(at("lathes"), 1, &[3, 0, 0, 0, 1]).await.is_ok(), "the others go on");
    assert_eq!(say("clear").await, "ok everything is back to normal");
    let mut back = Err(std::io::ErrorKind::NotConnected.into());
    for _ in 0..ATTEMPTS {
        back = exchange(at("water"), 1, &[2, 0, 0, 0, 1]).await;
        if back.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(back.unwrap(), [2, 1, 1], "pump 1 runs");
    running.abort();
}

#[tokio::test]
async fn the_served_plant_moves_and_a_time_lapse_moves_it_faster() {
    let served = start(options()).await.unwrap();
    let ports = served.ports.clone();
    let running = tokio::spawn(served.run);
    let energy = async || {
        // Forward active energy of the incomer: u64 Wh in four registers from 60.
        let reply =
            exchange(SocketAddr::new(ports.host, ports.endpoints["incomer"]), 1, &[4, 0, 60, 0, 4]).await;
        u64::from_be_bytes(reply.unwrap()[2..].try_into().unwrap())
    };
    let before = energy().await;
    assert_eq!(say(SocketAddr::new(ports.host, ports.control), "speed 600").await, "ok speed 600");
    let mut after = before;
    // 600 plant seconds a second: at some 200 kW, 3 kWh come together in a tenth of a second.
    for _ in 0..ATTEMPTS {
        after = energy().await;
        if after > before + 3_000 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(after > before + 3_000, "{before} to {after} Wh");
    running.abort();
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let served = start(options()).await.unwrap();
    let control = SocketAddr::new(served.ports.host, served.ports.control);
    let running = tokio::spawn(served.run);
    let mut stream = TcpStream::connect(control).await.unwrap();
    stream.write_all(&[b'x'; 257]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("error the line is longer than 256 bytes"), "{answer}");
    running.abort();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = start(options()).await.unwrap();
    assert!(first.ports.host.is_loopback());
    let again = Options { control_port: first.ports.control, ..options() };
    let message = start(again).await.err().unwrap().to_string();
    assert!(message.contains("for control") && message.contains("choose another port"), "{message}");
    let high = Options { first_port: 65_530, ..options() };
    assert!(matches!(start(high).await.err(), Some(ServeError::NoPorts(65_530) | ServeError::Listen { .. })));
    let said = serde_json::to_string(&first.ports).unwrap();
    assert_eq!(serde_json::from_str::<example_plant::Ports>(&said).unwrap(), first.ports);
}
