//! Reading documents: one by id, a page, or all of an organisation.

use types::{Change, Document, Expected, Fault, ObjectId, OrgId, Page, Query, Revision, Stored, codes};

use crate::PlantModel;

impl PlantModel {
    pub(crate) async fn document<T: Document>(&self, org: OrgId, id: ObjectId) -> Result<Stored<T>, Fault> {
        let found = self.inner.records.get::<T>(org, id).await.map_err(|error| error.fault())?;
        found.ok_or_else(|| missing(T::COLLECTION, id))
    }

    pub(crate) async fn page<T: Document>(&self, org: OrgId, query: Query) -> Result<Page<Stored<T>>, Fault> {
        self.inner.records.list::<T>(org, query).await.map_err(|error| error.fault())
    }

    pub(crate) async fn all<T: Document>(
        &self,
        org: OrgId,
        mut query: Query,
    ) -> Result<Vec<Stored<T>>, Fault> {
        query.limit = Query::LIMIT_MAX;
        let mut items = Vec::new();
        loop {
            let page = self.page::<T>(org, query.clone()).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(items),
            }
        }
    }
}

/// The fault for an id that names nothing here, or something of somebody else.
pub(crate) fn missing(collection: &'static str, id: ObjectId) -> Fault {
    let detail =
        format!("there is no {id} in {collection}: it was removed or never made; load the list again");
    Fault::new(codes::NOT_FOUND, detail).arg("collection", collection).arg("id", id.to_string())
}

/// What a change expects: the caller's revision when it names one, else the one that was just checked against.
pub(crate) fn expected<T>(named: Option<Revision>, found: &Stored<T>) -> Expected {
    Expected::At(named.unwrap_or(found.revision))
}

pub(crate) fn put<T: Document>(id: ObjectId, expected: Expected, body: &T) -> Result<Change, Fault> {
    Change::put(id, expected, body).map_err(|error| {
        let detail = format!(
            "{id} cannot be written as JSON ({error}): correct it, for instance a number that is not finite"
        );
        Fault::new(codes::INVALID, detail)
    })
}

/// For calls that may find several mistakes and found one.
pub(crate) fn one(fault: Fault) -> Vec<Fault> {
    vec![fault]
}
