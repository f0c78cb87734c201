//! Places and assets: the plant tree, kept as documents.

use types::{
    Asset, AssetType, Change, Expected, Fault, NodeKind, ObjectId, OrgId, Page, Query, Revision, Stored,
    codes,
};

use crate::commit::Batch;
use crate::names::{check_full_label, check_label};
use crate::paging::{expected, missing, one, put};
use crate::tree::Tree;
use crate::{PlantModel, events};

/// Notes on one asset.
const NOTES_MAX: usize = 64;
/// Characters of one note.
const NOTE_CHARS_MAX: usize = 1_000;

impl PlantModel {
    /// One place or asset.
    pub async fn asset(&self, org: OrgId, id: ObjectId) -> Result<Stored<Asset>, Fault> {
        self.document(org, id).await
    }

    /// A page of places and assets; filters on `parent` and `asset_type`.
    pub async fn assets(&self, org: OrgId, query: Query) -> Result<Page<Stored<Asset>>, Fault> {
        self.page(org, query).await
    }

    /// The whole tree, flat, in the order of birth.
    pub async fn asset_tree(&self, org: OrgId) -> Result<Vec<Stored<Asset>>, Fault> {
        self.all(org, Query::default()).await
    }

    /// Puts up a place or an asset.
    ///
    /// # Errors
    /// One fault for each mistake: misplaced, a sibling of the same name, an unknown asset type, a name that is none.
    pub async fn create_asset(
        &self,
        org: OrgId,
        actor: &str,
        asset: Asset,
    ) -> Result<Stored<Asset>, Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let id = self.born();
        self.check_asset(org, id, &asset).await?;
        let batch = Batch {
            documents: vec![put(id, Expected::Absent, &asset).map_err(one)?],
            events: vec![events::asset("asset.created.v1", id, &asset)],
            ..Batch::default()
        };
        let committed = self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body: asset })
    }

    /// Changes a place or an asset; what stands below moves with it. `revision` is the one the caller saw.
    ///
    /// # Errors
    /// As [`PlantModel::create_asset`], also a cycle, a stale revision, or children that may not stand below it any more.
    pub async fn update_asset(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
        asset: Asset,
    ) -> Result<Stored<Asset>, Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let found = self.asset(org, id).await.map_err(one)?;
        self.check_asset(org, id, &asset).await?;
        let batch = Batch {
            documents: vec![put(id, expected(revision, &found), &asset).map_err(one)?],
            events: vec![events::asset("asset.changed.v1", id, &asset)],
            ..Batch::default()
        };
        let committed = self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body: asset })
    }

    /// Takes a place or an asset down.
    ///
    /// # Errors
    /// While something stands below it or points belong to it; the fault says what.
    pub async fn delete_asset(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
    ) -> Result<(), Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let found = self.asset(org, id).await.map_err(one)?;
        let all = self.asset_tree(org).await.map_err(one)?;
        let tree = Tree::new(all.iter().map(|stored| (stored.id, &stored.body)));
        let mut faults = Vec::new();
        let children: Vec<_> = tree.children(id).map(|child| child.name.en()).collect();
        if let Some(child) = children.iter().min() {
            let detail =
                format!("{} stand below it, such as `{child}`: move or delete them first", children.len());
            let fault = Fault::new("asset.has-children", detail);
            faults.push(fault.arg("count", children.len()).arg("child", *child));
        }
        let points = self.catalogue().count_of_asset(org, id);
        if points > 0 {
            let detail = format!("{points} points belong to it: move or delete them first");
            faults.push(Fault::new("asset.has-points", detail).arg("count", points));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let batch = Batch {
            documents: vec![Change::delete::<Asset>(id, expected(revision, &found))],
            events: vec![events::asset("asset.deleted.v1", id, &found.body)],
            ..Batch::default()
        };
        self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(())
    }

    async fn check_asset(&self, org: OrgId, id: ObjectId, asset: &Asset) -> Result<(), Vec<Fault>> {
        let mut faults: Vec<Fault> = own_faults(asset);
        if let Some(asset_type) = asset.asset_type {
            match self.document::<AssetType>(org, asset_type).await {
                Ok(_) => {}
                Err(fault) if fault.code == codes::NOT_FOUND => {
                    faults.push(missing("asset_types", asset_type).at("/asset_type"));
                }
                Err(fault) => return Err(vec![fault]),
            }
        }
        let all = self.asset_tree(org).await.map_err(one)?;
        let tree = Tree::new(all.iter().map(|stored| (stored.id, &stored.body)));
        faults.extend(tree.check(id, asset).err());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// Mistakes that show without looking at anything else.
fn own_faults(asset: &Asset) -> Vec<Fault> {
    let mut faults: Vec<Fault> = check_full_label(&asset.name, "/name").err().into_iter().collect();
    if asset.zone.is_some() && asset.kind != NodeKind::Site {
        let detail = "only a site has a time zone, and everything below uses it: leave it out here";
        faults.push(Fault::new(codes::INVALID, detail).at("/zone"));
    }
    if asset.asset_type.is_some() && asset.kind != NodeKind::Asset {
        let detail = "only an asset has an asset type: leave it out here";
        faults.push(Fault::new(codes::INVALID, detail).at("/asset_type"));
    }
    if asset.notes.len() > NOTES_MAX {
        let detail = format!("{} notes, the limit is {NOTES_MAX}: remove some", asset.notes.len());
        faults.push(Fault::new(codes::LIMIT, detail).arg("limit", NOTES_MAX).at("/notes"));
    }
    for (name, note) in &asset.notes {
        let path = format!("/notes/{name}");
        if name.is_empty() {
            faults.push(Fault::new("name.invalid", "a note has no name: enter one").at("/notes"));
        }
        faults.extend(check_label(&types::Label::plain(name.as_str()), &path).err());
        if note.chars().count() > NOTE_CHARS_MAX {
            let detail = format!("the note is longer than {NOTE_CHARS_MAX} characters: shorten it");
            faults.push(Fault::new(codes::LIMIT, detail).arg("limit", NOTE_CHARS_MAX).at(path));
        }
    }
    faults
}
