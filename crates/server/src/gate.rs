//! The gate: where a session is checked. Every request passes here, and a handler behind it runs only if the caller's
//! contract allows the route's permission.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::Engine;
use sdk::http::{Permission, Problem};
use types::{Fault, codes};

use crate::api::lines;
use crate::node::Node;

/// Start of the session cookie's name. Browsers share cookies between the ports of a host, so the port follows: two nodes
/// on one machine do not sign each other out.
pub(crate) const COOKIE: &str = "sinew_session";

/// The name of the session cookie for the host a request was sent to.
pub(crate) fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match host.strip_prefix(host_name(host)).and_then(|rest| rest.strip_prefix(':')) {
        Some(port) => format!("{COOKIE}_{port}"),
        None => COOKIE.to_string(),
    }
}

/// What the gate of one route knows.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) node: Node,
    pub(crate) permission: Permission,
}

/// The token of the session a request was let in with, for sign-out and live connections.
#[derive(Clone)]
pub(crate) struct SessionToken(pub(crate) String);

/// Finds the session, checks the permission, hands the scope to the handler.
pub(crate) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(gate.node.clone());
    if gate.permission == Permission::Public {
        return next.run(request).await;
    }
    let refused: fn(Fault) -> Response = match request.uri().path() {
        path if lines::PATHS.contains(&path) => |fault| {
            let code = fault.code.to_string();
            lines::refused(Problem::from(fault.clone()).status, &code, &fault.detail)
        },
        _ => |fault| Problem::from(fault).into_response(),
    };
    let Some(token) = token(request.headers()) else {
        return refused(unauthenticated());
    };
    let identity = match gate.node.access().authenticate(&token).await {
        Ok(identity) => identity,
        Err(fault) => return refused(fault),
    };
    let caller = identity.caller();
    if !caller.may(gate.permission) {
        let needed = serde_json::to_value(gate.permission).unwrap_or_default();
        let needed = needed.as_str().unwrap_or_default().to_string();
        let detail = format!("this needs the permission `{needed}`: ask an administrator for another role");
        return refused(Fault::new(codes::FORBIDDEN, detail).arg("permission", needed));
    }
    let scope = gate.node.running().scope(identity.org, caller);
    request.extensions_mut().insert(scope);
    request.extensions_mut().insert(identity);
    request.extensions_mut().insert(SessionToken(token));
    next.run(request).await
}

fn unauthenticated() -> Fault {
    Fault::new(codes::UNAUTHENTICATED, "nobody is signed in, or the session has ended: sign in")
}

/// From the header that programs send, else from the browser's cookie.
fn token(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()) {
        let (scheme, rest) = value.split_once(' ')?;
        return match scheme {
            // What clients of the InfluxDB 2 API send.
            "Bearer" | "Token" => Some(rest.to_string()),
            "Basic" => basic(rest),
            _ => None,
        };
    }
    let name = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_string())
}

/// Programs that know only name and password send the token as the password. No password of a person is taken here.
fn basic(encoded: &str) -> Option<String> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (_name, token) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(token.to_string())
}

/// Refuses requests for foreign host names (DNS rebinding), and changes and live connections that a foreign page asks
/// for. Runs before everything else.
pub(crate) async fn check_origin(State(node): State<Node>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|v| v.to_str().ok())
        .or_else(|| request.uri().authority().map(|a| a.as_str()));
    let Some(host) = host else {
        return refused("the request names no host: send a Host header").into_response();
    };
    if !host_allowed(host, &node.settings().hosts) {
        return refused("this host name is not one of this node: add it to `server.hosts` if it is")
            .into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let live = headers.contains_key(header::UPGRADE);
    if let Some(origin) = headers.get(header::ORIGIN).and_then(|v| v.to_str().ok())
        && (changes || live)
        && !same_origin(origin, host)
        && !own_origin(origin, &node.settings().hosts)
    {
        return refused("the request comes from a page of another site: open the console itself")
            .into_response();
    }
    next.run(request).await
}

fn refused(detail: &str) -> Problem {
    Fault::new("origin.refused", detail).into()
}

fn host_allowed(host: &str, hosts: &[String]) -> bool {
    let name = host_name(host);
    name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
        || hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
}

/// Without the port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn same_origin(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

/// A page of one of this node's own names: a proxy may not pass the Host header on.
fn own_origin(origin: &str, hosts: &[String]) -> bool {
    let name = origin.split_once("://").map(|(_, authority)| host_name(authority));
    name.is_some_and(|name| hosts.iter().any(|h| h.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_hosts() {
        let own = vec!["plant.example".to_string()];
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "10.0.0.7", "Plant.example:443"] {
            assert!(host_allowed(host, &own), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8080", "", "127.0.0.1.evil.example"] {
            assert!(!host_allowed(host, &own), "{host}");
        }
    }

    #[test]
    fn only_own_pages() {
        assert!(same_origin("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(!same_origin("http://127.0.0.1:9090", "127.0.0.1:8080"));
        assert!(!same_origin("null", "127.0.0.1:8080"));
        let own = vec!["plant.example".to_string()];
        assert!(own_origin("https://plant.example", &own) && !own_origin("https://evil.example", &own));
    }

    #[test]
    fn a_token_comes_by_header_or_cookie() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:8080".parse().unwrap());
        headers.insert(header::COOKIE, "sinew_session_9090=abc; sinew_session_8080=xyz".parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("xyz"));
        headers.insert(header::AUTHORIZATION, "Bearer abc".parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("abc"));
        headers.insert(header::AUTHORIZATION, "Token abc".parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("abc"));
        // telegraf:abc
        headers.insert(header::AUTHORIZATION, "Basic dGVsZWdyYWY6YWJj".parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("abc"));
        for wrong in ["Basic abc", "Digest abc", "abc", "Basic "] {
            headers.insert(header::AUTHORIZATION, wrong.parse().unwrap());
            assert_eq!(token(&headers), None, "{wrong}");
        }
    }
}
