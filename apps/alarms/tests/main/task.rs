//! The loop on a node in memory: raising, clearing, shelves, restarts, floods, organisations.

use app_alarms::{engine::Kept, evaluate::Operand, store};
use sdk::{Follower, LatestSample, fake::World, http::Method};
use serde_json::{Value as Json, json};
use types::{Change, Expected, ObjectId, OrgId, Origin, Quality, Section, Value, ValueType};

use crate::{
    given,
    node::{Node, START},
};

#[tokio::test]
async fn an_alarm_is_raised_acknowledged_and_clears() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    assert_eq!(node.letter(id).await, 'B');
    node.wait_ms(250).await;
    assert_eq!(node.act("/acknowledge", id, json!({})).await.status, 200);
    assert_eq!(node.letter(id).await, 'C');
    node.wait_ms(250).await;
    node.value(79.0).await;
    assert_eq!(node.letter(id).await, 'A');
    assert_eq!(node.journal().await, ["raised@1", "acknowledged@1.25", "cleared@1.5"]);
    assert_eq!(
        node.events().await,
        ["alarms.rule-changed.v1", "alarms.raised.v1", "alarms.acknowledged.v1", "alarms.cleared.v1"]
    );
}

#[tokio::test]
async fn a_delay_ends_at_its_time_though_no_row_comes() {
    let node = Node::running().await;
    let id = node.rule(json!({ "on_delay_ms": 5000 })).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    node.wait_ms(6_900).await;
    assert_eq!(node.letter(id).await, 'A');
    node.wait_ms(1_200).await;
    assert_eq!(node.journal().await, ["raised@6"]);
}

#[tokio::test]
async fn a_rule_begins_with_the_value_that_was_there_before_it() {
    let node = Node::running().await;
    node.value(90.0).await;
    node.wait_ms(60_000).await;
    let id = node.rule(json!({ "on_delay_ms": 2000 })).await;
    node.wait_ms(5_000).await;
    assert_eq!(node.letter(id).await, 'B');
    assert_eq!(node.journal().await, ["raised@62"]);
}

#[tokio::test]
async fn a_changed_rule_takes_effect_within_a_second() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    node.wait_ms(1_000).await;
    node.value(75.0).await;
    let mut rule = node.ask(Method::Get, &format!("/rules/{id}"), Json::Null).await.json()["body"].clone();
    rule["condition"]["limit"] = json!(70);
    assert_eq!(node.ask(Method::Put, &format!("/rules/{id}"), rule.clone()).await.status, 200);
    node.wait_ms(1_000).await;
    assert_eq!(node.letter(id).await, 'B');
    // Raised by the old limit, cleared by the new one: the state goes on, the condition is judged anew.
    rule["condition"]["limit"] = json!(80);
    node.wait_ms(1_000).await;
    assert_eq!(node.ask(Method::Put, &format!("/rules/{id}"), rule).await.status, 200);
    node.wait_ms(1_000).await;
    assert_eq!(node.letter(id).await, 'D');
    assert_eq!(node.journal().await, ["raised@1", "cleared@3"]);
}

#[tokio::test]
async fn a_removed_rule_clears_its_alarm() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    node.wait_ms(250).await;
    assert_eq!(node.ask(Method::Delete, &format!("/rules/{id}"), Json::Null).await.status, 204);
    node.wait_ms(2_000).await;
    node.value(90.0).await;
    assert_eq!(node.journal().await, ["raised@1", "cleared@1.25"]);
    assert_eq!(node.events().await.last().unwrap(), "alarms.rule-removed.v1");
    assert!(store::alarm(&node.engineer.records, id).await.is_err());
}

#[tokio::test]
async fn a_shelf_ends_by_itself() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    let shelved = node.act("/shelve", id, json!({ "reason": "Calibration", "duration_s": 60 })).await;
    assert_eq!(shelved.status, 200, "{}", shelved.text);
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    assert_eq!(node.letter(id).await, 'G');
    node.wait_ms(58_000).await;
    assert_eq!(node.letter(id).await, 'G');
    node.wait_ms(1_000).await;
    assert_eq!(node.letter(id).await, 'B');
    assert_eq!(node.journal().await, ["shelved@0", "raised@1", "unshelved@60"]);
}

#[tokio::test]
async fn a_restart_misses_nothing_and_raises_nothing_twice() {
    let mut node = Node::running().await;
    let id = node.rule(json!({ "on_delay_ms": 3000 })).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    node.wait_ms(500).await;
    node.stop();
    // While it is down: the delay ends, the value comes back, and goes beyond again.
    node.wait_ms(5_000).await;
    node.value(70.0).await;
    node.wait_ms(1_000).await;
    node.value(85.0).await;
    node.wait_ms(500).await;
    node.start().await;
    node.wait_ms(10_000).await;
    let wanted = ["raised@4", "cleared@6.5", "raised@10.5"];
    assert_eq!(node.journal().await, wanted);
    for _ in 0..3 {
        node.stop();
        node.start().await;
        node.wait_ms(61_000).await;
    }
    assert_eq!(node.journal().await, wanted);
    assert_eq!(node.letter(id).await, 'B');
}

