//! Devices that a door's template makes by itself.

use plant::PlantModel;
use sdk::{BoxFuture, DeviceDraft, EnrolmentPort};
use types::{Device, DeviceLimits, Fault, Filter, IndexValue, ObjectId, OrgId, Query, Stored};

/// Enrolment through one door of one organisation.
pub(crate) struct DoorEnrolment {
    org: OrgId,
    door: &'static str,
    plant: PlantModel,
    /// One at a time: a caller that tries again while its device is made is not made twice.
    adding: tokio::sync::Mutex<()>,
}

/// Numbers tried behind a name that is taken.
const NAMES_MAX: usize = 100;
/// Devices of a driver with which its door makes no more by itself: whoever got hold of a product's secret fills no disk.
const DEVICES_MAX: usize = 10_000;

impl DoorEnrolment {
    pub(crate) fn new(org: OrgId, door: &'static str, plant: PlantModel) -> DoorEnrolment {
        DoorEnrolment { org, door, plant, adding: tokio::sync::Mutex::default() }
    }

    /// The device that was made for this caller before, whether it runs or not.
    async fn known(&self, draft: &DeviceDraft) -> Result<Option<Stored<Device>>, Fault> {
        let filters = vec![Filter::Equal("driver", IndexValue::Text(self.door.to_string()))];
        let mut query = Query { filters, limit: Query::LIMIT_MAX, ..Query::default() };
        let mut devices = 0;
        loop {
            let page = self.plant.devices(self.org, query.clone()).await?;
            devices += page.items.len();
            let same = |stored: &Stored<Device>| names_the_same(&stored.body.config, &draft.config);
            if let Some(stored) = page.items.into_iter().find(same) {
                return Ok(Some(stored));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None if devices >= DEVICES_MAX => {
                    let detail = format!("there are {DEVICES_MAX} devices already: add this one by hand");
                    return Err(Fault::new(types::codes::LIMIT, detail));
                }
                None => return Ok(None),
            }
        }
    }

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
        let _one_at_a_time = self.adding.lock().await;
        if let Some(known) = self.known(&draft).await? {
            if known.body.enabled {
                return Ok(known.id);
            }
            // A person's decision: a second device beside it would undo it.
            let detail = format!("`{}` came, but this device is switched off: enable it", known.body.name);
            return Err(Fault::new(types::codes::CONFLICT, detail));
        }
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

/// Whether a stored configuration is of the caller that a draft is made for: what stands at the top of the draft is what
/// names a caller. Groups are left aside, as people change them, and secrets, which are sealed.
fn names_the_same(stored: &serde_json::Value, draft: &serde_json::Value) -> bool {
    let is_group = |value: &serde_json::Value| value.is_object() || value.is_array();
    draft.as_object().is_some_and(|fields| {
        fields
            .iter()
            .filter(|(_, wanted)| !is_group(wanted))
            .all(|(name, wanted)| stored.get(name).is_some_and(|kept| is_group(kept) || kept == wanted))
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_is_known_again_whatever_people_changed_and_however_its_secret_lies_there() {
        let draft = json!({"via": "broker", "username": "p7&pump", "password": "secret-1", "payload": {"profile": "tsl"}});
        let stored = |username: &str| {
            json!({
                "via": "broker", "username": username, "password": {"$sealed": "1.x"},
                "payload": {"profile": "json"}, "publish": ["a/#"],
            })
        };
        assert!(names_the_same(&stored("p7&pump"), &draft));
        assert!(!names_the_same(&stored("p8&pump"), &draft));
        assert!(!names_the_same(&json!({"via": "client", "username": "p7&pump", "password": {}}), &draft));
        assert!(!names_the_same(&json!({"via": "broker"}), &draft));
    }
}
