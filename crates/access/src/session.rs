//! Sessions: signing in, knowing a caller by the token, signing out. Only the hash of a token is kept.

use std::net::IpAddr;
use std::time::Duration;

use sdk::http::Permission;
use serde::{Deserialize, Serialize};
use types::{
    Change, Document, Expected, Fault, Index, IndexValue, ObjectId, OrgId, Revision, Stored, Time, codes,
};

use crate::delay::Key;
use crate::directory::Directory;
use crate::secret::{digest, new_token};
use crate::user::{Locale, User, folded};
use crate::{Access, Batch, Role, Secret, events};

/// A session ends when it was not used for so long.
pub const SESSION_SLIDING: Duration = Duration::from_secs(12 * 3_600);
/// A session ends after so long in any case.
pub const SESSION_ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Sessions of one user; the one that was not used for longest makes room.
pub const SESSIONS_PER_USER_MAX: usize = 20;
/// Sessions of an organisation; the one that was not used for longest makes room.
pub const SESSIONS_MAX: usize = 10_000;
/// Use of a session is written down when it moved by so much: a restart may shorten a session by this.
const SEEN_GRAIN: Duration = Duration::from_secs(300);

/// A session as stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionRecord {
    pub(crate) user: ObjectId,
    /// SHA-256 of the token, hexadecimal.
    pub(crate) digest: String,
    pub(crate) opened: Time,
    pub(crate) seen: Time,
}

impl Document for SessionRecord {
    const COLLECTION: &'static str = "sessions";
    const INDEXES: &'static [Index] = &[Index::on("user")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Id(self.user))]
    }
}

/// Who a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The session, not its token.
    pub session: ObjectId,
    /// Whose data.
    pub org: OrgId,
    /// The organisation's name.
    pub organisation: String,
    /// The user.
    pub user: ObjectId,
    /// The user's name.
    pub name: String,
    /// The user's role.
    pub role: Role,
    /// Language of the console.
    pub locale: Locale,
    /// What the role allows.
    pub permissions: Vec<Permission>,
    /// When the session ends if it is not used again.
    pub expires: Time,
    /// The caller is a program with a token and not a person who signed in.
    pub by_token: bool,
}

impl Identity {
    /// As handles know who asks.
    pub fn caller(&self) -> sdk::Caller {
        sdk::Caller { name: actor(&self.name), user: Some(self.user), permissions: self.permissions.clone() }
    }
}

/// A session that was just opened: the only time its token is there.
#[derive(Debug, Clone)]
pub struct Session {
    /// For the cookie or the `Authorization` header.
    pub token: Secret,
    /// Who it is for.
    pub identity: Identity,
}

impl Access {
    /// Opens a session by name and password. `name` may be `name@organisation`, which is needed only when several
    /// organisations of the node have a user of this name.
    ///
    /// # Errors
    /// `session.refused` for an unknown name, a wrong password and a disabled user alike; `session.wait` with `wait_s` after
    /// failures.
    pub async fn sign_in(&self, name: &str, password: &Secret, peer: IpAddr) -> Result<Session, Fault> {
        let keys = [Key::Name(folded(name).chars().take(200).collect()), Key::peer(peer)];
        self.delays().check(&keys, self.now())?;
        let found = self.directory().sign_in_as(name).map(|(org, stored)| (org, stored.clone()));
        let usable = found.as_ref().filter(|(_, stored)| stored.body.enabled);
        let hash = usable.and_then(|(_, stored)| stored.body.password.clone());
        let right = self.inner.hasher.verify(password, hash).await?;
        match found {
            Some((org, stored)) if right => {
                self.delays().succeeded(&keys);
                self.open_session(org, stored.id, Some(stored.revision), "password").await
            }
            found => {
                self.delays().failed(&keys, self.now());
                self.record_refusal(found);
                Err(refused())
            }
        }
    }

