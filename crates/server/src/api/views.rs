//! `/views`: tables that apps publish, as rows.

use axum::{Json, extract::Path};
use sdk::{
    Column, ColumnType, Scope, View,
    http::{List, Method, Permission, Problem, Query, Route, route},
};
use serde::Serialize;
use std::collections::BTreeMap;
use types::{Cursor, Fault, ObjectId, codes};

use super::PageQuery;
use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/views", Permission::Read, list)
            .summary("Tables that apps publish, with their columns")
            .returns::<ViewList>(200),
        route(Method::Get, "/views/{name}", Permission::Read, rows)
            .summary("Rows of a view")
            .query("cursor", "go on", false)
            .query("limit", "most rows", false)
            .returns::<List<Row>>(200),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct ViewList {
    items: Vec<ViewDescription>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ViewDescription {
    name: &'static str,
    version: u16,
    summary: &'static str,
    columns: Vec<ColumnDescription>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ColumnDescription {
    name: &'static str,
    /// A value type, or `time`, or `id`.
    #[serde(rename = "type")]
    of: String,
    /// UCUM code; empty when a unit has no meaning here.
    unit: &'static str,
}

/// One row: its id and a value for each column, `null` where there is none.
#[derive(Serialize, utoipa::ToSchema)]
struct Row {
    id: ObjectId,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    columns: BTreeMap<&'static str, serde_json::Value>,
}

fn describe(column: &Column) -> ColumnDescription {
    let of = match column.value_type {
        ColumnType::Scalar(of) => serde_json::to_value(of).ok().and_then(|v| v.as_str().map(str::to_string)),
        ColumnType::Time => Some("time".into()),
        ColumnType::Id => Some("id".into()),
    };
    ColumnDescription { name: column.name, of: of.unwrap_or_default(), unit: column.unit }
}

async fn list(node: Node) -> Json<ViewList> {
    let views = node.running().apps().into_iter().flat_map(|app| app.views);
    let items = views.map(|view| ViewDescription {
        name: view.name,
        version: view.version,
        summary: view.summary,
        columns: view.columns.iter().map(describe).collect(),
    });
    Json(ViewList { items: items.collect() })
}

async fn rows(
    node: Node,
    scope: Scope,
    Path(name): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Row>>, Problem> {
    let mut views = node.running().apps().into_iter().flat_map(|app| app.views);
    let Some(view): Option<&View> = views.find(|view| view.name == name) else {
        let detail = format!("there is no view `{name}`: see GET /api/v1/views");
        return Err(Fault::new(codes::NOT_FOUND, detail).into());
    };
    let PageQuery { cursor, limit } = query;
    let page = scope.records.view(view, cursor.map(Cursor), limit.unwrap_or(0)).await?;
    let row = |stored: types::Stored<serde_json::Value>| {
        let value = |column: &Column| stored.body.pointer(column.path).cloned().unwrap_or_default();
        let columns = view.columns.iter().map(|column| (column.name, value(column))).collect();
        Row { id: stored.id, columns }
    };
    Ok(Json(List { items: page.items.into_iter().map(row).collect(), next: page.next.map(|c| c.0) }))
}
