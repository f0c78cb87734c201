//! Every event has an example file, every example file is of an event that is told, and none holds a secret.

use std::collections::BTreeMap;
use std::path::Path;

use access::{LinkFor, Role, Secret, TokenInput};
use serde_json::Value as Json;

use crate::world::{ACTOR, LOCAL, PASSWORD, PEER, World, change, setup, user};

fn examples() -> BTreeMap<String, Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| {
            let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_string(), json)
        })
        .collect()
}

/// The same members with the same kinds of values.
fn shape(json: &Json) -> Json {
    match json {
        Json::Object(of) => of.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Json::Array(items) => items.iter().take(1).map(shape).collect(),
        Json::String(_) => "text".into(),
        Json::Bool(_) => true.into(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn examples_are_what_is_told() {
    let world = World::new().await;
    let access = &world.access;
    let code = access.setup_code().unwrap();
    let admin = access.setup(setup(code.reveal(), "Ours", "anna", PASSWORD), PEER).await.unwrap();
    let org = admin.identity.org;
    let theirs = access.create_organisation("setup", "Theirs").await.unwrap();
    let bert = access.create_user(org, ACTOR, user("bert", Role::Operator)).await.unwrap().id;
    let wrong = "a secret that was mistyped";
    access.sign_in("bert", &Secret::new(wrong), PEER).await.unwrap_err();
    access.sign_in(wrong, &Secret::new(PASSWORD), PEER).await.unwrap_err();
    let session = access.sign_in("bert", &Secret::new(PASSWORD), PEER).await.unwrap();
    let input = TokenInput { name: "telegraf line 3".into(), role: Role::Viewer, days: None };
    let (_, token) = access.make_token(&session.identity, input).await.unwrap();
    access.revoke_token(&session.identity, token.id).await.unwrap();
    access.sign_out(session.token.reveal()).await.unwrap();
    let link = access.create_link(org, ACTOR, LinkFor::User(bert)).await.unwrap();
    let by_link = access.redeem_link(link.reveal(), LOCAL).await.unwrap();
    access.update_user(org, ACTOR, bert, None, change("bert", Role::Viewer, true)).await.unwrap();
    access.delete_user(org, ACTOR, bert, None).await.unwrap();

    let examples = examples();
    let mut told = world.told(org).await;
    for _ in 0..1_000 {
        // The refusal is written down beside the caller.
        if told.iter().any(|name| name == "session.refused.v1") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        told = world.told(org).await;
    }
    told.sort();
    told.dedup();
    assert_eq!(told, examples.keys().cloned().collect::<Vec<_>>());
    assert_eq!(world.told(theirs).await, ["organisation.created.v1"]);
    for event in world.records.events_after(None, 0, 1_000).await.unwrap() {
        let example = &examples[&event.name];
        assert_eq!(example["name"], Json::from(event.name.as_str()));
        assert_eq!(shape(&event.payload), shape(&example["payload"]), "{}", event.name);
        let text = format!("{event:?}");
        let tokens = [&admin, &session, &by_link].map(|session| session.token.reveal());
        for secret in tokens.into_iter().chain([PASSWORD, wrong, code.reveal(), link.reveal(), "argon2"]) {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_printed_or_kept_in_clear() {
    let (world, ours, _) = World::with_two().await;
    let session = world.sign_in("bert").await.unwrap();
    let shown =
        format!("{session:?} {:?} {:?}", user("x", Role::Viewer), setup("AAAA-BBBB", "o", "n", PASSWORD));
    let view = serde_json::to_string(&world.access.user(ours, session.identity.user).unwrap()).unwrap();
    for secret in [session.token.reveal(), PASSWORD, "AAAA-BBBB", "argon2"] {
        assert!(!shown.contains(secret) && !view.contains(secret), "{shown} {view}");
    }
}
