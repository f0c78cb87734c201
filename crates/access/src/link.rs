//! One-time links: a token that opens a session once, from the machine itself, within ten minutes.
//!
//! Kept in memory only: a link does not outlive the process that printed it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use types::{Fault, ObjectId, OrgId, Time, codes};

use crate::delay::Delays;
use crate::secret::{digest, new_token};
use crate::session::Session;
use crate::user::{Locale, User, folded};
use crate::{Access, Role, Secret};

/// A link is good for so long.
pub const LINK_VALID: Duration = Duration::from_secs(600);
/// Links that are open at the same time; the oldest makes room.
pub const LINKS_MAX: usize = 64;

/// Whom a link signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFor {
    /// A user of the organisation.
    User(ObjectId),
    /// The demo user of this role, who is made when missing and has no password.
    Demo(Role),
}

struct Link {
    org: OrgId,
    user: ObjectId,
    made: Time,
}

/// Open links by the digest of their token.
#[derive(Default)]
pub(crate) struct Links(HashMap<String, Link>);

impl Links {
    fn open(&mut self, digest: String, link: Link) {
        self.0.retain(|_, other| link.made.since(other.made) < LINK_VALID);
        if self.0.len() >= LINKS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, link)| link.made).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(digest, link);
    }

    fn take(&mut self, digest: &str, now: Time) -> Option<Link> {
        self.0.remove(digest).filter(|link| now.since(link.made) < LINK_VALID)
    }
}

impl Access {
    /// Makes a link; the console opens it as `/#/link/<token>`.
    ///
    /// # Errors
    /// An unknown organisation or user.
    pub async fn create_link(&self, org: OrgId, actor: &str, whom: LinkFor) -> Result<Secret, Fault> {
        let user = match whom {
            LinkFor::User(id) => self.user(org, id)?.id,
            LinkFor::Demo(role) => self.demo_user(org, actor, role).await?,
        };
        let token = new_token(&self.inner.env.random);
        self.links().open(digest(token.reveal()), Link { org, user, made: self.now() });
        Ok(token)
    }

    /// Opens a session by a link, once, for a peer on this machine.
    ///
    /// # Errors
    /// `link.not-local` for other peers, `link.used` for a link that was used, is too old or never was.
    pub async fn redeem_link(&self, token: &str, peer: IpAddr) -> Result<Session, Fault> {
        if !peer.to_canonical().is_loopback() {
            let detail = "a sign-in link works only on the machine that printed it: open it there, or sign in with a password";
            return Err(Fault::new("link.not-local", detail));
        }
        let link = self.links().take(&digest(token), self.now()).ok_or_else(|| {
            Fault::new(
                "link.used",
                "the link was used already or is too old: make a new one, or sign in with a password",
            )
        })?;
        self.open_session(link.org, link.user, None, "link").await
    }

    async fn demo_user(&self, org: OrgId, actor: &str, role: Role) -> Result<ObjectId, Fault> {
        let name = format!("demo-{}", format!("{role:?}").to_lowercase());
        let found = self.directory().named(org, &name);
        if let Some(id) = found {
            return Ok(id);
        }
        let user = User { name, role, locale: Locale::default(), enabled: true, password: None };
        match self.add_user(org, actor, user.clone()).await {
            // Two callers at once: the other one made it.
            Err(fault) if fault.code == codes::EXISTS => self.directory().named(org, &user.name).ok_or(fault),
            made => made.map(|stored| stored.id),
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.inner.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delays(&self) -> MutexGuard<'_, Delays> {
        self.inner.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl crate::directory::Directory {
    fn named(&self, org: OrgId, name: &str) -> Option<ObjectId> {
        let holders = self.holders(&folded(name));
        holders.into_iter().find(|id| self.user(org, *id).is_some())
    }
}
