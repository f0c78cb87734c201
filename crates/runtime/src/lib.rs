//! Runs leaves: starts, supervises, backs off, counts; and puts the engines behind `sdk`'s handles, one file a handle.
//!
//! Everything here is a shell: rules are in `backoff` and `write_rules`, numbers of a batch in `outbox`. What a leaf does
//! is in the leaf.

mod apps;
mod backoff;
mod clock;
mod commands;
mod device;
mod devices;
mod doors;
mod enrolment;
mod events;
mod health;
mod live;
mod net;
mod outbox;
mod plant;
mod reach;
mod records;
mod samples;
mod write_lock;
mod write_rules;

use ::plant::{PlantChange, PlantModel};
use sdk::{App, ArrivalView, Caller, Clock, Door, DoorInput, DoorView, Driver, Handles, Net, Reach, Scope};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};
use types::{Fault, ObjectId, OrgId, Random};

pub use crate::{
    clock::{host_clock, host_now},
    commands::{PROPOSAL_LIFE, WRITE_DEADLINE},
    health::{DeviceHealth, DeviceState},
    net::host_net,
    plant::DriverChecks,
    write_lock::{WriteLock, WriteLockState},
};

/// What a runtime is made of.
pub struct Parts {
    /// Samples.
    pub historian: historian::Historian,
    /// Documents and events.
    pub records: ::records::Records,
    /// The plant model over those records.
    pub plant: PlantModel,
    /// Protocols.
    pub drivers: Vec<Driver>,
    /// Listeners through which devices come by themselves.
    pub doors: Vec<Door>,
    /// Apps.
    pub apps: Vec<App>,
    /// Opens what is sealed in configurations.
    pub seal: access::Seal,
    /// Time.
    pub clock: Clock,
    /// Ways out.
    pub net: Net,
    /// Randomness.
    pub random: Random,
}

