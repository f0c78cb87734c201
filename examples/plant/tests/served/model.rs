//! The model to provision, and the physics behind it over a day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use example_plant::{Malfunction, Model, Plant};
use types::{NodeKind, Time, Unit, Value, ValueType};

use crate::{any_model, driver};

#[tokio::test]
async fn the_model_is_one_that_the_driver_and_the_platform_take() {
    let model = any_model().await;
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
    let mut drivers = BTreeMap::new();
    for device in &model.devices {
        let driver = driver(&device.device.driver);
        (driver.check_config)(&device.device.config).unwrap();
        drivers.insert(device.key.as_str(), driver);
    }
    let mut names = BTreeSet::new();
    for entry in &model.points {
        let point = &entry.point;
        assert!(names.insert((&entry.device, &point.name)), "{} twice on {}", point.name, entry.device);
        assert!(above.contains(&entry.asset) && !point.label.zh.is_empty() && !point.label.en.is_empty());
        let facts = (drivers[entry.device.as_str()].check_address)(&point.address).unwrap();
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
    for text in [include_str!("../../README.md"), include_str!("../../README.zh.md")] {
        let mut ports: Vec<String> = Vec::new();
        for device in &model.devices {
            let config = &device.device.config;
            let place = match device.device.driver.as_str() {
                "modbus" => config["port"].to_string(),
                "opcua" => config["endpoint_url"].to_string(),
                _ => {
                    let row = format!(
                        "| `{}` | MQTT | 18830 | `{}` |",
                        device.key,
                        config["username"].as_str().unwrap()
                    );
                    assert!(text.contains(&row), "{row}");
                    continue;
                }
            };
            let known = ports.iter().position(|port| *port == place);
            let offset = known.unwrap_or_else(|| {
                ports.push(place);
                ports.len() - 1
            });
            let unit_id = config["unit_id"].as_u64();
            let (protocol, unit_id) =
                unit_id.map_or(("OPC UA", "–".into()), |id| ("Modbus", id.to_string()));
            let row = format!("| `{}` | {protocol} | {} | {unit_id} |", device.key, 15_020 + offset);
            assert!(text.contains(&row), "{row}");
        }
        for count in [model.devices.len(), ports.len(), model.points.len(), model.rules.len()] {
            assert!(text.contains(&format!(" {count} ")), "{count} of something");
        }
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
async fn every_property_has_a_point() {
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
