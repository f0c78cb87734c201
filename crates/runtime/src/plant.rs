//! The plant handle over the plant model, scoped to an organisation; and what the model may ask about drivers.

use plant::PlantModel;
use sdk::{BoxFuture, Driver, PlantPort, PointQuery};
use std::{collections::BTreeMap, sync::Arc};
use types::{Asset, CataloguedPoint, Fault, ObjectId, OrgId, PointId, Stored};

pub(crate) struct ScopedPlant {
    pub(crate) org: OrgId,
    pub(crate) model: PlantModel,
}

impl PlantPort for ScopedPlant {
    fn points_by_object(&self, objects: &[ObjectId]) -> Vec<Option<CataloguedPoint>> {
        self.model.by_object(self.org, objects)
    }
    fn points_by_id(&self, ids: &[PointId]) -> Vec<Option<CataloguedPoint>> {
        self.model.by_id(self.org, ids)
    }
    fn points(&self, query: &PointQuery) -> Vec<CataloguedPoint> {
        self.model.points(
            self.org,
            &plant::PointQuery {
                device: query.device,
                asset: query.asset,
                search: query.search.clone(),
                after: query.after,
                limit: query.limit,
            },
        )
    }
    fn assets(&self) -> BoxFuture<'_, Result<Vec<Stored<Asset>>, Fault>> {
        Box::pin(self.model.asset_tree(self.org))
    }
}

/// The drivers of this node, as the plant model sees them.
pub struct DriverChecks {
    drivers: Arc<BTreeMap<&'static str, Driver>>,
    seal: access::Seal,
}

impl DriverChecks {
    /// Of these drivers; secrets are sealed with this.
    pub fn new(drivers: Vec<Driver>, seal: access::Seal) -> DriverChecks {
        DriverChecks { drivers: Arc::new(drivers.into_iter().map(|d| (d.id, d)).collect()), seal }
    }
    fn driver(&self, id: &str) -> Result<&Driver, Fault> {
        self.drivers.get(id).ok_or_else(|| {
            let known: Vec<&str> = self.drivers.keys().copied().collect();
            let detail = format!("there is no driver `{id}`: choose one of {}", known.join(", "));
            Fault::new("driver.unknown", detail).arg("driver", id).at("/driver")
        })
    }
}

impl plant::AddressCheck for DriverChecks {
    fn accept_config(
        &self,
        org: OrgId,
        driver: &str,
        config: &serde_json::Value,
    ) -> Result<serde_json::Value, Vec<Fault>> {
        let driver = self.driver(driver).map_err(|fault| vec![fault])?;
        let opened = self.seal.open_config(org, driver.id, config).map_err(|fault| vec![fault])?;
        (driver.check_config)(&opened)?;
        let schema = (driver.config_schema)();
        self.seal.close_config(org, driver.id, &schema, config).map_err(|fault| vec![fault])
    }
    fn check_address(&self, driver: &str, address: &str) -> Result<plant::AddressVerdict, Fault> {
        let facts = (self.driver(driver)?.check_address)(address)?;
        Ok(plant::AddressVerdict {
            canonical: facts.canonical,
            value_type: facts.value_type,
            writable: facts.writable,
        })
    }
}
