//! The first sign-in of a node.

use std::time::Duration;

use access::{Role, Secret};
use types::codes;

use crate::world::{ACTOR, PASSWORD, PEER, World, setup, user};

#[tokio::test]
async fn the_code_opens_the_first_admin_once() {
    let world = World::new().await;
    assert!(world.access.setup_needed());
    let code = world.access.setup_code().unwrap();
    // Printed again by another process that knows nothing but the store.
    assert_eq!(world.again().await.setup_code().unwrap().reveal(), code.reveal());

    let typed = code.reveal().to_lowercase().replace('-', " ");
    let session = world.access.setup(setup(&typed, "Hangzhou Pumps", "anna", PASSWORD), PEER).await.unwrap();
    assert_eq!(
        (session.identity.role, session.identity.organisation.as_str()),
        (Role::Admin, "Hangzhou Pumps")
    );
    assert!(world.is_in(&session).await);
    assert!(!world.access.setup_needed() && world.access.setup_code().is_none());
    let again = world.again().await;
    assert!(!again.setup_needed() && again.setup_code().is_none());
    let second = world.access.setup(setup(code.reveal(), "X", "eve", PASSWORD), PEER).await.unwrap_err();
    assert_eq!(second.code, "setup.done");
    assert_eq!(again.organisations().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_uses_nothing_up() {
    let world = World::new().await;
    let code = world.access.setup_code().unwrap();
    let code = code.reveal();
    for (input, code, path) in [
        (setup("AAAA-AAAA", "Org", "anna", PASSWORD), "setup.code", "/code"),
        (setup(code, "", "anna", PASSWORD), "invalid", "/organisation"),
        (setup(code, "Org", " ", PASSWORD), "invalid", "/name"),
        (setup(code, "Org", "anna", "short"), "password.weak", "/password"),
    ] {
        let fault = world.access.setup(input, PEER).await.unwrap_err();
        assert_eq!((fault.code.as_ref(), fault.path.as_deref()), (code, Some(path)));
    }
    world.access.setup(setup(code, "Org", "anna", PASSWORD), PEER).await.unwrap();
}

#[tokio::test]
async fn guessing_gets_slow_for_everybody() {
    let world = World::new().await;
    let code = world.access.setup_code().unwrap();
    for guess in 0..3_u8 {
        let peer = [192, 0, 2, guess].into();
        let fault = world.access.setup(setup("AAAA-AAAA", "Org", "eve", PASSWORD), peer).await.unwrap_err();
        assert_eq!(fault.code, "setup.code");
    }
    let right = || setup(code.reveal(), "Org", "anna", PASSWORD);
    let fault = world.access.setup(right(), PEER).await.unwrap_err();
    assert_eq!((fault.code.as_ref(), fault.args["wait_s"].clone()), ("session.wait", 1.into()));
    world.pass(Duration::from_secs(1));
    world.access.setup(right(), PEER).await.unwrap();
}

#[tokio::test]
async fn the_first_organisation_is_the_one_that_setup_joins() {
    let world = World::new().await;
    let first = world.access.create_organisation("setup", "Demo").await.unwrap();
    let second = world.access.create_organisation("setup", "Other").await.unwrap();
    assert_ne!(first, second);
    let double = world.access.create_organisation("setup", "demo").await.unwrap_err();
    assert_eq!(double.code, codes::EXISTS);
    // Somebody without administration does not end the setup.
    world.access.create_user(first, ACTOR, user("bert", Role::Engineer)).await.unwrap();
    let access = world.again().await;
    let code = access.setup_code().unwrap();
    let session = access.setup(setup(code.reveal(), "Real", "anna", PASSWORD), PEER).await.unwrap();
    assert_eq!((session.identity.org, session.identity.organisation.as_str()), (first, "Real"));
    let password = Secret::new(PASSWORD);
    assert_eq!(access.sign_in("bert", &password, PEER).await.unwrap().identity.organisation, "Real");
}
