//! Every route × every kind of caller, from the route table itself: a route without a rule cannot be forgotten.

use access::Role;
use sdk::http::{Method, Permission};
use serde_json::json;

use crate::support::node::Node;

/// What each role may, written out by hand so that a change of the table must be made twice.
fn allowed(role: Role, permission: Permission) -> bool {
    use Permission::{Administer, Command, Configure, Public, Read, SignedIn};
    match role {
        Role::Viewer => matches!(permission, Public | SignedIn | Read),
        Role::Operator => matches!(permission, Public | SignedIn | Read | Command),
        Role::Engineer => matches!(permission, Public | SignedIn | Read | Command | Configure),
        Role::Admin => matches!(permission, Public | SignedIn | Read | Command | Configure | Administer),
    }
}

fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

#[test]
fn every_route_asks_for_its_permission() {
    let node = Node::start("authority");
    let org = node.organisation("Works One");
    let table = server::route_table(&catalog::apps());
    assert!(table.len() > 40, "the table holds the routes");
    for role in [Role::Viewer, Role::Operator, Role::Engineer, Role::Admin] {
        for (method, path, permission) in &table {
            // Signing out would end the session this test needs; it is covered by `a_session_ends`.
            if path == "/api/v1/session" && *method == Method::Delete {
                continue;
            }
            let client = node.client(org, role);
            let path = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
            let (status, answer) = client.at_root().send(verb(*method), &path, Some(&json!({})));
            if allowed(role, *permission) {
                assert!(status != 401 && status != 403, "{role:?} {method:?} {path}: {status} {answer}");
            } else {
                assert_eq!(status, 403, "{role:?} {method:?} {path}: {answer}");
            }
        }
    }
    for (method, path, permission) in &table {
        let path = path.replace("{id}", "x");
        for client in [node.anybody(), node.anybody().with_token("0123456789abcdef")] {
            let (status, answer) = client.at_root().send(verb(*method), &path, Some(&json!({})));
            if *permission != Permission::Public {
                assert_eq!(status, 401, "anybody {method:?} {path}: {answer}");
            }
        }
    }
}

#[test]
fn a_session_ends() {
    let node = Node::start("authority-session");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Viewer);
    assert_eq!(client.get("/session")["user"]["role"], "viewer");
    assert_eq!(client.send("DELETE", "/session", None).0, 204);
    assert_eq!(client.send("GET", "/session", None).0, 401);
}
