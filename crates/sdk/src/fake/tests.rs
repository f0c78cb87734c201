//! One world, seen through its handles.

use std::time::Duration;
use types::{
    Asset, Change, CommandState, Direction, Document, EventDraft, Expected, Filter, Index, IndexValue, Label,
    NodeKind, ObjectId, OrgId, Origin, Point, PointId, Quality, Query, Section, Time, Value, ValueType,
    WritePolicy, codes,
};

use super::*;
use crate::{
    AggregateQuery, App, PointQuery, Proposal, RangeQuery, Scope,
    http::{Body, Method, Permission, Problem, route},
};

const OTHER: OrgId = OrgId::from_bytes([2; 16]);

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Tool {
    name: String,
    size: i64,
}

impl Document for Tool {
    const COLLECTION: &'static str = "tools";
    const INDEXES: &'static [Index] = &[Index::unique("name"), Index::on("size")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Text(self.name.clone())), Some(IndexValue::Int(self.size))]
    }
}

fn tool(name: &str, size: i64) -> Tool {
    Tool { name: name.into(), size }
}

async fn put(scope: &Scope, tool: &Tool) -> ObjectId {
    let id = scope.ids.born();
    let event =
        EventDraft { name: "tools.added.v1", object: id, payload: serde_json::json!({ "n": tool.name }) };
    let change = Change::put(id, Expected::Absent, tool).unwrap();
    scope.records.commit(vec![change], vec![event]).await.unwrap();
    id
}

fn world() -> World {
    World::at(Time::from_unix_ms(1_000_000))
}

fn point(value_type: ValueType, device: Option<ObjectId>) -> Point {
    let policy = WritePolicy { min: 0.0, max: 10.0, step: Some(2.0), per_minute: 2 };
    let json = serde_json::json!({
        "name": "level", "value_type": value_type, "unit": "m", "device": device,
        "write": device.map(|_| policy),
    });
    serde_json::from_value(json).unwrap()
}

fn section(point: PointId, rows: &[(i64, f64)]) -> Vec<Section> {
    let mut section = Section::empty(Some(ValueType::F64));
    for (time, value) in rows {
        assert!(section.push(point, Time(*time), Some(Value::F64(*value)), Quality::GOOD));
    }
    vec![section]
}

#[tokio::test]
async fn a_list_is_filtered_ordered_and_goes_on() {
    let scope = scope(&world());
    for (name, size) in [("drill", 3), ("mill", 9), ("reamer", 5), ("tap", 7)] {
        put(&scope, &tool(name, size)).await;
    }
    let query = Query {
        filters: vec![Filter::Between("size", Some(IndexValue::Int(4)), None)],
        order: Some(("size", Direction::Descending)),
        limit: 2,
        ..Query::default()
    };
    let names = |page: &types::Page<types::Stored<Tool>>| -> Vec<String> {
        page.items.iter().map(|item| item.body.name.clone()).collect()
    };
    let first = scope.records.list::<Tool>(query.clone()).await.unwrap();
    assert_eq!(names(&first), ["mill", "tap"]);
    let second = scope.records.list::<Tool>(Query { after: first.next.clone(), ..query }).await.unwrap();
    assert_eq!((names(&second), second.next), (vec!["reamer".to_string()], None));
    let elsewhere = Query { after: first.next, ..Query::default() };
    assert_eq!(scope.records.list::<Tool>(elsewhere).await.unwrap_err().code, codes::INVALID);
    let undeclared = Query { order: Some(("colour", Direction::Ascending)), ..Query::default() };
    assert_eq!(scope.records.list::<Tool>(undeclared).await.unwrap_err().code, codes::INVALID);
}

