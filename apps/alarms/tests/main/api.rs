//! The endpoints: what they answer, what they refuse, and who may ask.

use app_alarms::{
    app,
    journal::{Entry, What},
    state::{Refusal, State},
    store,
};
use sdk::{
    ColumnType, View, fake,
    http::{Method, Permission},
};
use serde_json::{Value as Json, json};
use types::codes;

use crate::node::{Node, ask};

#[test]
fn it_keeps_the_contract_of_apps() {
    sdk::contract::app::check(&app(), env!("CARGO_MANIFEST_DIR").as_ref());
}

#[test]
fn the_examples_are_what_is_published() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    for what in What::ALL {
        let text = std::fs::read_to_string(folder.join(format!("{}.json", what.event()))).unwrap();
        let example: Entry = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{what:?}: {e}"));
        assert_eq!(example.what, what);
    }
}

#[test]
fn every_refusal_has_its_texts() {
    for text in [include_str!("../../ui/zh.json"), include_str!("../../ui/en.json")] {
        let texts: Json = serde_json::from_str(text).unwrap();
        for refusal in [
            Refusal::AlreadyActive,
            Refusal::NotActive,
            Refusal::NothingToAcknowledge,
            Refusal::AlreadyAcknowledged,
            Refusal::Hidden(State::Shelved),
            Refusal::StillActive,
            Refusal::Unacknowledged,
            Refusal::NotLatched,
            Refusal::ShelfEnd,
            Refusal::NotShelved,
            Refusal::ShelfLasts,
            Refusal::AlreadySuppressed,
            Refusal::TooManySuppressors,
            Refusal::NotSuppressed,
            Refusal::AlreadyOutOfService,
            Refusal::InService,
        ] {
            for part in ["what", "next"] {
                assert!(texts["fault"][refusal.code()][part].is_string(), "fault.{}.{part}", refusal.code());
            }
        }
    }
}

#[tokio::test]
async fn the_list_is_in_the_order_of_urgency() {
    let node = Node::running().await;
    let low = node.rule(json!({ "priority": "low" })).await;
    let hihi = json!({ "kind": "limit", "level": "hihi", "limit": 90 });
    let critical = node.rule(json!({ "priority": "critical", "condition": hihi })).await;
    let rate = json!({ "kind": "rate", "limit": 1, "per": "second" });
    let acknowledged = node.rule(json!({ "priority": "critical", "condition": rate })).await;
    node.wait_ms(1_000).await;
    node.value(20.0).await;
    node.wait_ms(1_000).await;
    node.value(95.0).await;
    assert_eq!(node.act("/acknowledge", acknowledged, json!({})).await.status, 200);
    let listed = node.ask(Method::Get, "", Json::Null).await.json();
    let ids: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [critical, low, acknowledged].map(|id| id.to_string()));
    let first = node.ask(Method::Get, "?limit=1", Json::Null).await.json();
    let second = format!("?limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = node.ask(Method::Get, &second, Json::Null).await.json();
    assert_eq!(second["items"][0]["id"], json!(low));
    let narrowed = node.ask(Method::Get, "?priority=critical&state=acknowledged", Json::Null).await.json();
    assert_eq!(narrowed["items"].as_array().unwrap().len(), 1);
    let counts = node.ask(Method::Get, "/counts", Json::Null).await.json();
    assert_eq!(counts["counts"]["by_priority"], json!([2, 0, 0, 1]));
    assert_eq!(counts["counts"]["unacknowledged"], json!([1, 0, 0, 1]));
    assert_eq!(counts["counts"]["by_state"], json!({ "unacknowledged": 2, "acknowledged": 1 }));
}

#[tokio::test]
async fn the_revision_rises_with_every_change_and_not_without() {
    let node = Node::running().await;
    let revision =
        async || node.ask(Method::Get, "/revision", Json::Null).await.json()["revision"].as_u64().unwrap();
    assert_eq!(revision().await, 0);
    let id = node.rule(json!({})).await;
    let mut before = revision().await;
    node.wait_ms(5_000).await;
    assert_eq!(revision().await, before);
    node.value(81.0).await;
    for what in ["/acknowledge", "/comment"] {
        assert!(revision().await > before, "{what}");
        before = revision().await;
        let path = if what == "/comment" { format!("/{id}/comments") } else { what.to_string() };
        let body =
            if what == "/comment" { json!({ "text": "Fan checked" }) } else { json!({ "alarms": [id] }) };
        assert!(ask(&node.operator, Method::Post, &path, body).await.status < 300);
    }
    assert!(revision().await > before);
}

