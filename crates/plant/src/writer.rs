//! The source of rows that come by API or from apps instead of a device: one an organisation.

use types::{Expected, Fault, Filter, IndexValue, ObjectId, OrgId, Query, SourceId};

use crate::PlantModel;
use crate::commit::Batch;
use crate::devices::{SOURCES, Source};
use crate::paging::put;

impl PlantModel {
    /// Under which source the organisation's written rows are stored; made at first use. The organisation itself stands
    /// where a device's source names the device.
    pub async fn writer_source(&self, org: OrgId) -> Result<SourceId, Fault> {
        let writer = ObjectId::from_bytes(org.bytes());
        if let Some(source) = self.source_of(org, writer).await? {
            return Ok(source);
        }
        let writing = self.writing().await?;
        if let Some(source) = self.source_of(org, writer).await? {
            return Ok(source);
        }
        let number = self.inner.records.allocate(SOURCES, 1).await.map_err(|error| error.fault())?;
        let source = SourceId(number);
        let (id, at) = (self.born(), (self.inner.env.now)());
        let change = put(id, Expected::Absent, &Source { source, device: writer, from: at, to: None })?;
        let batch = Batch { documents: vec![change], ..Batch::default() };
        self.commit(&writing, org, "node", batch).await?;
        Ok(source)
    }

    async fn source_of(&self, org: OrgId, device: ObjectId) -> Result<Option<SourceId>, Fault> {
        let filters = vec![Filter::Equal("device", IndexValue::Id(device))];
        let found = self.page::<Source>(org, Query { filters, limit: 1, ..Query::default() }).await?;
        Ok(found.items.into_iter().next().map(|stored| stored.body.source))
    }
}