#[tokio::test]
async fn a_commit_is_all_or_nothing() {
    let scope = scope(&world());
    let id = put(&scope, &tool("drill", 3)).await;
    let (fresh, twin) = (scope.ids.born(), scope.ids.born());
    let changes = vec![
        Change::put(fresh, Expected::Absent, &tool("mill", 9)).unwrap(),
        Change::put(twin, Expected::Absent, &tool("drill", 1)).unwrap(),
    ];
    let refused = scope.records.commit(changes, Vec::new()).await.unwrap_err();
    assert_eq!(refused.code, codes::EXISTS);
    assert!(scope.records.get::<Tool>(fresh).await.unwrap().is_none());
    let stale = Change::put(id, Expected::At(7), &tool("drill", 4)).unwrap();
    assert_eq!(scope.records.commit(vec![stale], Vec::new()).await.unwrap_err().code, codes::CONFLICT);
    let row = Change::PutRow { table: "points", key: 1, bytes: Vec::new() };
    assert_eq!(scope.records.commit(vec![row], Vec::new()).await.unwrap_err().code, codes::INVALID);
    assert_eq!(scope.events.after(0, 10).await.unwrap().len(), 1, "a refused commit publishes nothing");
}

#[tokio::test]
async fn events_come_again_until_they_are_taken_and_wake_who_waits() {
    let scope = scope(&world());
    let waiting = scope.clone();
    let first = tokio::spawn(async move { waiting.events.next("labels").await.unwrap() });
    tokio::task::yield_now().await;
    let id = put(&scope, &tool("drill", 3)).await;
    let events = first.await.unwrap();
    assert_eq!((events.len(), events[0].object, events[0].actor.as_str()), (1, id, "user:engineer"));
    assert_eq!(scope.events.next("labels").await.unwrap(), events);
    scope.events.taken("labels", events[0].sequence).await.unwrap();
    scope.events.taken("labels", 0).await.unwrap();
    put(&scope, &tool("mill", 9)).await;
    assert_eq!(scope.events.next("labels").await.unwrap()[0].sequence, 2, "a cursor never moves back");
    assert_eq!(scope.events.next("index").await.unwrap().len(), 2, "each subscriber has its own");
}

#[tokio::test]
async fn samples_are_stored_by_point_and_time() {
    let world = world();
    let scope = scope(&world);
    let id = world.add_point(ORG, point(ValueType::F64, None)).id;
    let live = scope.samples.subscribe(&[id]);
    scope.samples.append(Origin::Measured, section(id, &[(10, 1.0), (30, 3.0)])).await.unwrap();
    scope.samples.append(Origin::Manual, section(id, &[(20, 2.0), (30, 4.0)])).await.unwrap();
    assert_eq!(live.next().await[0].value, Some(Value::F64(4.0)));
    let latest = scope.samples.latest(&[id, PointId(9)]);
    assert_eq!(latest[0].as_ref().unwrap().value, Some(Value::F64(4.0)));
    assert_eq!(latest[1], None);
    let query =
        RangeQuery { points: vec![id], from: Time(10), to: Time(30), limit_rows: 9, newest_first: true };
    let sections = scope.samples.range(query).await.unwrap();
    assert_eq!(sections[0].times, [Time(20), Time(10)]);
    let query = AggregateQuery { points: vec![id], from: Time(0), to: Time(40), buckets: 2, exact: true };
    let buckets = scope.samples.aggregate(query.clone()).await.unwrap().remove(0).buckets;
    assert_eq!((buckets[0].count, buckets[1].count, buckets[1].max), (1, 2, 4.0));
    let none = AggregateQuery { buckets: 0, ..query };
    assert_eq!(scope.samples.aggregate(none).await.unwrap_err().code, codes::INVALID);
    let bools =
        vec![Section { values: types::Values::Bool(vec![true]), ..section(id, &[(1, 1.0)]).remove(0) }];
    let refused = scope.samples.append(Origin::Manual, bools).await.unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.path.as_deref()), (codes::INVALID, Some("/rows/0")));
}

