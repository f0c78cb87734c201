//! Points: what is refused, what is kept.

use serde_json::{Value as Json, json};
use types::{Point, PointId, ValueType};

use crate::world::{ACTOR, NOBODYS, OURS, THEIRS, World, codes_and_paths, loose_point, point};

fn with(point: &Point, changes: &[(&str, Json)]) -> Point {
    let mut json = serde_json::to_value(point).unwrap();
    for (name, value) in changes {
        json[*name] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn what_is_refused_and_where() {
    let world = World::new().await;
    let id = world.device(OURS, "Compressor 1").await.id;
    let foreign = world.device(THEIRS, "Compressor 1").await.id;
    let foreign_site = world.site(THEIRS, "Elsewhere").await;
    let good = point(id, "pressure");
    let policy = json!({"min": 1.0, "max": 2.0});
    type Case<'a> = (Vec<(&'a str, Json)>, &'a str, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (vec![("name", json!(""))], "name.invalid", "/name"),
        (vec![("name", json!("a b"))], "name.invalid", "/name"),
        (vec![("unit", json!("KWH"))], "unit.unknown", "/unit"),
        (vec![("address", json!(""))], "point.no-address", "/address"),
        (vec![("address", json!("x"))], "line.address", "/address"),
        (vec![("value_type", json!("i64"))], "point.type-mismatch", "/value_type"),
        (
            vec![("scaling", json!({"gain": 0.0})), ("value_type", json!("f64"))],
            "point.scaling",
            "/scaling/gain",
        ),
        (vec![("scaling", json!({"gain": 2.0}))], "point.type-mismatch", "/value_type"),
        (
            vec![
                ("scaling", json!({"gain": 2.0})),
                ("value_type", json!("f64")),
                ("address", json!("7 string")),
            ],
            "point.scaling",
            "/scaling",
        ),
        (vec![("range", json!([2.0, 1.0]))], "invalid", "/range"),
        (vec![("states", json!({"0": {"en": "off"}}))], "invalid", "/states"),
        (vec![("period_ms", json!(9))], "point.period", "/period_ms"),
        (vec![("period_ms", json!(86_400_001))], "point.period", "/period_ms"),
        (vec![("write", json!({"min": 2.0, "max": 2.0}))], "invalid", "/write/min"),
        (vec![("write", json!({"min": 1.0, "max": 2.0, "step": 0.0}))], "invalid", "/write/step"),
        (vec![("write", json!({"min": 1.0, "max": 2.0, "per_minute": 0}))], "invalid", "/write/per_minute"),
        (vec![("write", policy.clone()), ("address", json!("1000"))], "point.not-writable", "/write"),
        (vec![("device", json!(NOBODYS))], "not-found", "/device"),
        (vec![("device", json!(foreign))], "not-found", "/device"),
        (vec![("asset", json!(foreign_site))], "not-found", "/asset"),
        (vec![("device", Json::Null)], "point.no-device", "/address"),
        (
            vec![("device", Json::Null), ("address", json!("")), ("write", policy)],
            "point.no-device",
            "/write",
        ),
    ];
    for (changes, code, path) in cases {
        let wrong = with(&good, &changes);
        let faults = world.plant.create_points(OURS, ACTOR, vec![good.clone(), wrong]).await.unwrap_err();
        let at = |path: &str| format!("/points/1{path}");
        let mut expected = vec![(code.to_string(), at(path))];
        if changes.iter().all(|(name, _)| !matches!(*name, "name" | "device")) {
            expected.push(("exists".into(), at("/name")));
        }
        assert_eq!(codes_and_paths(faults), expected, "{changes:?}");
    }
    assert!(world.plant.of_device(OURS, id).is_empty(), "all or nothing");
}

#[tokio::test]
async fn the_right_type_is_offered() {
    let world = World::new().await;
    let id = world.device(OURS, "Compressor 1").await.id;
    let wrong = with(&point(id, "count"), &[("address", json!("7 u64"))]);
    let faults = world.plant.create_points(OURS, ACTOR, vec![wrong]).await.unwrap_err();
    assert_eq!(faults[0].args["value_type"], "u64".into());
}

