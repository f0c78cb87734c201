//! Endpoints. A route is made only by [`route`], and there is no route without a [`Permission`].
//!
//! axum's extractors and responses and utoipa's derive may show here; everything else of HTTP stays in `server`.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    handler::Handler,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use types::{Fault, codes};
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::Scope;

/// What a caller's contract must allow. The four roles are nested sets of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Anybody, signed in or not. There is no [`Scope`] behind it.
    Public,
    /// Anybody who is signed in.
    SignedIn,
    /// See plant, values, events. From viewer on.
    Read,
    /// Propose and confirm commands. From operator on.
    Command,
    /// Change devices, points, types, write samples. From engineer on.
    Configure,
    /// Users, the write lock, everything else. Admin only.
    Administer,
}

/// HTTP methods that routes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    fn filter(self) -> MethodFilter {
        match self {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
        }
    }
}

/// One endpoint with its permission and its description; the OpenAPI document is made of these.
pub struct Route {
    /// Method.
    pub method: Method,
    /// Relative to where it is mounted; `{name}` for parameters.
    pub path: &'static str,
    /// Checked before the handler runs.
    pub permission: Permission,
    /// The handler.
    pub router: MethodRouter,
    /// Its description.
    pub operation: Operation,
}

/// A JSON schema with its name, and the schemas it refers to.
pub struct NamedSchema {
    /// Component name.
    pub name: String,
    /// The schema itself.
    pub schema: openapi::RefOr<openapi::Schema>,
    /// What it refers to.
    pub others: Vec<(String, openapi::RefOr<openapi::Schema>)>,
}

impl NamedSchema {
    fn of<T: ToSchema>() -> NamedSchema {
        let mut others = Vec::new();
        T::schemas(&mut others);
        NamedSchema { name: T::name().into_owned(), schema: T::schema(), others }
    }
}

/// What OpenAPI says of a route.
#[derive(Default)]
pub struct Operation {
    /// One line, English.
    pub summary: &'static str,
    /// Query parameters: name, description, required.
    pub query: Vec<(&'static str, &'static str, bool)>,
    /// JSON body.
    pub body: Option<NamedSchema>,
    /// Body of another kind, by content type.
    pub body_content: Option<&'static str>,
    /// Success status and JSON answer.
    pub returns: Option<(u16, Option<NamedSchema>)>,
    /// Answer of another kind, by content type.
    pub returns_content: Option<&'static str>,
}

/// The only way to make an endpoint.
pub fn route<H, T>(method: Method, path: &'static str, permission: Permission, handler: H) -> Route
where
    H: Handler<T, ()>,
    T: 'static,
{
    Route { method, path, permission, router: on(method.filter(), handler), operation: Operation::default() }
}

impl Route {
    /// One line for the API page.
    #[must_use]
    pub fn summary(mut self, line: &'static str) -> Route {
        self.operation.summary = line;
        self
    }
    /// A query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, description: &'static str, required: bool) -> Route {
        self.operation.query.push((name, description, required));
        self
    }
    /// The JSON body.
    #[must_use]
    pub fn body<T: ToSchema>(mut self) -> Route {
        self.operation.body = Some(NamedSchema::of::<T>());
        self
    }
    /// A body that is not JSON.
    #[must_use]
    pub fn body_content(mut self, content_type: &'static str) -> Route {
        self.operation.body_content = Some(content_type);
        self
    }
    /// The JSON answer.
    #[must_use]
    pub fn returns<T: ToSchema>(mut self, status: u16) -> Route {
        self.operation.returns = Some((status, Some(NamedSchema::of::<T>())));
        self
    }
    /// An answer without a body.
    #[must_use]
    pub fn returns_nothing(mut self, status: u16) -> Route {
        self.operation.returns = Some((status, None));
        self
    }
    /// An answer that is not JSON.
    #[must_use]
    pub fn returns_content(mut self, content_type: &'static str) -> Route {
        self.operation.returns_content = Some(content_type);
        self
    }
}

