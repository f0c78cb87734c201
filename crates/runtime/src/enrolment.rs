//! Devices that a door's template makes by itself.

use plant::PlantModel;
use sdk::{BoxFuture, DeviceDraft, EnrolmentPort};
use types::{Device, DeviceLimits, Fault, Filter, IndexValue, ObjectId, OrgId, Query};

/// Enrolment through one door of one organisation.
pub(crate) struct DoorEnrolment {
    pub(crate) org: OrgId,
    pub(crate) door: &'static str,
    pub(crate) plant: PlantModel,
}

/// Numbers tried behind a name that is taken.
const NAMES_MAX: usize = 100;

impl DoorEnrolment {
    async fn free_name(&self, wanted: &str) -> Result<String, Fault> {
        for number in 1..=NAMES_MAX {
            let name = if number == 1 { wanted.to_string() } else { format!("{wanted} {number}") };
            let filters = vec![Filter::Equal("name", IndexValue::Text(name.clone()))];
            let found = self.plant.devices(self.org, Query { filters, limit: 1, ..Query::default() }).await?;
            if found.items.is_empty() {
                return Ok(name);
            }
        }
        let detail = format!("{NAMES_MAX} devices are called `{wanted}` already: name this one by hand");
        Err(Fault::new(types::codes::LIMIT, detail))
    }

    async fn add(&self, draft: DeviceDraft) -> Result<ObjectId, Fault> {
        let actor = format!("door:{}", self.door);
        let device = Device {
            name: self.free_name(&draft.name).await?,
            driver: self.door.to_string(),
            config: draft.config,
            enabled: true,
            writes_enabled: false,
            limits: DeviceLimits::default(),
            source: None,
            added: None,
        };
        let made = self.plant.create_device(self.org, &actor, device).await.map_err(first)?;
        let mut points = draft.points;
        points.iter_mut().for_each(|point| point.device = Some(made.id));
        if let Err(faults) = self.plant.create_points(self.org, &actor, points).await {
            // All or nothing: a device without its points would take the caller in and keep nothing of it.
            self.plant
                .delete_device(self.org, &actor, made.id, Some(made.revision), true)
                .await
                .map_err(first)?;
            return Err(first(faults));
        }
        Ok(made.id)
    }
}

fn first(faults: Vec<Fault>) -> Fault {
    let none = || Fault::new(types::codes::INTERNAL, "refused without a reason: report this");
    faults.into_iter().next().unwrap_or_else(none)
}

impl EnrolmentPort for DoorEnrolment {
    fn enrol(&self, draft: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        Box::pin(self.add(draft))
    }
}
