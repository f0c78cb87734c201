//! `/query`: SQL over history, plant and records.

use axum::{
    Json,
    body::Body as HttpBody,
    http::header,
    response::{IntoResponse, Response},
};
use query::format::{Format, Writer};
use query::{Answer, TableView};
use sdk::{
    Scope,
    http::{Body, Method, Permission, Problem, Route, route},
};
use serde::{Deserialize, Serialize};
use types::Fault;

use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Post, "/query", Permission::Read, ask)
            .summary("Ask in SQL; the answer comes as it is found, in JSON, CSV, Arrow or Parquet")
            .body::<Question>()
            .returns::<AnswerView>(200),
        route(Method::Get, "/query/tables", Permission::Read, tables)
            .summary("Tables, columns and functions that SQL may name")
            .returns::<TableList>(200),
    ]
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    /// One statement that changes nothing.
    sql: String,
    #[serde(default)]
    format: Format,
    /// The answer ends after so many rows.
    limit: Option<usize>,
}

/// The JSON form of an answer.
#[derive(Serialize, utoipa::ToSchema)]
#[allow(dead_code, reason = "written as a stream: this is its description")]
struct AnswerView {
    columns: Vec<AnswerColumn>,
    /// A value for each column; 64-bit integers as strings, times in RFC 3339.
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Vec<serde_json::Value>>,
    /// There were more rows than `limit`.
    truncated: bool,
    /// Why the answer ends early; absent when it is whole.
    error: Option<Fault>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct AnswerColumn {
    name: String,
    /// bool, i32, i64, u32, u64, f64, decimal, time, date, interval, string, bytes.
    #[serde(rename = "type")]
    of: String,
}

async fn ask(node: Node, scope: Scope, Body(question): Body<Question>) -> Result<Response, Problem> {
    let answer = node.sql().query(&scope, &question.sql).await?;
    let writer = Some(question.format.begin(&answer.schema)?);
    let left = question.limit.unwrap_or(usize::MAX);
    let mut pump = Pump { answer, writer, left, is_cut: false };
    // The first batch is waited for, so that what goes wrong at once is an answer of its own.
    let first = pump.next().await?;
    let chunks = futures_util::stream::unfold((pump, Some(first)), |(mut pump, first)| async move {
        let chunk = match first {
            Some(first) => first,
            None => match pump.next().await {
                Ok(chunk) => chunk,
                Err(fault) => Some(pump.writer.take()?.end(false, Some(fault))),
            },
        };
        Some((chunk?.map_err(|fault| std::io::Error::other(fault.detail)), (pump, None)))
    });
    let mut response = HttpBody::from_stream(chunks).into_response();
    let content_type = header::HeaderValue::from_static(question.format.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// From batches to bytes.
struct Pump {
    answer: Answer,
    /// `None` once the end was written.
    writer: Option<Writer>,
    /// Rows still wanted.
    left: usize,
    is_cut: bool,
}

type Chunk = Result<bytes::Bytes, Fault>;

impl Pump {
    /// The next bytes; `None` after the end.
    async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        while !self.is_cut
            && let Some(batch) = self.answer.next().await
        {
            let batch = batch?;
            let rows = batch.num_rows().min(self.left);
            self.is_cut = rows < batch.num_rows();
            self.left -= rows;
            let bytes = writer.batch(&batch.slice(0, rows))?;
            if !bytes.is_empty() {
                return Ok(Some(Ok(bytes)));
            }
        }
        Ok(self.writer.take().map(|writer| writer.end(self.is_cut, None)))
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct TableList {
    tables: Vec<TableView>,
    functions: Vec<query::FunctionView>,
}

async fn tables(node: Node, scope: Scope) -> Json<TableList> {
    Json(TableList { tables: node.sql().describe(&scope), functions: query::functions() })
}
