//! `/drivers`: which protocols there are, and trying one before a device exists.

use axum::{Json, extract::Path};
use sdk::{
    AddressFacts, Inspect, Inspection, Probe, ProbeReport,
    http::{Body, Method, Permission, Problem, Route, route},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
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
}

async fn list(node: Node) -> Json<DriverList> {
    let view = |d: sdk::Driver| DriverView {
        id: d.id.into(),
        name: Label::both(d.name.0, d.name.1),
        config_schema: (d.config_schema)(),
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
    Path(id): Path<String>,
    Body(request): Body<ProbeRequest>,
) -> Result<Json<ProbeReport>, Problem> {
    let driver = node.driver(&id)?;
    (driver.check_config)(&request.config)?;
    let (clock, net) = (node.running().clock(), node.running().net());
    let work = (driver.probe)(Probe { config: request.config, clock: clock.clone(), net });
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
    Path(id): Path<String>,
    Body(request): Body<InspectRequest>,
) -> Result<Json<Inspection>, Problem> {
    let driver = node.driver(&id)?;
    (driver.check_config)(&request.config)?;
    if !(1..=Inspect::CELLS_MAX).contains(&request.cells) {
        let detail = format!("{} cells: ask for 1 to {}", request.cells, Inspect::CELLS_MAX);
        return Err(Fault::new(codes::INVALID, detail).at("/cells").into());
    }
    let (clock, net) = (node.running().clock(), node.running().net());
    let InspectRequest { config, address, cells } = request;
    let work = (driver.inspect)(Inspect { config, address, cells, clock: clock.clone(), net });
    Ok(Json(clock.timeout(TRY_TIMEOUT, work).await.map_err(|_| too_slow())??))
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