#[tokio::test]
async fn what_is_kept_survives_a_restart_and_numbers_are_never_reused() {
    let world = World::new().await;
    let plant = &world.plant;
    let id = world.device(OURS, "Compressor 1").await.id;
    let scaled = with(
        &point(id, "温度"),
        &[("unit", json!("℃")), ("value_type", json!("f64")), ("scaling", json!({"gain": 0.1}))],
    );
    let made =
        plant.create_points(OURS, ACTOR, vec![point(id, "a"), scaled, loose_point("a")]).await.unwrap();
    assert_eq!((made[0].point.address.as_str(), made[1].point.unit.as_str()), ("7 f32", "Cel"));
    assert_eq!(made[1].point.value_type, ValueType::F64);

    let renamed = Point { name: "b".into(), ..made[0].point.clone() };
    let changed = plant.update_point(OURS, ACTOR, made[0].object, Some(1), renamed).await.unwrap();
    assert_eq!((changed.id, changed.object, changed.revision), (made[0].id, made[0].object, 2));
    let same = plant.update_point(OURS, ACTOR, made[0].object, Some(2), changed.point.clone()).await.unwrap();
    assert_eq!(same.revision, 3);
    let stale = plant.update_point(OURS, ACTOR, made[0].object, Some(1), changed.point).await.unwrap_err();
    assert_eq!(stale[0].code, "conflict");
    let taken = Point { name: "温度".into(), ..same.point.clone() };
    let taken = plant.update_point(OURS, ACTOR, made[0].object, None, taken).await.unwrap_err();
    assert_eq!(codes_and_paths(taken), [("exists".into(), "/name".into())]);

    plant.delete_point(OURS, ACTOR, made[2].object, None).await.unwrap();
    let again = world.again().await;
    assert_eq!(again.of_device(OURS, id), plant.of_device(OURS, id));
    assert_eq!(again.by_id(OURS, &[made[2].id]), [None]);
    let fresh = again.create_points(OURS, ACTOR, vec![loose_point("a")]).await.unwrap();
    assert!(fresh[0].id > made[2].id);
}

#[tokio::test]
async fn a_foreign_point_is_an_unknown_point() {
    let world = World::new().await;
    let plant = &world.plant;
    let made = plant.create_points(THEIRS, ACTOR, vec![loose_point("theirs")]).await.unwrap();
    let (id, object) = (made[0].id, made[0].object);
    assert_eq!(plant.by_object(OURS, &[object, NOBODYS]), [None, None]);
    assert_eq!(plant.by_id(OURS, &[id, PointId(0), PointId(u32::MAX)]), [None, None, None]);
    assert_eq!((plant.owner(id), plant.owner(PointId(0))), (Some(THEIRS), None));
    assert!(plant.points(OURS, &plant::PointQuery { limit: 9, ..Default::default() }).is_empty());
    let update = plant.update_point(OURS, ACTOR, object, None, loose_point("x")).await.unwrap_err();
    let delete = plant.delete_point(OURS, ACTOR, object, None).await.unwrap_err();
    assert_eq!((update[0].code.as_ref(), delete[0].code.as_ref()), ("not-found", "not-found"));
    // The same name elsewhere is no obstacle.
    plant.create_points(OURS, ACTOR, vec![loose_point("theirs")]).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_memory_and_disk_alike() {
    let world = World::new().await;
    for patience in 0..8 {
        let create = world.plant.create_points(OURS, ACTOR, vec![loose_point(&format!("p{patience}"))]);
        let mut create = Box::pin(create);
        for _ in 0..patience {
            let waited = tokio::time::timeout(std::time::Duration::ZERO, &mut create).await;
            if waited.is_ok() {
                break;
            }
        }
    }
    // Waits for whoever still writes.
    world.plant.create_points(OURS, ACTOR, vec![loose_point("last")]).await.unwrap();
    let all = plant::PointQuery { limit: 100, ..Default::default() };
    assert_eq!(world.again().await.points(OURS, &all), world.plant.points(OURS, &all));
}
