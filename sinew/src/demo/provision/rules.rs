//! Enters the alarm rules by the alarm app's own endpoint, with an engineer's permissions: the demo has no other way in
//! than a person has.

use axum::{
    body::{Body, to_bytes},
    handler::Handler,
    http::{Request, header},
};
use example_plant::ModelRule;
use sdk::{
    Caller, Scope,
    http::{Method, Permission, Route},
};
use types::{CataloguedPoint, Fault, OrgId, codes};

use super::ACTOR;
use crate::node::Node;

const APP: &str = "alarms";
const PATH: &str = "/rules";
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Every rule; `points` are those of the model, in its order. A build without the alarm app has no rules.
pub(super) async fn enter(
    node: &Node,
    org: OrgId,
    points: &[CataloguedPoint],
    rules: Vec<ModelRule>,
) -> Result<(), Vec<Fault>> {
    let Some(app) = node.runtime.apps().iter().find(|app| app.id == APP) else { return Ok(()) };
    let permissions =
        vec![Permission::SignedIn, Permission::Read, Permission::Command, Permission::Configure];
    let scope = node.runtime.scope(org, Caller { name: ACTOR.into(), user: None, permissions });
    let route = (app.routes)().into_iter().find(|route| route.method == Method::Post && route.path == PATH);
    let Some(route) = route.filter(|route| scope.caller.may(route.permission)) else {
        let detail = format!("the app `{APP}` has no POST {PATH} that an engineer may use; report this");
        return Err(vec![Fault::new(codes::INTERNAL, detail)]);
    };
    for ModelRule { key, point, setpoint, mut rule } in rules {
        rule["point"] = points[point].object.to_string().into();
        if let Some(setpoint) = setpoint {
            rule["condition"]["setpoint"] =
                serde_json::json!({ "point": points[setpoint].object.to_string() });
        }
        add(&route, &scope, &rule).await.map_err(|mut fault| {
            fault.detail = format!("alarm rule `{key}`: {}", fault.detail);
            vec![fault]
        })?;
    }
    Ok(())
}

/// One request, as the door would hand it on.
async fn add(route: &Route, scope: &Scope, rule: &serde_json::Value) -> Result<(), Fault> {
    let broken = |error: String| Fault::new(codes::INTERNAL, format!("{error}; report this"));
    let request =
        Request::post(PATH).header(header::CONTENT_TYPE, "application/json").extension(scope.clone());
    let request = request.body(Body::from(rule.to_string())).map_err(|e| broken(e.to_string()))?;
    let response = route.router.clone().call(request, ()).await;
    if response.status().is_success() {
        return Ok(());
    }
    let answer = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.map_err(|e| broken(e.to_string()))?;
    Err(broken(String::from_utf8_lossy(&answer).into_owned()))
}
