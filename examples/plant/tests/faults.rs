//! What a first-time user sees: each malfunction pushes a point out of its usual range, and how soon.

use std::time::Duration;

use example_plant::{Malfunction, ModelPoint, Options, Plant, model, start};
use sdk::contract::driver::{host_clock, host_reach};
use types::Time;

/// Plants to try: what shows must not hang on a lucky seed. 7 is the one the demo starts.
const SEEDS: [u64; 4] = [7, 1, 2, 3];
/// The served plant has run this long before its doors open.
const WARM_UP_S: u32 = 3_600;

/// A quantity by asset and property.
type Key = (String, String);

/// The usual range of every property, by asset, in the unit the simulation gives it in.
async fn ranges() -> Vec<(Key, [f64; 2])> {
    let options = Options {
        seed: 4,
        first_port: 0,
        control_port: 0,
        mqtt_port: 1,
        clock: host_clock(),
        net: host_reach(sdk::Hall::none()).net,
    };
    let served = start(options).await.expect("free ports");
    let model = model(&served.ports).expect("good data files");
    let mut found = Vec::new();
    for place in &model.places {
        let of = model.types.iter().find(|t| Some(&t.key) == place.asset_type.as_ref());
        for property in of.iter().flat_map(|t| &t.properties) {
            let key = (place.key.clone(), property.key.clone());
            found.extend(property.range.map(|range| (key, range)));
        }
    }
    found
}

/// Moves the plant on by its own step and gives the quantities that left their range, each with the second it did.
fn leaves(seed: u64, malfunction: Malfunction, ranges: &[(Key, [f64; 2])], watch_s: u32) -> Vec<(Key, f64)> {
    // Ten in the morning in Shanghai: the line works.
    let mut at: Time = "2026-11-21T01:00:00Z".parse().expect("a time");
    let mut plant = Plant::new(seed);
    for _ in 0..WARM_UP_S {
        at = at.plus(Duration::from_secs(1));
        plant.step(Duration::from_secs(1), at);
    }
    let outside = |plant: &Plant, (asset, property): &Key, [low, high]: [f64; 2]| {
        let now = plant.read(asset, property).and_then(|value| value.as_f64()).expect("a number");
        !(low..=high).contains(&now)
    };
    for (key, range) in ranges {
        assert!(!outside(&plant, key, *range), "{key:?} is out of range before anything is wrong");
    }
    plant.set(malfunction, true);
    let mut left: Vec<(Key, f64)> = Vec::new();
    for step in 1..=watch_s * 10 {
        at = at.plus(Plant::STEP);
        plant.step(Plant::STEP, at);
        // A reader polls once a second.
        for (key, range) in ranges.iter().filter(|_| step % 10 == 0) {
            if outside(&plant, key, *range) && !left.iter().any(|(known, _)| known == key) {
                left.push((key.clone(), f64::from(step) / 10.0));
            }
        }
    }
    left
}

/// Asserts that `asset.property` leaves its range between these two seconds after the malfunction begins.
async fn shows(
    malfunction: Malfunction,
    asset: &str,
    property: &str,
    within_s: std::ops::RangeInclusive<f64>,
) {
    let ranges = ranges().await;
    for seed in SEEDS {
        let left = leaves(seed, malfunction, &ranges, 120);
        let found = left.iter().find(|((a, p), _)| a == asset && p == property);
        let (_, after_s) = found.unwrap_or_else(|| panic!("seed {seed}: only {left:?}"));
        assert!(within_s.contains(after_s), "seed {seed}: {asset}.{property} after {after_s} s");
    }
}

#[tokio::test]
async fn a_leak_takes_the_header_flow_out_of_range() {
    shows(Malfunction::Leak, "station", "header_flow", 2.0..=60.0).await;
}

#[tokio::test]
async fn a_worn_bearing_takes_the_vibration_out_of_range() {
    shows(Malfunction::BearingWear, "pump1", "vibration", 30.0..=115.0).await;
}

#[tokio::test]
async fn a_failed_spindle_drive_takes_the_power_out_of_range() {
    shows(Malfunction::SpindleStop, "mill1", "power", 0.0..=1.0).await;
}

/// A value that freezes where it was stays plausible: no range can show it, only that it no longer moves.
#[tokio::test]
async fn a_stuck_sensor_stays_in_range_which_is_the_trouble_with_it() {
    let ranges = ranges().await;
    for seed in SEEDS {
        let left = leaves(seed, Malfunction::StuckSensor, &ranges, 120);
        assert!(left.is_empty(), "seed {seed}: {left:?}");
    }
}

#[tokio::test]
async fn the_first_five_points_of_a_pump_are_the_telling_ones() {
    let options = Options {
        seed: 4,
        first_port: 0,
        control_port: 0,
        mqtt_port: 1,
        clock: host_clock(),
        net: host_reach(sdk::Hall::none()).net,
    };
    let model = model(&start(options).await.expect("free ports").ports).expect("good data files");
    let first = |asset: &str| {
        let mine = |entry: &&ModelPoint| entry.asset == asset;
        let names = model.points.iter().filter(mine).take(5).map(|entry| entry.point.name.clone());
        names.collect::<Vec<_>>()
    };
    let pump = ["speed", "flow", "head", "bearing_temperature", "vibration"];
    assert_eq!(first("pump1"), pump.map(|property| format!("pump1.{property}")));
    assert_eq!(first("mill1"), ["state", "spindle_load", "spindle_speed", "vibration", "power"]);
    assert!(first("station").contains(&"header_flow".to_string()), "where a leak shows");
}

#[test]
fn what_stands_still_reads_exactly_zero() {
    let mut plant = Plant::new(7);
    let mut at: Time = "2026-11-21T01:00:00Z".parse().expect("a time");
    let kinds = [
        ("mill1", "spindle_load", 0.01),
        ("lathe1", "spindle_load", 0.01),
        ("washer", "spray_pressure", 0.001),
        ("comp2", "oil_pressure", 0.001),
        ("tank", "makeup_flow", 0.01),
    ];
    let mut rested = [false; 5];
    for _ in 0..3 * 36_000 {
        at = at.plus(Plant::STEP);
        plant.step(Plant::STEP, at);
        for (rested, (asset, property, resolution)) in rested.iter_mut().zip(kinds) {
            let now = plant.read(asset, property).and_then(|value| value.as_f64()).expect("a number");
            assert!(now == 0.0 || now.abs() > resolution / 2.0, "{asset}.{property} is {now}");
            *rested |= now == 0.0;
        }
    }
    assert_eq!(rested, [true; 5], "each of them rests at some time");
}