#[tokio::test]
async fn rows_that_found_no_room_are_read_from_the_history() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    node.wait_ms(1_000).await;
    let mut section = Section::empty(Some(ValueType::F64));
    let rows = Follower::ROWS_MAX as i64 + 10;
    for n in 0..rows {
        // Beyond the limit in the last ten rows only.
        let value = if n >= rows - 10 { 90.0 } else { 20.0 };
        section.push(node.point.id, types::Time(START.0 + 1 + n), Some(Value::F64(value)), Quality::GOOD);
    }
    node.engineer.samples.append(Origin::Measured, vec![section]).await.unwrap();
    node.wait_ms(0).await;
    assert_eq!(node.letter(id).await, 'B');
    assert_eq!(node.journal().await.len(), 1);
    node.wait_ms(60_000).await;
    let progress = store::progress(&node.engineer.records).await.unwrap().unwrap();
    assert_eq!((progress.missed, progress.late, progress.rules), (10, 0, 1));
}

#[tokio::test]
async fn rows_from_far_ahead_are_left_alone() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    node.wait_ms(1_000).await;
    node.value_at(START.plus(std::time::Duration::from_secs(86_400)), 99.0).await;
    assert_eq!(node.letter(id).await, 'A');
    node.value(81.0).await;
    assert_eq!(node.letter(id).await, 'B');
}

#[tokio::test]
async fn a_clock_that_is_set_back_blinds_no_rule() {
    let mut node = Node::new();
    let id = node.rule(json!({})).await;
    // Before the restart the clock was a day ahead.
    let rule = store::rule(&node.engineer.records, id).await.unwrap();
    let (evaluator, day) = (given::evaluator(&rule.body), std::time::Duration::from_secs(86_400));
    let mut memory = evaluator.begin(START.plus(day), false);
    let (point, time) = (node.point.id, START.plus(day));
    let row = LatestSample { point, time, value: Some(Value::F64(20.0)), quality: Quality::GOOD };
    assert!(evaluator.row(&mut memory, Operand::Measured, &row, &mut |_, _| {}));
    store::keep(&node.engineer.records, &[(id, Kept { revision: rule.revision, memory })]).await.unwrap();
    node.start().await;
    node.wait_ms(2_000).await;
    node.value(81.0).await;
    assert_eq!(node.journal().await, ["raised@2"]);
    assert_eq!(node.letter(id).await, 'B');
}

#[tokio::test]
async fn a_rule_that_is_watched_again_raises_what_holds() {
    let mut node = Node::running().await;
    let id = node.rule(json!({})).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    node.wait_ms(1_000).await;
    node.stop();
    let why = [(id, types::Fault::new("alarms.point-unknown", "gone for a while"))];
    let (records, ids) = (&node.engineer.records, &node.engineer.ids);
    store::mark_unwatched(records, ids, &why, "app:alarms", node.now()).await.unwrap();
    node.wait_ms(1_000).await;
    node.start().await;
    node.wait_ms(3_000).await;
    node.value(82.0).await;
    assert_eq!(node.journal().await, ["raised@1", "cleared@2", "raised@3"]);
    assert_eq!(node.letter(id).await, 'B');
}

#[tokio::test]
async fn a_point_that_is_gone_leaves_its_rule_unwatched() {
    let mut node = Node::new();
    let id = node.rule(json!({})).await;
    let mut rule = store::rule(&node.engineer.records, id).await.unwrap();
    rule.body.point = given::object(99);
    let change = Change::put(id, Expected::Any, &rule.body).unwrap();
    node.engineer.records.commit(vec![change], Vec::new()).await.unwrap();
    node.start().await;
    let alarm = store::alarm(&node.engineer.records, id).await.unwrap().body;
    assert_eq!(alarm.unwatched.unwrap().code, "alarms.point-unknown");
}

#[tokio::test]
async fn a_flood_is_written_whole() {
    const RULES: usize = store::TURNS_MAX + 100;
    let mut node = Node::new();
    let rule = given::rule_with(node.point.object, &json!({ "unit": "Cel" }));
    let alarm = app_alarms::alarm::Alarm::new(&rule, None, "Cel", START);
    let put = |change: Result<Change, _>| change.unwrap();
    let made = (0..RULES).map(|_| node.engineer.ids.born()).flat_map(|id| {
        [put(Change::put(id, Expected::Absent, &rule)), put(Change::put(id, Expected::Absent, &alarm))]
    });
    node.engineer.records.commit(made.collect(), Vec::new()).await.unwrap();
    node.start().await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    let counts = store::counts(&node.engineer.records).await.unwrap();
    assert_eq!(
        (counts.by_priority, counts.unacknowledged),
        ([0, RULES as u64, 0, 0], [0, RULES as u64, 0, 0])
    );
    assert_eq!(node.journal().await.len(), RULES);
}

#[tokio::test]
async fn organisations_do_not_see_each_other() {
    let world = World::at(START);
    let mut ours = Node::of(world.clone(), OrgId::from_bytes([1; 16]));
    let mut theirs = Node::of(world, OrgId::from_bytes([2; 16]));
    ours.start().await;
    theirs.start().await;
    let id: ObjectId = ours.rule(json!({})).await;
    ours.wait_ms(1_000).await;
    theirs.value(99.0).await;
    assert_eq!(ours.letter(id).await, 'A');
    ours.value(99.0).await;
    assert_eq!(ours.letter(id).await, 'B');
    assert!(theirs.journal().await.is_empty());
    assert_eq!(theirs.act("/acknowledge", id, json!({})).await.status, 404);
    assert_eq!(theirs.ask(Method::Get, &format!("/rules/{id}"), Json::Null).await.status, 404);
    let foreign = serde_json::to_value(given::rule(ours.point.object)).unwrap();
    let refused = theirs.ask(Method::Post, "/rules", foreign).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("alarms.point-unknown")));
}
