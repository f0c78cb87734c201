//! `/events`: what happened in the organisation, in order.

use axum::Json;
use sdk::{
    Scope,
    http::{Method, Permission, Problem, Query, Route, route},
};
use serde::{Deserialize, Serialize};
use types::Event;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/events", Permission::Read, list)
            .summary("Events after a sequence, in order")
            .query("after", "sequence of the last one you have; 0 from the start", false)
            .query("limit", "most items", false)
            .returns::<EventList>(200),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct EventList {
    items: Vec<Event>,
}

async fn list(scope: Scope, Query(query): Query<ListQuery>) -> Result<Json<EventList>, Problem> {
    let limit = query.limit.unwrap_or(100).clamp(1, sdk::Events::BATCH_MAX);
    Ok(Json(EventList { items: scope.events.after(query.after, limit).await? }))
}
