//! Point lists out and in.

use plant::ImportReport;
use serde_json::json;
use types::{Label, NodeKind, Point, Scaling, ValueType, WritePolicy};

use crate::world::{ACTOR, OURS, THEIRS, World, codes_and_paths, loose_point, place, point};

fn counts(report: &ImportReport) -> (usize, usize, usize) {
    (report.created, report.updated, report.unchanged)
}

#[tokio::test]
async fn what_goes_out_comes_in_unchanged() {
    let world = World::new().await;
    let plant = &world.plant;
    let device = world.device(OURS, "Compressor; 1, \"north\"").await.id;
    let site = world.site(OURS, "Hangzhou").await;
    // Two places that look alike as a path go out by id.
    let hall = plant.create_asset(OURS, ACTOR, place(NodeKind::Area, "A / B", Some(site))).await.unwrap().id;
    let a = plant.create_asset(OURS, ACTOR, place(NodeKind::Area, "A", Some(site))).await.unwrap().id;
    let b = plant.create_asset(OURS, ACTOR, place(NodeKind::Area, "B", Some(a))).await.unwrap().id;
    let full = Point {
        label: Label::both("=排气, 压力", "-Discharge \"pressure\""),
        asset: Some(hall),
        value_type: ValueType::F64,
        scaling: Some(Scaling { gain: 0.1, offset: -1e-9 }),
        range: Some([-1.5, 1e300]),
        period_ms: 250,
        write: Some(WritePolicy { min: -1.0, max: 2.5, step: Some(0.5), per_minute: 3 }),
        ..point(device, "-p.1_压力")
    };
    let states = [(-1, Label::both("故障", "")), (2, Label::both("a;b", "c=d|e"))].into();
    let state = Point {
        value_type: ValueType::I64,
        unit: "1".into(),
        address: "8 i64".into(),
        states,
        asset: Some(b),
        ..point(device, "mode")
    };
    let points = vec![full, state, point(device, "plain"), loose_point("plain")];
    plant.create_points(OURS, ACTOR, points).await.unwrap();
    plant.create_points(THEIRS, ACTOR, vec![loose_point("secret")]).await.unwrap();

    let text = plant.points_csv(OURS, None).await.unwrap();
    assert!(!text.contains("secret"));
    let report = plant.import_csv(OURS, ACTOR, text.as_bytes(), None, false).await.unwrap();
    assert_eq!((counts(&report), report.errors), ((0, 0, 4), vec![]));
    let of_device = plant.points_csv(OURS, Some(device)).await.unwrap();
    assert_eq!(of_device.lines().count(), 4);
    let report = plant.import_csv(OURS, ACTOR, of_device.as_bytes(), Some(device), false).await.unwrap();
    assert_eq!(counts(&report), (0, 0, 3));

    // Into an empty plant with the same devices and places it makes the same points.
    let other = World::new().await;
    other.device(OURS, "Compressor; 1, \"north\"").await;
    let lines: Vec<_> =
        text.lines().filter(|line| !line.contains("-p.1_") && !line.contains("mode")).collect();
    let report = other.plant.import_csv(OURS, ACTOR, lines.join("\n").as_bytes(), None, false).await.unwrap();
    assert_eq!((counts(&report), report.errors), ((2, 0, 0), vec![]));
    assert_eq!(other.plant.points_csv(OURS, None).await.unwrap(), lines.join("\n") + "\n");
}

