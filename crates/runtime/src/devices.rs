//! Which devices run: compares the plant model with what runs, starts, replaces and stops.

use historian::Historian;
use plant::PlantModel;
use sdk::{BoundPoint, DeviceCounters, Driver, WriteOrder};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use types::{Device, ObjectId, OrgId, PointId, Quality, Section, SourceId, Stored, Value};

use crate::{
    device::{Supervised, supervise},
    health::{DeviceHealth, DeviceState, Status},
    live::Live,
    outbox::DeviceOutbox,
    reach::Reaches,
};

/// What every device task needs.
#[derive(Clone)]
pub(crate) struct DeviceParts {
    pub(crate) historian: Historian,
    pub(crate) plant: PlantModel,
    pub(crate) live: Arc<Live>,
    pub(crate) drivers: Arc<BTreeMap<&'static str, Driver>>,
    pub(crate) reaches: Reaches,
}

/// The devices of this node.
pub(crate) struct Devices {
    parts: DeviceParts,
    running: Mutex<HashMap<ObjectId, Running>>,
}

/// What is run; any difference starts the task anew.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeviceSpec {
    pub(crate) org: OrgId,
    pub(crate) id: ObjectId,
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) config: serde_json::Value,
    pub(crate) enabled: bool,
    pub(crate) source: SourceId,
    pub(crate) points: Arc<[BoundPoint]>,
}