#[tokio::test]
async fn writes_are_refused_until_every_check_allows_them() {
    let world = world();
    let scope = scope(&world);
    let device = scope.ids.born();
    let id = world.add_point(ORG, point(ValueType::F64, Some(device))).id;
    let value = |v| Proposal { point: id, value: Value::F64(v) };
    let code = async |v| scope.commands.propose(value(v)).await.unwrap_err().code;
    assert_eq!(code(1.0).await, "write.device-read-only");
    world.enable_writes(ORG, device, |value| Ok(Some(value.clone())));
    assert_eq!(code(11.0).await, "write.out-of-range");
    assert_eq!(code(1.0).await, "write.old-value-unknown");
    scope.samples.append(Origin::Measured, section(id, &[(10, 1.0)])).await.unwrap();
    assert_eq!(code(5.0).await, "write.step-too-large");
    world.lock_writes(ORG, true);
    assert_eq!(code(2.0).await, "write.locked");
    world.lock_writes(ORG, false);
    let reader = world.scope(ORG, caller("user:ben", Permission::Read));
    assert_eq!(reader.commands.propose(value(2.0)).await.unwrap_err().code, codes::FORBIDDEN);

    let proposed = scope.commands.propose(value(2.0)).await.unwrap();
    let done = scope.commands.confirm(proposed.id).await.unwrap();
    assert_eq!((done.body.state, done.body.new), (CommandState::Verified, serde_json::json!(2.0)));
    assert_eq!(scope.commands.confirm(proposed.id).await.unwrap_err().code, "write.not-proposed");
    let late = scope.commands.propose(value(2.0)).await.unwrap();
    world.clock().advance(Duration::from_secs(31)).await;
    assert_eq!(scope.commands.confirm(late.id).await.unwrap_err().code, "write.expired");
    let second = scope.commands.propose(value(2.0)).await.unwrap();
    scope.commands.confirm(second.id).await.unwrap();
    let third = scope.commands.propose(value(2.0)).await.unwrap();
    assert_eq!(scope.commands.confirm(third.id).await.unwrap_err().code, "write.too-often");
    let kept = scope.records.list::<types::Command>(Query::default()).await.unwrap();
    assert_eq!(kept.items.len(), 4, "every proposal that was let through is on record");
}

#[tokio::test]
async fn a_machine_that_refuses_or_reads_back_otherwise_shows() {
    let world = world();
    let scope = scope(&world);
    for (machine, state) in [
        (Ok(None), CommandState::Unverified),
        (Ok(Some(Value::F64(3.0))), CommandState::Unverified),
        (Err(types::Fault::new("device.refused", "the device refused it")), CommandState::Failed),
    ] {
        let device = scope.ids.born();
        let id = world.add_point(ORG, point(ValueType::F64, Some(device))).id;
        scope.samples.append(Origin::Measured, section(id, &[(10, 1.0)])).await.unwrap();
        world.enable_writes(ORG, device, move |_| machine.clone());
        let proposed = scope.commands.propose(Proposal { point: id, value: Value::F64(2.0) }).await.unwrap();
        let done = scope.commands.confirm(proposed.id).await.unwrap();
        assert_eq!(done.body.state, state);
        assert!(done.body.fault.is_some());
    }
}

