//! Routes and wire types of rules, and their preview on history.

use axum::{
    Json,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sdk::{
    Scope,
    http::{Body, List, Method, Permission, Problem, Query, Route, route},
};
use serde::Deserialize;
use std::time::Duration;
use types::{Cursor, Expected, Fault, ObjectId, codes};

use super::{Item, page};
use crate::{
    alarm::Alarm,
    check::{self, Surroundings},
    engine::{Engine, Watch},
    history::History,
    preview::Tally,
    ready::{self, Ready},
    rule::Rule,
    store,
};

/// The longest history a preview looks at: 7 days.
const PREVIEW_HOURS_MAX: u32 = 168;
/// Rows a preview looks at.
const PREVIEW_ROWS_MAX: u64 = 3_000_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/rules", Permission::Read, list_rules)
            .summary("Rules, oldest first")
            .query("point", "only of this point", false)
            .query("cursor", "go on where the last page ended", false)
            .query("limit", "most items", false)
            .returns::<List<RuleItem>>(200),
        route(Method::Post, "/rules", Permission::Configure, create_rule)
            .summary("Adds a rule and its alarm")
            .body::<Rule>()
            .returns::<RuleItem>(201),
        route(Method::Post, "/rules/preview", Permission::Configure, preview)
            .summary("How often a rule would have been raised in the last hours")
            .body::<Preview>()
            .returns::<Tally>(200),
        route(Method::Get, "/rules/{id}", Permission::Read, one_rule)
            .summary("One rule")
            .returns::<RuleItem>(200),
        route(Method::Put, "/rules/{id}", Permission::Configure, replace_rule)
            .summary("Changes a rule; with If-Match only the revision that was read")
            .body::<Rule>()
            .returns::<RuleItem>(200),
        route(Method::Delete, "/rules/{id}", Permission::Configure, remove_rule)
            .summary("Removes a rule and its alarm; the journal stays")
            .returns_nothing(204),
    ]
}

type RuleItem = Item<Rule>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesAsked {
    point: Option<ObjectId>,
    cursor: Option<Cursor>,
    limit: Option<usize>,
}

async fn list_rules(scope: Scope, Query(asked): Query<RulesAsked>) -> Result<Json<List<RuleItem>>, Problem> {
    let RulesAsked { point, cursor, limit } = asked;
    Ok(page(store::rules(&scope.records, point, cursor, limit.unwrap_or(0)).await?))
}

async fn one_rule(scope: Scope, Path(id): Path<ObjectId>) -> Result<Response, Problem> {
    rule_answer(&scope, StatusCode::OK, id).await
}

/// A rule with the ETag that its change sends back.
async fn rule_answer(scope: &Scope, status: StatusCode, id: ObjectId) -> Result<Response, Problem> {
    let stored = store::rule(&scope.records, id).await?;
    let etag = [(header::ETAG, format!("\"{}\"", stored.revision))];
    Ok((status, etag, Json(RuleItem::from(stored))).into_response())
}

async fn create_rule(scope: Scope, Body(rule): Body<Rule>) -> Result<Response, Problem> {
    let (rule, ready) = checked(&scope, rule, None).await?;
    let id = scope.ids.born();
    let point = &ready.point.point;
    let alarm = Alarm::new(&rule, point.asset, &point.unit, scope.clock.now());
    store::create_rule(&scope.records, id, &rule, &alarm).await?;
    rule_answer(&scope, StatusCode::CREATED, id).await
}

async fn replace_rule(
    scope: Scope,
    Path(id): Path<ObjectId>,
    headers: HeaderMap,
    Body(rule): Body<Rule>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    store::rule(&scope.records, id).await?;
    let (rule, ready) = checked(&scope, rule, Some(id)).await?;
    let point = &ready.point.point;
    let describe = |alarm: &mut Alarm| alarm.describe(&rule, point.asset, &point.unit);
    store::replace_rule(&scope.records, id, expected, &rule, describe).await?;
    rule_answer(&scope, StatusCode::OK, id).await
}

