//! The plant tree and asset types.

use types::{AssetType, Label, NodeKind, Query};

use crate::world::{ACTOR, NOBODYS, OURS, THEIRS, World, codes_and_paths, loose_point, place};

#[tokio::test]
async fn a_tree_is_built_moved_and_taken_down() {
    let world = World::new().await;
    let plant = &world.plant;
    let site = world.site(OURS, "Hangzhou").await;
    let hall = plant.create_asset(OURS, ACTOR, place(NodeKind::Area, "Hall 1", Some(site))).await.unwrap();
    let line = plant.create_asset(OURS, ACTOR, place(NodeKind::Line, "Line A", Some(hall.id))).await.unwrap();

    let moved = place(NodeKind::Line, "Line A", Some(site));
    let moved = plant.update_asset(OURS, ACTOR, line.id, Some(1), moved).await.unwrap();
    assert_eq!((moved.revision, plant.asset(OURS, line.id).await.unwrap()), (2, moved));
    let stale =
        plant.update_asset(OURS, ACTOR, line.id, Some(1), place(NodeKind::Line, "B", Some(site))).await;
    assert_eq!(stale.unwrap_err()[0].code, "conflict");

    let faults = plant.delete_asset(OURS, ACTOR, site, None).await.unwrap_err();
    assert_eq!(
        (faults[0].code.as_ref(), faults[0].args["child"].clone()),
        ("asset.has-children", "Hall 1".into())
    );
    let mut point = loose_point("energy");
    point.asset = Some(hall.id);
    let points = plant.create_points(OURS, ACTOR, vec![point]).await.unwrap();
    let faults = plant.delete_asset(OURS, ACTOR, hall.id, None).await.unwrap_err();
    assert_eq!(faults[0].code, "asset.has-points");
    plant.delete_point(OURS, ACTOR, points[0].object, None).await.unwrap();
    for id in [hall.id, line.id, site] {
        plant.delete_asset(OURS, ACTOR, id, None).await.unwrap();
    }
    assert!(plant.asset_tree(OURS).await.unwrap().is_empty());
}

#[tokio::test]
async fn two_organisations_build_apart() {
    let world = World::new().await;
    let plant = &world.plant;
    let ours = world.site(OURS, "Hangzhou").await;
    let theirs = world.site(THEIRS, "Hangzhou").await;
    assert!(plant.asset(THEIRS, ours).await.is_err());
    let below = plant.create_asset(OURS, ACTOR, place(NodeKind::Area, "Hall", Some(theirs))).await;
    assert_eq!(codes_and_paths(below.unwrap_err()), [("asset.no-parent".into(), "/parent".into())]);
    assert!(plant.update_asset(OURS, ACTOR, theirs, None, place(NodeKind::Site, "X", None)).await.is_err());
    assert!(plant.delete_asset(OURS, ACTOR, theirs, None).await.is_err());
    assert_eq!(plant.asset_tree(THEIRS).await.unwrap().len(), 1);
}

#[tokio::test]
async fn every_mistake_is_told_with_its_place() {
    let world = World::new().await;
    let mut wrong = place(NodeKind::Area, "", None);
    wrong.zone = Some(types::Zone::utc());
    wrong.asset_type = Some(NOBODYS);
    wrong.notes = [("maker".to_string(), "x".repeat(1_001))].into();
    let faults = world.plant.create_asset(OURS, ACTOR, wrong).await.unwrap_err();
    let places: Vec<_> = codes_and_paths(faults).into_iter().map(|(_, path)| path).collect();
    assert_eq!(places, ["/name", "/zone", "/asset_type", "/notes/maker", "/asset_type", "/parent"]);
}

#[tokio::test]
async fn a_type_in_use_stays() {
    let world = World::new().await;
    let plant = &world.plant;
    let body = AssetType {
        key: "pump".into(),
        name: Label::both("泵", "Pump"),
        properties: Vec::new(),
        functions: Vec::new(),
        events: Vec::new(),
    };
    let kind = plant.create_asset_type(OURS, ACTOR, body.clone()).await.unwrap();
    let double = plant.create_asset_type(OURS, ACTOR, body.clone()).await.unwrap_err();
    assert_eq!(double[0].code, "exists");
    let theirs = plant.create_asset_type(THEIRS, ACTOR, body.clone()).await.unwrap();

    let site = world.site(OURS, "Hangzhou").await;
    let mut pump = place(NodeKind::Asset, "Pump 1", Some(site));
    pump.asset_type = Some(theirs.id);
    let foreign = plant.create_asset(OURS, ACTOR, pump.clone()).await.unwrap_err();
    assert_eq!(codes_and_paths(foreign), [("not-found".into(), "/asset_type".into())]);
    pump.asset_type = Some(kind.id);
    let pump = plant.create_asset(OURS, ACTOR, pump).await.unwrap();

    let refused = plant.delete_asset_type(OURS, ACTOR, kind.id, None).await.unwrap_err();
    assert_eq!(
        (refused[0].code.as_ref(), refused[0].args["asset"].clone()),
        ("asset-type.in-use", "Pump 1".into())
    );
    assert!(plant.delete_asset_type(OURS, ACTOR, theirs.id, None).await.is_err());
    plant.delete_asset(OURS, ACTOR, pump.id, None).await.unwrap();
    plant.delete_asset_type(OURS, ACTOR, kind.id, Some(1)).await.unwrap();
    assert!(plant.asset_types(OURS, Query::default()).await.unwrap().items.is_empty());
    assert_eq!(plant.asset_types(THEIRS, Query::default()).await.unwrap().items.len(), 1);
}
