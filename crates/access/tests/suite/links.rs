//! One-time links.

use access::{LINK_VALID, LinkFor, Role, Secret};

use crate::world::{ACTOR, LOCAL, NOBODY, PEER, World, change};

#[tokio::test]
async fn a_link_opens_once_and_here_only() {
    let (world, ours, theirs) = World::with_two().await;
    let bert = world.sign_in("bert").await.unwrap().identity.user;
    let link = world.access.create_link(ours, ACTOR, LinkFor::User(bert)).await.unwrap();
    let code = |fault: types::Fault| fault.code.into_owned();
    let afar = world.access.redeem_link(link.reveal(), PEER).await.map_err(code);
    assert_eq!(afar.err().as_deref(), Some("link.not-local"));
    let session = world.access.redeem_link(link.reveal(), LOCAL).await.unwrap();
    assert_eq!((session.identity.user, session.identity.org), (bert, ours));
    assert!(world.is_in(&session).await);
    for token in [link.reveal(), "", "x"] {
        let again = world.access.redeem_link(token, LOCAL).await.map_err(code);
        assert_eq!(again.err().as_deref(), Some("link.used"));
    }
    assert!(world.access.create_link(theirs, ACTOR, LinkFor::User(bert)).await.is_err());
    assert!(world.access.create_link(ours, ACTOR, LinkFor::User(NOBODY)).await.is_err());
}

#[tokio::test]
async fn a_link_ends_with_its_time_or_its_user() {
    let (world, ours, _) = World::with_two().await;
    let bert = world.sign_in("bert").await.unwrap().identity.user;
    let late = world.access.create_link(ours, ACTOR, LinkFor::User(bert)).await.unwrap();
    world.pass(LINK_VALID);
    assert_eq!(world.access.redeem_link(late.reveal(), LOCAL).await.unwrap_err().code, "link.used");
    let link = world.access.create_link(ours, ACTOR, LinkFor::User(bert)).await.unwrap();
    world.access.update_user(ours, ACTOR, bert, None, change("bert", Role::Operator, false)).await.unwrap();
    assert!(world.access.redeem_link(link.reveal(), LOCAL).await.is_err());
}

#[tokio::test]
async fn the_demo_user_has_no_password() {
    let (world, ours, theirs) = World::with_two().await;
    let mut users = Vec::new();
    for org in [ours, ours, theirs] {
        let link = world.access.create_link(org, ACTOR, LinkFor::Demo(Role::Engineer)).await.unwrap();
        // As a dual-stack socket shows the loopback.
        let session =
            world.access.redeem_link(link.reveal(), "::ffff:127.0.0.1".parse().unwrap()).await.unwrap();
        assert_eq!((session.identity.org, session.identity.role), (org, Role::Engineer));
        users.push(session.identity.user);
    }
    assert!(users[0] == users[1] && users[1] != users[2]);
    for password in ["", "demo-engineer", "correct horse"] {
        assert!(world.access.sign_in("demo-engineer@ours", &Secret::new(password), LOCAL).await.is_err());
    }
}
