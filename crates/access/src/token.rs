//! Tokens for programs: a name, a role of their own, an end. Only the hash of a token is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{Change, Document, Expected, Fault, Index, IndexValue, ObjectId, OrgId, Time, codes};

use crate::directory::Directory;
use crate::secret::{digest, new_token};
use crate::session::actor;
use crate::{Access, Batch, Identity, Role, Secret, events};

/// Tokens of one user that are in force.
pub const TOKENS_PER_USER_MAX: usize = 50;
/// A token ends after so long when nothing else is said.
pub const TOKEN_DAYS_DEFAULT: u32 = 365;
/// The longest a token can last.
pub const TOKEN_DAYS_MAX: u32 = 3_650;
/// Characters of a token's name.
const NAME_CHARS_MAX: usize = 100;
const DAY: Duration = Duration::from_secs(86_400);

/// A token as stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRecord {
    pub(crate) user: ObjectId,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// SHA-256 of the token, hexadecimal.
    pub(crate) digest: String,
    pub(crate) made: Time,
    pub(crate) expires: Time,
}

impl Document for TokenRecord {
    const COLLECTION: &'static str = "tokens";
    const INDEXES: &'static [Index] = &[Index::on("user")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Id(self.user))]
    }
}

/// A token as memory holds it.
pub(crate) struct HeldToken {
    pub(crate) org: OrgId,
    pub(crate) id: ObjectId,
    pub(crate) record: TokenRecord,
}

/// What a person asks for.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenInput {
    /// What it is for, such as `telegraf line 3`.
    pub name: String,
    /// What it may; at most what its user may. Never more than the user may at the time of use.
    pub role: Role,
    /// Ends after so many days; 365 when nothing is said.
    pub days: Option<u32>,
}

/// A token as people see it: never the token itself.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TokenView {
    /// For revoking it.
    pub id: ObjectId,
    /// What it is for.
    pub name: String,
    /// What it may.
    pub role: Role,
    /// When it was made.
    pub made: Time,
    /// When it ends.
    pub expires: Time,
}

impl HeldToken {
    fn view(&self) -> TokenView {
        let record = &self.record;
        TokenView {
            id: self.id,
            name: record.name.clone(),
            role: record.role,
            made: record.made,
            expires: record.expires,
        }
    }
}

