//! An app's endpoints without a server: routing, permission, extractors and answers are those of the real door; signing
//! in, origins and sessions are not there.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    handler::Handler,
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::any_service,
};
use types::{Fault, codes};

use crate::{
    App, Scope,
    http::{Method, Permission, Problem},
};

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// As it was sent.
    pub text: String,
}

impl Answer {
    /// The answer as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Asks an endpoint of an app, as the caller of a scope. `path` is relative to the app's root and may have a query.
///
/// # Errors
/// A path that is none, and an answer that cannot be read. What the endpoint refuses is an [`Answer`].
pub async fn call(
    app: &App,
    scope: &Scope,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> Result<Answer, Fault> {
    let broken =
        |what: &str, error: String| Fault::new(codes::INVALID, format!("{what}: {error}; correct it"));
    let root = format!("/api/v1/apps/{}", app.id);
    let verb = format!("{method:?}").to_uppercase();
    let request = Request::builder().method(verb.as_str()).uri(format!("{root}{path}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").extension(scope.clone());
    let body = body.map_or_else(Body::empty, |json| Body::from(json.to_string()));
    let request = request.body(body).map_err(|error| broken(path, error.to_string()))?;
    let mut router = Router::new();
    for route in (app.routes)() {
        let guarded = route.router.layer(middleware::from_fn_with_state(route.permission, gate));
        router = router.route(&format!("{root}{}", route.path), guarded);
    }
    let response = any_service(router).call(request, ()).await;
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| broken("the answer", error.to_string()))?;
    let text = String::from_utf8(bytes.into()).map_err(|error| broken("the answer", error.to_string()))?;
    Ok(Answer { status, text })
}

/// Refuses callers whose contract does not allow the route.
async fn gate(State(permission): State<Permission>, request: Request, next: Next) -> Response {
    let allowed = request.extensions().get::<Scope>().is_some_and(|scope| scope.caller.may(permission));
    if allowed {
        return next.run(request).await;
    }
    let needed = format!("{permission:?}").to_lowercase();
    let detail = format!("this needs the permission `{needed}`: ask an administrator for another role");
    Problem::from(Fault::new(codes::FORBIDDEN, detail).arg("permission", needed)).into_response()
}
