//! `/assets` and `/asset-types`: what stands where, and what every machine of a kind has.

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
use types::{Asset, AssetType, Fault, ObjectId, Revision};

use super::{Item, PageQuery, if_match, item, list, path_id};
use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/assets", Permission::Read, all_assets)
            .summary("Places and assets; the whole tree with all=true")
            .query("all", "the whole tree in one answer", false)
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<Item<Asset>>>(200),
        route(Method::Post, "/assets", Permission::Configure, create_asset)
            .summary("Add a place or an asset")
            .body::<Asset>()
            .returns::<Item<Asset>>(201),
        route(Method::Get, "/assets/{id}", Permission::Read, one_asset)
            .summary("A place or an asset")
            .returns::<Item<Asset>>(200),
        route(Method::Put, "/assets/{id}", Permission::Configure, update_asset)
            .summary("Change a place or an asset")
            .body::<Asset>()
            .returns::<Item<Asset>>(200),
        route(Method::Delete, "/assets/{id}", Permission::Configure, delete_asset)
            .summary("Remove a place or an asset that nothing hangs on")
            .returns_nothing(204),
        route(Method::Get, "/asset-types", Permission::Read, all_types)
            .summary("Asset types")
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<Item<AssetType>>>(200),
        route(Method::Post, "/asset-types", Permission::Configure, create_type)
            .summary("Add an asset type")
            .body::<AssetType>()
            .returns::<Item<AssetType>>(201),
        route(Method::Post, "/asset-types/tsl", Permission::Configure, create_from_tsl)
            .summary("Add an asset type from a TSL document")
            .body_content("application/json")
            .returns::<TakenType>(201),
        route(Method::Get, "/asset-types/{id}", Permission::Read, one_type)
            .summary("An asset type")
            .returns::<Item<AssetType>>(200),
        route(Method::Get, "/asset-types/{id}/tsl", Permission::Read, type_as_tsl)
            .summary("An asset type as a TSL document")
            .returns_content("application/json"),
        route(Method::Put, "/asset-types/{id}", Permission::Configure, update_type)
            .summary("Change an asset type")
            .body::<AssetType>()
            .returns::<Item<AssetType>>(200),
        route(Method::Delete, "/asset-types/{id}", Permission::Configure, delete_type)
            .summary("Remove an asset type that no asset uses")
            .returns_nothing(204),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetsQuery {
    #[serde(default)]
    all: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn all_assets(
    node: Node,
    scope: Scope,
    Query(query): Query<AssetsQuery>,
) -> Result<Json<List<Item<Asset>>>, Problem> {
    if query.all {
        let items = node.plant().asset_tree(scope.org).await?.into_iter().map(Item::from).collect();
        return Ok(Json(List { items, next: None }));
    }
    let page = PageQuery { cursor: query.cursor, limit: query.limit };
    Ok(Json(list(node.plant().assets(scope.org, page.query()).await?)))
}

async fn create_asset(node: Node, scope: Scope, Body(asset): Body<Asset>) -> Result<Response, Problem> {
    let made = node.plant().create_asset(scope.org, &scope.caller.name, asset).await?;
    Ok(item(StatusCode::CREATED, made))
}

async fn one_asset(node: Node, scope: Scope, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(item(StatusCode::OK, node.plant().asset(scope.org, path_id(&id)?).await?))
}

async fn update_asset(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(asset): Body<Asset>,
) -> Result<Response, Problem> {
    let (id, revision) = (path_id(&id)?, if_match(&headers)?);
    let changed = node.plant().update_asset(scope.org, &scope.caller.name, id, revision, asset).await?;
    Ok(item(StatusCode::OK, changed))
}

async fn delete_asset(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    node.plant().delete_asset(scope.org, &scope.caller.name, path_id(&id)?, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn all_types(
    node: Node,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Item<AssetType>>>, Problem> {
    Ok(Json(list(node.plant().asset_types(scope.org, query.query()).await?)))
}

async fn create_type(node: Node, scope: Scope, Body(body): Body<AssetType>) -> Result<Response, Problem> {
    let made = node.plant().create_asset_type(scope.org, &scope.caller.name, body).await?;
    Ok(item(StatusCode::CREATED, made))
}

/// An asset type made from a TSL document.
#[derive(Serialize, utoipa::ToSchema)]
struct TakenType {
    id: ObjectId,
    revision: Revision,
    body: AssetType,
    /// Members of the document that were not kept, each with its place.
    left_out: Vec<Fault>,
}

async fn create_from_tsl(
    node: Node,
    scope: Scope,
    Body(document): Body<serde_json::Value>,
) -> Result<(StatusCode, Json<TakenType>), Problem> {
    let read = plant::tsl_in(&document)?;
    let made = node.plant().create_asset_type(scope.org, &scope.caller.name, read.asset_type).await?;
    let taken = TakenType { id: made.id, revision: made.revision, body: made.body, left_out: read.left_out };
    Ok((StatusCode::CREATED, Json(taken)))
}

async fn one_type(node: Node, scope: Scope, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(item(StatusCode::OK, node.plant().asset_type(scope.org, path_id(&id)?).await?))
}

async fn type_as_tsl(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, Problem> {
    let stored = node.plant().asset_type(scope.org, path_id(&id)?).await?;
    Ok(Json(plant::tsl_out(&stored.body)))
}

async fn update_type(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<AssetType>,
) -> Result<Response, Problem> {
    let (id, revision) = (path_id(&id)?, if_match(&headers)?);
    let changed = node.plant().update_asset_type(scope.org, &scope.caller.name, id, revision, body).await?;
    Ok(item(StatusCode::OK, changed))
}

async fn delete_type(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    node.plant().delete_asset_type(scope.org, &scope.caller.name, path_id(&id)?, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
