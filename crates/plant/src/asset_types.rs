//! Asset types (物模型), kept as documents.

use types::{
    Asset, AssetType, Change, Expected, Fault, Filter, IndexValue, ObjectId, OrgId, Page, Query, Revision,
    Stored,
};

use crate::commit::Batch;
use crate::paging::{expected, one, put};
use crate::type_check::check_type;
use crate::{PlantModel, events};

impl PlantModel {
    /// One asset type.
    pub async fn asset_type(&self, org: OrgId, id: ObjectId) -> Result<Stored<AssetType>, Fault> {
        self.document(org, id).await
    }

    /// A page of asset types; filters on `key`.
    pub async fn asset_types(&self, org: OrgId, query: Query) -> Result<Page<Stored<AssetType>>, Fault> {
        self.page(org, query).await
    }

    /// All asset types, in the order of birth.
    pub async fn all_asset_types(&self, org: OrgId) -> Result<Vec<Stored<AssetType>>, Fault> {
        self.all(org, Query::default()).await
    }

    /// Adds an asset type.
    ///
    /// # Errors
    /// One fault for each mistake, with its place; a key that the organisation has already.
    pub async fn create_asset_type(
        &self,
        org: OrgId,
        actor: &str,
        mut body: AssetType,
    ) -> Result<Stored<AssetType>, Vec<Fault>> {
        check_type(&mut body)?;
        let writing = self.writing().await.map_err(one)?;
        let id = self.born();
        let batch = Batch {
            documents: vec![put(id, Expected::Absent, &body).map_err(one)?],
            events: vec![events::asset_type("asset-type.created.v1", id, &body)],
            ..Batch::default()
        };
        let committed = self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body })
    }

    /// Changes an asset type. Assets of this type follow; their points stay as they are.
    ///
    /// # Errors
    /// As [`PlantModel::create_asset_type`], and a stale revision.
    pub async fn update_asset_type(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
        mut body: AssetType,
    ) -> Result<Stored<AssetType>, Vec<Fault>> {
        check_type(&mut body)?;
        let writing = self.writing().await.map_err(one)?;
        let found = self.asset_type(org, id).await.map_err(one)?;
        let batch = Batch {
            documents: vec![put(id, expected(revision, &found), &body).map_err(one)?],
            events: vec![events::asset_type("asset-type.changed.v1", id, &body)],
            ..Batch::default()
        };
        let committed = self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body })
    }

    /// Removes an asset type.
    ///
    /// # Errors
    /// While an asset is of this type; the fault names one.
    pub async fn delete_asset_type(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
    ) -> Result<(), Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let found = self.asset_type(org, id).await.map_err(one)?;
        let of_type = Query {
            filters: vec![Filter::Equal("asset_type", IndexValue::Id(id))],
            limit: 1,
            ..Query::default()
        };
        let users = self.page::<Asset>(org, of_type).await.map_err(one)?;
        if let Some(user) = users.items.first() {
            let name = user.body.name.en();
            let detail = format!("assets are of this type, such as `{name}`: give them another type first");
            return Err(vec![Fault::new("asset-type.in-use", detail).arg("asset", name)]);
        }
        let batch = Batch {
            documents: vec![Change::delete::<AssetType>(id, expected(revision, &found))],
            events: vec![events::asset_type("asset-type.deleted.v1", id, &found.body)],
            ..Batch::default()
        };
        self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(())
    }
}
