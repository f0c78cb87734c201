//! `/points`: the catalogue, one by one, many at once, and as CSV.

use axum::{
    Json,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use sdk::{
    PointQuery, Scope,
    http::{Body, List, Method, Permission, Problem, Query, Route, route},
};
use serde::{Deserialize, Serialize};
use types::{CataloguedPoint, ObjectId, Point, PointId};

use super::{etag, if_match, path_id};
use crate::node::Node;

/// Points a page holds at most.
const LIMIT_MAX: usize = 5_000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/points", Permission::Read, list)
            .summary("Points by condition")
            .query("device", "of this device", false)
            .query("asset", "of this asset", false)
            .query("search", "name or label holds this text", false)
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<PointView>>(200),
        route(Method::Post, "/points", Permission::Configure, create)
            .summary("Add points, all or none")
            .body::<NewPoints>()
            .returns::<List<PointView>>(201),
        route(Method::Get, "/points.csv", Permission::Read, export)
            .summary("Points as CSV")
            .query("device", "of this device", false)
            .returns_content("text/csv"),
        route(Method::Post, "/points/import", Permission::Configure, import)
            .summary("Add and change points from CSV; rows with a mistake are named, the rest is taken")
            .query("device", "for rows that name no device", false)
            .query("dry_run", "true changes nothing", false)
            .body_content("text/csv")
            .returns::<plant::ImportReport>(200),
        route(Method::Get, "/points/{id}", Permission::Read, one)
            .summary("A point")
            .returns::<PointView>(200),
        route(Method::Put, "/points/{id}", Permission::Configure, update)
            .summary("Change a point")
            .body::<Point>()
            .returns::<PointView>(200),
        route(Method::Delete, "/points/{id}", Permission::Configure, delete)
            .summary("Remove a point; its history stays")
            .returns_nothing(204),
    ]
}

/// A point of the catalogue.
#[derive(Serialize, utoipa::ToSchema)]
struct PointView {
    id: ObjectId,
    /// Its number on this node.
    point_id: u32,
    revision: u64,
    body: Point,
}

impl From<CataloguedPoint> for PointView {
    fn from(p: CataloguedPoint) -> PointView {
        PointView { id: p.object, point_id: p.id.0, revision: p.revision, body: p.point }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    device: Option<ObjectId>,
    asset: Option<ObjectId>,
    search: Option<String>,
    cursor: Option<u32>,
    limit: Option<usize>,
}

async fn list(scope: Scope, Query(query): Query<ListQuery>) -> Json<List<PointView>> {
    let limit = query.limit.unwrap_or(100).clamp(1, LIMIT_MAX);
    let mut found = scope.plant.points(&PointQuery {
        device: query.device,
        asset: query.asset,
        search: query.search.filter(|s| !s.is_empty()),
        after: query.cursor.map(PointId),
        limit: limit + 1,
    });
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|p| p.id.0.to_string());
    Json(List { items: found.into_iter().map(PointView::from).collect(), next })
}

/// Points to add.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPoints {
    points: Vec<Point>,
}

async fn create(
    node: Node,
    scope: Scope,
    Body(new): Body<NewPoints>,
) -> Result<(StatusCode, Json<List<PointView>>), Problem> {
    let made = node.plant().create_points(scope.org, &scope.caller.name, new.points).await?;
    Ok((
        StatusCode::CREATED,
        Json(List { items: made.into_iter().map(PointView::from).collect(), next: None }),
    ))
}

fn view(status: StatusCode, point: CataloguedPoint) -> Response {
    (status, etag(point.revision), Json(PointView::from(point))).into_response()
}

async fn one(node: Node, scope: Scope, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(view(StatusCode::OK, node.plant().point(scope.org, path_id(&id)?)?))
}

async fn update(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(point): Body<Point>,
) -> Result<Response, Problem> {
    let (id, revision) = (path_id(&id)?, if_match(&headers)?);
    let changed = node.plant().update_point(scope.org, &scope.caller.name, id, revision, point).await?;
    Ok(view(StatusCode::OK, changed))
}

async fn delete(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    node.plant().delete_point(scope.org, &scope.caller.name, path_id(&id)?, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvQuery {
    device: Option<ObjectId>,
    #[serde(default)]
    dry_run: bool,
}

async fn export(node: Node, scope: Scope, Query(query): Query<CsvQuery>) -> Result<Response, Problem> {
    let text = node.plant().points_csv(scope.org, query.device).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"points.csv\""),
    ];
    // The mark tells spreadsheets that this is UTF-8.
    Ok((headers, format!("\u{FEFF}{text}")).into_response())
}

async fn import(
    node: Node,
    scope: Scope,
    Query(query): Query<CsvQuery>,
    body: Bytes,
) -> Result<Json<plant::ImportReport>, Problem> {
    let actor = &scope.caller.name;
    Ok(Json(node.plant().import_csv(scope.org, actor, &body, query.device, query.dry_run).await?))
}