    /// Who a token belongs to. From memory; now and then the use of the session is written down.
    ///
    /// # Errors
    /// `unauthenticated` for an unknown, expired or revoked token.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, Fault> {
        let (digest, now) = (digest(token), self.now());
        let (identity, stale) = {
            let mut directory = self.directory();
            if let Some(identity) = directory.token_identity(&digest, now) {
                return Ok(identity);
            }
            let identity = directory.identity(&digest, now).ok_or_else(signed_out)?;
            let held = directory.sessions.get_mut(&digest).ok_or_else(signed_out)?;
            held.seen = held.seen.max(now);
            (identity, now.since(held.record.seen) >= SEEN_GRAIN)
        };
        if stale {
            // The caller is who they are also when this cannot be written: then the session ends a little early.
            let _ = self.write_seen(&digest).await;
        }
        Ok(identity)
    }

    /// Ends a session. Without error for a token that is none.
    ///
    /// # Errors
    /// When the record store does not answer; then the session goes on.
    pub async fn sign_out(&self, token: &str) -> Result<(), Fault> {
        let (digest, now) = (digest(token), self.now());
        let writing = self.writing().await;
        let (identity, id) = {
            let directory = self.directory();
            let identity = directory.identity(&digest, now);
            match identity.zip(directory.sessions.get(&digest)) {
                Some((identity, held)) => (identity, held.id),
                None => return Ok(()),
            }
        };
        let batch = Batch {
            changes: vec![Change::delete::<SessionRecord>(id, Expected::Any)],
            events: vec![events::session_closed(identity.user, &identity.name)],
        };
        let actor = actor(&identity.name);
        self.commit(&writing, identity.org, &actor, batch, move |directory, _| {
            directory.sessions.remove(&digest);
        })
        .await?;
        Ok(())
    }

    /// Opens a session for a user who proved to be one. With `proved`, the user must still be at that revision: the
    /// password may have changed while its hash was worked out.
    pub(crate) async fn open_session(
        &self,
        org: OrgId,
        user: ObjectId,
        proved: Option<Revision>,
        via: &'static str,
    ) -> Result<Session, Fault> {
        let writing = self.writing().await;
        let now = self.now();
        let (name, mut changes, dropped) = {
            let directory = self.directory();
            let still = |stored: &&Stored<User>| {
                stored.body.enabled && proved.is_none_or(|revision| revision == stored.revision)
            };
            let name = directory.user(org, user).filter(still).ok_or_else(refused)?.body.name.clone();
            let (changes, dropped) = directory.make_room(org, user, now);
            (name, changes, dropped)
        };
        let token = new_token(&self.inner.env.random);
        let record = SessionRecord { user, digest: digest(token.reveal()), opened: now, seen: now };
        let (id, digest) = (self.born(), record.digest.clone());
        changes.push(crate::put(id, Expected::Absent, &record)?);
        let batch = Batch { changes, events: vec![events::session_opened(user, &name, via)] };
        self.commit(&writing, org, &actor(&name), batch, move |directory, _| {
            dropped.iter().for_each(|digest| drop(directory.sessions.remove(digest)));
            directory.put_session(org, id, 1, record);
        })
        .await?;
        let identity = self.directory().identity(&digest, now).ok_or_else(refused)?;
        Ok(Session { token, identity })
    }

    /// In a task of its own, so that a refusal takes as long for a name that nobody has.
    fn record_refusal(&self, found: Option<(OrgId, Stored<User>)>) {
        if let Some((org, stored)) = found {
            let access = self.clone();
            tokio::spawn(async move {
                let name = &stored.body.name;
                let batch =
                    Batch { changes: Vec::new(), events: vec![events::session_refused(stored.id, name)] };
                let writing = access.writing().await;
                // A refusal that cannot be written down is still a refusal.
                let _ = access.commit(&writing, org, &actor(name), batch, |_, _| ()).await;
            });
        }
    }

    async fn write_seen(&self, digest: &str) -> Result<(), Fault> {
        let writing = self.writing().await;
        let (org, id, revision, record) = {
            let directory = self.directory();
            let held = directory.sessions.get(digest).ok_or_else(signed_out)?;
            if held.seen.since(held.record.seen) < SEEN_GRAIN {
                // Another request of the same session was first.
                return Ok(());
            }
            (held.org, held.id, held.revision, SessionRecord { seen: held.seen, ..held.record.clone() })
        };
        let changes = vec![crate::put(id, Expected::At(revision), &record)?];
        let batch = Batch { changes, events: Vec::new() };
        self.commit(&writing, org, "access", batch, move |directory, committed| {
            directory.put_session(org, id, committed.revisions[0], record);
        })
        .await?;
        Ok(())
    }
}