#[tokio::test]
async fn many_are_acknowledged_at_once_and_refusals_say_why() {
    let node = Node::running().await;
    let raised = node.rule(json!({})).await;
    let normal = node.rule(json!({ "condition": { "kind": "limit", "level": "lo", "limit": 5 } })).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    let body = json!({ "alarms": [raised, normal], "reason": " seen " });
    let outcome = ask(&node.operator, Method::Post, "/acknowledge", body).await;
    assert_eq!(outcome.json()["done"], json!([raised]));
    assert_eq!(outcome.json()["refused"][0]["fault"]["code"], "alarms.nothing-to-acknowledge");
    let again = node.act("/acknowledge", raised, json!({})).await;
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("alarms.already-acknowledged")));
    let alarm = store::alarm(&node.engineer.records, raised).await.unwrap().body;
    let note = alarm.acknowledged.unwrap();
    assert_eq!((note.by.as_str(), note.text.as_str()), ("user:operator", "seen"));
    let none = ask(&node.operator, Method::Post, "/acknowledge", json!({ "alarms": [] })).await;
    assert_eq!((none.status, &none.json()["path"]), (422, &json!("/alarms")));
}

#[tokio::test]
async fn shelving_needs_a_reason_and_an_end() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    let reasonless = node.act("/shelve", id, json!({ "reason": " ", "duration_s": 60 })).await;
    assert_eq!((reasonless.status, &reasonless.json()["path"]), (422, &json!("/reason")));
    let endless = node.act("/shelve", id, json!({ "reason": "x", "duration_s": 604_801 })).await;
    assert_eq!((endless.status, &endless.json()["code"]), (409, &json!("alarms.shelf-end")));
    assert_eq!(node.act("/shelve", id, json!({ "reason": "x", "duration_s": 604_800 })).await.status, 200);
    let hidden = node.ask(Method::Get, "?show=hidden", Json::Null).await.json();
    assert_eq!(hidden["items"][0]["body"]["hidden"]["text"], "x");
    assert_eq!(node.act("/unshelve", id, json!({})).await.status, 200);
    assert_eq!(node.letter(id).await, 'A');
}

#[tokio::test]
async fn a_latched_alarm_waits_for_its_reset() {
    let node = Node::running().await;
    let id = node.rule(json!({ "latching": true })).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    node.value(20.0).await;
    assert_eq!(node.letter(id).await, 'E');
    assert_eq!(node.act("/reset", id, json!({})).await.json()["code"], "alarms.unacknowledged");
    node.act("/acknowledge", id, json!({})).await;
    assert_eq!(node.letter(id).await, 'F');
    assert_eq!(node.act("/reset", id, json!({})).await.status, 200);
    assert_eq!(node.letter(id).await, 'A');
}

#[tokio::test]
async fn out_of_service_and_suppression_are_the_engineers() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    assert_eq!(node.act("/withdraw", id, json!({ "reason": "permit 118" })).await.status, 403);
    let engineer = async |path: &str, more: Json| {
        let mut body = json!({ "alarms": [id] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.ask(Method::Post, path, body).await.status
    };
    assert_eq!(engineer("/withdraw", json!({})).await, 422);
    assert_eq!(engineer("/withdraw", json!({ "reason": "permit 118" })).await, 200);
    assert_eq!(node.letter(id).await, 'I');
    assert_eq!(engineer("/suppress", json!({ "by": "line stopped" })).await, 200);
    assert_eq!(engineer("/return", json!({})).await, 200);
    assert_eq!(node.letter(id).await, 'H');
    assert_eq!(engineer("/unsuppress", json!({ "by": "line stopped" })).await, 200);
    assert_eq!(node.letter(id).await, 'A');
}

#[tokio::test]
async fn rules_are_checked_and_changed_at_their_revision() {
    let node = Node::new();
    let id = node.rule(json!({})).await;
    let place = format!("/rules/{id}");
    let rule = node.ask(Method::Get, &place, Json::Null).await.json();
    assert_eq!((&rule["body"]["unit"], &rule["revision"]), (&json!("Cel"), &json!(1)));
    let mut twin = rule["body"].clone();
    twin["message"] = json!({});
    let refused = node.ask(Method::Post, "/rules", twin).await.json();
    let codes: Vec<&Json> =
        refused["errors"].as_array().unwrap().iter().map(|error| &error["code"]).collect();
    assert_eq!(codes, ["alarms.message-missing", "alarms.level-taken"]);
    let unknown = node.ask(Method::Post, "/rules", json!({ "point": node.point.object, "colour": 1 })).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (422, &json!(codes::INVALID)));
    let of_point = format!("/rules?point={}", node.point.object);
    assert_eq!(
        node.ask(Method::Get, &of_point, Json::Null).await.json()["items"].as_array().unwrap().len(),
        1
    );
    let viewer = node.world.scope(node.org, fake::caller("user:viewer", Permission::Read));
    assert_eq!(ask(&viewer, Method::Get, "/rules", Json::Null).await.status, 200);
    assert_eq!(ask(&viewer, Method::Delete, &place, Json::Null).await.status, 403);
    assert_eq!(ask(&viewer, Method::Post, "/acknowledge", json!({ "alarms": [id] })).await.status, 403);
}

