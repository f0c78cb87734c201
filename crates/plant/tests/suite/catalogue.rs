//! Questions to the catalogue.

use plant::PointQuery;
use types::{CataloguedPoint, Label, Point, PointId};

use crate::world::{ACTOR, OURS, THEIRS, World, loose_point, point};

fn names(points: &[CataloguedPoint]) -> Vec<&str> {
    points.iter().map(|point| point.point.name.as_str()).collect()
}

#[tokio::test]
async fn questions() {
    let world = World::new().await;
    let plant = &world.plant;
    let device = world.device(OURS, "Compressor 1").await.id;
    let site = world.site(OURS, "Hangzhou").await;
    let labelled = |point: Point, label: Label| Point { label, asset: Some(site), ..point };
    let made = plant
        .create_points(
            OURS,
            ACTOR,
            vec![
                labelled(point(device, "pt101"), Label::both("排气压力", "Discharge Pressure")),
                point(device, "tt101"),
                labelled(loose_point("energy"), Label::plain("Energy")),
                loose_point("cost"),
            ],
        )
        .await
        .unwrap();
    plant.create_points(THEIRS, ACTOR, vec![loose_point("pressure")]).await.unwrap();

    let all = PointQuery { limit: 10, ..PointQuery::default() };
    let search = |text: &str| PointQuery { search: Some(text.into()), ..all.clone() };
    let cases: [(PointQuery, &[&str]); 10] = [
        (all.clone(), &["pt101", "tt101", "energy", "cost"]),
        (PointQuery { limit: 2, ..all.clone() }, &["pt101", "tt101"]),
        (PointQuery { after: Some(made[1].id), ..all.clone() }, &["energy", "cost"]),
        (PointQuery { device: Some(device), ..all.clone() }, &["pt101", "tt101"]),
        (PointQuery { asset: Some(site), ..all.clone() }, &["pt101", "energy"]),
        (PointQuery { asset: Some(site), after: Some(made[0].id), ..all.clone() }, &["energy"]),
        (PointQuery { asset: Some(site), device: Some(device), ..all.clone() }, &["pt101"]),
        (search("PRESSURE"), &["pt101"]),
        (search("压力"), &["pt101"]),
        (PointQuery { after: Some(PointId(u32::MAX)), ..all.clone() }, &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&plant.points(OURS, &query)), expected, "{query:?}");
        let theirs = PointQuery { search: None, ..query };
        assert!(names(&plant.points(THEIRS, &theirs)).iter().all(|name| *name == "pressure"));
    }
    // A point that moves is found where it is now.
    let moved = Point { asset: None, ..made[0].point.clone() };
    plant.update_point(OURS, ACTOR, made[0].object, None, moved).await.unwrap();
    assert_eq!(names(&plant.points(OURS, &PointQuery { asset: Some(site), ..all })), ["energy"]);
}
