//! Routes and wire types. Relative to `/api/v1/apps/alarms`.
//!
//! What people do to alarms takes a list of them, so that one and many go the same way: those that refuse say why, the
//! others are done in one transaction. A request for a single alarm that refuses is a problem answer.

mod rules;

use axum::{Json, extract::Path, http::StatusCode};
use sdk::{
    Scope,
    http::{Body, List, Method, Permission, Problem, Query, Route, route},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Cursor, Fault, ObjectId, Page, Revision, Stored, Time};

use crate::{
    alarm::{Act, Alarm, Note},
    journal::Entry,
    rule::Priority,
    state::{State, Stimulus},
    store::{self, Counts, Listed, Narrowed, Period, Progress},
};

pub(crate) fn routes() -> Vec<Route> {
    [lists(), acts(), rules::routes()].into_iter().flatten().collect()
}

fn lists() -> Vec<Route> {
    vec![
        route(Method::Get, "", Permission::Read, list)
            .summary("Alarms: those on the operator's list, the hidden ones, or all")
            .query("show", "shown (the default), hidden or all", false)
            .query("state", "only this state", false)
            .query("priority", "only this priority", false)
            .query("asset", "only of this place or machine", false)
            .query("point", "only of this point", false)
            .query("cursor", "go on where the last page ended", false)
            .query("limit", "most items", false)
            .returns::<List<AlarmItem>>(200),
        route(Method::Get, "/revision", Permission::Read, revision)
            .summary("Rises with every change of an alarm or a rule: cheap to ask every second")
            .returns::<RevisionView>(200),
        route(Method::Get, "/counts", Permission::Read, counts)
            .summary("How many alarms there are by priority and state, and how the evaluation gets on")
            .returns::<CountsView>(200),
        route(Method::Get, "/journal", Permission::Read, journal)
            .summary("What happened to alarms, newest first")
            .query("alarm", "only of this alarm", false)
            .query("point", "only of this point", false)
            .query("asset", "only of this place or machine", false)
            .query("from", "from this time on", false)
            .query("to", "up to this time, without it", false)
            .query("cursor", "go on where the last page ended", false)
            .query("limit", "most items", false)
            .returns::<List<EntryItem>>(200),
        route(Method::Get, "/{id}", Permission::Read, one).summary("One alarm").returns::<AlarmItem>(200),
    ]
}

fn acts() -> Vec<Route> {
    vec![
        route(Method::Post, "/acknowledge", Permission::Command, acknowledge)
            .summary("Acknowledges alarms")
            .body::<Acts>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/reset", Permission::Command, reset)
            .summary("Resets latched alarms that cleared")
            .body::<Acts>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/shelve", Permission::Command, shelve)
            .summary("Puts alarms aside for a time and a reason")
            .body::<Shelving>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/unshelve", Permission::Command, unshelve)
            .summary("Brings shelved alarms back early")
            .body::<Acts>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/suppress", Permission::Configure, suppress)
            .summary("Suppresses alarms by design, in the name of a condition")
            .body::<Suppression>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/unsuppress", Permission::Configure, unsuppress)
            .summary("Ends the suppression by a condition")
            .body::<Suppression>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/withdraw", Permission::Configure, withdraw)
            .summary("Takes alarms out of service, with a reason")
            .body::<Acts>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/return", Permission::Configure, give_back)
            .summary("Returns alarms to service")
            .body::<Acts>()
            .returns::<Outcomes>(200),
        route(Method::Post, "/{id}/comments", Permission::Command, comment)
            .summary("Comments on an alarm")
            .body::<Remark>()
            .returns_nothing(204),
    ]
}

/// A document as the API gives it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Item<T> {
    id: ObjectId,
    revision: Revision,
    changed: Time,
    body: T,
}

type AlarmItem = Item<Alarm>;
type EntryItem = Item<Entry>;

