//! The app from outside, on a node in memory: its contract, what it keeps, its endpoints, its task.

use app_@ident@::{Entry, app, store};
use sdk::{
    Scope,
    fake::{self, Answer, World},
    http::{Method, Permission},
};
use serde_json::{Value, json};
use std::time::Duration;
use types::{Time, codes};

fn entry(due: Option<Time>) -> Entry {
    Entry { name: "Inspect the gearbox".into(), due, expired: false }
}

async fn published(scope: &Scope) -> Vec<String> {
    let events = scope.events.after(0, 100).await.expect("the fake reads events");
    events.into_iter().map(|event| event.name).collect()
}

async fn ask(scope: &Scope, method: Method, path: &str, body: Option<Value>) -> Answer {
    fake::call(&app(), scope, method, path, body).await.expect("the path is one")
}

#[test]
fn it_keeps_the_contract_of_apps() {
    sdk::contract::app::check(&app(), env!("CARGO_MANIFEST_DIR").as_ref());
}

#[tokio::test]
async fn what_falls_due_is_marked_once() {
    let scope = fake::scope(&World::at(Time(0)));
    store::create(&scope.records, scope.ids.born(), entry(Some(Time(10)))).await.unwrap();
    assert_eq!(store::expire(&scope.records, Time(9)).await.unwrap(), 0);
    assert_eq!(store::expire(&scope.records, Time(10)).await.unwrap(), 1);
    assert_eq!(store::expire(&scope.records, Time(11)).await.unwrap(), 0);
    assert_eq!(published(&scope).await, [store::CREATED, store::EXPIRED]);
    assert!(store::list(&scope.records, None).await.unwrap().items[0].body.expired);
}

#[tokio::test]
async fn an_entry_is_added_listed_and_removed() {
    let scope = fake::scope(&World::at(Time(0)));
    let added = ask(&scope, Method::Post, "/entries", Some(json!({ "name": " Inspect " }))).await;
    assert_eq!((added.status, &added.json()["body"]["name"]), (201, &json!("Inspect")));
    let listed = ask(&scope, Method::Get, "/entries", None).await;
    assert_eq!(listed.json(), json!({ "items": [added.json()] }));
    let place = format!("/entries/{}", added.json()["id"].as_str().unwrap());
    assert_eq!(ask(&scope, Method::Delete, &place, None).await.status, 204);
    assert_eq!(ask(&scope, Method::Get, "/entries", None).await.json(), json!({ "items": [] }));
}

#[tokio::test]
async fn a_wrong_entry_and_a_caller_without_the_permission_are_refused() {
    let world = World::at(Time(0));
    let engineer = fake::scope(&world);
    let nameless = ask(&engineer, Method::Post, "/entries", Some(json!({ "name": "" }))).await;
    assert_eq!((nameless.status, &nameless.json()["path"]), (422, &json!("/name")));
    let viewer = world.scope(fake::ORG, fake::caller("user:viewer", Permission::Read));
    let refused = ask(&viewer, Method::Post, "/entries", Some(json!({ "name": "Inspect" }))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!(codes::FORBIDDEN)));
    assert!(published(&engineer).await.is_empty());
}

#[tokio::test]
async fn the_task_marks_what_falls_due_within_a_minute() {
    let world = World::at(Time(0));
    let scope = world.scope(fake::ORG, fake::caller("app:@name@", Permission::Read));
    let due = Time(0).plus(Duration::from_secs(90));
    store::create(&scope.records, scope.ids.born(), entry(Some(due))).await.unwrap();
    let task = app().task.expect("it has one");
    let running = tokio::spawn(task(scope.clone()));
    world.clock().advance(Duration::from_secs(60)).await;
    assert_eq!(published(&scope).await, [store::CREATED]);
    world.clock().advance(Duration::from_secs(60)).await;
    assert_eq!(published(&scope).await, [store::CREATED, store::EXPIRED]);
    running.abort();
}

#[test]
fn the_examples_are_what_is_published() {
    for text in [
        include_str!("../events/@name@.created.v1.json"),
        include_str!("../events/@name@.expired.v1.json"),
    ] {
        let example: serde_json::Value = serde_json::from_str(text).unwrap();
        let fields: Vec<&String> = example.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 2);
        assert!(example["name"].is_string() && example["due"].as_str().unwrap().parse::<Time>().is_ok());
    }
}
