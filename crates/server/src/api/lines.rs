//! InfluxDB line protocol in, at the paths where its clients expect it: `/write` (version 1) and `/api/v2/write`
//! (version 2). Names of databases, buckets and organisations are taken and not used: the token says whose data it is.
//!
//! Deliberately absent: the query languages of InfluxDB. Questions are asked in SQL.

use axum::{
    Json,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use intake::{Lines, Precision, Written};
use sdk::{
    Scope,
    http::{Method, Permission, Problem, Query, Route, route},
};
use serde::Deserialize;
use types::{Fault, codes};

use crate::node::Node;

/// Where line protocol is sent to.
pub(crate) const PATHS: [&str; 2] = ["/write", "/api/v2/write"];

/// Mounted at the root of the server.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Post, PATHS[0], Permission::Configure, write)
            .summary("Store line protocol, as clients of InfluxDB 1 send it; durable when answered")
            .query("precision", "what times count: n, u, ms, s, m, h", false)
            .body_content("text/plain")
            .returns_nothing(204),
        route(Method::Post, PATHS[1], Permission::Configure, write)
            .summary("Store line protocol, as clients of InfluxDB 2 send it; durable when answered")
            .query("precision", "what times count: ns, us, ms, s", false)
            .body_content("text/plain")
            .returns_nothing(204),
        route(Method::Get, "/ping", Permission::Public, ping)
            .summary("Line protocol is taken here")
            .returns_nothing(204),
        route(Method::Post, "/query", Permission::Configure, query)
            .summary("Answers CREATE DATABASE, which clients of InfluxDB 1 send first")
            .query("q", "the statement; it may also come in a form", false)
            .returns_content("application/json"),
    ]
}

/// Other parameters, such as a database, are taken and not used.
#[derive(Deserialize)]
struct WriteQuery {
    #[serde(default)]
    precision: String,
}

async fn write(
    node: Node,
    scope: Scope,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(precision) = Precision::named(&query.precision) else {
        let detail = format!("precision `{}`: send ns, us, ms or s", query.precision);
        return refused(StatusCode::BAD_REQUEST, codes::INVALID, &detail);
    };
    let lines = match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Lines::Plain(body),
        Some(b"gzip") => Lines::Gzip(body),
        Some(_) => {
            let detail = "this Content-Encoding is not known here: send gzip, or none";
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, codes::INVALID, detail);
        }
    };
    match node.intake().write(&scope, lines, precision).await {
        Ok(written) if written.refused == 0 => StatusCode::NO_CONTENT.into_response(),
        // Not to be sent again: the good lines are kept, the others stay wrong.
        Ok(written) => refused(StatusCode::BAD_REQUEST, "lines.refused", &partial(&written)),
        // To be sent again: clients do so after a 5xx.
        Err(fault) if fault.code == codes::STORAGE_REFUSED => {
            tracing::warn!(reason = %fault.detail, "line protocol is not stored; its client keeps it and tries again");
            refused(StatusCode::SERVICE_UNAVAILABLE, &fault.code, &fault.detail)
        }
        Err(fault) => refused(Problem::from(fault.clone()).status, &fault.code, &fault.detail),
    }
}

fn partial(written: &Written) -> String {
    let faults: Vec<String> = written.faults.iter().map(ToString::to_string).collect();
    let rest = written.refused - written.faults.len();
    let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!(
        "partial write: {} values are stored, dropped={} lines: {}{more}",
        written.rows,
        written.refused,
        faults.join("; ")
    )
}

/// As clients of both versions read it: `error` for 1, `code` and `message` for 2.
pub(crate) fn refused(status: StatusCode, code: &str, detail: &str) -> Response {
    let code = if code == codes::INVALID { "invalid" } else { code };
    let body = serde_json::json!({ "code": code, "message": detail, "error": detail });
    (status, Json(body)).into_response()
}

async fn ping() -> impl IntoResponse {
    // Clients of version 1 look for the version here.
    (StatusCode::NO_CONTENT, [("X-Influxdb-Version", concat!("sinew-", env!("CARGO_PKG_VERSION")))])
}

#[derive(Deserialize)]
struct StatementQuery {
    q: Option<String>,
}

/// The statement is a parameter of the address, or of a form in the body.
async fn query(Query(query): Query<StatementQuery>, body: Bytes) -> Result<Response, Problem> {
    let form = || form_urlencoded::parse(&body).find(|(name, _)| name == "q").map(|(_, q)| q.into_owned());
    let statement = query.q.or_else(form).unwrap_or_default();
    let words: Vec<String> = statement.split_whitespace().take(2).map(str::to_uppercase).collect();
    if words == ["CREATE", "DATABASE"] {
        return Ok(Json(serde_json::json!({ "results": [{ "statement_id": 0 }] })).into_response());
    }
    let detail = "InfluxQL is not spoken here: ask in SQL, at /api/v1/query or over the PostgreSQL door";
    Err(Fault::new(codes::INVALID, detail).at("q").into())
}
