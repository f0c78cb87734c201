//! Routes and wire types. Relative to `/api/v1/apps/@name@`.

use axum::{
    Json,
    extract::Path,
    http::StatusCode,
};
use sdk::{
    Scope,
    http::{Body, List, Method, Permission, Problem, Query, Route, route},
};
use serde::{Deserialize, Serialize};
use types::{Cursor, ObjectId};

use crate::{Entry, store};

/// An entry as the API gives it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EntryItem {
    id: ObjectId,
    body: Entry,
}

/// Where a list goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    cursor: Option<Cursor>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/entries", Permission::Read, list)
            .summary("Entries, oldest first.")
            .query("cursor", "Go on where the last page ended.", false)
            .returns::<List<EntryItem>>(200),
        route(Method::Post, "/entries", Permission::Configure, create)
            .summary("Adds an entry.")
            .body::<Entry>()
            .returns::<EntryItem>(201),
        route(Method::Delete, "/entries/{id}", Permission::Configure, delete)
            .summary("Removes an entry.")
            .returns_nothing(204),
    ]
}

async fn list(scope: Scope, Query(from): Query<From>) -> Result<Json<List<EntryItem>>, Problem> {
    let page = store::list(&scope.records, from.cursor).await?;
    let items = page.items.into_iter().map(|stored| EntryItem { id: stored.id, body: stored.body }).collect();
    Ok(Json(List { items, next: page.next.map(|cursor| cursor.0) }))
}

async fn create(scope: Scope, Body(entry): Body<Entry>) -> Result<(StatusCode, Json<EntryItem>), Problem> {
    let id = scope.ids.born();
    let body = store::create(&scope.records, id, entry).await?;
    Ok((StatusCode::CREATED, Json(EntryItem { id, body })))
}

async fn delete(scope: Scope, Path(id): Path<ObjectId>) -> Result<StatusCode, Problem> {
    store::delete(&scope.records, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
