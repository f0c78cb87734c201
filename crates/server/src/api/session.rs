//! `/setup`, `/session`, `/organisation`: first start, signing in and out.

use axum::{
    Extension, Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sdk::http::{Body, Method, Permission, Problem, Route, route};
use serde::{Deserialize, Serialize};
use types::{ObjectId, OrgId, Time};

use crate::{
    gate::{SessionToken, cookie_name},
    node::{Node, Peer},
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/setup", Permission::Public, setup_state)
            .summary("Whether the node still waits for its first administrator")
            .returns::<SetupState>(200),
        route(Method::Post, "/setup", Permission::Public, setup)
            .summary("Make the organisation and its first administrator, with the one-time setup code")
            .body::<access::Setup>()
            .returns::<SessionView>(201),
        route(Method::Post, "/session", Permission::Public, sign_in)
            .summary("Sign in with name and password")
            .body::<SignIn>()
            .returns::<SessionView>(200),
        route(Method::Post, "/session/link", Permission::Public, redeem)
            .summary("Sign in with a one-time token, from this machine only")
            .body::<Redeem>()
            .returns::<SessionView>(200),
        route(Method::Get, "/session", Permission::SignedIn, current)
            .summary("Who is signed in")
            .returns::<SessionView>(200),
        route(Method::Delete, "/session", Permission::SignedIn, sign_out)
            .summary("Sign out")
            .returns_nothing(204),
        route(Method::Put, "/session/password", Permission::SignedIn, change_password)
            .summary("Change your own password; your other sessions end")
            .body::<ChangePassword>()
            .returns_nothing(204),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct SetupState {
    needed: bool,
}

async fn setup_state(node: Node) -> Json<SetupState> {
    Json(SetupState { needed: node.access().setup_needed() })
}

/// A session as the API shows it.
#[derive(Serialize, utoipa::ToSchema)]
struct SessionView {
    /// For programs, as `Authorization: Bearer`; only in the answer that opens the session. Browsers use the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    user: UserIdentity,
    organisation: Organisation,
    permissions: Vec<Permission>,
    expires: Time,
}

#[derive(Serialize, utoipa::ToSchema)]
struct UserIdentity {
    id: ObjectId,
    name: String,
    role: access::Role,
    locale: access::Locale,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Organisation {
    id: OrgId,
    name: String,
}

impl SessionView {
    fn of(identity: &access::Identity, token: Option<String>) -> SessionView {
        SessionView {
            token,
            user: UserIdentity {
                id: identity.user,
                name: identity.name.clone(),
                role: identity.role,
                locale: identity.locale,
            },
            organisation: Organisation { id: identity.org, name: identity.organisation.clone() },
            permissions: identity.permissions.clone(),
            expires: identity.expires,
        }
    }
}

async fn setup(
    node: Node,
    peer: Peer,
    headers: HeaderMap,
    Body(setup): Body<access::Setup>,
) -> Result<Response, Problem> {
    let session = node.access().setup(setup, peer.0).await?;
    node.running().organisation_made(session.identity.org);
    Ok(opened(&node, &headers, StatusCode::CREATED, &session))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// `name@organisation` when several organisations of the node have a user of this name.
    name: String,
    password: access::Secret,
}

async fn sign_in(
    node: Node,
    peer: Peer,
    headers: HeaderMap,
    Body(request): Body<SignIn>,
) -> Result<Response, Problem> {
    let session = node.access().sign_in(&request.name, &request.password, peer.0).await?;
    Ok(opened(&node, &headers, StatusCode::OK, &session))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Redeem {
    token: String,
}

async fn redeem(
    node: Node,
    peer: Peer,
    headers: HeaderMap,
    Body(request): Body<Redeem>,
) -> Result<Response, Problem> {
    let session = node.access().redeem_link(&request.token, peer.0).await?;
    Ok(opened(&node, &headers, StatusCode::OK, &session))
}

async fn current(Extension(identity): Extension<access::Identity>) -> Json<SessionView> {
    Json(SessionView::of(&identity, None))
}

async fn sign_out(
    node: Node,
    headers: HeaderMap,
    Extension(token): Extension<SessionToken>,
) -> Result<Response, Problem> {
    node.access().sign_out(&token.0).await?;
    let cookie = cookie_name(&headers);
    let forget = format!("{cookie}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    old: access::Secret,
    new: access::Secret,
}

async fn change_password(
    node: Node,
    Extension(identity): Extension<access::Identity>,
    Body(change): Body<ChangePassword>,
) -> Result<StatusCode, Problem> {
    node.access().change_password(&identity, &change.old, &change.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn opened(node: &Node, headers: &HeaderMap, status: StatusCode, session: &access::Session) -> Response {
    let token = session.token.reveal();
    let secure = if node.settings().secure { "; Secure" } else { "" };
    let name = cookie_name(headers);
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    let mut response =
        (status, Json(SessionView::of(&session.identity, Some(token.to_string())))).into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
