//! Identities: organisations, users and their roles, sessions, the first sign-in; secrets, and whose certificates are
//! believed.
//!
//! Records hold the truth; all users and sessions of the node are also held in memory, so that knowing a caller costs
//! no database read and a change of role is in force with the next request. One writer at a time.
//!
//! Deliberately absent: contracts finer than roles, a certificate authority, single sign-on, and any way to read a password or a
//! token back: only their hashes are kept.

mod delay;
mod directory;
mod events;
mod keys;
mod link;
mod organisation;
mod password;
mod role;
mod seal;
mod secret;
mod session;
mod setup;
mod token;
mod user;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use records::{Records, RecordsError};
use tokio::sync::OwnedMutexGuard;
use types::{Change, Document, EventDraft, Fault, Now, OrgId, Query, Random, Stored, codes};

pub use keys::{Certificate, Certificates, LeafSecrets, LeafTrust, Standing};
pub use link::{LINK_VALID, LINKS_MAX, LinkFor};
pub use organisation::Organisation;
pub use password::{ARGON2_ITERATIONS, ARGON2_LANES, ARGON2_MEMORY_KIB, HASHES_AT_ONCE, HASHES_WAITING_MAX};
pub use role::Role;
pub use seal::Seal;
pub use secret::Secret;
pub use session::{
    Identity, SESSION_ABSOLUTE, SESSION_SLIDING, SESSIONS_MAX, SESSIONS_PER_USER_MAX, Session,
};
pub use setup::Setup;
pub use token::{TOKEN_DAYS_DEFAULT, TOKEN_DAYS_MAX, TOKENS_PER_USER_MAX, TokenInput, TokenView};
pub use user::{Locale, UserInput, UserView};

use delay::Delays;
use directory::Directory;
use link::Links;
use password::Hasher;

/// What access takes from outside.
#[derive(Clone)]
pub struct Env {
    /// Expiry, delays, births.
    pub now: Now,
    /// Tokens, codes, salts, ids.
    pub random: Random,
}

/// Who may come in; clones share it.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    env: Env,
    hasher: Hasher,
    /// Held for moments only, never across a wait.
    directory: Mutex<Directory>,
    delays: Mutex<Delays>,
    links: Mutex<Links>,
    /// A commit ended without an answer, so memory may differ from disk: the next writer reads the disk first.
    doubtful: AtomicBool,
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// Nobody else writes while this lives.
#[derive(Clone)]
struct Writing {
    _guard: Arc<OwnedMutexGuard<()>>,
}

/// What goes into one transaction, and how memory follows it.
struct Batch {
    changes: Vec<Change>,
    events: Vec<EventDraft>,
}

impl Access {
    /// Reads users and sessions into memory; on a fresh node makes the setup code.
    ///
    /// # Errors
    /// When the record store does not answer.
    pub async fn open(records: Records, env: Env) -> Result<Access, Fault> {
        let hasher = Hasher::new(ARGON2_MEMORY_KIB, ARGON2_ITERATIONS);
        Access::open_with(records, env, hasher).await
    }

    /// As [`Access::open`], with password hashes that take no time and protect nothing. For tests only.
    pub async fn open_with_weak_hashes(records: Records, env: Env) -> Result<Access, Fault> {
        Access::open_with(records, env, Hasher::new(8, 1)).await
    }

    async fn open_with(records: Records, env: Env, hasher: Hasher) -> Result<Access, Fault> {
        let hasher = hasher.with_decoy(&env.random).await?;
        let inner = Inner {
            records,
            env,
            hasher,
            directory: Mutex::default(),
            delays: Mutex::default(),
            links: Mutex::default(),
            doubtful: AtomicBool::new(false),
            writing: Arc::default(),
        };
        let access = Access { inner: Arc::new(inner) };
        access.load().await?;
        access.prepare_setup().await?;
        Ok(access)
    }

    async fn load(&self) -> Result<(), Fault> {
        let mut directory = Directory::default();
        for (org, stored) in self.everywhere().await? {
            directory.put_organisation(org, stored);
        }
        for (org, stored) in self.everywhere().await? {
            directory.put_user(org, stored);
        }
        for (org, stored) in self.everywhere().await? {
            directory.put_session(org, stored.id, stored.revision, stored.body);
        }
        for (org, stored) in self.everywhere().await? {
            directory.put_token(org, stored.id, stored.body);
        }
        let open = self.everywhere().await?.into_iter().next();
        directory.set_setup(open.map(|(org, stored)| (org, stored.id, stored.body)));
        *self.directory() = directory;
        Ok(())
    }

    async fn everywhere<T: Document>(&self) -> Result<Vec<(OrgId, Stored<T>)>, Fault> {
        let mut query = Query { limit: Query::LIMIT_MAX, ..Query::default() };
        let mut items = Vec::new();
        loop {
            let page =
                self.inner.records.list_all_orgs(query.clone()).await.map_err(|error| error.fault())?;
            items.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(items),
            }
        }
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.inner.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> types::Time {
        (self.inner.env.now)()
    }

    fn born(&self) -> types::ObjectId {
        types::ObjectId::born(self.now(), types::random_bytes(&self.inner.env.random))
    }

    async fn writing(&self) -> Writing {
        let guard = Arc::clone(&self.inner.writing).lock_owned().await;
        // When the store cannot be read now, the commit that follows is refused as well.
        if self.inner.doubtful.load(Ordering::Acquire) && self.load().await.is_ok() {
            self.inner.doubtful.store(false, Ordering::Release);
        }
        Writing { _guard: Arc::new(guard) }
    }

    /// Commits and applies in a task of its own: a caller that goes away in between cannot leave memory behind disk.
    async fn commit<F>(
        &self,
        writing: &Writing,
        org: OrgId,
        actor: &str,
        batch: Batch,
        apply: F,
    ) -> Result<records::Committed, Fault>
    where
        F: FnOnce(&mut Directory, &records::Committed) + Send + 'static,
    {
        let (access, writing, actor) = (self.clone(), writing.clone(), actor.to_string());
        let task = tokio::spawn(async move {
            let committed = access.inner.records.commit(org, &actor, batch.changes, batch.events).await;
            let committed = committed.map_err(|error| {
                if matches!(error, RecordsError::Unavailable(_)) {
                    access.inner.doubtful.store(true, Ordering::Release);
                }
                error.fault()
            })?;
            apply(&mut access.directory(), &committed);
            drop(writing);
            Ok(committed)
        });
        task.await.map_err(|error| {
            let detail = format!(
                "a change of access broke off ({error}): look at the log, then read before changing again"
            );
            Fault::new(codes::INTERNAL, detail)
        })?
    }
}

fn put<T: Document>(id: types::ObjectId, expected: types::Expected, body: &T) -> Result<Change, Fault> {
    Change::put(id, expected, body).map_err(|error| {
        let detail = format!("{id} cannot be written as JSON ({error}): this is a fault of ours, report it");
        Fault::new(codes::INTERNAL, detail)
    })
}
