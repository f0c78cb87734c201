//! `/health`, `/system`, `/units`: the node itself.

use axum::{Json, http::StatusCode};
use sdk::{
    Scope,
    http::{Method, Permission, Route, route},
};
use serde::Serialize;
use types::{Dimension, Unit};

use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/health", Permission::Public, health)
            .summary("Whether the node works; 503 when samples are not stored")
            .returns::<Health>(200),
        route(Method::Get, "/system", Permission::Administer, system)
            .summary("The node in figures")
            .returns::<System>(200),
        route(Method::Get, "/units", Permission::Read, units)
            .summary("Units of measure")
            .returns::<UnitList>(200),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct Health {
    /// `ok`, or `degraded` when samples are not stored.
    status: String,
    version: String,
    uptime_s: u64,
}

async fn health(node: Node) -> (StatusCode, Json<Health>) {
    let refusing = node.historian().stats().refusing.is_some();
    let status = if refusing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let text = if refusing { "degraded" } else { "ok" };
    let version = node.settings().version.clone();
    (status, Json(Health { status: text.into(), version, uptime_s: node.uptime_s() }))
}

#[derive(Serialize, utoipa::ToSchema)]
struct System {
    version: String,
    uptime_s: u64,
    /// Resident memory of the process; absent where the system does not tell.
    rss_bytes: Option<u64>,
    historian: HistorianFigures,
    devices: usize,
    devices_online: usize,
}

#[derive(Serialize, utoipa::ToSchema)]
struct HistorianFigures {
    rows_appended: u64,
    batches_refused: u64,
    syncs: u64,
    log_bytes: u64,
    memory_bytes: usize,
    segments: usize,
    segment_bytes: u64,
    segment_rows: u64,
    damaged: u64,
    /// Why samples are not stored now.
    refusing: Option<String>,
}

async fn system(node: Node, scope: Scope) -> Json<System> {
    let stats = node.historian().stats();
    let health = node.running().device_health(scope.org);
    Json(System {
        version: node.settings().version.clone(),
        uptime_s: node.uptime_s(),
        rss_bytes: rss_bytes(),
        historian: HistorianFigures {
            rows_appended: stats.rows_appended,
            batches_refused: stats.batches_refused,
            syncs: stats.syncs,
            log_bytes: stats.log_bytes,
            memory_bytes: stats.memory_bytes,
            segments: stats.segments,
            segment_bytes: stats.segment_bytes,
            segment_rows: stats.segment_rows,
            damaged: stats.damaged,
            refusing: stats.refusing,
        },
        devices: health.len(),
        devices_online: health.values().filter(|h| h["state"] == "online").count(),
    })
}

/// From /proc (Linux): the second field of statm, in pages of 4 KiB.
fn rss_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}

#[derive(Serialize, utoipa::ToSchema)]
struct UnitList {
    items: Vec<UnitView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct UnitView {
    /// UCUM code: what is stored.
    code: String,
    /// What is shown.
    symbol: String,
    dimension: Dimension,
}

async fn units() -> Json<UnitList> {
    let view = |u: &Unit| UnitView { code: u.code.into(), symbol: u.symbol.into(), dimension: u.dimension };
    Json(UnitList { items: Unit::all().iter().map(view).collect() })
}
