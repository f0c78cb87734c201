//! `/devices`: what speaks which protocol, and how each is doing.

use axum::{
    Json,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use sdk::{
    Scope,
    http::{Body, List, Method, Permission, Problem, Query, Route, route},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use types::{Device, ObjectId, Revision, Stored, Time};

use super::{Item, PageQuery, etag, if_match, item, path_id};
use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/devices", Permission::Read, list)
            .summary("Devices with their health")
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<DeviceView>>(200),
        route(Method::Post, "/devices", Permission::Configure, create)
            .summary("Add a device")
            .body::<Device>()
            .returns::<Item<Device>>(201),
        route(Method::Get, "/devices/{id}", Permission::Read, one)
            .summary("A device with its health")
            .returns::<DeviceView>(200),
        route(Method::Put, "/devices/{id}", Permission::Configure, update)
            .summary("Change a device")
            .body::<Device>()
            .returns::<Item<Device>>(200),
        route(Method::Post, "/devices/{id}/retry", Permission::Configure, retry)
            .summary("Try a lost device again at once instead of waiting")
            .returns_nothing(204),
        route(Method::Delete, "/devices/{id}", Permission::Configure, delete)
            .summary("Remove a device; its history stays")
            .query("with_points", "true removes its points too", false)
            .returns_nothing(204),
    ]
}

/// A device and how it is doing.
#[derive(Serialize, utoipa::ToSchema)]
struct DeviceView {
    id: ObjectId,
    revision: Revision,
    changed: Time,
    body: Device,
    /// See the runtime's device health; null for a moment after a device was added.
    #[schema(value_type = Option<Object>)]
    health: Option<serde_json::Value>,
}

impl DeviceView {
    fn of(stored: Stored<Device>, health: &mut HashMap<ObjectId, serde_json::Value>) -> DeviceView {
        let health = health.remove(&stored.id);
        DeviceView {
            id: stored.id,
            revision: stored.revision,
            changed: stored.changed,
            body: stored.body,
            health,
        }
    }
}

async fn list(
    node: Node,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<DeviceView>>, Problem> {
    let page = node.plant().devices(scope.org, query.query()).await?;
    let mut health = node.running().device_health(scope.org);
    let items = page.items.into_iter().map(|d| DeviceView::of(d, &mut health)).collect();
    Ok(Json(List { items, next: page.next.map(|c| c.0) }))
}

async fn one(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
) -> Result<impl axum::response::IntoResponse, Problem> {
    let stored = node.plant().device(scope.org, path_id(&id)?).await?;
    let mut health = node.running().device_health(scope.org);
    Ok((etag(stored.revision), Json(DeviceView::of(stored, &mut health))))
}

async fn create(node: Node, scope: Scope, Body(device): Body<Device>) -> Result<Response, Problem> {
    let made = node.plant().create_device(scope.org, &scope.caller.name, device).await?;
    Ok(item(StatusCode::CREATED, made))
}

async fn update(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(device): Body<Device>,
) -> Result<Response, Problem> {
    let (id, revision) = (path_id(&id)?, if_match(&headers)?);
    let changed = node.plant().update_device(scope.org, &scope.caller.name, id, revision, device).await?;
    Ok(item(StatusCode::OK, changed))
}

async fn retry(node: Node, scope: Scope, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let device = node.plant().device(scope.org, path_id(&id)?).await?;
    node.running().retry_device(scope.org, device.id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    #[serde(default)]
    with_points: bool,
}

async fn delete(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    Query(query): Query<DeleteQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (id, revision) = (path_id(&id)?, if_match(&headers)?);
    node.plant().delete_device(scope.org, &scope.caller.name, id, revision, query.with_points).await?;
    Ok(StatusCode::NO_CONTENT)
}
