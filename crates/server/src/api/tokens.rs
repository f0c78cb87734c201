//! `/tokens`: for programs that act for the caller.

use axum::{
    Extension, Json,
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sdk::http::{Body, Method, Permission, Problem, Route, route};
use serde::Serialize;

use super::path_id;
use crate::node::Node;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/tokens", Permission::SignedIn, all)
            .summary("Your own tokens, without the tokens themselves")
            .returns::<TokenList>(200),
        route(Method::Post, "/tokens", Permission::SignedIn, make)
            .summary("Make a token for a program that acts for you; the token is shown this once")
            .body::<access::TokenInput>()
            .returns::<NewToken>(201),
        route(Method::Delete, "/tokens/{id}", Permission::SignedIn, revoke)
            .summary("Revoke one of your tokens at once")
            .returns_nothing(204),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct TokenList {
    items: Vec<access::TokenView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct NewToken {
    /// For `Authorization: Bearer` or `Token`, as a password with any name, and for the PostgreSQL door.
    token: String,
    #[serde(flatten)]
    view: access::TokenView,
}

async fn all(node: Node, Extension(identity): Extension<access::Identity>) -> Json<TokenList> {
    Json(TokenList { items: node.access().tokens(&identity) })
}

async fn make(
    node: Node,
    Extension(identity): Extension<access::Identity>,
    Body(input): Body<access::TokenInput>,
) -> Result<Response, Problem> {
    let (token, view) = node.access().make_token(&identity, input).await?;
    let made = NewToken { token: token.reveal().to_string(), view };
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn revoke(
    node: Node,
    Extension(identity): Extension<access::Identity>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    node.access().revoke_token(&identity, path_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
