//! All organisations, users and sessions of the node in memory. Pure.

use std::collections::{BTreeMap, HashMap};

use types::{ObjectId, OrgId, Revision, Stored};

use crate::organisation::Organisation;
use crate::session::SessionRecord;
use crate::setup::SetupRecord;
use crate::token::HeldToken;
use crate::user::{User, folded};

/// A session as memory holds it.
pub(crate) struct HeldSession {
    pub(crate) org: OrgId,
    pub(crate) id: ObjectId,
    pub(crate) revision: Revision,
    /// As last written; `seen` here may be older than [`HeldSession::seen`].
    pub(crate) record: SessionRecord,
    pub(crate) seen: types::Time,
}

/// See the top of the file.
#[derive(Default)]
pub(crate) struct Directory {
    organisations: BTreeMap<OrgId, Organisation>,
    users: HashMap<ObjectId, (OrgId, Stored<User>)>,
    /// By folded name; users of several organisations may share one.
    names: HashMap<String, Vec<ObjectId>>,
    /// By digest of the token.
    pub(crate) sessions: HashMap<String, HeldSession>,
    /// By digest of the token.
    pub(crate) tokens: HashMap<String, HeldToken>,
    setup: Option<(OrgId, ObjectId, SetupRecord)>,
}

impl Directory {
    pub(crate) fn put_organisation(&mut self, org: OrgId, stored: Stored<Organisation>) {
        self.organisations.insert(org, stored.body);
    }
    pub(crate) fn name_organisation(&mut self, org: OrgId, body: Organisation) {
        self.organisations.insert(org, body);
    }
    pub(crate) fn organisation(&self, org: OrgId) -> Option<&Organisation> {
        self.organisations.get(&org)
    }
    pub(crate) fn organisations(&self) -> Vec<(OrgId, Organisation)> {
        self.organisations.iter().map(|(org, body)| (*org, body.clone())).collect()
    }
    pub(crate) fn has_organisation(&self, name: &str) -> bool {
        self.organisations.values().any(|other| folded(&other.name) == folded(name))
    }

    pub(crate) fn put_user(&mut self, org: OrgId, stored: Stored<User>) {
        self.remove_user(stored.id);
        self.names.entry(folded(&stored.body.name)).or_default().push(stored.id);
        self.users.insert(stored.id, (org, stored));
    }
    pub(crate) fn remove_user(&mut self, id: ObjectId) {
        if let Some((_, gone)) = self.users.remove(&id) {
            let name = folded(&gone.body.name);
            if let Some(holders) = self.names.get_mut(&name) {
                holders.retain(|holder| *holder != id);
                if holders.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
    }
    /// `None` also for a user of another organisation.
    pub(crate) fn user(&self, org: OrgId, id: ObjectId) -> Option<&Stored<User>> {
        self.users.get(&id).filter(|(owner, _)| *owner == org).map(|(_, stored)| stored)
    }

    pub(crate) fn holders(&self, folded: &str) -> Vec<ObjectId> {
        self.names.get(folded).cloned().unwrap_or_default()
    }

    /// Who signs in as this: a name that one organisation has, or `name@organisation`. A name that several
    /// organisations have finds nobody, so that the answer does not tell that they have it.
    pub(crate) fn sign_in_as(&self, text: &str) -> Option<(OrgId, &Stored<User>)> {
        let found = self.names.get(&folded(text)).map_or(&[][..], Vec::as_slice);
        if let [one] = found {
            return self.users.get(one).map(|(org, stored)| (*org, stored));
        }
        let (name, organisation) = text.rsplit_once('@')?;
        let organisation = folded(organisation);
        let holders = self.names.get(&folded(name))?.iter().filter_map(|id| self.users.get(id));
        let mut ours = holders.filter(|(org, _)| {
            self.organisations.get(org).is_some_and(|found| folded(&found.name) == organisation)
        });
        ours.next().map(|(org, stored)| (*org, stored))
    }

    pub(crate) fn enabled_admins(&self, org: OrgId) -> usize {
        let ours = self.users.values().filter(|(owner, _)| *owner == org);
        ours.filter(|(_, stored)| stored.body.is_enabled_admin()).count()
    }
    pub(crate) fn has_admin(&self) -> bool {
        self.users.values().any(|(_, stored)| stored.body.is_enabled_admin())
    }

    pub(crate) fn put_session(
        &mut self,
        org: OrgId,
        id: ObjectId,
        revision: Revision,
        record: SessionRecord,
    ) {
        let seen = record.seen;
        self.sessions.insert(record.digest.clone(), HeldSession { org, id, revision, record, seen });
    }

    pub(crate) fn set_setup(&mut self, setup: Option<(OrgId, ObjectId, SetupRecord)>) {
        self.setup = setup;
    }
    pub(crate) fn setup(&self) -> Option<&(OrgId, ObjectId, SetupRecord)> {
        self.setup.as_ref()
    }
    pub(crate) fn setup_org(&self) -> Option<OrgId> {
        self.setup.as_ref().map(|(org, _, _)| *org)
    }
}
