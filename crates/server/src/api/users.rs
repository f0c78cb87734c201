//! `/users`: the people of an organisation.

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

use super::{Item, PageQuery, if_match, item, list, path_id};
use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/users", Permission::Administer, all)
            .summary("Users")
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<Item<access::UserView>>>(200),
        route(Method::Post, "/users", Permission::Administer, create)
            .summary("Add a user")
            .body::<access::UserInput>()
            .returns::<Item<access::UserView>>(201),
        route(Method::Put, "/users/{id}", Permission::Administer, update)
            .summary("Change a user; with a password, set it; the user's sessions end when role or password change")
            .body::<access::UserInput>()
            .returns::<Item<access::UserView>>(200),
        route(Method::Delete, "/users/{id}", Permission::Administer, delete)
            .summary("Remove a user; what was done under the name stays")
            .returns_nothing(204),
    ]
}

async fn all(
    node: Node,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Item<access::UserView>>>, Problem> {
    Ok(Json(list(node.access().users(scope.org, query.query()).await?)))
}

async fn create(node: Node, scope: Scope, Body(new): Body<access::UserInput>) -> Result<Response, Problem> {
    Ok(item(StatusCode::CREATED, node.access().create_user(scope.org, &scope.caller.name, new).await?))
}

async fn update(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<access::UserInput>,
) -> Result<Response, Problem> {
    let (id, revision) = (path_id(&id)?, if_match(&headers)?);
    let changed = node.access().update_user(scope.org, &scope.caller.name, id, revision, change).await?;
    Ok(item(StatusCode::OK, changed))
}

async fn delete(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    node.access().delete_user(scope.org, &scope.caller.name, path_id(&id)?, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
