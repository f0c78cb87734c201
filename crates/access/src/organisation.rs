//! Organisations (组织): whose data everything is.

use serde::{Deserialize, Serialize};
use types::{Document, Expected, Fault, ObjectId, OrgId};

use crate::user::check_name;
use crate::{Access, Batch, Writing, events};

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Shown name.
    pub name: String,
}

impl Document for Organisation {
    const COLLECTION: &'static str = "organisations";
}

/// The one document of an organisation about itself has the same sixteen bytes as its key.
pub(crate) fn document_id(org: OrgId) -> ObjectId {
    ObjectId::from_bytes(org.bytes())
}

impl Access {
    /// Adds an organisation. The first one takes the key that the setup code was made for, so that setup joins it.
    ///
    /// # Errors
    /// A name that is none, or that another organisation of the node has.
    pub async fn create_organisation(&self, actor: &str, name: &str) -> Result<OrgId, Fault> {
        let writing = self.writing().await;
        let (pending, taken) = {
            let directory = self.directory();
            (
                directory.setup_org().filter(|org| directory.organisation(*org).is_none()),
                directory.has_organisation(name),
            )
        };
        if taken {
            let detail = format!("the node has an organisation `{name}` already: choose another name");
            return Err(Fault::new(types::codes::EXISTS, detail).arg("value", name).at("/name"));
        }
        let org = pending.unwrap_or_else(|| OrgId::from_bytes(self.born().bytes()));
        let batch = organisation_batch(org, name)?;
        self.commit_organisation(&writing, org, actor, batch, name).await?;
        Ok(org)
    }

    /// The name of an organisation.
    pub fn organisation(&self, org: OrgId) -> Option<Organisation> {
        self.directory().organisation(org).cloned()
    }

    /// All organisations of the node, by birth.
    pub fn organisations(&self) -> Vec<(OrgId, Organisation)> {
        self.directory().organisations()
    }

    async fn commit_organisation(
        &self,
        writing: &Writing,
        org: OrgId,
        actor: &str,
        batch: Batch,
        name: &str,
    ) -> Result<(), Fault> {
        let body = Organisation { name: name.to_string() };
        self.commit(writing, org, actor, batch, move |directory, _| directory.name_organisation(org, body))
            .await?;
        Ok(())
    }
}

pub(crate) fn organisation_batch(org: OrgId, name: &str) -> Result<Batch, Fault> {
    check_name(name, "/organisation")?;
    let body = Organisation { name: name.to_string() };
    let id = document_id(org);
    Ok(Batch {
        changes: vec![crate::put(id, Expected::Any, &body)?],
        events: vec![events::organisation(id, name)],
    })
}