impl<T> From<Stored<T>> for Item<T> {
    fn from(Stored { id, revision, changed, body }: Stored<T>) -> Item<T> {
        Item { id, revision, changed, body }
    }
}

fn page<T>(page: Page<Stored<T>>) -> Json<List<Item<T>>> {
    let items = page.items.into_iter().map(Item::from).collect();
    Json(List { items, next: page.next.map(|cursor| cursor.0) })
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Show {
    #[default]
    Shown,
    Hidden,
    All,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    show: Show,
    state: Option<State>,
    priority: Option<Priority>,
    asset: Option<ObjectId>,
    point: Option<ObjectId>,
    cursor: Option<Cursor>,
    limit: Option<usize>,
}

async fn list(scope: Scope, Query(asked): Query<Asked>) -> Result<Json<List<AlarmItem>>, Problem> {
    let Asked { show, state, priority, asset, point, cursor, limit } = asked;
    let listed = match show {
        Show::Shown => Listed::Shown,
        Show::Hidden => Listed::Hidden,
        Show::All => Listed::All,
    };
    let narrowed = Narrowed { state, priority, asset, point };
    Ok(page(store::alarms(&scope.records, listed, narrowed, cursor, limit.unwrap_or(0)).await?))
}

async fn one(scope: Scope, Path(id): Path<ObjectId>) -> Result<Json<AlarmItem>, Problem> {
    Ok(Json(store::alarm(&scope.records, id).await?.into()))
}

/// How often anything changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RevisionView {
    revision: Revision,
}

async fn revision(scope: Scope) -> Result<Json<RevisionView>, Problem> {
    Ok(Json(RevisionView { revision: store::pulse(&scope.records).await? }))
}

/// The figures above the list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CountsView {
    /// Read before counting: what changes meanwhile raises it again.
    revision: Revision,
    counts: Counts,
    /// Null in the first minute after the first start.
    progress: Option<Progress>,
}

async fn counts(scope: Scope) -> Result<Json<CountsView>, Problem> {
    let revision = store::pulse(&scope.records).await?;
    let counts = store::counts(&scope.records).await?;
    Ok(Json(CountsView { revision, counts, progress: store::progress(&scope.records).await? }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalAsked {
    alarm: Option<ObjectId>,
    point: Option<ObjectId>,
    asset: Option<ObjectId>,
    from: Option<Time>,
    to: Option<Time>,
    cursor: Option<Cursor>,
    limit: Option<usize>,
}

async fn journal(scope: Scope, Query(asked): Query<JournalAsked>) -> Result<Json<List<EntryItem>>, Problem> {
    let JournalAsked { alarm, point, asset, from, to, cursor, limit } = asked;
    let period = Period { alarm, point, asset, from, to };
    Ok(page(store::journal(&scope.records, period, cursor, limit.unwrap_or(0)).await?))
}

/// Something done to alarms.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Acts {
    /// Which.
    alarms: Vec<ObjectId>,
    /// Why. Required to take out of service.
    #[serde(default)]
    reason: String,
}

/// Alarms put aside.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Shelving {
    /// Which.
    alarms: Vec<ObjectId>,
    /// Why.
    reason: String,
    /// For how long; at most 7 days.
    duration_s: u64,
}

/// Alarms suppressed by design.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Suppression {
    /// Which.
    alarms: Vec<ObjectId>,
    /// The condition of the plant that makes them meaningless, such as `line 2 stopped`.
    by: String,
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Outcomes {
    /// Done.
    done: Vec<ObjectId>,
    /// Not done, and why.
    refused: Vec<Refused>,
}

/// An alarm that refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Refused {
    alarm: ObjectId,
    fault: Fault,
}

/// Something said about an alarm.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Remark {
    text: String,
}

async fn acknowledge(scope: Scope, Body(acts): Body<Acts>) -> Result<Json<Outcomes>, Problem> {
    perform(&scope, &acts.alarms, Stimulus::Acknowledge, &acts.reason).await
}

