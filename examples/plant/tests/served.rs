//! The plant as others see it: over TCP, over the control port, and as a model to provision.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use example_plant::{Malfunction, Model, Options, Plant, ServeError, model, start};
use sdk::BoundPoint;
use sdk::contract::driver::{Recorder, device_task, host_clock, host_reach};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::{NodeKind, PointId, Quality, Time, Unit, Value, ValueType};

/// Times to look before giving up, 10 ms apart: generous, for machines that are busy with other tests.
const ATTEMPTS: usize = 500;

fn options() -> Options {
    Options { seed: 4, first_port: 0, control_port: 0, clock: host_clock() }
}

async fn any_model() -> Model {
    let served = start(options()).await.expect("free ports");
    model(&served.ports).expect("good data files")
}

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

/// One line to the control port; its answer.
async fn say(control: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(control).await.expect("the control port is open");
    stream.write_all(format!("{line}\n").as_bytes()).await.expect("it takes a line");
    stream.shutdown().await.expect("it lets go");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.trim_end().into()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_point_arrives_good_through_the_driver() {
    let served = start(options()).await.unwrap();
    let model = model(&served.ports).unwrap();
    let running = tokio::spawn(served.run);
    for entry in &model.devices {
        let points: Vec<_> = model.points.iter().filter(|point| point.device == entry.key).collect();
        let bound = |(id, entry): (u32, &&example_plant::ModelPoint)| BoundPoint {
            id: PointId(id),
            address: entry.point.address.clone(),
            value_type: entry.point.value_type,
            scaling: entry.point.scaling,
            // Sooner than in the plant, so that slow points do not hold the test up.
            period_ms: 50,
        };
        let bound: Vec<BoundPoint> = (0..).zip(&points).map(bound).collect();
        let recorder = Recorder::new();
        let (task, _writes) =
            device_task(entry.device.config.clone(), bound, &recorder, host_reach(sdk::Hall::none()));
        let polling = tokio::spawn((driver_modbus::driver().run)(task));
        for (PointId(id), _, value, quality) in recorder.wait_for_points(points.len()).await {
            let point = &points[id as usize].point;
            assert_eq!(quality, Quality::GOOD, "{} {}", entry.key, point.name);
            let value = value.unwrap();
            assert_eq!(value.value_type(), point.value_type, "{} {}", entry.key, point.name);
            if let (Some([low, high]), Some(number)) = (point.range, value.as_f64()) {
                assert!((low..=high).contains(&number), "{} {}: {number}", entry.key, point.name);
            }
        }
        polling.abort();
    }
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

#[tokio::test]
async fn the_model_is_one_that_the_driver_and_the_platform_take() {
    let model = any_model().await;
    let driver = driver_modbus::driver();
    assert!(model.points.len() >= 250, "{} points", model.points.len());
    let mut above = BTreeSet::new();
    for place in &model.places {
        assert!(
            place.parent.as_ref().is_none_or(|p| above.contains(p)),
            "{} comes before its parent",
            place.key
        );
        assert_eq!(place.parent.is_none(), place.asset.kind == NodeKind::Site);
        assert_eq!(place.asset_type.is_some(), place.asset.kind == NodeKind::Asset, "{}", place.key);
        assert!(!place.asset.name.zh.is_empty() && !place.asset.name.en.is_empty());
        above.insert(place.key.clone());
    }
    for device in &model.devices {
        (driver.check_config)(&device.device.config).unwrap();
    }
    let mut names = BTreeSet::new();
    for entry in &model.points {
        let point = &entry.point;
        assert!(names.insert((&entry.device, &point.name)), "{} twice on {}", point.name, entry.device);
        assert!(above.contains(&entry.asset) && !point.label.zh.is_empty() && !point.label.en.is_empty());
        let facts = (driver.check_address)(&point.address).unwrap();
        let native = if point.scaling.is_some() { ValueType::F64 } else { facts.value_type };
        assert_eq!(point.value_type, native, "{}", point.name);
        assert!(point.write.is_none() || facts.writable, "{}", point.name);
        Unit::parse(&point.unit).unwrap();
        for (code, state) in &point.states {
            assert!(*code >= 0 && !state.zh.is_empty() && !state.en.is_empty());
        }
    }
    assert_eq!(
        model.points.iter().filter(|p| p.point.write.is_some()).count(),
        9,
        "4 feeds, 3 pressures, 2 speeds"
    );
}

#[tokio::test]
async fn the_readmes_name_every_device_where_it_is() {
    let model = any_model().await;
    let mut ports: Vec<&serde_json::Value> = Vec::new();
    for text in [include_str!("../README.md"), include_str!("../README.zh.md")] {
        for device in &model.devices {
            let config = &device.device.config;
            let known = ports.iter().position(|port| **port == config["port"]);
            let offset = known.unwrap_or_else(|| {
                ports.push(&config["port"]);
                ports.len() - 1
            });
            let row = format!("| `{}` | {} | {} |", device.key, 15_020 + offset, config["unit_id"]);
            assert!(text.contains(&row), "{row}");
        }
        assert!(text.contains(&format!("{}", model.points.len())), "{} points", model.points.len());
    }
}

/// The properties of an asset type, by the assets that have them.
fn quantities(model: &Model) -> Vec<(String, types::PropertyType)> {
    let types: BTreeMap<&str, _> = model.types.iter().map(|t| (t.key.as_str(), &t.properties)).collect();
    let of = |place: &example_plant::ModelPlace| {
        let properties = place.asset_type.as_ref().map(|key| types[key.as_str()].clone()).unwrap_or_default();
        properties.into_iter().map(|property| (place.key.clone(), property)).collect::<Vec<_>>()
    };
    model.places.iter().flat_map(of).collect()
}

/// Runs for so many seconds and looks every 20 s: types, states, counters, and ranges where nothing is wrong.
fn stays_plausible(plant: &mut Plant, quantities: &[(String, types::PropertyType)], seconds: u32) {
    let well = plant.malfunctions().is_empty();
    let start: Time = "2026-11-20T16:00:00Z".parse().expect("a time");
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for second in 1..=seconds {
        plant.step(Duration::from_secs(1), start.plus(second * Duration::from_secs(1)));
        if second % 20 != 0 {
            continue;
        }
        for (asset, property) in quantities {
            let value = plant.read(asset, &property.key);
            let value = value.unwrap_or_else(|| panic!("{asset}.{}", property.key));
            assert_eq!(value.value_type(), property.value_type, "{asset}.{}", property.key);
            if let (true, Some([low, high]), Some(now)) = (well, property.range, value.as_f64()) {
                assert!((low..=high).contains(&now), "{asset}.{} is {now} at {second} s", property.key);
            }
            let Value::U64(now) = value else { continue };
            if !property.states.is_empty() {
                assert!(property.states.contains_key(&(now as i64)), "{asset}.{} is {now}", property.key);
            } else if property.range.is_none() && property.key != "alarm_word" {
                let before = counts.insert((asset, &property.key), now);
                assert!(before.is_none_or(|before| before <= now), "{asset}.{} fell", property.key);
            }
        }
    }
    assert!(counts.len() > 30, "{} counters", counts.len());
}

#[tokio::test]
async fn a_day_stays_in_range_and_counters_never_fall() {
    let quantities = quantities(&any_model().await);
    stays_plausible(&mut Plant::new(1), &quantities, 24 * 3_600);
    let mut ill = Plant::new(2);
    for malfunction in Malfunction::ALL {
        ill.set(malfunction, true);
    }
    stays_plausible(&mut ill, &quantities, 6 * 3_600);
}

#[tokio::test]
async fn every_property_has_a_register() {
    let model = any_model().await;
    let property = |name: &str| name.rsplit('.').next().unwrap_or_default().to_string();
    let mapped: BTreeSet<_> =
        model.points.iter().map(|p| (p.asset.clone(), property(&p.point.name))).collect();
    for (asset, property) in quantities(&model) {
        assert!(mapped.contains(&(asset.clone(), property.key.clone())), "{asset}.{}", property.key);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_trace() {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let model = any_model().await;
    let quantities = quantities(&model);
    let trace = |seed| {
        let mut plant = Plant::new(seed);
        let mut hasher = DefaultHasher::new();
        let start: Time = "2026-11-20T23:55:00Z".parse().unwrap();
        for step in 1..=3_000 {
            plant.step(Plant::STEP, start.plus(step * Plant::STEP));
            for (asset, property) in quantities.iter().filter(|_| step % 10 == 0) {
                plant.read(asset, &property.key).map(|value| value.to_string()).hash(&mut hasher);
            }
        }
        hasher.finish()
    };
    assert_eq!(trace(9), trace(9));
    assert_ne!(trace(9), trace(10));
}