impl Directory {
    /// Who a digest belongs to at this time.
    fn identity(&self, digest: &str, now: Time) -> Option<Identity> {
        let held = self.sessions.get(digest)?;
        let expires = expiry(held.record.opened, held.seen);
        if now >= expires {
            return None;
        }
        let user = &self.user(held.org, held.record.user).filter(|stored| stored.body.enabled)?.body;
        Some(Identity {
            session: held.id,
            org: held.org,
            organisation: self.organisation(held.org).map(|found| found.name.clone()).unwrap_or_default(),
            user: held.record.user,
            name: user.name.clone(),
            role: user.role,
            locale: user.locale,
            permissions: user.role.permissions().to_vec(),
            expires: expiry(held.record.opened, held.seen.max(now)),
            by_token: false,
        })
    }

    /// Which sessions of this organisation must go for one more: expired ones, then the longest unused of the user.
    fn make_room(&self, org: OrgId, user: ObjectId, now: Time) -> (Vec<Change>, Vec<String>) {
        let ours = self.sessions.iter().filter(|(_, held)| held.org == org);
        let (mut go, mut stay): (Vec<_>, Vec<_>) =
            ours.partition(|(_, held)| now >= expiry(held.record.opened, held.seen));
        stay.sort_by_key(|(_, held)| held.seen);
        let of_user = stay.iter().filter(|(_, held)| held.record.user == user).count();
        let surplus = (of_user + 1).saturating_sub(SESSIONS_PER_USER_MAX);
        go.extend(stay.iter().filter(|(_, held)| held.record.user == user).take(surplus));
        if stay.len() >= SESSIONS_MAX && surplus == 0 {
            go.extend(stay.first());
        }
        let changes =
            go.iter().map(|(_, held)| Change::delete::<SessionRecord>(held.id, Expected::Any)).collect();
        (changes, go.into_iter().map(|(digest, _)| digest.clone()).collect())
    }

    /// The sessions of a user, all but one.
    pub(crate) fn sessions_of(&self, user: ObjectId, but: Option<ObjectId>) -> (Vec<Change>, Vec<String>) {
        let theirs =
            self.sessions.iter().filter(|(_, held)| held.record.user == user && Some(held.id) != but);
        theirs
            .map(|(digest, held)| (Change::delete::<SessionRecord>(held.id, Expected::Any), digest.clone()))
            .unzip()
    }
}

fn expiry(opened: Time, seen: Time) -> Time {
    seen.plus(SESSION_SLIDING).min(opened.plus(SESSION_ABSOLUTE))
}

/// How a user is named in events.
pub(crate) fn actor(name: &str) -> String {
    format!("user:{name}")
}

/// One answer for every reason, so that it tells nothing about who exists.
pub(crate) fn refused() -> Fault {
    let detail = "name or password is wrong: check both; with several organisations on this node, sign in as name@organisation";
    Fault::new("session.refused", detail)
}

fn signed_out() -> Fault {
    let detail = "the session has ended, or the token is unknown, over or revoked: sign in again, or make another token";
    Fault::new(codes::UNAUTHENTICATED, detail)
}
