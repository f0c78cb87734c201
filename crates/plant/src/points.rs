//! Points: checked with their device, asset and neighbours, then written to the catalogue.

use std::collections::{HashMap, HashSet};

use types::{
    Asset, CataloguedPoint, Device, Document, Fault, ObjectId, OrgId, Point, PointId, Revision, codes,
};

use crate::commit::{Batch, PointChange, Writing};
use crate::paging::{missing, one};
use crate::point_check::check_point;
use crate::row::Row;
use crate::{PlantModel, events};

/// Points created or deleted in one call; more are several calls.
pub const POINTS_PER_CALL_MAX: usize = 10_000;
/// The counter that numbers points, and what faults call the catalogue. Part of the format on disk.
const POINTS: &str = "points";

/// A checked point that replaces what is there.
pub(crate) struct Replacement {
    pub(crate) before: CataloguedPoint,
    pub(crate) point: Point,
}

/// What points refer to, read once per call.
#[derive(Default)]
pub(crate) struct Surroundings {
    devices: HashMap<ObjectId, Device>,
    assets: HashSet<ObjectId>,
    /// Names in use by device, or among the points without one.
    names: HashMap<Option<ObjectId>, HashMap<String, ObjectId>>,
}

impl PlantModel {
    /// Adds points, all or none of them.
    ///
    /// # Errors
    /// One fault for each mistake, with its place such as `/points/3/unit`.
    pub async fn create_points(
        &self,
        org: OrgId,
        actor: &str,
        mut points: Vec<Point>,
    ) -> Result<Vec<CataloguedPoint>, Vec<Fault>> {
        if points.len() > POINTS_PER_CALL_MAX {
            let detail =
                format!("{} points, the limit is {POINTS_PER_CALL_MAX}: send them in parts", points.len());
            return Err(vec![
                Fault::new(codes::LIMIT, detail).arg("limit", POINTS_PER_CALL_MAX).at("/points"),
            ]);
        }
        let writing = self.writing().await.map_err(one)?;
        let mut around = self.surroundings(org, &points).await.map_err(one)?;
        let mut faults = Vec::new();
        for (at, point) in points.iter_mut().enumerate() {
            faults.extend(around.check(self, point, None, &format!("/points/{at}")));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        self.store_points(&writing, org, actor, points, Vec::new()).await.map_err(one)
    }

    /// One point.
    pub fn point(&self, org: OrgId, object: ObjectId) -> Result<CataloguedPoint, Fault> {
        self.catalogue().by_object(org, object).ok_or_else(|| missing(POINTS, object))
    }

    /// Changes a point; its number, its history and its id stay. `revision` is the one the caller saw.
    ///
    /// # Errors
    /// One fault for each mistake, with its place such as `/unit`; a stale revision.
    pub async fn update_point(
        &self,
        org: OrgId,
        actor: &str,
        object: ObjectId,
        revision: Option<Revision>,
        point: Point,
    ) -> Result<CataloguedPoint, Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let before = self.at_revision(org, object, revision).map_err(one)?;
        let mut points = [point];
        let mut around = self.surroundings(org, &points).await.map_err(one)?;
        let faults = around.check(self, &mut points[0], Some(object), "");
        if !faults.is_empty() {
            return Err(faults);
        }
        let [point] = points;
        let changed = vec![Replacement { before, point }];
        let mut stored = self.store_points(&writing, org, actor, Vec::new(), changed).await.map_err(one)?;
        stored.pop().ok_or_else(|| one(missing(POINTS, object)))
    }

    /// Removes a point; its number is never used again.
    ///
    /// # Errors
    /// An unknown point or a stale revision.
    pub async fn delete_point(
        &self,
        org: OrgId,
        actor: &str,
        object: ObjectId,
        revision: Option<Revision>,
    ) -> Result<(), Vec<Fault>> {
        let writing = self.writing().await.map_err(one)?;
        let found = self.at_revision(org, object, revision).map_err(one)?;
        let device = found.point.device;
        let batch = Batch {
            points: vec![PointChange::Delete(found.id)],
            events: events::points("points.deleted.v1", device, &[object]),
            touched: vec![device],
            ..Batch::default()
        };
        self.commit(&writing, org, actor, batch).await.map_err(one)?;
        Ok(())
    }

    fn at_revision(
        &self,
        org: OrgId,
        object: ObjectId,
        named: Option<Revision>,
    ) -> Result<CataloguedPoint, Fault> {
        let found = self.point(org, object)?;
        match named.filter(|named| *named != found.revision) {
            None => Ok(found),
            Some(named) => {
                let detail = format!(
                    "the point is at revision {}, expected {named}: load it, apply the change again and write that",
                    found.revision
                );
                Err(Fault::new(codes::CONFLICT, detail).arg("expected", named).arg("found", found.revision))
            }
        }
    }

