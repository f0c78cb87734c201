//! The laws the plant keeps: balances, counters, transitions, determinism, plausible ranges.

use std::time::Duration;

use example_plant::{CompressorState, MachineState, Malfunction, Plant};
use types::{Time, Value};

const SECOND: Duration = Duration::from_secs(1);
const MACHINES: [&str; 6] = ["lathe1", "lathe2", "mill1", "mill2", "washer", "gauge"];
const COMPRESSORS: [&str; 3] = ["comp1", "comp2", "comp3"];

fn start() -> Time {
    // Midnight in Shanghai.
    "2026-11-20T16:00:00Z".parse().expect("a time")
}

fn number(plant: &Plant, asset: &str, property: &str) -> f64 {
    let value = plant.read(asset, property).unwrap_or_else(|| panic!("{asset}.{property}"));
    value.as_f64().expect("a number")
}

fn count(plant: &Plant, asset: &str, property: &str) -> u64 {
    match plant.read(asset, property) {
        Some(Value::U64(n)) => n,
        other => panic!("{asset}.{property} is {other:?}"),
    }
}

/// Steps of one second, looking at each.
fn run(plant: &mut Plant, from: Time, seconds: u64, mut look: impl FnMut(&Plant)) -> Time {
    let mut at = from;
    for _ in 0..seconds {
        at = at.plus(SECOND);
        plant.step(SECOND, at);
        look(plant);
    }
    at
}

#[test]
fn air_water_and_parts_are_conserved() {
    for seed in [11, 12, 13] {
        conserves(seed);
    }
}

fn conserves(seed: u64) {
    let mut plant = Plant::new(seed);
    let before = plant.balances();
    plant.set(Malfunction::Leak, true);
    run(&mut plant, start(), 4 * 3600, |plant| {
        let line = |p| count(plant, "line", p);
        let accounted = line("parts_in_work") + line("finished_parts") + line("scrap_parts");
        assert_eq!(line("loaded_parts"), accounted);
    });
    let after = plant.balances();
    let air = before.receiver_kg + after.air_in_kg - after.air_out_kg;
    assert!((after.receiver_kg - air).abs() < 1e-6, "{after:?}");
    assert!(after.air_in_kg > 1_000.0);
    let water = before.tank_m3 + after.water_in_m3 - after.water_out_m3;
    assert!((after.tank_m3 - water).abs() < 1e-6, "{after:?}");
    assert!(after.water_out_m3 > 500.0);
    assert!(count(&plant, "line", "finished_parts") > 50, "the line makes parts");
}

#[test]
fn energy_is_the_integral_of_power() {
    let mut plant = Plant::new(3);
    let meters = ["incomer", "line_meter", "air_meter", "water_meter"];
    let before = meters.map(|m| count(&plant, m, "energy"));
    let mut integral_wh = [0.0; 4];
    run(&mut plant, start(), 10_000, |plant| {
        for (sum, meter) in integral_wh.iter_mut().zip(meters) {
            *sum += number(plant, meter, "active_power") * 1_000.0 / 3_600.0;
        }
        let feeders: f64 = meters[1..].iter().map(|m| number(plant, m, "active_power")).sum();
        let incomer = number(plant, "incomer", "active_power");
        assert!((feeders + 14.0..feeders + 21.0).contains(&incomer), "feeders {feeders}, incomer {incomer}");
    });
    for (i, meter) in meters.iter().enumerate() {
        let counted = (count(&plant, meter, "energy") - before[i]) as f64;
        assert!((counted - integral_wh[i]).abs() <= 1.0, "{meter}: {counted} Wh against {}", integral_wh[i]);
        let parts = ["sharp", "peak", "flat", "valley"].map(|p| count(&plant, meter, &format!("energy_{p}")));
        let total = count(&plant, meter, "energy");
        assert!(total.abs_diff(parts.iter().sum()) <= 4, "the periods add up to the total");
    }
}

#[test]
fn states_move_only_along_allowed_transitions() {
    let machine = |plant: &Plant, key: &str| MachineState::ALL[count(plant, key, "state") as usize];
    let compressor = |plant: &Plant, key: &str| CompressorState::ALL[count(plant, key, "state") as usize];
    let mut plant = Plant::new(5);
    let mut machines = MACHINES.map(|key| machine(&plant, key));
    let mut compressors = COMPRESSORS.map(|key| compressor(&plant, key));
    let mut seen = [false; 6];
    run(&mut plant, start(), 24 * 3600, |plant| {
        for (was, key) in machines.iter_mut().zip(MACHINES) {
            let now = machine(plant, key);
            assert!(*was == now || was.may_become(now), "{key}: {was:?} to {now:?}");
            seen[now as usize] = true;
            *was = now;
        }
        for (was, key) in compressors.iter_mut().zip(COMPRESSORS) {
            let now = compressor(plant, key);
            assert!(*was == now || was.may_become(now), "{key}: {was:?} to {now:?}");
            *was = now;
        }
    });
    assert_eq!(seen, [true; 6], "a day shows every machine state");
}

#[test]
fn malfunctions_show_where_an_engineer_would_look() {
    let mut well = Plant::new(8);
    let mut ill = Plant::new(8);
    for malfunction in Malfunction::ALL {
        ill.set(malfunction, true);
    }
    let (mut third, mut frozen) = (0.0, Vec::new());
    let end = run(&mut well, start(), 1_800, |plant| third -= number(plant, "comp3", "power"));
    run(&mut ill, start(), 1_800, |plant| {
        third += number(plant, "comp3", "power");
        frozen.push(number(plant, "comp2", "discharge_temperature"));
    });
    let rise = |asset, property| number(&ill, asset, property) - number(&well, asset, property);
    assert!(rise("pump1", "vibration") > 3.0);
    assert!(rise("pump1", "bearing_temperature") > 15.0);
    assert!(rise("pump1", "power") > 0.5);
    assert!(rise("pump2", "vibration").abs() < 0.5, "only pump 1 is ill");
    assert!(rise("station", "header_flow") > 4.0);
    assert!(third > 0.0, "the third compressor has to help");
    assert!(frozen.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(count(&ill, "mill1", "state"), MachineState::Fault as u64);
    for malfunction in Malfunction::ALL {
        ill.set(malfunction, false);
    }
    run(&mut ill, end, 3_600, |_| {});
    assert!(number(&ill, "pump1", "vibration") < 2.0, "a new bearing");
    assert!(number(&ill, "station", "header_pressure") > 6.0);
}

#[test]
fn setpoints_act_and_refuse_what_no_machine_accepts() {
    use example_plant::Refused;
    let mut plant = Plant::new(2);
    run(&mut plant, start(), 60, |_| {});
    let before = number(&plant, "pump2", "flow");
    plant.write("pump2", "speed_setpoint", 1_450.0).unwrap();
    run(&mut plant, start().plus(60 * SECOND), 60, |_| {});
    assert!(number(&plant, "pump2", "flow") > before + 20.0);
    assert_eq!(plant.write("pump2", "speed_setpoint", 3_000.0), Err(Refused::OutOfRange));
    assert_eq!(plant.write("pump2", "speed_setpoint", f64::NAN), Err(Refused::OutOfRange));
    assert_eq!(plant.write("washer", "feed_override", 100.0), Err(Refused::Unknown));
    assert_eq!(plant.write("pump2", "level", 1.0), Err(Refused::Unknown));
}
