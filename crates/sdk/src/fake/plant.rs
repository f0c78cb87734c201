//! The plant in memory: the points and assets a test puts there.

use types::{
    Asset, CataloguedPoint, Document, Expected, Fault, ObjectId, OrgId, Point, PointId, Stored, random_bytes,
};

use super::{World, records::put};
use crate::{BoxFuture, PlantPort, PointQuery};

/// Points of all organisations; the first has number 1.
#[derive(Default)]
pub(super) struct Catalogue(Vec<(OrgId, CataloguedPoint)>);

impl Catalogue {
    pub(super) fn by_id(&self, org: OrgId, id: PointId) -> Option<&CataloguedPoint> {
        let place = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.0.get(place).filter(|(owner, _)| *owner == org).map(|(_, point)| point)
    }
    pub(super) fn by_object(&self, org: OrgId, object: ObjectId) -> Option<&CataloguedPoint> {
        self.of(org).find(|point| point.object == object)
    }
    fn of(&self, org: OrgId) -> impl Iterator<Item = &CataloguedPoint> {
        self.0.iter().filter(move |(owner, _)| *owner == org).map(|(_, point)| point)
    }
}

impl World {
    /// Puts a point into the plant, as it is given: that it makes sense is for the test to see to.
    pub fn add_point(&self, org: OrgId, point: Point) -> CataloguedPoint {
        let object = self.born();
        let mut catalogue = self.catalogue();
        let id = PointId(u32::try_from(catalogue.0.len()).unwrap_or(u32::MAX).saturating_add(1));
        let point = CataloguedPoint { id, object, revision: 1, point };
        catalogue.0.push((org, point.clone()));
        point
    }

    /// Puts a place or machine into the plant, as it is given.
    ///
    /// # Errors
    /// What the record store says.
    pub fn add_asset(&self, org: OrgId, asset: &Asset) -> Result<ObjectId, Fault> {
        let id = self.born();
        self.commit(org, "fake", vec![put(id, Expected::Absent, asset)?], Vec::new())?;
        Ok(id)
    }

    pub(super) fn born(&self) -> ObjectId {
        ObjectId::born(self.clock().handle().now(), random_bytes(self.random()))
    }
}

pub(super) struct ScopedPlant {
    pub(super) org: OrgId,
    pub(super) world: World,
}

impl PlantPort for ScopedPlant {
    fn points_by_object(&self, objects: &[ObjectId]) -> Vec<Option<CataloguedPoint>> {
        let catalogue = self.world.catalogue();
        objects.iter().map(|object| catalogue.by_object(self.org, *object).cloned()).collect()
    }
    fn points_by_id(&self, ids: &[PointId]) -> Vec<Option<CataloguedPoint>> {
        let catalogue = self.world.catalogue();
        ids.iter().map(|id| catalogue.by_id(self.org, *id).cloned()).collect()
    }
    fn points(&self, query: &PointQuery) -> Vec<CataloguedPoint> {
        let needle = query.search.as_deref().map(str::to_lowercase);
        let holds = |point: &Point, needle: &str| {
            let texts = [&point.name, &point.label.zh, &point.label.en];
            texts.into_iter().any(|text| text.to_lowercase().contains(needle))
        };
        let catalogue = self.world.catalogue();
        let wanted = catalogue.of(self.org).filter(|at| {
            query.after.is_none_or(|after| at.id > after)
                && query.device.is_none_or(|device| at.point.device == Some(device))
                && query.asset.is_none_or(|asset| at.point.asset == Some(asset))
                && needle.as_deref().is_none_or(|needle| holds(&at.point, needle))
        });
        wanted.take(query.limit).cloned().collect()
    }
    fn assets(&self) -> BoxFuture<'_, Result<Vec<Stored<Asset>>, Fault>> {
        Box::pin(async move {
            let all = self.world.store().all(self.org, Asset::COLLECTION);
            all.into_iter().map(crate::records::typed).collect()
        })
    }
}
