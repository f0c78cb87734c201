//! Secrets of leaves and the list of certificates, behind `sdk`'s handles.

use records::Records;
use sdk::{BoxFuture, Presented, SecretsPort, TrustPort, Verdict};
use serde::{Deserialize, Serialize};
use types::{
    Change, Document, EventDraft, Expected, Fault, Filter, Index, IndexValue, ObjectId, OrgId, Page, Query,
    Stored, Time, codes,
};

use crate::Seal;

/// A sealed blob of one leaf.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedBlob {
    /// Leaf and name, joined by `/`.
    name: String,
    sealed: String,
}

impl Document for SealedBlob {
    const COLLECTION: &'static str = "secrets";
    const INDEXES: &'static [Index] = &[Index::unique("name")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Text(self.name.clone()))]
    }
}

/// Secrets of one leaf of one organisation.
pub struct LeafSecrets {
    /// Whose.
    pub org: OrgId,
    /// Of which leaf.
    pub leaf: &'static str,
    /// Where they lie.
    pub records: Records,
    /// How they lie there.
    pub seal: Seal,
    /// For the birth of new ones.
    pub ids: sdk::Ids,
}

impl LeafSecrets {
    async fn stored(&self, name: &str) -> Result<Option<Stored<SealedBlob>>, Fault> {
        let filters = vec![Filter::Equal("name", IndexValue::Text(name.to_string()))];
        let query = Query { filters, limit: 1, ..Query::default() };
        let page = self.records.list::<SealedBlob>(self.org, query).await.map_err(|e| e.fault())?;
        Ok(page.items.into_iter().next())
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.leaf)
    }

    async fn keep(&self, name: String, blob: Vec<u8>) -> Result<(), Fault> {
        if blob.len() > sdk::Secrets::BLOB_BYTES_MAX || name.len() > sdk::Secrets::NAME_BYTES_MAX {
            let detail =
                format!("a secret has at most {} bytes: keep less in it", sdk::Secrets::BLOB_BYTES_MAX);
            return Err(Fault::new(codes::LIMIT, detail));
        }
        let sealed = self.seal.close(self.org, &name, &blob)?;
        let (id, expected) = match self.stored(&name).await? {
            Some(stored) => (stored.id, Expected::At(stored.revision)),
            None => (self.ids.born(), Expected::Absent),
        };
        let put = Change::put(id, expected, &SealedBlob { name, sealed }).map_err(internal)?;
        let actor = format!("driver:{}", self.leaf);
        let done = self.records.commit(self.org, &actor, vec![put], Vec::new()).await;
        done.map(drop).map_err(|e| e.fault())
    }
}

impl SecretsPort for LeafSecrets {
    fn get(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Fault>> {
        let name = self.full_name(name);
        Box::pin(async move {
            let stored = self.stored(&name).await?;
            stored.map(|stored| self.seal.open(self.org, &name, &stored.body.sealed)).transpose()
        })
    }
    fn put(&self, name: &str, blob: &[u8]) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(self.keep(self.full_name(name), blob.to_vec()))
    }
}

/// Whether a certificate is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Ours.
    Own,
    /// Seen, and nobody approved it.
    Rejected,
    /// A person approved it.
    Trusted,
}

/// A certificate in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The driver that met it.
    pub leaf: String,
    /// Believed or not.
    pub standing: Standing,
    /// What it says.
    pub presented: Presented,
    /// First seen.
    pub first: Time,
    /// Who approved or rejected it last; `None` while nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
}

impl Document for Certificate {
    const COLLECTION: &'static str = "certificates";
    const INDEXES: &'static [Index] = &[Index::unique("key"), Index::on("standing")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        let standing = match self.standing {
            Standing::Own => 0,
            Standing::Rejected => 1,
            Standing::Trusted => 2,
        };
        let key = format!("{}/{}", self.leaf, self.presented.thumbprint);
        vec![Some(IndexValue::Text(key)), Some(IndexValue::Int(standing))]
    }
}

/// The certificates of all organisations; clones share it.
#[derive(Clone)]
pub struct Certificates {
    records: Records,
    /// One at a time, so that two sessions that meet the same certificate list it once.
    writing: std::sync::Arc<tokio::sync::Mutex<()>>,
}

impl Certificates {
    /// Certificates of an organisation that nobody approved; the oldest makes room.
    pub const REJECTED_MAX: usize = 200;

    /// Over these records.
    pub fn new(records: Records) -> Certificates {
        Certificates { records, writing: std::sync::Arc::default() }
    }

    /// A page of the list.
    pub async fn list(&self, org: OrgId, query: Query) -> Result<Page<Stored<Certificate>>, Fault> {
        self.records.list(org, query).await.map_err(|e| e.fault())
    }

    /// One certificate.
    pub async fn one(&self, org: OrgId, id: ObjectId) -> Result<Stored<Certificate>, Fault> {
        let stored = self.records.get(org, id).await.map_err(|e| e.fault())?;
        stored
            .ok_or_else(|| Fault::new(codes::NOT_FOUND, "there is no such certificate: load the list again"))
    }

