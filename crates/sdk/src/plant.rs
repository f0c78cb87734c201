//! The plant handle: what stands where and which points it has. Read only: the model is changed through its own API.

use std::sync::Arc;
use types::{Asset, CataloguedPoint, Fault, ObjectId, PointId, Stored};

use crate::BoxFuture;

/// A question for points. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointQuery {
    /// Of this device.
    pub device: Option<ObjectId>,
    /// Of this asset itself, without what is below it.
    pub asset: Option<ObjectId>,
    /// Name or label holds this text, in any case.
    pub search: Option<String>,
    /// After this point, in the order of ids.
    pub after: Option<PointId>,
    /// At most so many.
    pub limit: usize,
}

/// What stands behind a [`Plant`].
pub trait PlantPort: Send + Sync {
    /// Points by their names everywhere, in the order asked; `None` for unknown or foreign ones. From memory.
    fn points_by_object(&self, objects: &[ObjectId]) -> Vec<Option<CataloguedPoint>>;
    /// Points by their numbers here. From memory.
    fn points_by_id(&self, ids: &[PointId]) -> Vec<Option<CataloguedPoint>>;
    /// Points by condition. From memory.
    fn points(&self, query: &PointQuery) -> Vec<CataloguedPoint>;
    /// The whole tree of places and assets.
    fn assets(&self) -> BoxFuture<'_, Result<Vec<Stored<Asset>>, Fault>>;
}

/// The plant handle.
#[derive(Clone)]
pub struct Plant(Arc<dyn PlantPort>);

impl Plant {
    /// Over a port.
    pub fn new(port: Arc<dyn PlantPort>) -> Plant {
        Plant(port)
    }
    /// See [`PlantPort::points_by_object`].
    pub fn points_by_object(&self, objects: &[ObjectId]) -> Vec<Option<CataloguedPoint>> {
        self.0.points_by_object(objects)
    }
    /// See [`PlantPort::points_by_id`].
    pub fn points_by_id(&self, ids: &[PointId]) -> Vec<Option<CataloguedPoint>> {
        self.0.points_by_id(ids)
    }
    /// See [`PlantPort::points`].
    pub fn points(&self, query: &PointQuery) -> Vec<CataloguedPoint> {
        self.0.points(query)
    }
    /// See [`PlantPort::assets`].
    pub fn assets(&self) -> BoxFuture<'_, Result<Vec<Stored<Asset>>, Fault>> {
        self.0.assets()
    }
}