#[tokio::test]
async fn a_preview_counts_what_would_have_been_raised() {
    let node = Node::new();
    // Beyond for 30 s in every minute of an hour, in the last one only for 4 s.
    for minute in 0..60 {
        node.value(81.0).await;
        node.wait_ms(if minute == 59 { 4_000 } else { 30_000 }).await;
        node.value(20.0).await;
        node.wait_ms(if minute == 59 { 56_000 } else { 30_000 }).await;
    }
    let rule = crate::given::rule(node.point.object);
    let asked = |on_delay_ms: u64, hours: u32| {
        let mut rule = serde_json::to_value(&rule).unwrap();
        rule["on_delay_ms"] = json!(on_delay_ms);
        json!({ "rule": rule, "hours": hours })
    };
    let tally = node.ask(Method::Post, "/rules/preview", asked(0, 168)).await.json();
    assert_eq!((&tally["raised"], &tally["fleeting"], &tally["rows"]), (&json!(60), &json!(1), &json!(120)));
    assert_eq!((&tally["active_ms"], &tally["longest_ms"]), (&json!(59 * 30_000 + 4_000), &json!(30_000)));
    let calmer = node.ask(Method::Post, "/rules/preview", asked(5_000, 24)).await.json();
    assert_eq!((&calmer["raised"], &calmer["fleeting"]), (&json!(59), &json!(0)));
    assert_eq!(node.ask(Method::Post, "/rules/preview", asked(0, 169)).await.json()["code"], "alarms.hours");
    assert!(node.events().await.is_empty());
}

#[tokio::test]
async fn the_journal_is_paged_and_narrowed() {
    let node = Node::running().await;
    let id = node.rule(json!({})).await;
    for value in [81.0, 20.0, 82.0, 21.0] {
        node.wait_ms(1_000).await;
        node.value(value).await;
    }
    let whole = node.ask(Method::Get, &format!("/journal?alarm={id}&limit=3"), Json::Null).await.json();
    assert_eq!(whole["items"].as_array().unwrap().len(), 3);
    let newest = &whole["items"][0]["body"];
    assert_eq!(
        (&newest["what"], &newest["value"], &newest["unit"]),
        (&json!("cleared"), &json!(21.0), &json!("Cel"))
    );
    let rest = format!("/journal?alarm={id}&limit=3&cursor={}", whole["next"].as_str().unwrap());
    assert_eq!(node.ask(Method::Get, &rest, Json::Null).await.json()["items"].as_array().unwrap().len(), 1);
    let period = "/journal?from=2026-11-20T08:00:02Z&to=2026-11-20T08:00:03Z";
    let period = node.ask(Method::Get, period, Json::Null).await.json();
    assert_eq!(period["items"].as_array().unwrap().len(), 1);
}

/// Every column finds its place in a document, with its type.
#[tokio::test]
async fn views_describe_what_is_stored() {
    let node = Node::running().await;
    let id = node.rule(json!({ "latching": true, "class": "safety" })).await;
    node.wait_ms(1_000).await;
    node.value(81.0).await;
    node.act("/acknowledge", id, json!({})).await;
    node.value(20.0).await;
    node.act("/shelve", id, json!({ "reason": "x", "duration_s": 60 })).await;
    let filled = async |view: &View| -> Vec<&'static str> {
        let rows = node.engineer.records.view(view, None, 0).await.unwrap().items;
        let fits = |name, of: ColumnType, value: &Json| {
            let good = match of {
                ColumnType::Id => value.as_str().is_some_and(|text| text.parse::<types::ObjectId>().is_ok()),
                ColumnType::Time => value.as_str().is_some_and(|text| text.parse::<types::Time>().is_ok()),
                ColumnType::Scalar(types::ValueType::Bool) => value.is_boolean(),
                ColumnType::Scalar(types::ValueType::U64) => value.is_u64(),
                ColumnType::Scalar(_) => value.is_string() || name == "value",
            };
            assert!(good, "{name}: {value} is no {of:?}");
        };
        let columns = view.columns.iter().filter(|column| {
            let values: Vec<&Json> = rows.iter().filter_map(|row| row.body.pointer(column.path)).collect();
            values.iter().for_each(|value| fits(column.name, column.value_type, value));
            !values.is_empty()
        });
        columns.map(|column| column.name).collect()
    };
    let asset_is_absent = |view: &View| -> Vec<&'static str> {
        view.columns.iter().map(|column| column.name).filter(|name| *name != "asset").collect()
    };
    assert_eq!(filled(&app_alarms::views::JOURNAL).await, asset_is_absent(&app_alarms::views::JOURNAL));
    assert!(filled(&app_alarms::views::ACTIVE).await.is_empty(), "a shelved alarm is not on the list");
    node.act("/unshelve", id, json!({})).await;
    assert_eq!(filled(&app_alarms::views::ACTIVE).await, asset_is_absent(&app_alarms::views::ACTIVE));
}