async fn reset(scope: Scope, Body(acts): Body<Acts>) -> Result<Json<Outcomes>, Problem> {
    perform(&scope, &acts.alarms, Stimulus::Reset, &acts.reason).await
}

async fn shelve(scope: Scope, Body(shelving): Body<Shelving>) -> Result<Json<Outcomes>, Problem> {
    let reason = Entry::checked_reason(&shelving.reason)?;
    let until = scope.clock.now().plus(Duration::from_secs(shelving.duration_s));
    perform(&scope, &shelving.alarms, Stimulus::Shelve { until }, reason).await
}

async fn unshelve(scope: Scope, Body(acts): Body<Acts>) -> Result<Json<Outcomes>, Problem> {
    perform(&scope, &acts.alarms, Stimulus::Unshelve, &acts.reason).await
}

async fn suppress(scope: Scope, Body(asked): Body<Suppression>) -> Result<Json<Outcomes>, Problem> {
    let by = Entry::checked_reason(&asked.by)?;
    perform(&scope, &asked.alarms, Stimulus::Suppress { by }, by).await
}

async fn unsuppress(scope: Scope, Body(asked): Body<Suppression>) -> Result<Json<Outcomes>, Problem> {
    let by = asked.by.trim();
    perform(&scope, &asked.alarms, Stimulus::Unsuppress { by }, by).await
}

async fn withdraw(scope: Scope, Body(acts): Body<Acts>) -> Result<Json<Outcomes>, Problem> {
    let reason = Entry::checked_reason(&acts.reason)?;
    perform(&scope, &acts.alarms, Stimulus::TakeOutOfService, reason).await
}

async fn give_back(scope: Scope, Body(acts): Body<Acts>) -> Result<Json<Outcomes>, Problem> {
    perform(&scope, &acts.alarms, Stimulus::ReturnToService, &acts.reason).await
}

async fn perform(
    scope: &Scope,
    on: &[ObjectId],
    stimulus: Stimulus<'_>,
    reason: &str,
) -> Result<Json<Outcomes>, Problem> {
    if on.is_empty() || on.len() > store::ACTS_MAX {
        let detail = format!("name 1 to {} alarms; do the rest in another request", store::ACTS_MAX);
        return Err(Fault::new("alarms.how-many", detail).arg("limit", store::ACTS_MAX).at("/alarms").into());
    }
    let reason = if reason.trim().is_empty() { "" } else { Entry::checked_reason(reason)? };
    let act = Act { stimulus, by: &scope.caller.name, at: scope.clock.now(), reason };
    let mut outcomes = Outcomes { done: Vec::new(), refused: Vec::new() };
    for (alarm, outcome) in store::act(&scope.records, &scope.ids, on, act).await? {
        match outcome {
            Ok(()) => outcomes.done.push(alarm),
            // Alone, its refusal is the answer.
            Err(fault) if on.len() == 1 => return Err(refusal(fault)),
            Err(fault) => outcomes.refused.push(Refused { alarm, fault }),
        }
    }
    Ok(Json(outcomes))
}

/// The alarm stands in the way, and not the input.
fn refusal(fault: Fault) -> Problem {
    match Problem::from(fault) {
        Problem { status: StatusCode::UNPROCESSABLE_ENTITY, faults } => {
            Problem { status: StatusCode::CONFLICT, faults }
        }
        other => other,
    }
}

async fn comment(
    scope: Scope,
    Path(id): Path<ObjectId>,
    Body(remark): Body<Remark>,
) -> Result<StatusCode, Problem> {
    let text = Entry::checked_reason(&remark.text)?.to_string();
    let note = Note { by: scope.caller.name.clone(), at: scope.clock.now(), text };
    store::remark(&scope.records, &scope.ids, id, &note).await?;
    Ok(StatusCode::NO_CONTENT)
}
