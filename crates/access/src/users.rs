//! Managing users. An organisation that has an enabled admin keeps at least one.

use types::{Change, Expected, Fault, ObjectId, OrgId, Page, Query, Revision, Stored, codes};

use crate::password::{check_password, weak};
use crate::session::{Identity, actor};
use crate::user::{User, check_name, shown};
use crate::{Access, Batch, Secret, UserInput, UserView, events};

impl Access {
    /// A page of users; filters and orders on `name` (lower case).
    pub async fn users(&self, org: OrgId, query: Query) -> Result<Page<Stored<UserView>>, Fault> {
        let page = self.inner.records.list::<User>(org, query).await.map_err(|error| error.fault())?;
        Ok(Page { items: page.items.iter().map(shown).collect(), next: page.next })
    }

    /// One user.
    pub fn user(&self, org: OrgId, id: ObjectId) -> Result<Stored<UserView>, Fault> {
        self.directory().user(org, id).map(shown).ok_or_else(|| missing(id))
    }

    /// Adds a user.
    ///
    /// # Errors
    /// A name that is none or is taken, a missing or weak password.
    pub async fn create_user(
        &self,
        org: OrgId,
        actor: &str,
        input: UserInput,
    ) -> Result<Stored<UserView>, Fault> {
        let password =
            input.password.as_ref().ok_or_else(|| weak("a new user needs a password: enter one"))?;
        check_name(&input.name, "/name")?;
        check_password(password, &input.name)?;
        let hash = self.inner.hasher.hash(password, &self.inner.env.random).await?;
        let UserInput { name, role, locale, enabled, .. } = input;
        self.add_user(org, actor, User { name, role, locale, enabled, password: Some(hash) }).await
    }

    /// Changes a user. A new password, role or `enabled: false` ends all sessions of the user at once. `revision` is
    /// the one the caller saw.
    ///
    /// # Errors
    /// As [`Access::create_user`]; a stale revision; the last enabled admin cannot be demoted or disabled.
    pub async fn update_user(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
        input: UserInput,
    ) -> Result<Stored<UserView>, Fault> {
        check_name(&input.name, "/name")?;
        let hash = match &input.password {
            None => None,
            Some(password) => {
                check_password(password, &input.name)?;
                Some(self.inner.hasher.hash(password, &self.inner.env.random).await?)
            }
        };
        let UserInput { name, role, locale, enabled, .. } = input;
        let change = move |before: &User| User {
            name,
            role,
            locale,
            enabled,
            password: hash.or_else(|| before.password.clone()),
        };
        self.change_user(org, actor, id, revision, None, change).await
    }

    /// Changes a user's own password; all other sessions of the user end at once.
    ///
    /// # Errors
    /// `password.old-wrong` for a wrong old password, a weak new one; `session.wait` with `wait_s` after failures.
    pub async fn change_password(
        &self,
        identity: &Identity,
        old: &Secret,
        new: &Secret,
    ) -> Result<(), Fault> {
        let found = self.directory().user(identity.org, identity.user).cloned();
        let found = found.ok_or_else(|| missing(identity.user))?;
        let keys = [crate::delay::Key::Name(format!("{}", identity.user))];
        self.delays().check(&keys, self.now())?;
        if !self.inner.hasher.verify(old, found.body.password.clone()).await? {
            self.delays().failed(&keys, self.now());
            let detail = "the old password is wrong: enter it again";
            return Err(Fault::new("password.old-wrong", detail).at("/old"));
        }
        self.delays().succeeded(&keys);
        check_password(new, &identity.name).map_err(|fault| fault.at("/new"))?;
        let hash = self.inner.hasher.hash(new, &self.inner.env.random).await?;
        let change = move |before: &User| User { password: Some(hash), ..before.clone() };
        let (revision, keep) = (Some(found.revision), Some(identity.session));
        self.change_user(identity.org, &actor(&identity.name), identity.user, revision, keep, change).await?;
        Ok(())
    }