    /// A person approves or rejects.
    pub async fn judge(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        trusted: bool,
    ) -> Result<Stored<Certificate>, Fault> {
        let _one_at_a_time = self.writing.lock().await;
        let mut stored = self.one(org, id).await?;
        if stored.body.standing == Standing::Own {
            let detail = "this certificate is our own: hand it to the other side instead";
            return Err(Fault::new(codes::INVALID, detail));
        }
        stored.body.standing = if trusted { Standing::Trusted } else { Standing::Rejected };
        stored.body.judged_by = Some(actor.to_string());
        let put = Change::put(id, Expected::At(stored.revision), &stored.body).map_err(internal)?;
        let event = EventDraft {
            name: if trusted { "certificate.trusted.v1" } else { "certificate.rejected.v1" },
            object: id,
            payload: serde_json::json!({
                "by": actor,
                "leaf": stored.body.leaf,
                "thumbprint": stored.body.presented.thumbprint,
                "subject": stored.body.presented.subject,
            }),
        };
        self.records.commit(org, actor, vec![put], vec![event]).await.map_err(|e| e.fault())?;
        stored.revision += 1;
        Ok(stored)
    }

    /// Takes one out of the list; it is listed again when it is seen again.
    pub async fn forget(&self, org: OrgId, actor: &str, id: ObjectId) -> Result<(), Fault> {
        let _one_at_a_time = self.writing.lock().await;
        let stored = self.one(org, id).await?;
        let delete = Change::delete::<Certificate>(id, Expected::At(stored.revision));
        let event = EventDraft {
            name: "certificate.forgotten.v1",
            object: id,
            payload: serde_json::json!({ "by": actor, "thumbprint": stored.body.presented.thumbprint }),
        };
        let done = self.records.commit(org, actor, vec![delete], vec![event]).await;
        done.map(drop).map_err(|e| e.fault())
    }

    async fn found(
        &self,
        org: OrgId,
        leaf: &str,
        thumbprint: &str,
    ) -> Result<Option<Stored<Certificate>>, Fault> {
        let key = IndexValue::Text(format!("{leaf}/{thumbprint}"));
        let query = Query { filters: vec![Filter::Equal("key", key)], limit: 1, ..Query::default() };
        let page = self.records.list::<Certificate>(org, query).await.map_err(|e| e.fault())?;
        Ok(page.items.into_iter().next())
    }

    /// Lists a certificate that was never seen, and says how it stands.
    async fn standing(
        &self,
        org: OrgId,
        leaf: &str,
        id: ObjectId,
        now: Time,
        presented: Presented,
        unseen: Standing,
    ) -> Result<Standing, Fault> {
        let _one_at_a_time = self.writing.lock().await;
        if let Some(stored) = self.found(org, leaf, &presented.thumbprint).await? {
            return Ok(stored.body.standing);
        }
        let mut changes = match unseen {
            Standing::Rejected => self.room(org).await?,
            _ => Vec::new(),
        };
        let listed =
            Certificate { leaf: leaf.into(), standing: unseen, presented, first: now, judged_by: None };
        changes.push(Change::put(id, Expected::Absent, &listed).map_err(internal)?);
        let event = EventDraft {
            name: "certificate.listed.v1",
            object: id,
            payload: serde_json::json!({
                "leaf": leaf,
                "from": listed.presented.from,
                "thumbprint": listed.presented.thumbprint,
            }),
        };
        let actor = format!("driver:{leaf}");
        self.records.commit(org, &actor, changes, vec![event]).await.map_err(|e| e.fault())?;
        Ok(unseen)
    }

    /// What must go so that one more rejected certificate has room.
    async fn room(&self, org: OrgId) -> Result<Vec<Change>, Fault> {
        let filters = vec![Filter::Equal("standing", IndexValue::Int(1))];
        let query = Query { filters, limit: Self::REJECTED_MAX, ..Query::default() };
        let page = self.records.list::<Certificate>(org, query).await.map_err(|e| e.fault())?;
        let most = page.items.len() >= Self::REJECTED_MAX;
        let oldest = page.items.into_iter().min_by_key(|stored| stored.body.first).filter(|_| most);
        let delete = |stored: Stored<Certificate>| {
            Change::delete::<Certificate>(stored.id, Expected::At(stored.revision))
        };
        Ok(oldest.map(delete).into_iter().collect())
    }
}

/// The list as one leaf of one organisation sees it.
pub struct LeafTrust {
    /// Whose.
    pub org: OrgId,
    /// Of which leaf.
    pub leaf: &'static str,
    /// The list.
    pub certificates: Certificates,
    /// When a certificate was first seen.
    pub clock: sdk::Clock,
    /// For the birth of new ones.
    pub ids: sdk::Ids,
}

impl LeafTrust {
    async fn standing(&self, presented: Presented, unseen: Standing) -> Result<Standing, Fault> {
        let (id, now) = (self.ids.born(), self.clock.now());
        self.certificates.standing(self.org, self.leaf, id, now, presented, unseen).await
    }
}

impl TrustPort for LeafTrust {
    fn judge(&self, presented: Presented) -> BoxFuture<'_, Result<Verdict, Fault>> {
        Box::pin(async move {
            Ok(match self.standing(presented, Standing::Rejected).await? {
                Standing::Trusted => Verdict::Trusted,
                Standing::Own | Standing::Rejected => Verdict::Rejected,
            })
        })
    }
    fn own(&self, presented: Presented) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move { self.standing(presented, Standing::Own).await.map(drop) })
    }
}

fn internal(error: serde_json::Error) -> Fault {
    Fault::new(codes::INTERNAL, error.to_string())
}