struct Running {
    spec: DeviceSpec,
    outbox: Arc<DeviceOutbox>,
    status: Status,
    counters: Arc<DeviceCounters>,
    writes: WriteSlot,
    hurry: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

/// Where the write path finds the device's task, while there is one.
#[derive(Clone, Default)]
pub(crate) struct WriteSlot(Arc<Mutex<Option<mpsc::Sender<WriteOrder>>>>);

impl WriteSlot {
    pub(crate) fn set(&self, sender: Option<mpsc::Sender<WriteOrder>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }
    pub(crate) fn get(&self) -> Option<mpsc::Sender<WriteOrder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Devices {
    pub(crate) fn new(parts: DeviceParts) -> Devices {
        Devices { parts, running: Mutex::default() }
    }

    /// Brings what runs into line with the plant model: all devices of all organisations.
    pub(crate) async fn reconcile_all(&self) -> Result<(), types::Fault> {
        let devices = self.parts.plant.devices_of_all_orgs().await?;
        let known: Vec<ObjectId> = devices.iter().map(|(_, d)| d.id).collect();
        let gone: Vec<ObjectId> = self.lock().keys().filter(|id| !known.contains(id)).copied().collect();
        for id in gone {
            self.stop(id).await;
        }
        for (org, device) in devices {
            self.apply(org, device).await;
        }
        Ok(())
    }

    /// Brings one device into line.
    pub(crate) async fn reconcile(&self, org: OrgId, device: ObjectId) -> Result<(), types::Fault> {
        match self.parts.plant.device(org, device).await {
            Ok(stored) => self.apply(org, stored).await,
            Err(fault) if fault.code == types::codes::NOT_FOUND => self.stop(device).await,
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Stops what runs under an older configuration, then starts the new one. The outbox is kept: a restart of the
    /// task is no loss of the device.
    async fn apply(&self, org: OrgId, device: Stored<Device>) {
        let spec = self.spec(org, device);
        let earlier = {
            let mut running = self.lock();
            match running.get(&spec.id) {
                Some(now) if now.spec == spec => return,
                _ => running.remove(&spec.id),
            }
        };
        let (outbox, counters) = match earlier {
            Some(mut earlier) => {
                earlier.stop().await;
                (earlier.outbox, earlier.counters)
            }
            None => {
                let parts = &self.parts;
                let outbox = DeviceOutbox::new(
                    parts.historian.clone(),
                    parts.live.clone(),
                    parts.reaches.clock.clone(),
                    spec.source,
                );
                (Arc::new(outbox), Arc::default())
            }
        };
        outbox.bind(&spec.points).await;
        let now = self.parts.reaches.clock.now();
        let state = if spec.enabled { DeviceState::Connecting } else { DeviceState::Disabled };
        let (status, writes) = (Status::new(state, now), WriteSlot::default());
        let hurry = Arc::new(Notify::new());
        let task = if spec.enabled {
            let supervised = Supervised {
                spec: spec.clone(),
                parts: self.parts.clone(),
                outbox: outbox.clone(),
                status: status.clone(),
                counters: counters.clone(),
                writes: writes.clone(),
                hurry: hurry.clone(),
            };
            Some(tokio::spawn(supervise(supervised)))
        } else {
            outbox.lost(now, Quality::BAD_OUT_OF_SERVICE).await;
            None
        };
        self.lock().insert(spec.id, Running { spec, outbox, status, counters, writes, hurry, task });
    }

    async fn stop(&self, device: ObjectId) {
        let removed = self.lock().remove(&device);
        if let Some(mut running) = removed {
            running.stop().await;
        }
    }

    /// Ends all tasks.
    pub(crate) async fn stop_all(&self) {
        let all: Vec<ObjectId> = self.lock().keys().copied().collect();
        for device in all {
            self.stop(device).await;
        }
    }

    /// How the devices of one organisation are doing.
    pub(crate) fn health(&self, org: OrgId) -> HashMap<ObjectId, DeviceHealth> {
        let running = self.lock();
        let ours = running.values().filter(|r| r.spec.org == org);
        ours.map(|r| (r.spec.id, r.status.health(&r.outbox, &r.counters))).collect()
    }

    /// Where to hand a write to a device, if its task runs and has answered.
    pub(crate) fn writes(&self, org: OrgId, device: ObjectId) -> Option<mpsc::Sender<WriteOrder>> {
        let running = self.lock();
        let found = running.get(&device).filter(|r| r.spec.org == org && r.outbox.is_online())?;
        found.writes.get()
    }

    /// Devices of one driver of an organisation, or one device, that wait before another try need not wait any longer:
    /// a person changed what kept them away.
    pub(crate) fn hurry(&self, org: OrgId, is_meant: impl Fn(ObjectId, &str) -> bool) {
        let running = self.lock();
        let ours = running.values().filter(|r| r.spec.org == org && r.status.waits());
        ours.filter(|r| is_meant(r.spec.id, &r.spec.driver)).for_each(|r| r.hurry.notify_one());
    }

    /// A value that was read outside of the polling, right after a write.
    pub(crate) async fn note(&self, device: ObjectId, point: PointId, value: Value) {
        let outbox = self.lock().get(&device).map(|r| r.outbox.clone());
        let mut section = Section::empty(Some(value.value_type()));
        section.push(point, self.parts.reaches.clock.now(), Some(value), Quality::GOOD);
        if let Some(outbox) = outbox {
            // Shown live whether it was stored or not; a refusal is on the device page.
            let _stored = sdk::OutboxPort::publish(&*outbox, vec![section]).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spec(&self, org: OrgId, device: Stored<Device>) -> DeviceSpec {
        let points = self.parts.plant.of_device(org, device.id);
        let bound = |p: types::CataloguedPoint| BoundPoint {
            id: p.id,
            address: p.point.address,
            value_type: p.point.value_type,
            scaling: p.point.scaling,
            period_ms: p.point.period_ms,
        };
        DeviceSpec {
            org,
            id: device.id,
            name: device.body.name,
            driver: device.body.driver,
            config: device.body.config,
            enabled: device.body.enabled,
            source: device.body.source.unwrap_or(SourceId(0)),
            points: points.into_iter().map(bound).collect(),
        }
    }
}

impl Running {
    /// Drops the driver's future, which closes its connection, and waits until it is gone: two tasks never talk to
    /// one device.
    async fn stop(&mut self) {
        self.writes.set(None);
        if let Some(task) = self.task.take() {
            task.abort();
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(device = %self.spec.name, "the device's supervisor had panicked");
            }
        }
    }
}
