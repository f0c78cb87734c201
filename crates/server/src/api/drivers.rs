//! `/drivers`: which protocols there are, and trying one before a device exists.

use axum::{
    Json,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use sdk::{
    AddressFacts, BoxFuture, Browse, BrowsedNode, Inspect, Inspection, Probe, ProbeReport, Scope,
    http::{Body, Method, Permission, Problem, Route, route},
};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, time::Duration};
use tokio::sync::mpsc;
use types::{Fault, Label, codes};

use crate::node::Node;

/// A probe or an inspection that takes longer is given up.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/drivers", Permission::Read, list)
            .summary("Protocols of this node")
            .returns::<DriverList>(200),
        route(Method::Post, "/drivers/{id}/probe", Permission::Configure, probe)
            .summary("Try a connection once and tell failures apart")
            .body::<ProbeRequest>()
            .returns::<ProbeReport>(200),
        route(Method::Post, "/drivers/{id}/inspect", Permission::Configure, inspect)
            .summary("What is at an address, raw and in every plausible reading")
            .body::<InspectRequest>()
            .returns::<Inspection>(200),
        route(Method::Post, "/drivers/{id}/browse", Permission::Configure, browse)
            .summary("What a device offers, one JSON object a line as it is found; the last line has `end`")
            .body::<BrowseRequest>()
            .returns_content("application/x-ndjson"),
        route(Method::Post, "/drivers/{id}/address", Permission::Read, address)
            .summary("Check an address and give its canonical form")
            .body::<AddressRequest>()
            .returns::<AddressFacts>(200),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct DriverList {
    items: Vec<DriverView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct DriverView {
    id: String,
    name: Label,
    #[schema(value_type = Object)]
    config_schema: serde_json::Value,
    /// Its devices can say what they offer.
    browses: bool,
}

async fn list(node: Node) -> Json<DriverList> {
    let view = |d: sdk::Driver| DriverView {
        id: d.id.into(),
        name: Label::both(d.name.0, d.name.1),
        config_schema: (d.config_schema)(),
        browses: d.browse.is_some(),
    };
    Json(DriverList { items: node.running().drivers().into_iter().map(view).collect() })
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ProbeRequest {
    #[schema(value_type = Object)]
    config: serde_json::Value,
}

async fn probe(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    Body(request): Body<ProbeRequest>,
) -> Result<Json<ProbeReport>, Problem> {
    let (driver, reach, config) = node.try_out(scope.org, &id, &request.config)?;
    let clock = reach.clock.clone();
    let work = (driver.probe)(Probe { config, reach });
    Ok(Json(clock.timeout(TRY_TIMEOUT, work).await.map_err(|_| too_slow())??))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct InspectRequest {
    #[schema(value_type = Object)]
    config: serde_json::Value,
    address: String,
    cells: u16,
}

async fn inspect(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    Body(request): Body<InspectRequest>,
) -> Result<Json<Inspection>, Problem> {
    let (driver, reach, config) = node.try_out(scope.org, &id, &request.config)?;
    if !(1..=Inspect::CELLS_MAX).contains(&request.cells) {
        let detail = format!("{} cells: ask for 1 to {}", request.cells, Inspect::CELLS_MAX);
        return Err(Fault::new(codes::INVALID, detail).at("/cells").into());
    }
    let clock = reach.clock.clone();
    let InspectRequest { address, cells, .. } = request;
    let work = (driver.inspect)(Inspect { config, address, cells, reach });
    Ok(Json(clock.timeout(TRY_TIMEOUT, work).await.map_err(|_| too_slow())??))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct BrowseRequest {
    #[schema(value_type = Object)]
    config: serde_json::Value,
    /// Address of the node to look below; empty for the root.
    #[serde(default)]
    at: String,
    /// Everything below, or only the next level.
    #[serde(default)]
    deep: bool,
}

/// A browse that takes longer is cut, and says so.
const BROWSE_TIMEOUT: Duration = Duration::from_secs(600);

/// Lines are sent as the device gives nodes. A caller who goes away drops the stream, and with it the browse.
async fn browse(
    node: Node,
    scope: Scope,
    Path(id): Path<String>,
    Body(request): Body<BrowseRequest>,
) -> Result<Response, Problem> {
    let (driver, reach, config) = node.try_out(scope.org, &id, &request.config)?;
    let Some(browse) = driver.browse else {
        let detail = format!("devices of `{id}` do not say what they offer: look at an address instead");
        return Err(Fault::new(codes::INVALID, detail).into());
    };
    let (out, nodes) = mpsc::channel(Browse::BATCHES_MAX);
    let clock = reach.clock.clone();
    let work = browse(Browse { config, at: request.at, deep: request.deep, out, reach });
    let work: BoxFuture<'static, Result<(), Fault>> =
        Box::pin(
            async move { clock.timeout(BROWSE_TIMEOUT, work).await.unwrap_or_else(|_| Err(too_slow())) },
        );
    let lines = stream::unfold(Browsing { work: Some(work), nodes }, |browsing| async {
        let (lines, browsing) = browsing.next().await?;
        Some((Ok::<_, Infallible>(lines), browsing))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], axum::body::Body::from_stream(lines))
        .into_response())
}

/// A browse under way: the work is driven by whoever reads the answer.
struct Browsing {
    work: Option<BoxFuture<'static, Result<(), Fault>>>,
    nodes: mpsc::Receiver<Vec<BrowsedNode>>,
}

impl Browsing {
    async fn next(mut self) -> Option<(Vec<u8>, Browsing)> {
        let ended = tokio::select! {
            biased;
            Some(nodes) = self.nodes.recv() => return Some((lines(&nodes), self)),
            ended = self.work.as_mut()? => ended,
        };
        self.work = None;
        let mut last = Vec::new();
        while let Ok(nodes) = self.nodes.try_recv() {
            last.extend(lines(&nodes));
        }
        last.extend(lines(&[serde_json::json!({ "end": true, "fault": ended.err() })]));
        Some((last, self))
    }
}

fn lines<T: Serialize>(items: &[T]) -> Vec<u8> {
    let mut lines = Vec::new();
    for item in items {
        // Names, texts and flags: they are always JSON.
        if serde_json::to_writer(&mut lines, item).is_ok() {
            lines.push(b'\n');
        }
    }
    lines
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AddressRequest {
    address: String,
}

async fn address(
    node: Node,
    Path(id): Path<String>,
    Body(request): Body<AddressRequest>,
) -> Result<Json<AddressFacts>, Problem> {
    Ok(Json((node.driver(&id)?.check_address)(&request.address)?))
}

fn too_slow() -> Fault {
    Fault::new("device.too-slow", "the device did not finish in time: check the line and try fewer cells")
}