/// A running node; clones share it.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    drivers: Arc<BTreeMap<&'static str, Driver>>,
    apps: Vec<App>,
    devices: Arc<devices::Devices>,
    samples: Arc<samples::SampleStore>,
    writes: Arc<commands::WritePath>,
    records: ::records::Records,
    plant: PlantModel,
    live: Arc<live::Live>,
    doors: doors::Doors,
    reaches: reach::Reaches,
    clock: Clock,
    random: Random,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Runtime {
    /// Starts every enabled device and every app of every organisation, and follows changes of the plant model.
    pub async fn start(parts: Parts) -> Result<Runtime, Fault> {
        let drivers: Arc<BTreeMap<&'static str, Driver>> =
            Arc::new(parts.drivers.iter().map(|d| (d.id, *d)).collect());
        let doors = Arc::new(parts.doors.iter().map(|d| (d.id, *d)).collect());
        let reaches = reach::Reaches::new(&parts, doors);
        let live = Arc::new(live::Live::default());
        let devices = Arc::new(devices::Devices::new(devices::DeviceParts {
            historian: parts.historian.clone(),
            plant: parts.plant.clone(),
            live: live.clone(),
            drivers: drivers.clone(),
            reaches: reaches.clone(),
        }));
        let samples = samples::SampleStore::new(parts.historian.clone(), parts.plant.clone(), live.clone());
        let writes = commands::WritePath {
            records: parts.records.clone(),
            plant: parts.plant.clone(),
            historian: parts.historian,
            devices: devices.clone(),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
            lock: WriteLock::new(parts.records.clone()),
            recent: Mutex::default(),
        };
        let runtime = Runtime(Arc::new(Shared {
            drivers,
            apps: parts.apps,
            devices,
            samples: Arc::new(samples),
            writes: Arc::new(writes),
            doors: doors::Doors::new(reaches.clone(), parts.plant.clone()),
            reaches,
            records: parts.records,
            plant: parts.plant,
            live,
            clock: parts.clock,
            random: parts.random,
            tasks: Mutex::default(),
        }));
        runtime.0.writes.settle_interrupted().await?;
        runtime.follow_plant().await?;
        // After the devices, so that whoever comes through a door is known already.
        runtime.0.doors.open_all().await?;
        Ok(runtime)
    }

    /// Subscribes first and compares after, so that no change falls in between.
    async fn follow_plant(&self) -> Result<(), Fault> {
        let mut changes = self.0.plant.changes();
        self.0.devices.reconcile_all().await?;
        let (devices, clock) = (self.0.devices.clone(), self.0.clock.clone());
        let follow = tokio::spawn(async move {
            loop {
                let done = match changes.recv().await {
                    Ok(PlantChange { org, device: Some(device) }) => devices.reconcile(org, device).await,
                    Ok(PlantChange { device: None, .. }) => Ok(()),
                    Err(RecvError::Lagged(_)) => devices.reconcile_all().await,
                    Err(RecvError::Closed) => return,
                };
                let mut backoff = backoff::Backoff::default();
                let mut failed = done.err();
                while let Some(fault) = failed {
                    tracing::error!(%fault, "devices are not yet in line with the plant model");
                    clock.sleep(backoff.after_failure(sdk::OutageKind::Connection, 0)).await;
                    failed = devices.reconcile_all().await.err();
                }
            }
        });
        self.keep(follow);
        Ok(())
    }

    /// Starts the apps' tasks for an organisation. Called once for each, at start and when one is made.
    pub fn start_apps(&self, org: OrgId) {
        for app in &self.0.apps {
            if let Some(task) = app.task {
                let caller = Caller {
                    name: format!("app:{}", app.id),
                    user: None,
                    permissions: vec![sdk::http::Permission::Read],
                };
                let scope = self.scope(org, caller);
                self.keep(tokio::spawn(apps::supervise(app.id, task, scope)));
            }
        }
    }

    /// The handles of one caller of one organisation.
    pub fn scope(&self, org: OrgId, caller: Caller) -> Scope {
        let shared = &self.0;
        let handles = Handles {
            samples: sdk::Samples::new(Arc::new(samples::ScopedSamples {
                org,
                store: shared.samples.clone(),
            })),
            records: sdk::Records::new(Arc::new(records::ScopedRecords {
                org,
                actor: caller.name.clone(),
                store: shared.records.clone(),
            })),
            events: sdk::Events::new(Arc::new(events::ScopedEvents {
                org,
                caller: caller.name.clone(),
                store: shared.records.clone(),
            })),
            plant: sdk::Plant::new(Arc::new(plant::ScopedPlant { org, model: shared.plant.clone() })),
            commands: sdk::Commands::new(Arc::new(commands::ScopedCommands {
                org,
                caller: caller.clone(),
                path: shared.writes.clone(),
            })),
            clock: shared.clock.clone(),
            ids: sdk::Ids::new(shared.clock.clone(), shared.random.clone()),
        };
        Scope { org, caller, handles }
    }

    /// The protocols of this node.
    pub fn drivers(&self) -> impl Iterator<Item = &Driver> {
        self.0.drivers.values()
    }
    /// One protocol.
    pub fn driver(&self, id: &str) -> Option<&Driver> {
        self.0.drivers.get(id)
    }
    /// The apps of this node.
    pub fn apps(&self) -> &[App] {
        &self.0.apps
    }
    /// How the devices of an organisation are doing.
    pub fn device_health(&self, org: OrgId) -> HashMap<ObjectId, DeviceHealth> {
        self.0.devices.health(org)
    }
    /// Tries a device that waits again at once.
    pub fn retry_device(&self, org: OrgId, device: ObjectId) {
        self.0.devices.hurry(org, |id, _| id == device);
    }
    /// Tries all waiting devices of a driver again at once: whom to trust has changed.
    pub fn retry_driver(&self, org: OrgId, driver: &str) {
        self.0.devices.hurry(org, |_, of| of == driver);
    }
    /// 禁止下发.
    pub fn write_lock(&self) -> &WriteLock {
        &self.0.writes.lock
    }
    /// Time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }
    /// What a driver of an organisation reaches, for probes; `None` when there is no such driver.
    pub fn reach(&self, org: OrgId, driver: &str) -> Option<Reach> {
        self.driver(driver).map(|driver| self.0.reaches.of(org, driver.id))
    }
    /// A device's configuration with its secrets opened.
    pub fn open_config(
        &self,
        org: OrgId,
        driver: &str,
        config: &serde_json::Value,
    ) -> Result<serde_json::Value, Fault> {
        self.0.reaches.seal.open_config(org, driver, config)
    }
    /// The doors of an organisation.
    pub async fn doors(&self, org: OrgId) -> Result<Vec<DoorView>, Fault> {
        self.0.doors.views(org).await
    }
    /// Sets a door.
    ///
    /// # Errors
    /// One fault for each mistake, with its place.
    pub async fn set_door(
        &self,
        org: OrgId,
        actor: &str,
        id: &str,
        input: DoorInput,
    ) -> Result<DoorView, Vec<Fault>> {
        let (inner, actor, id) = (self.0.clone(), actor.to_string(), id.to_string());
        // In a task of its own: whoever asked may leave, and a door that is closed to be changed must open again.
        let setting = tokio::spawn(async move { inner.doors.set(org, &actor, &id, input).await });
        setting.await.unwrap_or_else(|error| Err(vec![Fault::new(types::codes::INTERNAL, error.to_string())]))
    }
    /// Who waits before a door.
    pub fn arrivals(&self, org: OrgId, door: &str) -> Result<Vec<ArrivalView>, Fault> {
        self.0.doors.arrivals(org, door)
    }
    /// Takes a caller out of the list.
    pub fn dismiss_arrival(&self, org: OrgId, door: &str, key: &str) -> Result<(), Fault> {
        self.0.doors.dismiss(org, door, key)
    }
    /// How many watch live values.
    pub fn live_watchers(&self) -> usize {
        self.0.live.watchers()
    }

    /// Stops every task. Connections to devices are closed when it returns.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            task.abort();
            // Aborted or ended; either way it starts nothing any more.
            let _gone = task.await;
        }
        self.0.doors.close_all().await;
        self.0.devices.stop_all().await;
    }

    fn keep(&self, task: JoinHandle<()>) {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}
