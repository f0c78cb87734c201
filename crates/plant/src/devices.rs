//! Devices (接入设备), kept as documents, and the registry of the sources that their samples carry.

use serde::{Deserialize, Serialize};
use types::{
    Change, Device, Document, Expected, Fault, Filter, Index, IndexValue, ObjectId, OrgId, Page, Query,
    Revision, SourceId, Stored, Time, codes,
};

use crate::commit::{Batch, PointChange, Writing};
use crate::names::check_name;
use crate::paging::{expected, one, put};
use crate::points::POINTS_PER_CALL_MAX;
use crate::{PlantModel, events};

/// The counter that numbers sources. Part of the format on disk.
pub(crate) const SOURCES: &str = "sources";
/// Most writes a minute that a device may be given.
const WRITES_PER_MINUTE_MAX: u32 = 6_000;

/// What a source id stands for, and from when to when: samples carry only the number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The number in every batch.
    pub source: SourceId,
    /// The device it came from, or whatever else writes samples; kept after that is gone.
    pub device: ObjectId,
    /// Valid from here.
    pub from: Time,
    /// Valid up to here, exclusive; `None` while it lasts.
    pub to: Option<Time>,
}

impl Document for Source {
    const COLLECTION: &'static str = "sources";
    const INDEXES: &'static [Index] = &[Index::unique("source"), Index::on("device")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Int(i64::from(self.source.0))), Some(IndexValue::Id(self.device))]
    }
}

impl PlantModel {
    /// One device.
    pub async fn device(&self, org: OrgId, id: ObjectId) -> Result<Stored<Device>, Fault> {
        self.document(org, id).await
    }

    /// A page of devices; filters on `name` and `driver`.
    pub async fn devices(&self, org: OrgId, query: Query) -> Result<Page<Stored<Device>>, Fault> {
        self.page(org, query).await
    }

    /// All devices of an organisation, in the order of birth.
    pub async fn all_devices(&self, org: OrgId) -> Result<Vec<Stored<Device>>, Fault> {
        self.all(org, Query::default()).await
    }

    /// Every device of the node, for start-up.
    pub async fn devices_of_all_orgs(&self) -> Result<Vec<(OrgId, Stored<Device>)>, Fault> {
        let mut query = Query { limit: Query::LIMIT_MAX, ..Query::default() };
        let mut items = Vec::new();
        loop {
            let page =
                self.inner.records.list_all_orgs(query.clone()).await.map_err(|error| error.fault())?;
            items.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// What a source id stands for in this organisation.
    pub async fn source(&self, org: OrgId, source: SourceId) -> Result<Option<Source>, Fault> {
        let filter = Filter::Equal("source", IndexValue::Int(i64::from(source.0)));
        let page = self.page::<Source>(org, Query { filters: vec![filter], limit: 1, ..Query::default() });
        Ok(page.await?.items.pop().map(|stored| stored.body))
    }

    /// Adds a device and gives it its source; `source` and `added` of the caller are ignored.
    ///
    /// # Errors
    /// One fault for each mistake; those of the configuration point into `/config`.
    pub async fn create_device(
        &self,
        org: OrgId,
        actor: &str,
        mut device: Device,
    ) -> Result<Stored<Device>, Vec<Fault>> {
        self.check_device(org, &mut device)?;
        let writing = self.writing().await.map_err(one)?;
        let (id, now) = (self.born(), (self.inner.env.now)());
        let number = self.inner.records.allocate(SOURCES, 1).await.map_err(|error| one(error.fault()))?;
        let source = Source { source: SourceId(number), device: id, from: now, to: None };
        device.source = Some(source.source);
        device.added = Some(now);
        let batch = Batch {
            documents: vec![
                put(id, Expected::Absent, &device).map_err(one)?,
                put(self.born(), Expected::Absent, &source).map_err(one)?,
            ],
            events: vec![events::device("device.created.v1", id, &device)],
            touched: vec![Some(id)],
            ..Batch::default()
        };
        let committed = self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body: device })
    }

    /// Changes a device. Its driver stays: the addresses of its points are in that driver's notation.
    ///
    /// # Errors
    /// As [`PlantModel::create_device`], also another driver, and a stale revision.
    pub async fn update_device(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
        mut device: Device,
    ) -> Result<Stored<Device>, Vec<Fault>> {
        self.check_device(org, &mut device)?;
        let writing = self.writing().await.map_err(one)?;
        let found = self.device(org, id).await.map_err(one)?;
        if device.driver != found.body.driver {
            let detail = format!(
                "the driver of a device stays `{}`: its points are addressed that way; add another device instead",
                found.body.driver
            );
            return Err(vec![
                Fault::new("device.driver-fixed", detail)
                    .arg("driver", found.body.driver.as_str())
                    .at("/driver"),
            ]);
        }
        device.source = found.body.source;
        device.added = found.body.added;
        let batch = Batch {
            documents: vec![put(id, expected(revision, &found), &device).map_err(one)?],
            events: vec![events::device_changed(&found, &device)],
            touched: vec![Some(id)],
            ..Batch::default()
        };
        let committed = self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(Stored { id, revision: committed.revisions[0], changed: committed.at, body: device })
    }

