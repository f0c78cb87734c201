//! Reading and writing documents and compact rows.

use types::{Change, Document, EventDraft, Index, ObjectId, OrgId, Page, Query, Stored};

use crate::{Committed, Records, RecordsError, limits, ops, plan};

impl Records {
    /// One document; `None` when this organisation has none with this id.
    pub async fn get<T: Document>(
        &self,
        org: OrgId,
        id: ObjectId,
    ) -> Result<Option<Stored<T>>, RecordsError> {
        let text = self.run(ops::Get { org, collection: T::COLLECTION.into(), id }).await?;
        text.map(|stored| parse(T::COLLECTION, stored)).transpose()
    }

    /// A page of documents of one organisation.
    pub async fn list<T: Document>(&self, org: OrgId, query: Query) -> Result<Page<Stored<T>>, RecordsError> {
        parse_page(T::COLLECTION, self.list_text(org, T::COLLECTION, T::INDEXES, query).await?)
    }

    /// A page of documents of every organisation, by organisation first. For the kernel at start-up only.
    pub async fn list_all_orgs<T: Document>(
        &self,
        mut query: Query,
    ) -> Result<Page<(OrgId, Stored<T>)>, RecordsError> {
        let limit = plan::limit(query.limit);
        let (mut org, mut after) = match query.after.take() {
            None => (self.run(ops::NextOrg { after: None }).await?, None),
            Some(cursor) => plan::split_org(&cursor).map(|(org, inner)| (Some(org), inner))?,
        };
        let mut items = Vec::new();
        while let Some(current) = org {
            let part = Query { after: after.take(), limit: limit - items.len(), ..query.clone() };
            let page = self.list_text(current, T::COLLECTION, T::INDEXES, part).await?;
            for stored in page.items {
                items.push((current, parse(T::COLLECTION, stored)?));
            }
            if page.next.is_some() {
                return Ok(Page { items, next: Some(plan::join_org(current, page.next)) });
            }
            org = self.run(ops::NextOrg { after: Some(current) }).await?;
            if let Some(next) = org
                && items.len() == limit
            {
                return Ok(Page { items, next: Some(plan::join_org(next, None)) });
            }
        }
        Ok(Page { items, next: None })
    }

    /// One document as a JSON value, for callers that know the collection by name only.
    pub async fn get_raw(
        &self,
        org: OrgId,
        collection: &str,
        id: ObjectId,
    ) -> Result<Option<Stored<serde_json::Value>>, RecordsError> {
        let text = self.run(ops::Get { org, collection: collection.into(), id }).await?;
        text.map(|stored| parse(collection, stored)).transpose()
    }

    /// A page of documents as JSON values. `indexes` are those the collection declares: nothing else may be filtered
    /// or ordered by.
    pub async fn list_raw(
        &self,
        org: OrgId,
        collection: &str,
        indexes: &[Index],
        query: Query,
    ) -> Result<Page<Stored<serde_json::Value>>, RecordsError> {
        parse_page(collection, self.list_text(org, collection, indexes, query).await?)
    }

    async fn list_text(
        &self,
        org: OrgId,
        collection: &str,
        indexes: &[Index],
        query: Query,
    ) -> Result<Page<Stored<String>>, RecordsError> {
        let plan = plan::Plan::new(org, collection, indexes, &query)?;
        self.run(ops::List { plan }).await
    }

    /// Carries out all changes and records all events in one transaction, or nothing of it.
    ///
    /// Unique indexes are judged at the end of the transaction, so two documents may swap values. A put or delete
    /// that expects a revision of a document that is gone fails with [`RecordsError::NotFound`]; a delete that
    /// expects anything also accepts that nothing is there.
    pub async fn commit(
        &self,
        org: OrgId,
        actor: &str,
        changes: Vec<Change>,
        events: Vec<EventDraft>,
    ) -> Result<Committed, RecordsError> {
        limits::commit(actor, &changes, &events)?;
        let at = (self.env.now)();
        let events = events
            .into_iter()
            .map(|draft| ops::NewEvent::from_draft(draft, at, &self.env.random))
            .collect::<Result<Vec<_>, _>>()?;
        let committed = self.run(ops::Commit { org, actor: actor.into(), changes, events, at }).await?;
        if let Some(sequence) = committed.last_event {
            self.announce(sequence);
        }
        Ok(committed)
    }

    /// Rows of a compact table over all organisations, ordered by key, at most [`crate::ROWS_PAGE_MAX`] at a time.
    pub async fn rows(
        &self,
        table: &'static str,
        after: Option<(OrgId, u32)>,
        limit: usize,
    ) -> Result<Vec<(OrgId, u32, Vec<u8>)>, RecordsError> {
        limits::name("table", table)?;
        self.run(ops::Rows { table, after, limit: limit.min(limits::ROWS_PAGE_MAX) }).await
    }

    /// Takes `count` numbers in a row from a counter of this store and gives the first. Counters start at 1, are
    /// shared by all organisations, and no number is ever given twice, also when the caller does not use it.
    pub async fn allocate(&self, counter: &'static str, count: u32) -> Result<u32, RecordsError> {
        limits::name("counter", counter)?;
        self.run(ops::Allocate { counter, count }).await
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    collection: &str,
    stored: Stored<String>,
) -> Result<Stored<T>, RecordsError> {
    let body = serde_json::from_str(&stored.body).map_err(|error| RecordsError::Corrupt {
        place: format!("{} in {collection}", stored.id),
        reason: error.to_string(),
    })?;
    Ok(Stored { id: stored.id, revision: stored.revision, changed: stored.changed, body })
}

fn parse_page<T: serde::de::DeserializeOwned>(
    collection: &str,
    page: Page<Stored<String>>,
) -> Result<Page<Stored<T>>, RecordsError> {
    let items = page.items.into_iter().map(|stored| parse(collection, stored)).collect::<Result<_, _>>()?;
    Ok(Page { items, next: page.next })
}
