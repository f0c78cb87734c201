//! Tokens for programs: what they may, how long, and how they end.

use std::time::Duration;

use access::{Role, TOKENS_PER_USER_MAX, TokenInput};
use types::codes;

use crate::world::{ACTOR, NOBODY, World, change};

fn input(name: &str, role: Role, days: Option<u32>) -> TokenInput {
    TokenInput { name: name.into(), role, days }
}

#[tokio::test]
async fn a_token_may_what_it_was_made_for_and_no_more_than_its_user() {
    let (world, ours, _) = World::with_two().await;
    let session = world.sign_in("bert").await.unwrap();
    let access = &world.access;
    let refused = access.make_token(&session.identity, input("x", Role::Engineer, None)).await.unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.path.as_deref()), (codes::INVALID, Some("/role")));
    let (token, view) =
        access.make_token(&session.identity, input(" telegraf ", Role::Operator, None)).await.unwrap();
    assert_eq!((view.name.as_str(), view.role), ("telegraf", Role::Operator));
    let identity = access.authenticate(token.reveal()).await.unwrap();
    assert_eq!((identity.org, identity.user, identity.role), (ours, session.identity.user, Role::Operator));
    assert!(identity.by_token);
    // A token is no way to another token.
    let again = access.make_token(&identity, input("y", Role::Viewer, None)).await.unwrap_err();
    assert_eq!(again.code, codes::FORBIDDEN);
    // It follows its user down, and ends with the user.
    access.update_user(ours, ACTOR, identity.user, None, change("bert", Role::Viewer, true)).await.unwrap();
    assert_eq!(access.authenticate(token.reveal()).await.unwrap().role, Role::Viewer);
    access.update_user(ours, ACTOR, identity.user, None, change("bert", Role::Viewer, false)).await.unwrap();
    assert_eq!(access.authenticate(token.reveal()).await.unwrap_err().code, codes::UNAUTHENTICATED);
    access.delete_user(ours, ACTOR, identity.user, None).await.unwrap();
    assert!(world.again().await.authenticate(token.reveal()).await.is_err());
}

#[tokio::test]
async fn it_ends_by_time_and_by_hand_and_outlives_sessions_and_restarts() {
    let (world, _, _) = World::with_two().await;
    let session = world.sign_in("anna@ours").await.unwrap();
    let access = &world.access;
    let (token, _) = access.make_token(&session.identity, input("a", Role::Admin, Some(30))).await.unwrap();
    let (other, other_view) =
        access.make_token(&session.identity, input("b", Role::Viewer, None)).await.unwrap();
    assert_eq!(access.tokens(&session.identity).len(), 2);
    access.sign_out(session.token.reveal()).await.unwrap();
    world.pass(Duration::from_secs(29 * 86_400));
    let restarted = world.again().await;
    assert_eq!(restarted.authenticate(token.reveal()).await.unwrap().role, Role::Admin);
    world.pass(Duration::from_secs(86_400));
    assert!(access.authenticate(token.reveal()).await.is_err(), "30 days have passed");
    assert!(access.authenticate(other.reveal()).await.is_ok());

    let session = world.sign_in("anna@ours").await.unwrap();
    assert_eq!(access.tokens(&session.identity).len(), 2, "what has ended is shown until it makes room");
    let other_id = other_view.id;
    access.revoke_token(&session.identity, other_id).await.unwrap();
    assert!(access.authenticate(other.reveal()).await.is_err());
    let gone = access.revoke_token(&session.identity, other_id).await.unwrap_err();
    assert_eq!(gone.code, codes::NOT_FOUND);
}

#[tokio::test]
async fn another_organisation_and_another_user_see_nothing() {
    let (world, _, _) = World::with_two().await;
    let anna = world.sign_in("anna@ours").await.unwrap();
    let (_, view) = world.access.make_token(&anna.identity, input("a", Role::Viewer, None)).await.unwrap();
    for name in ["anna@theirs", "bert"] {
        let other = world.sign_in(name).await.unwrap();
        assert!(world.access.tokens(&other.identity).is_empty());
        for id in [view.id, NOBODY] {
            let refused = world.access.revoke_token(&other.identity, id).await.unwrap_err();
            assert_eq!(refused.code, codes::NOT_FOUND);
        }
    }
    assert_eq!(world.access.tokens(&anna.identity), [view]);
}

#[tokio::test]
async fn names_days_and_numbers_are_bounded() {
    let (world, _, _) = World::with_two().await;
    let anna = world.sign_in("anna@ours").await.unwrap().identity;
    let access = &world.access;
    for (name, days) in [("", None), ("a\nb", None), ("a", Some(0)), ("a", Some(100_000))] {
        assert!(access.make_token(&anna, input(name, Role::Viewer, days)).await.is_err());
    }
    for _ in 0..TOKENS_PER_USER_MAX {
        access.make_token(&anna, input("a", Role::Viewer, Some(1))).await.unwrap();
    }
    let full = access.make_token(&anna, input("a", Role::Viewer, None)).await.unwrap_err();
    assert_eq!(full.code, codes::LIMIT);
    world.pass(Duration::from_secs(86_400));
    let anna = world.sign_in("anna@ours").await.unwrap().identity;
    access.make_token(&anna, input("a", Role::Viewer, None)).await.unwrap();
    assert_eq!(access.tokens(&anna).len(), 1, "what has ended makes room");
}
