//! A node in memory with one temperature, its engineer, its operator and the running app.

use app_alarms::{app, journal::Entry, store};
use sdk::{
    Scope,
    fake::{self, Answer, World},
    http::{Method, Permission},
};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::task::JoinHandle;
use types::{CataloguedPoint, ObjectId, OrgId, Origin, Quality, Section, Time, Value, ValueType};

use crate::given;

/// 2026-11-20T08:00:00Z.
pub(crate) const START: Time = Time(1_795_161_600_000_000_000);

pub(crate) struct Node {
    pub(crate) world: World,
    pub(crate) engineer: Scope,
    pub(crate) operator: Scope,
    pub(crate) org: OrgId,
    pub(crate) point: CataloguedPoint,
    running: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn new() -> Node {
        Node::of(World::at(START), fake::ORG)
    }

    pub(crate) fn of(world: World, org: OrgId) -> Node {
        let point = world.add_point(org, given::point("discharge_temperature", ValueType::F64));
        let scope = |name: &str, permission| world.scope(org, fake::caller(name, permission));
        let (engineer, operator) =
            (scope("user:engineer", Permission::Configure), scope("user:operator", Permission::Command));
        Node { engineer, operator, org, point, running: None, world }
    }

    /// With the app running.
    pub(crate) async fn running() -> Node {
        let mut node = Node::new();
        node.start().await;
        node
    }

    pub(crate) async fn start(&mut self) {
        let scope = self.world.scope(self.org, fake::caller("app:alarms", Permission::Read));
        let task = app().task.expect("it has one");
        self.running = Some(tokio::spawn(async move { task(scope).await.expect("records stay") }));
        self.wait_ms(0).await;
    }

    /// As a power cut would.
    pub(crate) fn stop(&mut self) {
        self.running.take().expect("it runs").abort();
    }

    pub(crate) async fn wait_ms(&self, ms: u64) {
        assert!(self.running.as_ref().is_none_or(|task| !task.is_finished()), "the task ended");
        self.world.clock().advance(Duration::from_millis(ms)).await;
    }

    /// A value now.
    pub(crate) async fn value(&self, value: f64) {
        self.value_at(self.now(), value).await;
    }

    pub(crate) async fn value_at(&self, at: Time, value: f64) {
        let mut section = Section::empty(Some(ValueType::F64));
        assert!(section.push(self.point.id, at, Some(Value::F64(value)), Quality::GOOD));
        self.engineer.samples.append(Origin::Measured, vec![section]).await.unwrap();
        self.wait_ms(0).await;
    }

    pub(crate) fn now(&self) -> Time {
        self.engineer.clock.now()
    }

    /// Seconds after the start.
    pub(crate) fn seconds(at: Time) -> f64 {
        (at.0 - START.0) as f64 / 1e9
    }

    /// Adds a rule as the engineer.
    pub(crate) async fn rule(&self, fields: Json) -> ObjectId {
        let rule = serde_json::to_value(given::rule_with(self.point.object, &fields)).unwrap();
        let answer = self.ask(Method::Post, "/rules", rule).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().parse().unwrap()
    }

    /// Asks as the engineer; null for no body.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Json) -> Answer {
        ask(&self.engineer, method, path, body).await
    }

    /// Does something as the operator.
    pub(crate) async fn act(&self, what: &str, id: ObjectId, more: Json) -> Answer {
        let mut body = json!({ "alarms": [id] });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        ask(&self.operator, Method::Post, what, body).await
    }

    /// The letter of an alarm's state.
    pub(crate) async fn letter(&self, id: ObjectId) -> char {
        store::alarm(&self.engineer.records, id).await.unwrap().body.state.letter()
    }

    /// `what@seconds` of everything in the journal, oldest first.
    pub(crate) async fn journal(&self) -> Vec<String> {
        let mut entries = store::all::<Entry>(&self.engineer.records).await.unwrap();
        entries.sort_by_key(|entry| (entry.body.at, entry.id));
        let one =
            |entry: &Entry| format!("{}@{}", json!(entry.what).as_str().unwrap(), Node::seconds(entry.at));
        entries.iter().map(|entry| one(&entry.body)).collect()
    }

    /// Names of the app's events, in order.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self.engineer.events.after(0, 500).await.unwrap();
        events.into_iter().map(|event| event.name).filter(|name| name.starts_with("alarms.")).collect()
    }
}

pub(crate) async fn ask(scope: &Scope, method: Method, path: &str, body: Json) -> Answer {
    let body = (!body.is_null()).then_some(body);
    fake::call(&app(), scope, method, path, body).await.expect("the path is one")
}