/// A fault as an answer: `application/problem+json` (RFC 9457) with code, arguments, place and next action.
#[derive(Debug, Clone)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// What went wrong; several when an input has several mistakes.
    pub faults: Vec<Fault>,
}

/// The body of a [`Problem`].
#[derive(Serialize, ToSchema)]
pub struct ProblemBody {
    /// HTTP status again.
    pub status: u16,
    /// Short English title of the status.
    pub title: String,
    #[serde(flatten)]
    #[allow(missing_docs, reason = "flattened: see Fault")]
    pub fault: Fault,
    /// All faults, when there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        Problem { status: status_of(&fault), faults: vec![fault] }
    }
}
impl From<Vec<Fault>> for Problem {
    fn from(faults: Vec<Fault>) -> Problem {
        let status = faults.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, status_of);
        Problem { status, faults }
    }
}

/// The status that goes with a code. Any other code is a mistake in the input.
fn status_of(fault: &Fault) -> StatusCode {
    match fault.code.as_ref() {
        codes::NOT_FOUND => StatusCode::NOT_FOUND,
        codes::CONFLICT | codes::EXISTS => StatusCode::CONFLICT,
        codes::FORBIDDEN => StatusCode::FORBIDDEN,
        codes::UNAUTHENTICATED => StatusCode::UNAUTHORIZED,
        codes::STORAGE_REFUSED => StatusCode::INSUFFICIENT_STORAGE,
        codes::INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
        "body.too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "origin.refused" => StatusCode::FORBIDDEN,
        "session.wait" => StatusCode::TOO_MANY_REQUESTS,
        code if code.starts_with("session.") => StatusCode::UNAUTHORIZED,
        code if code.starts_with("write.") => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem { status, mut faults } = self;
        if faults.is_empty() {
            faults.push(Fault::new(codes::INTERNAL, "no reason was given; see the log"));
        }
        let fault = faults[0].clone();
        let errors = if faults.len() > 1 { faults } else { Vec::new() };
        let title = status.canonical_reason().unwrap_or("Error").to_string();
        let body = ProblemBody { status: status.as_u16(), title, fault, errors };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response()
    }
}

/// A JSON body; a wrong one is answered with the place of the mistake.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = bytes::Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.into_response().status();
            let fault = if status == StatusCode::PAYLOAD_TOO_LARGE {
                Fault::new("body.too-large", "the body is larger than this route takes: send it in parts")
            } else {
                Fault::new(codes::INVALID, "the body did not arrive whole: send it again")
            };
            Problem { status, faults: vec![fault] }
        })?;
        let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Fault::new(codes::INVALID, format!("the body is not JSON: {error}; correct it and send it again"))
                .arg("reason", error.to_string())
                .at(place)
        })?;
        Ok(Body(crate::parse_json(&json)?))
    }
}

/// The query of a URL; a wrong parameter is answered with its name.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|q| Query(q.0)).map_err(|rejection| {
            let reason = rejection.body_text();
            let detail = format!("{reason}; see the parameters of this route in /api/v1/openapi.json");
            Fault::new(codes::INVALID, detail).arg("reason", reason).at("query").into()
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Scope>().cloned().ok_or_else(|| {
            Fault::new(codes::UNAUTHENTICATED, "nobody is signed in: sign in, or send a session token").into()
        })
    }
}

/// One page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// In order.
    pub items: Vec<T>,
    /// Send as `cursor` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A type's JSON schema with everything it refers to inlined under `$defs`.
pub fn json_schema<T: ToSchema + PartialSchema>() -> serde_json::Value {
    let named = NamedSchema::of::<T>();
    let mut root = serde_json::to_value(&named.schema).unwrap_or_default();
    let defs: serde_json::Map<_, _> = named
        .others
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    if let (Some(root), false) = (root.as_object_mut(), defs.is_empty()) {
        root.insert("$defs".into(), defs.into());
    }
    root
}