#[tokio::test]
async fn two_organisations_do_not_see_each_other() {
    let world = world();
    let (ours, theirs) = (scope(&world), world.scope(OTHER, caller("user:eve", Permission::Administer)));
    let id = put(&ours, &tool("drill", 3)).await;
    put(&theirs, &tool("drill", 4)).await;
    let device = ours.ids.born();
    let kept = world.add_point(ORG, point(ValueType::F64, Some(device)));
    world.enable_writes(ORG, device, |value| Ok(Some(value.clone())));
    ours.samples.append(Origin::Measured, section(kept.id, &[(10, 1.0)])).await.unwrap();
    let site = Asset {
        kind: NodeKind::Site,
        name: Label::plain("One"),
        parent: None,
        asset_type: None,
        zone: None,
        notes: Default::default(),
    };
    world.add_asset(ORG, &site).unwrap();
    let proposed = ours.commands.propose(Proposal { point: kept.id, value: Value::F64(2.0) }).await.unwrap();

    assert!(theirs.records.get::<Tool>(id).await.unwrap().is_none());
    let page = theirs.records.list::<Tool>(Query { limit: 1, ..Query::default() }).await.unwrap();
    assert_eq!(page.items[0].body.size, 4);
    let gone = Change::delete::<Tool>(id, Expected::At(1));
    assert_eq!(theirs.records.commit(vec![gone], Vec::new()).await.unwrap_err().code, codes::NOT_FOUND);
    assert!(theirs.events.after(0, 10).await.unwrap().iter().all(|event| event.org == OTHER));
    theirs.events.taken("labels", 99).await.unwrap();
    assert!(!ours.events.next("labels").await.unwrap().is_empty());
    assert_eq!(theirs.plant.points_by_id(&[kept.id]), [None]);
    assert_eq!(theirs.plant.points_by_object(&[kept.object]), [None]);
    assert!(theirs.plant.points(&PointQuery { limit: 9, ..PointQuery::default() }).is_empty());
    assert!(theirs.plant.assets().await.unwrap().is_empty());
    assert_eq!(ours.plant.assets().await.unwrap()[0].body, site);
    assert_eq!(theirs.samples.latest(&[kept.id]), [None]);
    let query =
        RangeQuery { points: vec![kept.id], from: Time(0), to: Time(99), limit_rows: 9, newest_first: false };
    assert!(theirs.samples.range(query).await.unwrap().is_empty());
    let foreign = theirs.samples.append(Origin::Manual, section(kept.id, &[(20, 9.0)])).await.unwrap_err();
    assert_eq!(foreign.code, codes::NOT_FOUND);
    let write = Proposal { point: kept.id, value: Value::F64(2.0) };
    assert_eq!(theirs.commands.propose(write).await.unwrap_err().code, codes::NOT_FOUND);
    assert_eq!(theirs.commands.confirm(proposed.id).await.unwrap_err().code, codes::NOT_FOUND);
}

#[tokio::test]
async fn points_are_found_as_in_the_plant() {
    let world = world();
    let scope = scope(&world);
    let device = scope.ids.born();
    let first = world.add_point(ORG, point(ValueType::F64, Some(device)));
    let second = world.add_point(ORG, Point { name: "Speed".into(), ..point(ValueType::F64, Some(device)) });
    let search = PointQuery { search: Some("sPEE".into()), limit: 9, ..PointQuery::default() };
    assert_eq!(scope.plant.points(&search), std::slice::from_ref(&second));
    let of_device = PointQuery { device: Some(device), limit: 1, ..PointQuery::default() };
    assert_eq!(scope.plant.points(&of_device), std::slice::from_ref(&first));
    let rest = PointQuery { after: Some(first.id), ..of_device };
    assert_eq!(scope.plant.points(&rest), [second]);
}

async fn add(scope: Scope, Body(tool): Body<Tool>) -> Result<axum::http::StatusCode, Problem> {
    put(&scope, &tool).await;
    Ok(axum::http::StatusCode::CREATED)
}

#[tokio::test]
async fn an_endpoint_is_asked_through_its_permission_and_extractors() {
    let app = App {
        id: "tools",
        name: ("刀具", "Tools"),
        routes: || vec![route(Method::Post, "/tools", Permission::Configure, add)],
        task: None,
        events: &[],
        views: &[],
    };
    let world = world();
    let engineer = scope(&world);
    let drill = Some(serde_json::json!({ "name": "drill", "size": 3 }));
    let reader = world.scope(ORG, caller("user:ben", Permission::Command));
    let refused = call(&app, &reader, Method::Post, "/tools", drill.clone()).await.unwrap();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some(codes::FORBIDDEN)));
    let wrong = Some(serde_json::json!({ "name": "drill", "size": "large" }));
    let wrong = call(&app, &engineer, Method::Post, "/tools", wrong).await.unwrap();
    assert_eq!((wrong.status, wrong.json()["path"].as_str()), (422, Some("/size")));
    assert_eq!(call(&app, &engineer, Method::Get, "/nowhere", None).await.unwrap().status, 404);
    assert_eq!(call(&app, &engineer, Method::Post, "/tools", drill).await.unwrap().status, 201);
    assert_eq!(engineer.records.list::<Tool>(Query::default()).await.unwrap().items.len(), 1);
}
