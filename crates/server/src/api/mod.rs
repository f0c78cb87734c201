//! The kernel's own endpoints, one file a noun. Each file has `routes()` at its top: a route is a line there.

mod assets;
mod certificates;
mod commands;
mod devices;
mod doors;
mod drivers;
mod events;
pub(crate) mod lines;
mod points;
mod query;
mod samples;
mod session;
mod system;
mod tokens;
mod users;
mod views;

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sdk::http::{List, Problem, Route};
use serde::Serialize;
use types::{Fault, ObjectId, Revision, Stored, Time, codes};

/// All of them by tag.
pub(crate) fn groups() -> Vec<(&'static str, Vec<Route>)> {
    vec![
        ("session", session::routes()),
        ("users", users::routes()),
        ("tokens", tokens::routes()),
        ("plant", assets::routes()),
        ("devices", devices::routes()),
        ("points", points::routes()),
        ("samples", samples::routes()),
        ("query", query::routes()),
        ("commands", commands::routes()),
        ("drivers", drivers::routes()),
        ("doors", doors::routes()),
        ("certificates", certificates::routes()),
        ("events", events::routes()),
        ("views", views::routes()),
        ("system", system::routes()),
    ]
}

/// A stored document as the API shows it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Item<T> {
    id: ObjectId,
    revision: Revision,
    changed: Time,
    body: T,
}

impl<T> From<Stored<T>> for Item<T> {
    fn from(stored: Stored<T>) -> Item<T> {
        Item { id: stored.id, revision: stored.revision, changed: stored.changed, body: stored.body }
    }
}

/// The id in a path.
pub(crate) fn path_id(text: &str) -> Result<ObjectId, Problem> {
    text.parse()
        .map_err(|error: types::IdError| Fault::new(codes::INVALID, error.to_string()).at("path").into())
}

/// `If-Match: "<revision>"`, as sent back from an ETag; without it, whatever is there is replaced.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let revision = value.to_str().ok().and_then(|v| v.trim().trim_matches('"').parse().ok());
    revision.map(Some).ok_or_else(|| {
        Fault::new(codes::INVALID, "If-Match is not a revision: send the ETag that came with the object")
            .at("If-Match")
            .into()
    })
}

/// The ETag of a revision.
pub(crate) fn etag(revision: Revision) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{revision}\""))]
}

pub(crate) fn not_found(what: &str) -> Problem {
    Fault::new(codes::NOT_FOUND, format!("there is no such {what}: it may have been deleted")).into()
}

/// Query of a plain list.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

impl PageQuery {
    /// As a question to a collection, in the order of ids.
    pub(crate) fn query(self) -> types::Query {
        types::Query {
            after: self.cursor.map(types::Cursor),
            limit: self.limit.unwrap_or(0),
            ..Default::default()
        }
    }
}

/// A page of documents as the API shows it.
pub(crate) fn list<T>(page: types::Page<Stored<T>>) -> List<Item<T>> {
    List { items: page.items.into_iter().map(Item::from).collect(), next: page.next.map(|c| c.0) }
}

/// A new or changed object with its ETag.
pub(crate) fn item<T: Serialize>(status: StatusCode, stored: Stored<T>) -> Response {
    (status, etag(stored.revision), Json(Item::from(stored))).into_response()
}
