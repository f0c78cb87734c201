//! The HTTP door: the gate, the kernel's API, live values, the OpenAPI document and the console's files.
//!
//! Where things are: a session is checked in `gate`; an endpoint is a line in `api/<noun>.rs`; live values are `live`.

mod api;
mod files;
mod gate;
mod live;
mod node;
mod openapi;

use axum::{Router, extract::DefaultBodyLimit, middleware, response::IntoResponse, routing::get};
use sdk::http::Route;
use std::net::SocketAddr;

pub use live::FRAMES_A_SECOND;
pub use node::{Node, Peer, Running, Settings, WriteLockView};

/// The largest request body: a CSV of about 100,000 points.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The largest body of a request of somebody who is not signed in.
pub const PUBLIC_BODY_BYTES_MAX: usize = 16 * 1024;
/// Where the API starts.
const API: &str = "/api/v1";

/// Everything that is mounted: the kernel's routes, then each app's below `/apps/<id>`, then what foreign clients expect
/// at the root.
fn groups(apps: &[sdk::App]) -> Vec<(String, &'static str, Vec<Route>)> {
    let kernel = api::groups().into_iter().map(|(tag, routes)| (API.to_string(), tag, routes));
    let apps = apps.iter().map(|app| (format!("{API}/apps/{}", app.id), app.id, (app.routes)()));
    let lines = (String::new(), "lines", api::lines::routes());
    kernel.chain(apps).chain([lines]).collect()
}

/// The OpenAPI 3.1 document of this node's routes.
pub fn openapi(apps: &[sdk::App]) -> serde_json::Value {
    let groups = groups(apps);
    let mounted: Vec<openapi::Mounted<'_>> = groups
        .iter()
        .flat_map(|(prefix, tag, routes)| {
            routes.iter().map(move |route| openapi::Mounted { prefix: prefix.clone(), tag, route })
        })
        .collect();
    openapi::document(&mounted)
}

/// Every route with its permission: `(method, path, permission)`. What tests walk.
pub fn route_table(apps: &[sdk::App]) -> Vec<(sdk::http::Method, String, sdk::http::Permission)> {
    let groups = groups(apps);
    groups
        .iter()
        .flat_map(|(prefix, _, routes)| {
            routes.iter().map(move |r| (r.method, format!("{prefix}{}", r.path), r.permission))
        })
        .collect()
}

/// The whole door.
pub fn router(node: Node) -> Router {
    let apps = node.running().apps();
    let document = openapi(&apps).to_string();
    let mut router = Router::new().route(
        "/api/v1/openapi.json",
        get(move || async move { ([("content-type", "application/json")], document).into_response() }),
    );
    for (prefix, _, routes) in groups(&apps) {
        for route in routes {
            let gate = gate::Gate { node: node.clone(), permission: route.permission };
            let limit = match route.permission {
                sdk::http::Permission::Public => PUBLIC_BODY_BYTES_MAX,
                _ => BODY_BYTES_MAX,
            };
            let limited = route.router.layer(DefaultBodyLimit::max(limit));
            let guarded = limited.layer(middleware::from_fn_with_state(gate, gate::check));
            router = router.route(&format!("{prefix}{}", route.path), guarded);
        }
    }
    router.fallback(files::serve).layer(middleware::from_fn_with_state(node, gate::check_origin))
}

/// Serves until `stop` resolves; requests under way are finished.
pub async fn serve(
    listener: tokio::net::TcpListener,
    node: Node,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(node).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}