#[tokio::test]
async fn a_chinese_list_with_wrong_rows() {
    let world = World::new().await;
    let plant = &world.plant;
    let device = world.device(OURS, "1 号空压机").await.id;
    world.device(THEIRS, "别人的设备").await;
    let site = world.site(OURS, "杭州").await;
    let text = "\u{feff}测点名称;接入设备;寄存器地址;数据类型;单位;倍率;所属;采集周期(ms);备注\r\n\
        排气压力;1 号空压机;7;;bar;;杭州;500;x\r\n\
        \r\n\
        排气温度;1 号空压机;8 i64;;℃;0,1;;;\r\n\
        电流;1 号空压机;9;浮点;Amp;;;;\r\n\
        功率;1 号空压机;10;整数;kW;;;;\r\n\
        频率;1 号空压机;x;;Hz;;;;\r\n\
        转速;别人的设备;11;;rpm;;;;\r\n\
        排气压力;1 号空压机;12;;bar;;;;\r\n\
        坏 名;1 号空压机;13;;bar;;;;\r\n\
        电度;;;;kWh;;;;\r\n\
        振动;1 号空压机;14;;mm/s;一;南京;0.5;\r\n";
    let expected = [
        ("point-list.unknown-columns", "line 1"),
        ("unit.unknown", "line 5, column unit"),
        ("point.type-mismatch", "line 6, column type"),
        ("line.address", "line 7, column address"),
        ("not-found", "line 8, column device"),
        ("exists", "line 9, column name"),
        ("name.invalid", "line 10, column name"),
        ("point.no-type", "line 11, column type"),
        ("invalid", "line 12, column gain"),
        ("invalid", "line 12, column period_ms"),
    ]
    .map(|(code, path)| (code.to_string(), path.to_string()));
    for dry_run in [true, false] {
        let report = plant.import_csv(OURS, ACTOR, text.as_bytes(), None, dry_run).await.unwrap();
        assert_eq!(counts(&report), (2, 0, 0));
        assert_eq!(codes_and_paths(report.errors), expected);
        assert_eq!(plant.of_device(OURS, device).len(), if dry_run { 0 } else { 2 });
    }
    let made = plant.of_device(OURS, device);
    let first = &made[0].point;
    assert_eq!((first.value_type, first.asset, first.period_ms), (ValueType::F32, Some(site), 500));
    let second = &made[1].point;
    assert_eq!((second.value_type, second.scaling.map(|s| s.gain)), (ValueType::F64, Some(0.1)));
    assert!(plant.points(THEIRS, &plant::PointQuery { limit: 9, ..Default::default() }).is_empty());
}

#[tokio::test]
async fn a_missing_column_keeps_and_an_empty_cell_takes_away() {
    let world = World::new().await;
    let plant = &world.plant;
    let device = world.device(OURS, "Compressor 1").await.id;
    let full = json!({"name": "p", "label": {"en": "Pressure"}, "device": device, "address": "7", "value_type": "f32",
        "unit": "bar", "range": [0.0, 16.0], "period_ms": 250, "write": {"min": 1.0, "max": 2.0}});
    let made = plant.create_points(OURS, ACTOR, vec![serde_json::from_value(full).unwrap()]).await.unwrap();
    let report = plant.import_csv(OURS, ACTOR, b"name,unit\np,kPa\n", Some(device), false).await.unwrap();
    assert_eq!(counts(&report), (0, 1, 0), "{:?}", report.errors);
    let now = plant.point(OURS, made[0].object).unwrap();
    assert_eq!((now.revision, now.point), (2, Point { unit: "kPa".into(), ..made[0].point.clone() }));
    let text = "name,label_en,low,high,period,write_min,write_max,write_per_minute\np,,,,,,,\n";
    plant.import_csv(OURS, ACTOR, text.as_bytes(), Some(device), false).await.unwrap();
    let now = plant.point(OURS, made[0].object).unwrap().point;
    let bare = Point { unit: "kPa".into(), ..point(device, "p") };
    assert_eq!(now, Point { address: "7 f32".into(), ..bare });
}

#[tokio::test]
async fn a_list_for_one_device_and_files_of_no_use() {
    let world = World::new().await;
    let device = world.device(OURS, "Compressor 1").await.id;
    world.device(OURS, "Compressor 2").await;
    let text = b"name,device,address\na,Compressor 2,7\nb,,7\n";
    let report = world.plant.import_csv(OURS, ACTOR, text, Some(device), false).await.unwrap();
    assert_eq!(codes_and_paths(report.errors), [("invalid".into(), "line 2, column device".into())]);
    assert_eq!(world.plant.of_device(OURS, device).len(), 1);
    assert!(world.plant.import_csv(THEIRS, ACTOR, text, Some(device), false).await.is_err());
    for bytes in [&b""[..], b"\xff\xfe", b"a,b\n1,2\n", b"name,\"x\n"] {
        // No file of any kind may bring the node down; what cannot be used is told.
        let report = world.plant.import_csv(OURS, ACTOR, bytes, None, false).await;
        assert!(report.is_err() || report.is_ok_and(|report| report.created == 0));
    }
}

#[tokio::test]
async fn faults_are_bounded() {
    let world = World::new().await;
    let rows = (0..=1_500).map(|number| format!("bad {number},f64\n")).collect::<String>();
    let text = format!("name,type\n{rows}");
    let report = world.plant.import_csv(OURS, ACTOR, text.as_bytes(), None, false).await.unwrap();
    assert_eq!(report.errors.len(), plant::IMPORT_FAULTS_MAX + 1);
    assert_eq!(report.errors.last().unwrap().args["count"], 501.into());
}
