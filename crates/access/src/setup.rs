//! The first sign-in of a node: a one-time code, printed where only the operator sees it, opens the first admin.
//!
//! The code is kept in clear in the record store until it is used, so that `sinew setup-code` can print it again. A
//! hash would protect nothing: who can read the store can also write a user into it, and a used code is worth nothing.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use types::{Change, Document, Expected, Fault, ObjectId, OrgId, Stored, random_bytes};

use crate::delay::Key;
use crate::organisation::{Organisation, organisation_batch};
use crate::password::check_password;
use crate::session::Session;
use crate::user::{Locale, User, check_name};
use crate::{Access, Role, Secret, events, secret};

/// Letters and digits that nobody confuses on a screen or on the phone: no 0 O 1 I L.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// Characters of the code: 8.5e11 possibilities, behind a growing delay.
const CODE_CHARS: usize = 8;
/// Shown in groups of this many.
const GROUP_CHARS: usize = 4;

/// The open setup of a node as stored, under the organisation that it will make.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupRecord {
    code: String,
}

impl Document for SetupRecord {
    const COLLECTION: &'static str = "setup";
}

/// What the first admin enters.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The setup code; case, spaces and dashes do not matter.
    pub code: Secret,
    /// Name of the organisation.
    pub organisation: String,
    /// Name of the first admin.
    pub name: String,
    /// Password of the first admin.
    pub password: Secret,
    /// Language of the console.
    #[serde(default)]
    pub locale: Locale,
}

impl Access {
    /// Whether the node still waits for its first admin.
    pub fn setup_needed(&self) -> bool {
        self.directory().setup().is_some()
    }

    /// The one-time code, such as `7KQM-P3XT`; `None` once it was used.
    pub fn setup_code(&self) -> Option<Secret> {
        self.directory().setup().map(|(_, _, record)| grouped(&record.code))
    }

    /// Makes the organisation and its first admin, and signs the admin in. Works once.
    ///
    /// # Errors
    /// `setup.done` when it was used, `setup.code` for a wrong code, `session.wait` with `wait_s` after failures, and what is
    /// wrong with names or password.
    pub async fn setup(&self, input: Setup, peer: IpAddr) -> Result<Session, Fault> {
        let keys = [Key::Setup, Key::peer(peer)];
        self.delays().check(&keys, self.now())?;
        let (org, setup, record) = self.directory().setup().cloned().ok_or_else(done)?;
        if !secret::same(&normalised(input.code.reveal()), &record.code) {
            self.delays().failed(&keys, self.now());
            let detail =
                "the setup code is wrong: look at the node's first output, or run `sinew setup-code`";
            return Err(Fault::new("setup.code", detail).at("/code"));
        }
        check_name(&input.organisation, "/organisation")?;
        check_name(&input.name, "/name")?;
        check_password(&input.password, &input.name)?;
        let hash = self.inner.hasher.hash(&input.password, &self.inner.env.random).await?;
        let (name, locale) = (input.name, input.locale);
        let admin = User { name, role: Role::Admin, locale, enabled: true, password: Some(hash) };
        let user = self.finish_setup(org, setup, &input.organisation, admin).await?;
        self.delays().succeeded(&keys);
        self.open_session(org, user, None, "setup").await
    }

    async fn finish_setup(
        &self,
        org: OrgId,
        setup: ObjectId,
        organisation: &str,
        admin: User,
    ) -> Result<ObjectId, Fault> {
        let writing = self.writing().await;
        if !self.setup_needed() {
            return Err(done());
        }
        let id = self.born();
        let mut batch = organisation_batch(org, organisation)?;
        batch.changes.push(crate::put(id, Expected::Absent, &admin)?);
        batch.changes.push(Change::delete::<SetupRecord>(setup, Expected::At(1)));
        batch.events.push(events::user("user.created.v1", id, &admin));
        let body = Organisation { name: organisation.to_string() };
        self.commit(&writing, org, "setup", batch, move |directory, committed| {
            let revision = committed.revisions[1];
            directory.name_organisation(org, body);
            directory.put_user(org, Stored { id, revision, changed: committed.at, body: admin });
            directory.set_setup(None);
        })
        .await?;
        Ok(id)
    }

    /// Opens the setup of a node that has neither an admin nor an open setup.
    pub(crate) async fn prepare_setup(&self) -> Result<(), Fault> {
        let known = {
            let directory = self.directory();
            if directory.has_admin() || directory.setup().is_some() {
                return Ok(());
            }
            directory.organisations().first().map(|(org, _)| *org)
        };
        let writing = self.writing().await;
        let org = known.unwrap_or_else(|| OrgId::from_bytes(self.born().bytes()));
        let (id, record) = (self.born(), SetupRecord { code: new_code(&self.inner.env.random) });
        let batch =
            crate::Batch { changes: vec![crate::put(id, Expected::Absent, &record)?], events: Vec::new() };
        self.commit(&writing, org, "setup", batch, move |directory, _| {
            directory.set_setup(Some((org, id, record)));
        })
        .await?;
        Ok(())
    }
}

fn new_code(random: &types::Random) -> String {
    let mut code = String::with_capacity(CODE_CHARS);
    while code.len() < CODE_CHARS {
        // Five random bits; the one value beyond the alphabet is thrown away, so that all are equally likely.
        let [byte] = random_bytes::<1>(random);
        code.extend(ALPHABET.get(usize::from(byte & 31)).map(|letter| char::from(*letter)));
    }
    code
}

fn grouped(code: &str) -> Secret {
    let (first, second) = code.split_at_checked(GROUP_CHARS).unwrap_or((code, ""));
    Secret::new(format!("{first}-{second}"))
}

fn normalised(entered: &str) -> String {
    entered.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect::<String>().to_uppercase()
}

fn done() -> Fault {
    Fault::new("setup.done", "this node was set up already: sign in, or ask an admin for an account")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_readable_and_forgiving() {
        let random = sdk::fake::seeded_random(1);
        for _ in 0..100 {
            let code = new_code(&random);
            assert!(code.len() == CODE_CHARS && code.bytes().all(|b| ALPHABET.contains(&b)), "{code}");
            let shown = grouped(&code);
            assert_eq!(shown.reveal().len(), CODE_CHARS + 1);
            assert_eq!(normalised(&format!(" {} ", shown.reveal().to_lowercase())), code);
        }
    }
}
