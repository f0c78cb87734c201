//! `/certificates`: whose certificates are believed, and our own to hand to others.

use access::Certificate;
use axum::{Json, extract::Path, http::StatusCode, response::Response};
use sdk::{
    Scope,
    http::{List, Method, Permission, Problem, Query, Route, route},
};

use super::{Item, PageQuery, item, path_id};
use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/certificates", Permission::Configure, list)
            .summary("Certificates that devices showed, and our own")
            .query("cursor", "go on", false)
            .query("limit", "most items", false)
            .returns::<List<Item<Certificate>>>(200),
        route(Method::Post, "/certificates/{id}/trust", Permission::Administer, trust)
            .summary("Believe this certificate from now on")
            .returns::<Item<Certificate>>(200),
        route(Method::Post, "/certificates/{id}/reject", Permission::Administer, reject)
            .summary("Do not believe this certificate any more")
            .returns::<Item<Certificate>>(200),
        route(Method::Delete, "/certificates/{id}", Permission::Administer, forget)
            .summary("Take it out of the list; it is listed again when it is seen again")
            .returns_nothing(204),
    ]
}

async fn list(
    node: Node,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Item<Certificate>>>, Problem> {
    let page = node.certificates().list(scope.org, query.query()).await?;
    let items = page.items.into_iter().map(Item::from).collect();
    Ok(Json(List { items, next: page.next.map(|c| c.0) }))
}

async fn trust(node: Node, scope: Scope, Path(id): Path<String>) -> Result<Response, Problem> {
    judge(node, scope, &id, true).await
}

async fn reject(node: Node, scope: Scope, Path(id): Path<String>) -> Result<Response, Problem> {
    judge(node, scope, &id, false).await
}

async fn judge(node: Node, scope: Scope, id: &str, trusted: bool) -> Result<Response, Problem> {
    let id = path_id(id)?;
    let judged = node.certificates().judge(scope.org, &scope.caller.name, id, trusted).await?;
    node.running().retry_driver(scope.org, &judged.body.leaf);
    Ok(item(StatusCode::OK, judged))
}

async fn forget(node: Node, scope: Scope, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    node.certificates().forget(scope.org, &scope.caller.name, path_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
