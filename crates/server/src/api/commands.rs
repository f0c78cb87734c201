//! `/commands` and `/write-lock`: writing to machines, in two steps, and the switch that stops it.

use axum::{Json, extract::Path, http::StatusCode};
use sdk::{
    Proposal, Scope,
    http::{Body, List, Method, Permission, Problem, Query, Route, route},
};
use serde::Deserialize;
use types::{Command, CommandState, Direction, Fault, Filter, IndexValue, ObjectId, Stored, Value, codes};

use super::{Item, path_id};
use crate::node::{Node, WriteLockView};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/commands", Permission::Read, list)
            .summary("Commands, newest first")
            .query("point", "of one point", false)
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<Item<Command>>>(200),
        route(Method::Post, "/commands", Permission::Command, propose)
            .summary("First step: check a write and propose it; nothing is sent")
            .body::<NewCommand>()
            .returns::<Item<Command>>(201),
        route(Method::Post, "/commands/{id}/confirm", Permission::Command, confirm)
            .summary("Second step: send it, read it back")
            .returns::<Item<Command>>(200),
        route(Method::Get, "/write-lock", Permission::Read, lock_state)
            .summary("Whether writing to machines is switched off")
            .returns::<WriteLockView>(200),
        route(Method::Put, "/write-lock", Permission::Command, set_lock)
            .summary("Switch writing off (operators) or on again (administrators)")
            .body::<SetLock>()
            .returns::<WriteLockView>(200),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    point: Option<ObjectId>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(scope: Scope, Query(query): Query<ListQuery>) -> Result<Json<List<Item<Command>>>, Problem> {
    let page = scope
        .records
        .list::<Command>(types::Query {
            filters: query.point.map(|p| Filter::Equal("point", IndexValue::Id(p))).into_iter().collect(),
            order: Some(("proposed", Direction::Descending)),
            after: query.cursor.map(types::Cursor),
            limit: query.limit.unwrap_or(0),
        })
        .await?;
    let now = scope.clock.now();
    let seen = |mut command: Stored<Command>| {
        // Nobody comes back to a proposal that ran out: it is expired from that moment on.
        if command.body.state == CommandState::Proposed && command.body.expires < now {
            command.body.state = CommandState::Expired;
        }
        Item::from(command)
    };
    Ok(Json(List { items: page.items.into_iter().map(seen).collect(), next: page.next.map(|c| c.0) }))
}

/// What is to be written.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCommand {
    point: ObjectId,
    /// In shown units, as the API writes values.
    #[schema(value_type = Object)]
    value: serde_json::Value,
}

async fn propose(
    scope: Scope,
    Body(new): Body<NewCommand>,
) -> Result<(StatusCode, Json<Item<Command>>), Problem> {
    let point = scope.plant.points_by_object(&[new.point]).pop().flatten();
    let point = point.ok_or_else(|| super::not_found("point"))?;
    let value = Value::from_json(point.point.value_type, &new.value).map_err(|e| {
        Fault::new(codes::INVALID, format!("{e}: send a value of the point's type")).at("/value")
    })?;
    let command = scope.commands.propose(Proposal { point: point.id, value }).await?;
    Ok((StatusCode::CREATED, Json(command.into())))
}

async fn confirm(scope: Scope, Path(id): Path<String>) -> Result<Json<Item<Command>>, Problem> {
    Ok(Json(scope.commands.confirm(path_id(&id)?).await?.into()))
}

async fn lock_state(node: Node, scope: Scope) -> Result<Json<WriteLockView>, Problem> {
    Ok(Json(node.running().write_lock(scope.org).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SetLock {
    locked: bool,
}

async fn set_lock(
    node: Node,
    scope: Scope,
    Body(set): Body<SetLock>,
) -> Result<Json<WriteLockView>, Problem> {
    // Anybody who may write may stop all writing; starting it again takes an administrator.
    if !set.locked && !scope.caller.may(Permission::Administer) {
        let detail = "only an administrator may allow writing again: ask one";
        return Err(Fault::new(codes::FORBIDDEN, detail).arg("permission", "administer").into());
    }
    Ok(Json(node.running().set_write_lock(scope.org, set.locked, scope.caller.name.clone()).await?))
}
