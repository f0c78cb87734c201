//! Every event has an example file, and every example file is of an event that is told.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;
use types::{AssetType, Label, NodeKind};

use crate::world::{ACTOR, OURS, THEIRS, World, device, place, point};

fn examples() -> BTreeMap<String, Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| {
            let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_string(), json)
        })
        .collect()
}

/// The same members with the same kinds of values.
fn shape(json: &Json) -> Json {
    match json {
        Json::Object(of) => of.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Json::Array(items) => items.iter().take(1).map(shape).collect(),
        Json::String(_) => "text".into(),
        Json::Number(_) => 0.into(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn examples_are_what_is_told() {
    let world = World::new().await;
    let plant = &world.plant;
    let site = world.site(OURS, "Hangzhou").await;
    let hall = plant.create_asset(OURS, ACTOR, place(NodeKind::Area, "Hall 1", Some(site))).await.unwrap().id;
    plant.update_asset(OURS, ACTOR, hall, None, place(NodeKind::Area, "Hall 2", Some(site))).await.unwrap();
    plant.delete_asset(OURS, ACTOR, hall, None).await.unwrap();
    let body = AssetType {
        key: "pump".into(),
        name: Label::both("泵", "Pump"),
        properties: Vec::new(),
        functions: Vec::new(),
        events: Vec::new(),
    };
    let kind = plant.create_asset_type(OURS, ACTOR, body.clone()).await.unwrap().id;
    plant.update_asset_type(OURS, ACTOR, kind, None, body).await.unwrap();
    plant.delete_asset_type(OURS, ACTOR, kind, None).await.unwrap();
    let id = world.device(OURS, "Compressor 1").await.id;
    plant.update_device(OURS, ACTOR, id, None, device("Compressor 2")).await.unwrap();
    let made = plant.create_points(OURS, ACTOR, vec![point(id, "a"), point(id, "b")]).await.unwrap();
    plant.update_point(OURS, ACTOR, made[0].object, None, point(id, "c")).await.unwrap();
    plant.delete_point(OURS, ACTOR, made[0].object, None).await.unwrap();
    plant.delete_device(OURS, ACTOR, id, None, true).await.unwrap();

    let examples = examples();
    let events = world.records.events_after(Some(OURS), 0, 100).await.unwrap();
    let mut told: Vec<_> = events.iter().map(|event| event.name.clone()).collect();
    for event in &events {
        let example = examples.get(&event.name).unwrap_or_else(|| panic!("no example of {}", event.name));
        assert_eq!(event.actor, ACTOR);
        if event.name.starts_with("asset.") && event.payload["parent"].is_null() {
            continue;
        }
        assert_eq!(shape(&event.payload), shape(&example["payload"]), "{}", event.name);
        assert_eq!(example["name"], Json::from(event.name.as_str()));
    }
    assert!(!events.iter().any(|event| event.payload.to_string().contains("192.0.2.1")), "no configuration");
    told.sort();
    told.dedup();
    assert_eq!(told, examples.into_keys().collect::<Vec<_>>());
    assert!(world.records.events_after(Some(THEIRS), 0, 10).await.unwrap().is_empty());
}
