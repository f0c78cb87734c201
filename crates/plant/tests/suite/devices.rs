//! Devices and their sources.

use serde_json::json;
use types::{Query, SourceId};

use crate::world::{ACTOR, OURS, THEIRS, World, codes_and_paths, device, point};

#[tokio::test]
async fn a_device_keeps_its_source_and_ends_it() {
    let world = World::new().await;
    let plant = &world.plant;
    let mut forged = device("Compressor 1");
    forged.source = Some(SourceId(77));
    let made = plant.create_device(OURS, ACTOR, forged).await.unwrap();
    let number = made.body.source.unwrap();
    assert_ne!(number, SourceId(77));
    assert_ne!(world.device(THEIRS, "Compressor 1").await.body.source, Some(number));

    let source = plant.source(OURS, number).await.unwrap().unwrap();
    assert_eq!((source.device, Some(source.from), source.to), (made.id, made.body.added, None));
    assert_eq!(plant.source(THEIRS, number).await.unwrap(), None);

    let mut renamed = device("Compressor 2");
    renamed.source = None;
    let renamed = plant.update_device(OURS, ACTOR, made.id, Some(1), renamed).await.unwrap();
    assert_eq!((renamed.body.source, renamed.body.added), (Some(number), made.body.added));

    plant.delete_device(OURS, ACTOR, made.id, Some(2), false).await.unwrap();
    assert!(plant.device(OURS, made.id).await.is_err());
    assert!(plant.source(OURS, number).await.unwrap().unwrap().to.unwrap() > source.from);
}

#[tokio::test]
async fn what_is_no_device_has_one_source_too() {
    let world = World::new().await;
    let plant = &world.plant;
    let ours = plant.writer_source(OURS).await.unwrap();
    assert_eq!(plant.writer_source(OURS).await, Ok(ours));
    assert_eq!(world.again().await.writer_source(OURS).await, Ok(ours));
    let theirs = plant.writer_source(THEIRS).await.unwrap();
    let device = world.device(OURS, "Compressor 1").await.body.source.unwrap();
    assert!(ours != theirs && device != ours && device != theirs);
    assert_eq!(plant.source(OURS, ours).await.unwrap().map(|source| source.source), Some(ours));
    assert_eq!(plant.source(OURS, theirs).await.unwrap(), None);
}

#[tokio::test]
async fn mistakes_point_into_the_device() {
    let world = World::new().await;
    world.device(OURS, "Taken").await;
    let with = |name: &str, value| {
        let mut json = serde_json::to_value(device("New")).unwrap();
        json[name] = value;
        serde_json::from_value(json).unwrap()
    };
    for (device, code, path) in [
        (with("name", json!("")), "name.invalid", "/name"),
        (with("name", json!("Taken")), "exists", ""),
        (with("driver", json!("telex")), "driver.unknown", "/driver"),
        (with("config", json!({})), "invalid", "/config/host"),
        (with("limits", json!({"writes_per_minute": 0})), "invalid", "/limits/writes_per_minute"),
    ] {
        let faults = world.plant.create_device(OURS, ACTOR, device).await.unwrap_err();
        assert_eq!(codes_and_paths(faults), [(code.into(), path.into())]);
    }
    assert_eq!(world.plant.devices(OURS, Query::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn points_go_before_their_device_or_with_it() {
    let world = World::new().await;
    let plant = &world.plant;
    let id = world.device(OURS, "Compressor 1").await.id;
    plant.create_points(OURS, ACTOR, vec![point(id, "a"), point(id, "b")]).await.unwrap();
    let refused = plant.delete_device(OURS, ACTOR, id, None, false).await.unwrap_err();
    assert_eq!((refused[0].code.as_ref(), refused[0].args["count"].clone()), ("device.has-points", 2.into()));
    assert!(plant.delete_device(THEIRS, ACTOR, id, None, true).await.is_err());
    assert!(plant.delete_device(OURS, ACTOR, id, Some(9), true).await.is_err());
    assert_eq!(plant.of_device(OURS, id).len(), 2);
    plant.delete_device(OURS, ACTOR, id, None, true).await.unwrap();
    assert!(plant.of_device(OURS, id).is_empty() && world.again().await.of_device(OURS, id).is_empty());
}

#[tokio::test]
async fn whoever_reads_devices_hears_of_changes() {
    let world = World::new().await;
    let plant = &world.plant;
    let mut changes = plant.changes();
    let ours = world.device(OURS, "Compressor 1").await.id;
    let theirs = world.device(THEIRS, "Compressor 1").await.id;
    let points = plant.create_points(OURS, ACTOR, vec![point(ours, "a")]).await.unwrap();
    plant.delete_point(OURS, ACTOR, points[0].object, None).await.unwrap();
    for expected in [(OURS, ours), (THEIRS, theirs), (OURS, ours), (OURS, ours)] {
        let change = changes.try_recv().unwrap();
        assert_eq!((change.org, change.device), (expected.0, Some(expected.1)));
    }
    assert!(changes.try_recv().is_err());
    let all = plant.devices_of_all_orgs().await.unwrap();
    assert_eq!(
        all.iter().map(|(org, stored)| (*org, stored.id)).collect::<Vec<_>>(),
        [(OURS, ours), (THEIRS, theirs)]
    );
}

#[tokio::test]
async fn the_driver_of_a_device_stays() {
    let world = World::new().await;
    let made = world.device(OURS, "Compressor 1").await;
    let mut other = made.body.clone();
    other.driver = "tape".into();
    let faults = world.plant.update_device(OURS, ACTOR, made.id, None, other).await.unwrap_err();
    assert_eq!(codes_and_paths(faults), [("device.driver-fixed".into(), "/driver".into())]);
}