    /// Writes checked points in one transaction: new ones, then changed ones.
    pub(crate) async fn store_points(
        &self,
        writing: &Writing,
        org: OrgId,
        actor: &str,
        fresh: Vec<Point>,
        changed: Vec<Replacement>,
    ) -> Result<Vec<CataloguedPoint>, Fault> {
        let mut stored = Vec::with_capacity(fresh.len() + changed.len());
        if !fresh.is_empty() {
            let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
            let first = self.inner.records.allocate(POINTS, count).await.map_err(|error| error.fault())?;
            for (id, point) in (first..).zip(fresh) {
                stored.push(CataloguedPoint { id: PointId(id), object: self.born(), revision: 1, point });
            }
        }
        let mut events = events_by_device("points.created.v1", &stored);
        let mut touched: HashSet<_> = stored.iter().map(|point| point.point.device).collect();
        let fresh_count = stored.len();
        for Replacement { before, point } in changed {
            touched.extend([before.point.device, point.device]);
            stored.push(CataloguedPoint { revision: before.revision + 1, point, ..before });
        }
        events.extend(events_by_device("points.changed.v1", &stored[fresh_count..]));
        let put = |stored: &CataloguedPoint| {
            PointChange::Put(stored.id, Row::encode(stored.object, stored.revision, &stored.point))
        };
        let batch = Batch {
            points: stored.iter().map(put).collect(),
            events,
            touched: touched.into_iter().collect(),
            ..Batch::default()
        };
        if !batch.points.is_empty() {
            self.commit(writing, org, actor, batch).await?;
        }
        Ok(stored)
    }

    /// Reads what these points refer to.
    pub(crate) async fn surroundings(
        &self,
        org: OrgId,
        points: impl IntoIterator<Item = &Point>,
    ) -> Result<Surroundings, Fault> {
        let mut around = Surroundings::default();
        let (mut devices, mut assets) = (HashSet::new(), HashSet::new());
        for point in points {
            devices.insert(point.device);
            assets.extend(point.asset);
        }
        for device in devices {
            let taken = self.catalogue().of_device(org, device);
            let names = taken.into_iter().map(|point| (point.point.name, point.object)).collect();
            around.names.insert(device, names);
            if let Some(id) = device
                && let Some(stored) = self.known::<Device>(org, id).await?
            {
                around.devices.insert(id, stored);
            }
        }
        for asset in assets {
            if self.known::<Asset>(org, asset).await?.is_some() {
                around.assets.insert(asset);
            }
        }
        Ok(around)
    }

    async fn known<T: Document>(&self, org: OrgId, id: ObjectId) -> Result<Option<T>, Fault> {
        let found = self.inner.records.get::<T>(org, id).await.map_err(|error| error.fault())?;
        Ok(found.map(|stored| stored.body))
    }
}

impl Surroundings {
    /// Checks a point that is new or replaces `object`, and takes its name.
    pub(crate) fn check(
        &mut self,
        model: &PlantModel,
        point: &mut Point,
        object: Option<ObjectId>,
        path: &str,
    ) -> Vec<Fault> {
        let device = point.device.map(|id| self.devices.get(&id).ok_or(id));
        let mut faults = match device {
            None => check_point(point, None, &*model.inner.drivers, path),
            Some(Ok(device)) => check_point(point, Some(device), &*model.inner.drivers, path),
            Some(Err(id)) => vec![missing("devices", id).at(format!("{path}/device"))],
        };
        if let Some(asset) = point.asset.filter(|asset| !self.assets.contains(asset)) {
            faults.push(missing("assets", asset).at(format!("{path}/asset")));
        }
        faults.extend(self.take_name(point, object, path).err());
        faults
    }

    fn take_name(&mut self, point: &Point, object: Option<ObjectId>, path: &str) -> Result<(), Fault> {
        let names = self.names.entry(point.device).or_default();
        // A new point has no id yet; nothing in this call may have its name either.
        let holder = object.unwrap_or(ObjectId::from_bytes([0; 16]));
        if names.get(&point.name).is_some_and(|other| object != Some(*other)) {
            let place = if point.device.is_some() { "the device" } else { "the organisation" };
            let detail = format!("{place} has a point `{}` already: choose another name", point.name);
            return Err(Fault::new(codes::EXISTS, detail)
                .arg("value", point.name.as_str())
                .at(format!("{path}/name")));
        }
        names.insert(point.name.clone(), holder);
        Ok(())
    }
}

fn events_by_device(name: &'static str, points: &[CataloguedPoint]) -> Vec<types::EventDraft> {
    let mut groups: Vec<(Option<ObjectId>, Vec<ObjectId>)> = Vec::new();
    let mut places = HashMap::new();
    for point in points {
        let place = *places.entry(point.point.device).or_insert_with(|| {
            groups.push((point.point.device, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(point.object);
    }
    groups.iter().flat_map(|(device, objects)| events::points(name, *device, objects)).collect()
}