    /// Removes a user and ends the user's sessions at once.
    ///
    /// # Errors
    /// An unknown user, a stale revision, the last enabled admin.
    pub async fn delete_user(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
    ) -> Result<(), Fault> {
        let writing = self.writing().await;
        let (found, sessions, digests) = {
            let directory = self.directory();
            let found = directory.user(org, id).cloned().ok_or_else(|| missing(id))?;
            if found.body.is_enabled_admin() && directory.enabled_admins(org) == 1 {
                return Err(last_admin());
            }
            let (mut ends, mut digests) = directory.sessions_of(id, None);
            let (tokens, of_tokens) = directory.tokens_of(id);
            ends.extend(tokens);
            digests.extend(of_tokens);
            (found, ends, digests)
        };
        let expected = Expected::At(revision.unwrap_or(found.revision));
        let mut changes = vec![Change::delete::<User>(id, expected)];
        changes.extend(sessions);
        let batch = Batch { changes, events: vec![events::user("user.deleted.v1", id, &found.body)] };
        self.commit(&writing, org, actor, batch, move |directory, _| {
            directory.remove_user(id);
            for digest in &digests {
                directory.sessions.remove(digest);
                directory.tokens.remove(digest);
            }
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn add_user(
        &self,
        org: OrgId,
        actor: &str,
        user: User,
    ) -> Result<Stored<UserView>, Fault> {
        let writing = self.writing().await;
        if self.directory().organisation(org).is_none() {
            let detail = format!("there is no organisation {org} on this node: create it first");
            return Err(Fault::new(codes::NOT_FOUND, detail));
        }
        let id = self.born();
        let batch = Batch {
            changes: vec![crate::put(id, Expected::Absent, &user)?],
            events: vec![events::user("user.created.v1", id, &user)],
        };
        let view = user.view();
        let committed = self
            .commit(&writing, org, actor, batch, move |directory, committed| {
                let stored =
                    Stored { id, revision: committed.revisions[0], changed: committed.at, body: user };
                directory.put_user(org, stored);
            })
            .await?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body: view })
    }

    async fn change_user(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
        keep: Option<ObjectId>,
        change: impl FnOnce(&User) -> User,
    ) -> Result<Stored<UserView>, Fault> {
        let writing = self.writing().await;
        let (found, after, sessions, digests) = {
            let directory = self.directory();
            let found = directory.user(org, id).cloned().ok_or_else(|| missing(id))?;
            let (before, after) = (&found.body, change(&found.body));
            if before.is_enabled_admin() && !after.is_enabled_admin() && directory.enabled_admins(org) == 1 {
                return Err(last_admin());
            }
            let same_rights = before.role == after.role && before.enabled == after.enabled;
            let revoke = !same_rights || before.password != after.password;
            let (sessions, digests) =
                if revoke { directory.sessions_of(id, keep) } else { (Vec::new(), Vec::new()) };
            (found, after, sessions, digests)
        };
        let expected = Expected::At(revision.unwrap_or(found.revision));
        let mut changes = vec![crate::put(id, expected, &after)?];
        changes.extend(sessions);
        let batch = Batch { changes, events: vec![events::user_changed(id, &found.body, &after)] };
        let view = after.view();
        let committed = self
            .commit(&writing, org, actor, batch, move |directory, committed| {
                let stored =
                    Stored { id, revision: committed.revisions[0], changed: committed.at, body: after };
                directory.put_user(org, stored);
                digests.iter().for_each(|digest| drop(directory.sessions.remove(digest)));
            })
            .await?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body: view })
    }
}

fn missing(id: ObjectId) -> Fault {
    let detail = format!("there is no user {id}: it was removed or never made; load the list again");
    Fault::new(codes::NOT_FOUND, detail).arg("id", id.to_string())
}

fn last_admin() -> Fault {
    let detail = "this is the last enabled admin of the organisation: make another user an admin first";
    Fault::new("user.last-admin", detail)
}
