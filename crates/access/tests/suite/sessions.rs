//! Signing in, staying in, signing out.

use std::time::Duration;

use access::{Access, Role, SESSION_ABSOLUTE, SESSION_SLIDING, SESSIONS_PER_USER_MAX, Secret};
use sdk::http::Permission;
use types::codes;

use crate::world::{ACTOR, PASSWORD, PEER, World, change, user};

#[tokio::test]
async fn who_finds_whom() {
    let (world, ours, theirs) = World::with_two().await;
    world.access.create_user(ours, ACTOR, user("d@firm.example", Role::Viewer)).await.unwrap();
    for (text, expected) in [
        ("bert", Some((ours, "bert"))),
        ("BERT", Some((ours, "bert"))),
        ("bert@Ours", Some((ours, "bert"))),
        ("bert@Theirs", None),
        ("carl", Some((theirs, "carl"))),
        // Two organisations have her: the plain name finds nobody.
        ("anna", None),
        ("anna@ours", Some((ours, "anna"))),
        ("anna@theirs", Some((theirs, "anna"))),
        ("d@firm.example", Some((ours, "d@firm.example"))),
        ("d@firm.example@ours", Some((ours, "d@firm.example"))),
        ("", None),
        ("@", None),
    ] {
        let found = world.sign_in(text).await.map(|session| (session.identity.org, session.identity.name));
        let expected = expected.map(|(org, name)| (org, name.to_string()));
        assert_eq!(found.ok(), expected, "{text}");
    }
}

#[tokio::test]
async fn an_identity_says_who_and_what_may() {
    let (world, ours, _) = World::with_two().await;
    let session = world.sign_in("bert").await.unwrap();
    let identity = world.access.authenticate(session.token.reveal()).await.unwrap();
    assert_eq!(identity, session.identity);
    assert_eq!((identity.org, identity.organisation.as_str(), identity.role), (ours, "Ours", Role::Operator));
    assert_eq!(identity.permissions, [Permission::SignedIn, Permission::Read, Permission::Command]);
    assert_eq!(session.token.reveal().len(), 64);
    for token in ["", "x", &session.token.reveal()[1..], &"0".repeat(64)] {
        assert_eq!(world.access.authenticate(token).await.unwrap_err().code, codes::UNAUTHENTICATED);
    }
}

#[tokio::test]
async fn one_answer_for_every_refusal() {
    let (world, ours, _) = World::with_two().await;
    let bert = world.sign_in("bert").await.unwrap().identity.user;
    world.access.update_user(ours, ACTOR, bert, None, change("bert", Role::Operator, false)).await.unwrap();
    let wrong = Secret::new("wrong horse");
    let right = Secret::new(PASSWORD);
    let mut faults = Vec::new();
    for (name, password) in [("nobody", &right), ("carl", &wrong), ("bert", &right), ("anna", &right)] {
        faults.push(world.access.sign_in(name, password, PEER).await.unwrap_err());
    }
    assert!(faults.iter().all(|fault| *fault == faults[0] && fault.code == "session.refused"));
}

#[tokio::test]
async fn failures_get_slow_by_name_and_by_peer() {
    let (world, _, _) = World::with_two().await;
    let wrong = Secret::new("wrong horse");
    let wait = |fault: types::Fault| fault.args.get("wait_s").cloned();
    for name in ["bert", "nobody"] {
        for _ in 0..3 {
            let fault = world.access.sign_in(name, &wrong, PEER).await.unwrap_err();
            assert_eq!(fault.code, "session.refused");
        }
        // A name that nobody has is delayed the same way, also for the right password and from elsewhere.
        let fault =
            world.access.sign_in(name, &Secret::new(PASSWORD), [198, 51, 100, 1].into()).await.unwrap_err();
        assert_eq!((fault.code.clone(), wait(fault)), ("session.wait".into(), Some(1.into())));
    }
    world.sign_in("carl").await.unwrap();
    world.pass(Duration::from_secs(1));
    world.sign_in("bert").await.unwrap();
    for n in 0..4 {
        world.access.sign_in(&format!("guess-{n}"), &wrong, PEER).await.unwrap_err();
    }
    let fault = world.sign_in("carl").await.unwrap_err();
    assert_eq!(fault.code, "session.wait");
    world.access.sign_in("carl", &Secret::new(PASSWORD), [198, 51, 100, 1].into()).await.unwrap();
}

#[tokio::test]
async fn sessions_slide_and_end() {
    let (world, _, _) = World::with_two().await;
    let idle = world.sign_in("bert").await.unwrap();
    world.pass(SESSION_SLIDING - Duration::from_millis(1));
    assert!(world.is_in(&idle).await);
    world.pass(SESSION_SLIDING);
    assert!(!world.is_in(&idle).await);

    let busy = world.sign_in("bert").await.unwrap();
    let step = SESSION_SLIDING / 2;
    let mut age = Duration::ZERO;
    while age + step < SESSION_ABSOLUTE {
        world.pass(step);
        age += step;
        assert!(world.is_in(&busy).await, "{age:?}");
        // Use is written down: a restart in between changes nothing.
        assert!(world.again().await.authenticate(busy.token.reveal()).await.is_ok(), "{age:?}");
    }
    world.pass(SESSION_ABSOLUTE - age);
    assert!(!world.is_in(&busy).await);
}

#[tokio::test]
async fn signing_out_ends_one_session_for_good() {
    let (world, _, _) = World::with_two().await;
    let (here, there) = (world.sign_in("bert").await.unwrap(), world.sign_in("bert").await.unwrap());
    world.access.sign_out(here.token.reveal()).await.unwrap();
    world.access.sign_out(here.token.reveal()).await.unwrap();
    assert!(!world.is_in(&here).await && world.is_in(&there).await);
    let again = world.again().await;
    assert!(again.authenticate(here.token.reveal()).await.is_err());
    assert!(again.authenticate(there.token.reveal()).await.is_ok());
}

#[tokio::test]
async fn the_longest_unused_session_makes_room() {
    let (world, _, _) = World::with_two().await;
    let other = world.sign_in("carl").await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..=SESSIONS_PER_USER_MAX {
        world.pass(Duration::from_secs(1));
        sessions.push(world.sign_in("bert").await.unwrap());
        assert!(world.is_in(&sessions[0]).await || sessions.len() > SESSIONS_PER_USER_MAX);
        // The first one is used, so the second one goes.
        world.is_in(&sessions[0]).await;
    }
    assert!(
        world.is_in(&sessions[0]).await
            && !world.is_in(&sessions[1]).await
            && world.is_in(&sessions[2]).await
    );
    assert!(world.is_in(&other).await);
}

#[tokio::test]
async fn full_strength_hashes_work_end_to_end() {
    let (world, _, _) = World::with_two().await;
    let access = reopened(&world).await;
    // Hashes of other cost stay good.
    access.sign_in("bert", &Secret::new(PASSWORD), PEER).await.unwrap();
    assert!(access.sign_in("nobody", &Secret::new(PASSWORD), PEER).await.is_err());
}

async fn reopened(world: &World) -> Access {
    let now = std::sync::Arc::new(|| types::Time::from_unix_ms(1_790_000_000_000));
    let env = access::Env { now, random: sdk::fake::seeded_random(99) };
    Access::open(world.records.clone(), env).await.unwrap()
}