    /// Removes a device and ends its source. With more points than [`POINTS_PER_CALL_MAX`] these go first, in
    /// transactions of that size.
    ///
    /// # Errors
    /// While it has points, unless `with_points`; a stale revision.
    pub async fn delete_device(
        &self,
        org: OrgId,
        actor: &str,
        id: ObjectId,
        revision: Option<Revision>,
        with_points: bool,
    ) -> Result<(), Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let found = self.device(org, id).await.map_err(one)?;
        if let Some(named) = revision.filter(|named| *named != found.revision) {
            // Before points go in transactions of their own.
            let detail = format!("the device is at revision {}, not {named}: load it again", found.revision);
            return Err(vec![Fault::new(codes::CONFLICT, detail).arg("found", found.revision)]);
        }
        let count = self.catalogue().count_of_device(org, id);
        if count > 0 && !with_points {
            let detail =
                format!("the device has {count} points: delete them first, or together with the device");
            return Err(vec![Fault::new("device.has-points", detail).arg("count", count)]);
        }
        let last = self.delete_most_points(&writing, org, actor, id).await?;
        let mut documents = vec![Change::delete::<Device>(id, Expected::At(found.revision))];
        documents.extend(self.end_source(org, id).await?);
        let mut batch = Batch { documents, touched: vec![Some(id)], ..last };
        batch.events.push(events::device("device.deleted.v1", id, &found.body));
        self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(())
    }

    /// Deletes points until those left fit into one transaction, and gives that one.
    async fn delete_most_points(
        &self,
        writing: &Writing,
        org: OrgId,
        actor: &str,
        device: ObjectId,
    ) -> Result<Batch, Vec<Fault>> {
        let points = self.of_device(org, device);
        let mut chunks = points.chunks(POINTS_PER_CALL_MAX).peekable();
        while let Some(chunk) = chunks.next() {
            let objects: Vec<_> = chunk.iter().map(|point| point.object).collect();
            let batch = Batch {
                points: chunk.iter().map(|point| PointChange::Delete(point.id)).collect(),
                events: events::points("points.deleted.v1", Some(device), &objects),
                touched: vec![Some(device)],
                ..Batch::default()
            };
            if chunks.peek().is_none() {
                return Ok(batch);
            }
            self.commit(writing, org, actor, batch).await.map_err(one)?;
        }
        Ok(Batch::default())
    }

    async fn end_source(&self, org: OrgId, device: ObjectId) -> Result<Vec<Change>, Vec<Fault>> {
        let now = (self.inner.env.now)();
        let filters = vec![Filter::Equal("device", IndexValue::Id(device))];
        let sources = self.all::<Source>(org, Query { filters, ..Query::default() }).await.map_err(one)?;
        let open = sources.into_iter().filter(|stored| stored.body.to.is_none());
        open.map(|stored| {
            let ended = Source { to: Some(now), ..stored.body };
            put(stored.id, Expected::At(stored.revision), &ended).map_err(one)
        })
        .collect()
    }

    /// Checks a device and seals the secrets of its configuration.
    fn check_device(&self, org: OrgId, device: &mut Device) -> Result<(), Vec<Fault>> {
        let mut faults: Vec<Fault> = check_name(&device.name, "/name").err().into_iter().collect();
        if let Some(wanted) =
            device.limits.writes_per_minute.filter(|n| !(1..=WRITES_PER_MINUTE_MAX).contains(n))
        {
            let detail = format!("{wanted} writes a minute: choose 1 to {WRITES_PER_MINUTE_MAX}");
            faults.push(Fault::new(codes::INVALID, detail).at("/limits/writes_per_minute"));
        }
        match self.inner.drivers.accept_config(org, &device.driver, &device.config) {
            Ok(config) => device.config = config,
            Err(wrong) => faults.extend(wrong.into_iter().map(|fault| match fault.code.as_ref() {
                "driver.unknown" => fault.at("/driver"),
                _ => {
                    let path = fault.path.clone().unwrap_or_default();
                    fault.at(format!("/config{path}"))
                }
            })),
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
