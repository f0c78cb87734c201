//! What every suite stands on.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use access::{Access, Env, Locale, Role, Secret, Session, Setup, UserInput};
use records::Records;
use types::{Fault, ObjectId, OrgId, Time};

pub(crate) const ACTOR: &str = "user:anna";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const NOBODY: ObjectId = ObjectId::from_bytes([9; 16]);
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct World {
    pub(crate) access: Access,
    pub(crate) records: Records,
    ms: Arc<AtomicI64>,
    env: Env,
    _folder: Folder,
}

impl World {
    /// A fresh node.
    pub(crate) async fn new() -> World {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sinew-access-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let ms = Arc::new(AtomicI64::new(1_790_000_000_000));
        let clock = Arc::clone(&ms);
        let env = Env {
            now: Arc::new(move || Time::from_unix_ms(clock.load(Ordering::Relaxed))),
            random: sdk::fake::seeded_random(number),
        };
        let store = records::Env { now: env.now.clone(), random: env.random.clone() };
        let records = Records::open_sqlite(&folder.join("records.db"), store).await.unwrap();
        let access = Access::open_with_weak_hashes(records.clone(), env.clone()).await.unwrap();
        World { access, records, ms, env, _folder: Folder(folder) }
    }

    /// A node with two organisations, each with an admin `anna@…` and an operator of its own.
    pub(crate) async fn with_two() -> (World, OrgId, OrgId) {
        let world = World::new().await;
        let ours = world.access.create_organisation("setup", "Ours").await.unwrap();
        let theirs = world.access.create_organisation("setup", "Theirs").await.unwrap();
        for (org, operator) in [(ours, "bert"), (theirs, "carl")] {
            for (name, role) in [("anna", Role::Admin), (operator, Role::Operator)] {
                world.access.create_user(org, ACTOR, user(name, role)).await.unwrap();
            }
        }
        (world, ours, theirs)
    }

    /// As after a restart: nothing but the store.
    pub(crate) async fn again(&self) -> Access {
        Access::open_with_weak_hashes(self.records.clone(), self.env.clone()).await.unwrap()
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.ms.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) async fn sign_in(&self, name: &str) -> Result<Session, Fault> {
        self.access.sign_in(name, &Secret::new(PASSWORD), PEER).await
    }

    pub(crate) async fn is_in(&self, session: &Session) -> bool {
        self.access.authenticate(session.token.reveal()).await.is_ok()
    }

    /// The names of all events of an organisation, once what runs beside the caller is done.
    pub(crate) async fn told(&self, org: OrgId) -> Vec<String> {
        let events = self.records.events_after(Some(org), 0, 1_000).await.unwrap();
        events.into_iter().map(|event| event.name).collect()
    }
}

pub(crate) fn user(name: &str, role: Role) -> UserInput {
    let password = Some(Secret::new(PASSWORD));
    UserInput { name: name.into(), role, locale: Locale::En, enabled: true, password }
}

/// A change that keeps the password.
pub(crate) fn change(name: &str, role: Role, enabled: bool) -> UserInput {
    UserInput { enabled, password: None, ..user(name, role) }
}

pub(crate) fn setup(code: &str, organisation: &str, name: &str, password: &str) -> Setup {
    Setup {
        code: Secret::new(code),
        organisation: organisation.into(),
        name: name.into(),
        password: Secret::new(password),
        locale: Locale::Zh,
    }
}
