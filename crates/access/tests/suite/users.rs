//! Managing users.

use access::{Role, Secret};
use types::{Query, codes};

use crate::world::{ACTOR, NOBODY, PASSWORD, PEER, World, change, user};

#[tokio::test]
async fn what_is_refused() {
    let (world, ours, _) = World::with_two().await;
    let mut without = user("dora", Role::Viewer);
    without.password = None;
    let mut weak = user("dora", Role::Viewer);
    weak.password = Some(Secret::new("Password123"));
    let mut own_name = user("dora.schmidt", Role::Viewer);
    own_name.password = Some(Secret::new("Dora.Schmidt"));
    for (input, code) in [
        (without, "password.weak"),
        (weak, "password.weak"),
        (own_name, "password.weak"),
        (user("", Role::Viewer), codes::INVALID),
        (user(" dora", Role::Viewer), codes::INVALID),
        (user(&"d".repeat(101), Role::Viewer), codes::INVALID),
        (user("ANNA", Role::Viewer), codes::EXISTS),
    ] {
        let fault = world.access.create_user(ours, ACTOR, input).await.unwrap_err();
        assert_eq!(fault.code, code);
    }
    assert_eq!(world.access.users(ours, Query::default()).await.unwrap().items.len(), 2);
    let nowhere = types::OrgId::from_bytes([9; 16]);
    assert_eq!(
        world.access.create_user(nowhere, ACTOR, user("x", Role::Viewer)).await.unwrap_err().code,
        codes::NOT_FOUND
    );
}

#[tokio::test]
async fn the_last_admin_stays() {
    let (world, ours, _) = World::with_two().await;
    let anna = world.sign_in("anna@ours").await.unwrap().identity.user;
    let code = |fault: types::Fault| fault.code;
    for input in [change("anna", Role::Engineer, true), change("anna", Role::Admin, false)] {
        let refused = world.access.update_user(ours, ACTOR, anna, None, input).await.map_err(code);
        assert_eq!(refused, Err("user.last-admin".into()));
    }
    assert_eq!(
        world.access.delete_user(ours, ACTOR, anna, None).await.map_err(code),
        Err("user.last-admin".into())
    );

    // One that is disabled does not count, one that is enabled does.
    let dora = world.access.create_user(ours, ACTOR, user("dora", Role::Admin)).await.unwrap().id;
    world.access.update_user(ours, ACTOR, dora, None, change("dora", Role::Admin, false)).await.unwrap();
    assert!(world.access.delete_user(ours, ACTOR, anna, None).await.is_err());
    world.access.update_user(ours, ACTOR, dora, None, change("dora", Role::Admin, true)).await.unwrap();
    world.access.delete_user(ours, ACTOR, anna, Some(1)).await.unwrap();
    assert!(world.access.user(ours, anna).is_err());
}

#[tokio::test]
async fn rights_and_passwords_are_in_force_at_once() {
    let (world, ours, _) = World::with_two().await;
    let bert = world.sign_in("bert").await.unwrap().identity.user;
    let renamed = change("berta", Role::Operator, true);
    let mut new_password = change("berta", Role::Viewer, true);
    new_password.password = Some(Secret::new("another horse"));
    for (input, stays) in [
        (renamed, true),
        (change("berta", Role::Viewer, true), false),
        (change("berta", Role::Viewer, false), false),
        (change("berta", Role::Viewer, true), false),
        (new_password, false),
    ] {
        let name = world.access.user(ours, bert).unwrap().body.name;
        let Ok(session) = world.sign_in(&name).await else {
            // Disabled: nothing to lose.
            world.access.update_user(ours, ACTOR, bert, None, input).await.unwrap();
            continue;
        };
        world.access.update_user(ours, ACTOR, bert, None, input).await.unwrap();
        assert_eq!(world.is_in(&session).await, stays);
        assert_eq!(world.again().await.authenticate(session.token.reveal()).await.is_ok(), stays);
    }
    assert!(world.sign_in("berta").await.is_err());
    world.access.sign_in("berta", &Secret::new("another horse"), PEER).await.unwrap();
    let session = world.access.sign_in("berta", &Secret::new("another horse"), PEER).await.unwrap();
    world.access.delete_user(ours, ACTOR, bert, None).await.unwrap();
    assert!(!world.is_in(&session).await);
}

#[tokio::test]
async fn users_change_their_own_password() {
    let (world, _, _) = World::with_two().await;
    let (here, there) = (world.sign_in("bert").await.unwrap(), world.sign_in("bert").await.unwrap());
    let (old, new) = (Secret::new(PASSWORD), Secret::new("another horse"));
    for (old, new, path) in [(&new, &new, "/old"), (&old, &Secret::new("short"), "/new")] {
        let fault = world.access.change_password(&here.identity, old, new).await.unwrap_err();
        assert_eq!(fault.path.as_deref(), Some(path));
    }
    world.access.change_password(&here.identity, &old, &new).await.unwrap();
    assert!(world.is_in(&here).await && !world.is_in(&there).await);
    assert!(world.access.sign_in("bert", &old, PEER).await.is_err());
    world.access.sign_in("bert", &new, PEER).await.unwrap();
}

#[tokio::test]
async fn a_foreign_user_is_an_unknown_user() {
    let (world, ours, theirs) = World::with_two().await;
    let carl = world.sign_in("carl").await.unwrap();
    for id in [carl.identity.user, NOBODY] {
        let code = codes::NOT_FOUND;
        assert_eq!(world.access.user(ours, id).unwrap_err().code, code);
        let input = change("carl", Role::Viewer, false);
        assert_eq!(world.access.update_user(ours, ACTOR, id, None, input).await.unwrap_err().code, code);
        assert_eq!(world.access.delete_user(ours, ACTOR, id, None).await.unwrap_err().code, code);
    }
    assert!(world.is_in(&carl).await);
    let names = |page: types::Page<types::Stored<access::UserView>>| -> Vec<String> {
        let mut names: Vec<_> = page.items.into_iter().map(|stored| stored.body.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(world.access.users(ours, Query::default()).await.unwrap()), ["anna", "bert"]);
    assert_eq!(names(world.access.users(theirs, Query::default()).await.unwrap()), ["anna", "carl"]);
}

#[tokio::test]
async fn a_stale_change_is_refused() {
    let (world, ours, _) = World::with_two().await;
    let bert = world.sign_in("bert").await.unwrap().identity.user;
    world.access.update_user(ours, ACTOR, bert, Some(1), change("bert", Role::Viewer, true)).await.unwrap();
    let stale = world.access.update_user(ours, ACTOR, bert, Some(1), change("bert", Role::Admin, true)).await;
    assert_eq!(stale.unwrap_err().code, codes::CONFLICT);
    assert_eq!(world.access.user(ours, bert).unwrap().body.role, Role::Viewer);
}
