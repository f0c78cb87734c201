//! Everything a node holds, in memory; and the scopes that look at it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use types::{OrgId, Random, Time};

use super::{FakeClock, commands::Writes, plant::Catalogue, records::Store, samples::Rows, seeded_random};
use crate::{Caller, Handles, Ids, Scope, http::Permission};

/// The organisation of [`scope`].
pub const ORG: OrgId = OrgId::from_bytes([1; 16]);

/// A node in memory. Clones share it; its scopes see their own organisation and nothing else.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    clock: FakeClock,
    random: Random,
    store: Mutex<Store>,
    /// Sequence of the newest event: wakes who waits for events.
    newest_event: watch::Sender<u64>,
    catalogue: Mutex<Catalogue>,
    rows: Mutex<Rows>,
    writes: Mutex<Writes>,
}

/// A scope of [`ORG`] whose caller may all that an engineer may.
pub fn scope(world: &World) -> Scope {
    world.scope(ORG, caller("user:engineer", Permission::Configure))
}

/// A caller who may this and all that is less, as the roles have it.
pub fn caller(name: &str, permission: Permission) -> Caller {
    let all = [
        Permission::SignedIn,
        Permission::Read,
        Permission::Command,
        Permission::Configure,
        Permission::Administer,
    ];
    let permissions = all.into_iter().filter(|one| *one <= permission).collect();
    Caller { name: name.to_string(), user: None, permissions }
}

impl World {
    /// An empty one, with its clock at `start`. Two of them go through the same steps in the same way.
    pub fn at(start: Time) -> World {
        World(Arc::new(Shared {
            clock: FakeClock::at(start),
            random: seeded_random(1),
            store: Mutex::default(),
            newest_event: watch::Sender::new(0),
            catalogue: Mutex::default(),
            rows: Mutex::default(),
            writes: Mutex::default(),
        }))
    }

    /// Its clock, to move it.
    pub fn clock(&self) -> &FakeClock {
        &self.0.clock
    }

    /// What this caller of this organisation works in.
    pub fn scope(&self, org: OrgId, caller: Caller) -> Scope {
        let clock = self.0.clock.handle();
        let handles = Handles {
            samples: crate::Samples::new(Arc::new(super::samples::ScopedSamples {
                org,
                world: self.clone(),
            })),
            records: crate::Records::new(Arc::new(super::records::ScopedRecords {
                org,
                actor: caller.name.clone(),
                world: self.clone(),
            })),
            events: crate::Events::new(Arc::new(super::events::ScopedEvents { org, world: self.clone() })),
            plant: crate::Plant::new(Arc::new(super::plant::ScopedPlant { org, world: self.clone() })),
            commands: crate::Commands::new(Arc::new(super::commands::ScopedCommands {
                org,
                caller: caller.clone(),
                world: self.clone(),
            })),
            ids: Ids::new(clock.clone(), self.0.random.clone()),
            clock,
        };
        Scope { org, caller, handles }
    }

    pub(super) fn random(&self) -> &Random {
        &self.0.random
    }
    pub(super) fn newest_event(&self) -> &watch::Sender<u64> {
        &self.0.newest_event
    }
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.0.store)
    }
    pub(super) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        lock(&self.0.catalogue)
    }
    pub(super) fn rows(&self) -> MutexGuard<'_, Rows> {
        lock(&self.0.rows)
    }
    pub(super) fn writes(&self) -> MutexGuard<'_, Writes> {
        lock(&self.0.writes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