async fn remove_rule(scope: Scope, Path(id): Path<ObjectId>) -> Result<StatusCode, Problem> {
    store::remove_rule(&scope.records, &scope.ids, id, &scope.caller.name, scope.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn if_match(headers: &HeaderMap) -> Result<Expected, Fault> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Expected::Any) };
    let revision = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
    revision.map(Expected::At).ok_or_else(|| {
        let detail = "If-Match is not a revision: send the ETag that came with the rule";
        Fault::new(codes::INVALID, detail).arg("reason", "If-Match").at("If-Match")
    })
}

/// The rule as it is stored, checked against its points and their other rules. `own`: which of those is this one.
async fn checked(scope: &Scope, rule: Rule, own: Option<ObjectId>) -> Result<(Rule, Ready), Problem> {
    let Some(point) = ready::find(&scope.plant, rule.point) else {
        let detail = "there is no such point: choose one of the list";
        return Err(Fault::new("alarms.point-unknown", detail).at("/point").into());
    };
    let limit = Rule::PER_POINT_MAX + 1;
    let others = store::rules(&scope.records, Some(rule.point), None, limit).await?.items;
    let others: Vec<Rule> =
        others.into_iter().filter(|other| Some(other.id) != own).map(|other| other.body).collect();
    if others.len() >= Rule::PER_POINT_MAX {
        let limit = Rule::PER_POINT_MAX;
        let detail = format!("the point has {limit} rules already: remove one first");
        return Err(Fault::new("alarms.too-many-rules", detail).arg("limit", limit).at("/point").into());
    }
    let setpoint = rule.setpoint_point().and_then(|object| ready::find(&scope.plant, object));
    let around = Surroundings {
        point: &point.point,
        setpoint: setpoint.as_ref().map(|point| &point.point),
        others: &others,
    };
    let rule = check::checked(rule, &around)?;
    let ready = Ready::new(&scope.plant, &rule)?;
    Ok((rule, ready))
}

/// A rule to be tried on history.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Preview {
    /// As it would be added.
    rule: Rule,
    /// How far back; at most 168.
    hours: u32,
    /// The rule that it would replace.
    #[serde(default)]
    replaces: Option<ObjectId>,
}

async fn preview(scope: Scope, Body(asked): Body<Preview>) -> Result<Json<Tally>, Problem> {
    let Preview { rule, hours, replaces } = asked;
    if !(1..=PREVIEW_HOURS_MAX).contains(&hours) {
        let detail = format!("look back 1 to {PREVIEW_HOURS_MAX} hours");
        return Err(Fault::new("alarms.hours", detail).arg("limit", PREVIEW_HOURS_MAX).at("/hours").into());
    }
    let (rule, Ready { point, setpoint, evaluator }) = checked(&scope, rule, replaces).await?;
    let end = scope.clock.now();
    let from = end.minus(Duration::from_secs(u64::from(hours) * 3_600));
    let memory = evaluator.begin(from, false);
    let (point, setpoint) = (point.id, setpoint.map(|point| point.id));
    let (rule, latching) = (replaces.unwrap_or_else(|| scope.ids.born()), rule.latching);
    let mut engine =
        Engine::new(vec![Watch { rule, revision: 0, latching, point, setpoint, evaluator, memory }]);
    let points = engine.points().into_iter().map(|point| (point, from));
    let mut history = History::new(scope.samples.clone(), points, end);
    let (mut tally, mut turned) = (Tally::begin(from), Vec::new());
    while let Some((to, rows)) = history.next().await? {
        tally.rows += rows.len() as u64;
        engine.rows(&rows, &mut turned);
        engine.tick(to, &mut turned);
        turned.drain(..).for_each(|one| tally.add(&one.turn));
        if tally.rows >= PREVIEW_ROWS_MAX {
            return Ok(Json(tally.end(to)));
        }
    }
    Ok(Json(tally.end(end)))
}
