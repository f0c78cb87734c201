//! Over TCP: reads, writes by every function, exceptions, three restarts.

use sdk::{BoundPoint, Hall, OutageKind, Probe, contract::driver::host_reach};
use serde_json::{Value as Json, json};
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};
use types::{PointId, Quality, Value, ValueType};

use crate::{
    peers::{Server, libmodbus, pymodbus, tcp_config, unless_ci},
    running::{Running, point, scaled},
};

/// Starts the driver again, as the runtime does, until values come.
async fn resume(config: &Json, points: &[BoundPoint]) -> Running {
    let start = Instant::now();
    loop {
        let mut running = Running::start(config.clone(), points.to_vec());
        tokio::select! {
            _rows = running.outbox.wait_for_points(points.len()) => {}
            outage = &mut running.task => {
                assert_eq!(outage.unwrap().kind, OutageKind::Connection);
                assert!(start.elapsed() < Duration::from_secs(5), "the peer is back but the driver does not resume");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        }
        return running;
    }
}

async fn killed_and_restarted(server: &mut Server, config: &Json, points: &[BoundPoint]) {
    for _ in 0..3 {
        let mut running = resume(config, points).await;
        server.kill();
        assert_eq!(running.outage().await.kind, OutageKind::Connection);
        server.start_again();
    }
    resume(config, points).await;
}

async fn write_all(config: Json, points: &[BoundPoint], writes: &[(u32, Value)]) {
    let running = Running::start(config, points.to_vec());
    running.outbox.wait_for_points(points.len()).await;
    for (id, value) in writes {
        let written = running.write(*id, value.clone()).await.unwrap();
        assert_eq!(written.read_back.as_ref(), Some(value), "{}", points[*id as usize].address);
    }
    running.outbox.clear();
    let rows = running.outbox.wait_for_rows(points.len() * 2).await;
    let (id, value) = writes.last().unwrap();
    assert!(
        rows.iter().any(|r| r.0 == PointId(*id) && r.2.as_ref() == Some(value)),
        "polled after the write"
    );
    assert_eq!(running.counters.failures.load(Relaxed), 0);
}

#[tokio::test]
async fn pymodbus_reads_writes_and_comes_back() {
    let Some(program) = unless_ci(pymodbus(&["--unit", "3", "--base", "100", "--seed", "42"])) else {
        return;
    };
    let mut server = Server::start(&program, 0);
    let config = tcp_config(&server, json!({"unit_id": 3}));
    let known = server.known["points"].as_array().unwrap().clone();
    let mut points: Vec<BoundPoint> = Vec::new();
    for (i, p) in (0..).zip(&known) {
        let address = p["address"].as_str().unwrap();
        let facts = (driver_modbus::driver().check_address)(address).unwrap();
        assert_eq!(facts.canonical, address);
        points.push(point(i, address, facts.value_type));
    }
    let first_input = known[0]["address"].as_str().unwrap().replacen('4', "3", 1);
    points.push(point(100, &first_input, ValueType::F32));
    points.push(point(101, "co:100", ValueType::Bool));
    points.push(point(102, "di:123", ValueType::Bool));
    let hole = server.known["holes"][0].as_str().unwrap();
    points.push(point(103, hole, ValueType::U64));
    let running = Running::start(config.clone(), points.clone());
    let rows = running.outbox.wait_for_points(points.len()).await;
    let of = |id: u32| rows.iter().find(|r| r.0 == PointId(id)).unwrap();
    for (i, p) in (0..).zip(&known) {
        let (_, _, value, quality) = of(i);
        assert!(quality.is_good(), "{p}");
        let wanted = Value::from_json(points[i as usize].value_type, &p["value"]).unwrap();
        assert_eq!(value.as_ref(), Some(&wanted), "{p}");
    }
    assert_eq!(of(100).2, of(0).2);
    let first_coil = Some(Value::Bool(server.known["coils"][0].as_bool().unwrap()));
    assert_eq!((&of(101).2, &of(102).2), (&first_coil, &first_coil));
    assert_eq!((of(103).2.clone(), of(103).3), (None, Quality::BAD_ADDRESS));
    drop(running);

    let setpoint = known.iter().find(|p| p["name"] == "setpoint").unwrap()["address"].as_str().unwrap();
    let speed = known.iter().find(|p| p["name"] == "speed").unwrap()["address"].as_str().unwrap();
    let register = speed.split(' ').next().unwrap();
    let own = [
        point(0, setpoint, ValueType::F32),
        point(1, speed, ValueType::I64),
        point(2, &format!("{register}.15"), ValueType::Bool),
        point(3, "co:103", ValueType::Bool),
    ];
    for write_with in ["auto", "multiple", "read_write"] {
        let config = tcp_config(&server, json!({"unit_id": 3, "write_with": write_with}));
        let writes = [
            (0, Value::F32(21.5)),
            (1, Value::I64(5)),
            (2, Value::Bool(true)),
            (3, Value::Bool(true)),
            (3, Value::Bool(false)),
            (0, Value::F32(-7.25)),
        ];
        write_all(config, &own, &writes).await;
    }
    let probe = Probe {
        config: tcp_config(&server, json!({"unit_id": 9, "timeout_ms": 200})),
        reach: host_reach(Hall::none()),
    };
    let report = (driver_modbus::driver().probe)(probe).await.unwrap();
    assert_eq!(report.suggested_config.unwrap()["unit_id"], 3);
    killed_and_restarted(&mut server, &config, &points[..known.len()]).await;
}

#[tokio::test]
async fn libmodbus_reads_writes_and_comes_back() {
    let Some(program) = unless_ci(libmodbus("{port}")) else { return };
    let mut server = Server::start(&program, 0);
    let config = tcp_config(&server, json!({}));
    let points = [
        point(0, "40001", ValueType::U64),
        point(1, "40040 int16", ValueType::I64),
        point(2, "30005 uint32 cdab", ValueType::U64),
        point(3, "co:3", ValueType::Bool),
        point(4, "di:4", ValueType::Bool),
        scaled(5, "hr:10", 0.5, 1.0),
        point(6, "hr:12.1", ValueType::Bool),
        point(7, "hr:14 float32 dcba", ValueType::F32),
    ];
    let running = Running::start(config.clone(), points.to_vec());
    let rows = running.outbox.wait_for_points(points.len()).await;
    let of = |id: u32| rows.iter().find(|r| r.0 == PointId(id)).unwrap().2.clone();
    assert_eq!(of(0), Some(Value::U64(1_000)));
    assert_eq!(of(1), Some(Value::I64(1_039)));
    assert_eq!(of(2), Some(Value::U64(1_005 << 16 | 1_004)));
    assert_eq!((of(3), of(4)), (Some(Value::Bool(true)), Some(Value::Bool(false))));
    assert_eq!(of(5), Some(Value::F64(506.0)));
    drop(running);
    for write_with in ["auto", "multiple", "read_write"] {
        let config = tcp_config(&server, json!({"write_with": write_with}));
        let writes = [
            (0, Value::U64(65_535)),
            (3, Value::Bool(false)),
            (5, Value::F64(17.5)),
            (6, Value::Bool(true)),
            (6, Value::Bool(false)),
            (7, Value::F32(1.1)),
        ];
        write_all(config, &points, &writes).await;
    }
    let beyond = Running::start(
        config.clone(),
        vec![point(0, "40041", ValueType::U64), point(1, "40040", ValueType::U64)],
    );
    let rows = beyond.outbox.wait_for_points(2).await;
    assert_eq!(rows.iter().find(|r| r.0 == PointId(0)).unwrap().3, Quality::BAD_ADDRESS);
    assert_eq!(beyond.write(0, Value::U64(1)).await.unwrap_err().code, "modbus.illegal-address");
    drop(beyond);
    killed_and_restarted(&mut server, &config, &points).await;
}