impl Access {
    /// Makes a token for a program. The only time the token itself is there.
    ///
    /// # Errors
    /// A role above the user's own, a name or an end that cannot be, too many tokens; `forbidden` for a caller that is a
    /// token itself.
    pub async fn make_token(
        &self,
        identity: &Identity,
        input: TokenInput,
    ) -> Result<(Secret, TokenView), Fault> {
        if identity.by_token {
            let detail = "a token cannot make tokens: sign in with name and password";
            return Err(Fault::new(codes::FORBIDDEN, detail));
        }
        let name = input.name.trim().to_string();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let detail =
                format!("a token needs a name of 1 to {NAME_CHARS_MAX} characters: say what it is for");
            return Err(Fault::new("name.invalid", detail).at("/name"));
        }
        if input.role > identity.role {
            let detail = "a token may at most what you may: choose a lower role";
            return Err(Fault::new(codes::INVALID, detail).at("/role"));
        }
        let days = input.days.unwrap_or(TOKEN_DAYS_DEFAULT);
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            let detail = format!("{days} days: choose 1 to {TOKEN_DAYS_MAX}");
            return Err(Fault::new(codes::INVALID, detail).at("/days"));
        }
        let writing = self.writing().await;
        let now = self.now();
        let (gone, digests) = {
            let directory = self.directory();
            let of_user = |held: &&HeldToken| held.org == identity.org && held.record.user == identity.user;
            let theirs: Vec<&HeldToken> = directory.tokens.values().filter(of_user).collect();
            if theirs.iter().filter(|held| held.record.expires > now).count() >= TOKENS_PER_USER_MAX {
                let detail =
                    format!("you have {TOKENS_PER_USER_MAX} tokens: revoke one that is not used any more");
                return Err(Fault::new(codes::LIMIT, detail).arg("limit", TOKENS_PER_USER_MAX));
            }
            let ended = theirs.iter().filter(|held| held.record.expires <= now);
            ended.map(|held| (delete(held.id), held.record.digest.clone())).unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let token = new_token(&self.inner.env.random);
        let record = TokenRecord {
            user: identity.user,
            name,
            role: input.role,
            digest: digest(token.reveal()),
            made: now,
            expires: now.plus(DAY * days),
        };
        let id = self.born();
        let mut changes = gone;
        changes.push(crate::put(id, Expected::Absent, &record)?);
        let made = events::token("token.made.v1", identity.user, &identity.name, &record.name);
        let batch = Batch { changes, events: vec![made] };
        let org = identity.org;
        let held = HeldToken { org, id, record };
        let view = held.view();
        self.commit(&writing, org, &actor(&identity.name), batch, move |directory, _| {
            digests.iter().for_each(|digest| drop(directory.tokens.remove(digest)));
            directory.tokens.insert(held.record.digest.clone(), held);
        })
        .await?;
        Ok((token, view))
    }

    /// The caller's own tokens, the newest first.
    pub fn tokens(&self, identity: &Identity) -> Vec<TokenView> {
        let directory = self.directory();
        let theirs = directory
            .tokens
            .values()
            .filter(|held| held.org == identity.org && held.record.user == identity.user);
        let mut views: Vec<TokenView> = theirs.map(HeldToken::view).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.made));
        views
    }

    /// Ends one of the caller's own tokens at once.
    ///
    /// # Errors
    /// An unknown token, or another user's.
    pub async fn revoke_token(&self, identity: &Identity, id: ObjectId) -> Result<(), Fault> {
        let writing = self.writing().await;
        let (digest, name) = {
            let directory = self.directory();
            let found = directory
                .tokens
                .values()
                .find(|held| held.id == id && held.org == identity.org && held.record.user == identity.user);
            let found = found.ok_or_else(|| {
                Fault::new(codes::NOT_FOUND, "there is no such token: it may have been revoked")
            })?;
            (found.record.digest.clone(), found.record.name.clone())
        };
        let event = events::token("token.revoked.v1", identity.user, &identity.name, &name);
        let batch = Batch { changes: vec![delete(id)], events: vec![event] };
        self.commit(&writing, identity.org, &actor(&identity.name), batch, move |directory, _| {
            directory.tokens.remove(&digest);
        })
        .await?;
        Ok(())
    }
}

fn delete(id: ObjectId) -> Change {
    Change::delete::<TokenRecord>(id, Expected::Any)
}

impl Directory {
    /// Who a token belongs to at this time.
    pub(crate) fn token_identity(&self, digest: &str, now: Time) -> Option<Identity> {
        let held = self.tokens.get(digest).filter(|held| now < held.record.expires)?;
        let user = &self.user(held.org, held.record.user).filter(|stored| stored.body.enabled)?.body;
        let role = held.record.role.min(user.role);
        Some(Identity {
            session: held.id,
            org: held.org,
            organisation: self.organisation(held.org).map(|found| found.name.clone()).unwrap_or_default(),
            user: held.record.user,
            name: user.name.clone(),
            role,
            locale: user.locale,
            permissions: role.permissions().to_vec(),
            expires: held.record.expires,
            by_token: true,
        })
    }

    /// All tokens of a user.
    pub(crate) fn tokens_of(&self, user: ObjectId) -> (Vec<Change>, Vec<String>) {
        let theirs = self.tokens.iter().filter(|(_, held)| held.record.user == user);
        theirs.map(|(digest, held)| (delete(held.id), digest.clone())).unzip()
    }

    pub(crate) fn put_token(&mut self, org: OrgId, id: ObjectId, record: TokenRecord) {
        self.tokens.insert(record.digest.clone(), HeldToken { org, id, record });
    }
}
