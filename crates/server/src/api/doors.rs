//! `/doors`: listeners through which devices come by themselves, and who waits before them.

use axum::{Json, extract::Path, http::StatusCode};
use sdk::{
    ArrivalView, DoorInput, DoorView, Scope,
    http::{Body, List, Method, Permission, Problem, Route, route},
};

use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/doors", Permission::Configure, list)
            .summary("Listeners through which devices come by themselves")
            .returns::<List<DoorView>>(200),
        route(Method::Put, "/doors/{id}", Permission::Administer, set)
            .summary("Open, close or change a listener")
            .body::<DoorInput>()
            .returns::<DoorView>(200),
        route(Method::Get, "/doors/{id}/arrivals", Permission::Configure, arrivals)
            .summary(
                "Unknown callers, the newest first: add a device with one's suggested config to claim it",
            )
            .returns::<List<ArrivalView>>(200),
        route(Method::Delete, "/doors/{id}/arrivals/{key}", Permission::Configure, dismiss)
            .summary("Take a caller out of the list; it comes back when it knocks again")
            .returns_nothing(204),
    ]
}

async fn list(node: Node, scope: Scope) -> Result<Json<List<DoorView>>, Problem> {
    Ok(Json(List { items: node.running().doors(scope.org).await?, next: None }))
}

async fn set(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    Body(input): Body<DoorInput>,
) -> Result<Json<DoorView>, Problem> {
    Ok(Json(node.running().set_door(scope.org, scope.caller.name.clone(), id, input).await?))
}

async fn arrivals(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
) -> Result<Json<List<ArrivalView>>, Problem> {
    Ok(Json(List { items: node.running().arrivals(scope.org, &id)?, next: None }))
}

async fn dismiss(
    node: Node,
    scope: Scope,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    node.running().dismiss_arrival(scope.org, &id, &key)?;
    Ok(StatusCode::NO_CONTENT)
}
