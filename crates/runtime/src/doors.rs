//! Which doors are open: their settings in the records, their listeners supervised like devices.

use access::Seal;
use futures_util::FutureExt;
use plant::PlantModel;
use sdk::{
    ArrivalView, Arrivals, Door, DoorInput, DoorState, DoorStatus, DoorTask, DoorView, Enrolment, Outage,
    OutageKind,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::JoinHandle;
use types::{
    Change, Document, EventDraft, Expected, Fault, Filter, Index, IndexValue, Label, ObjectId, OrgId, Query,
    Stored, Time, codes, random_bytes,
};

use crate::{backoff::Backoff, enrolment::DoorEnrolment, reach::Reaches};

/// A door's setting as it is stored; its secrets are sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorSetting {
    door: String,
    enabled: bool,
    config: serde_json::Value,
}

impl Document for DoorSetting {
    const COLLECTION: &'static str = "doors";
    const INDEXES: &'static [Index] = &[Index::unique("door")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Text(self.door.clone()))]
    }
}

/// The doors of all organisations.
pub(crate) struct Doors {
    reaches: Reaches,
    plant: PlantModel,
    known: Mutex<HashMap<(OrgId, &'static str), Arc<Known>>>,
    /// One change at a time: a port is free again before it is listened at anew.
    setting: tokio::sync::Mutex<()>,
}

/// One door of one organisation, open or not.
struct Known {
    status: DoorStatus,
    arrivals: Arrivals,
    now: Mutex<Now>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Now {
    state: DoorState,
    since: Time,
    fault: Option<Fault>,
    retry_at: Option<Time>,
}

impl Known {
    fn set(&self, now: Now) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
    fn now(&self) -> Now {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            // Aborted or ended: either way it listens no more.
            let _gone = task.await;
        }
    }
}

impl Doors {
    pub(crate) fn new(reaches: Reaches, plant: PlantModel) -> Doors {
        Doors { reaches, plant, known: Mutex::default(), setting: tokio::sync::Mutex::default() }
    }

    /// Opens what was open before.
    pub(crate) async fn open_all(&self) -> Result<(), Fault> {
        let mut query = Query { limit: Query::LIMIT_MAX, ..Query::default() };
        loop {
            let page = self.reaches.records.list_all_orgs::<DoorSetting>(query.clone()).await;
            let page = page.map_err(|e| e.fault())?;
            for (org, stored) in page.items {
                if let Some(door) = self.reaches.doors.get(stored.body.door.as_str()) {
                    self.apply(org, *door, &stored.body).await;
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    pub(crate) async fn close_all(&self) {
        let all: Vec<Arc<Known>> = self.lock().values().cloned().collect();
        for known in all {
            known.close().await;
        }
    }

    /// All doors of an organisation, set or not.
    pub(crate) async fn views(&self, org: OrgId) -> Result<Vec<DoorView>, Fault> {
        let mut views = Vec::new();
        for door in self.reaches.doors.values() {
            let stored = self.stored(org, door.id).await?.map(|stored| stored.body);
            views.push(self.view(org, door, stored));
        }
        Ok(views)
    }

    /// Sets a door: stores, then closes and opens it.
    pub(crate) async fn set(
        &self,
        org: OrgId,
        actor: &str,
        id: &str,
        input: DoorInput,
    ) -> Result<DoorView, Vec<Fault>> {
        let door = self.door(id).map_err(|fault| vec![fault])?;
        let at_config = |fault: Fault| {
            let path = fault.path.clone().unwrap_or_default();
            fault.at(format!("/config{path}"))
        };
        let seal: &Seal = &self.reaches.seal;
        let opened = seal.open_config(org, door.id, &input.config).map_err(|fault| vec![at_config(fault)])?;
        (door.check_config)(&opened)
            .map_err(|faults| faults.into_iter().map(at_config).collect::<Vec<_>>())?;
        let schema = (door.config_schema)();
        let config = seal.close_config(org, door.id, &schema, &input.config).map_err(|fault| vec![fault])?;
        let setting = DoorSetting { door: door.id.into(), enabled: input.enabled, config };
        let _one_at_a_time = self.setting.lock().await;
        self.store(org, actor, &setting).await.map_err(|fault| vec![fault])?;
        self.apply(org, door, &setting).await;
        Ok(self.view(org, &door, Some(setting)))
    }

    /// Who waits before a door.
    pub(crate) fn arrivals(&self, org: OrgId, id: &str) -> Result<Vec<ArrivalView>, Fault> {
        let door = self.door(id)?;
        Ok(self.known(org, door.id).arrivals.list().into_iter().map(ArrivalView::from).collect())
    }

    /// A person does not want to see this caller in the list.
    pub(crate) fn dismiss(&self, org: OrgId, id: &str, key: &str) -> Result<(), Fault> {
        let door = self.door(id)?;
        if self.known(org, door.id).arrivals.settled(key) {
            return Ok(());
        }
        Err(Fault::new(codes::NOT_FOUND, "nobody of this name waits here: load the list again"))
    }

    fn door(&self, id: &str) -> Result<Door, Fault> {
        self.reaches.doors.get(id).copied().ok_or_else(|| {
            Fault::new(codes::NOT_FOUND, format!("there is no door `{id}`: see GET /api/v1/doors"))
        })
    }

    fn known(&self, org: OrgId, id: &'static str) -> Arc<Known> {
        let closed = || {
            let since = self.reaches.clock.now();
            let now = Now { state: DoorState::Closed, since, fault: None, retry_at: None };
            Arc::new(Known {
                status: DoorStatus::default(),
                arrivals: self.reaches.hall(org, id).1,
                now: Mutex::new(now),
                task: Mutex::default(),
            })
        };
        self.lock().entry((org, id)).or_insert_with(closed).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(OrgId, &'static str), Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self, org: OrgId, door: &Door, setting: Option<DoorSetting>) -> DoorView {
        let known = self.known(org, door.id);
        let setting = match setting {
            Some(setting) => DoorInput { enabled: setting.enabled, config: setting.config },
            None => DoorInput { enabled: false, config: (door.default_config)() },
        };
        let now = known.now();
        let listening = known.status.addresses();
        let open = now.state == DoorState::Opening && !listening.is_empty();
        DoorView {
            id: door.id.into(),
            name: Label::both(door.name.0, door.name.1),
            config_schema: (door.config_schema)(),
            setting,
            state: if open { DoorState::Open } else { now.state },
            since: now.since,
            fault: if open { known.status.fault() } else { now.fault },
            retry_at: now.retry_at,
            listening: listening.iter().map(ToString::to_string).collect(),
            counts: known.status.counts().into_iter().map(|(name, n)| (name.to_string(), n)).collect(),
            arrivals: known.arrivals.list().len(),
        }
    }

    async fn stored(&self, org: OrgId, id: &str) -> Result<Option<Stored<DoorSetting>>, Fault> {
        let filters = vec![Filter::Equal("door", IndexValue::Text(id.to_string()))];
        let query = Query { filters, limit: 1, ..Query::default() };
        let page = self.reaches.records.list(org, query).await.map_err(|e| e.fault())?;
        Ok(page.items.into_iter().next())
    }

    async fn store(&self, org: OrgId, actor: &str, setting: &DoorSetting) -> Result<(), Fault> {
        let (id, expected) = match self.stored(org, &setting.door).await? {
            Some(stored) => (stored.id, Expected::At(stored.revision)),
            None => {
                let birth = random_bytes(&self.reaches.random);
                (ObjectId::born(self.reaches.clock.now(), birth), Expected::Absent)
            }
        };
        let put = Change::put(id, expected, setting)
            .map_err(|error| Fault::new(codes::INTERNAL, error.to_string()))?;
        let event = EventDraft {
            name: "door.changed.v1",
            object: id,
            payload: serde_json::json!({ "door": setting.door, "enabled": setting.enabled, "by": actor }),
        };
        let done = self.reaches.records.commit(org, actor, vec![put], vec![event]).await;
        done.map(drop).map_err(|e| e.fault())
    }

    async fn apply(&self, org: OrgId, door: Door, setting: &DoorSetting) {
        let known = self.known(org, door.id);
        known.close().await;
        known.status.clear();
        let since = self.reaches.clock.now();
        let state = if setting.enabled { DoorState::Opening } else { DoorState::Closed };
        known.set(Now { state, since, fault: None, retry_at: None });
        if setting.enabled {
            let supervised = Supervised {
                org,
                door,
                config: setting.config.clone(),
                reaches: self.reaches.clone(),
                plant: self.plant.clone(),
                known: known.clone(),
            };
            let task = tokio::spawn(supervised.run());
            *known.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        }
    }
}

struct Supervised {
    org: OrgId,
    door: Door,
    config: serde_json::Value,
    reaches: Reaches,
    plant: PlantModel,
    known: Arc<Known>,
}

impl Supervised {
    /// Runs until it is aborted.
    async fn run(self) {
        let clock = self.reaches.clock.clone();
        let mut backoff = Backoff::default();
        loop {
            let outage = self.run_once().await;
            if !self.known.status.addresses().is_empty() {
                backoff.succeeded();
            }
            let [share] = random_bytes(&self.reaches.random);
            let wait = backoff.after_failure(OutageKind::Connection, share);
            tracing::warn!(door = self.door.id, fault = %outage.fault, retry_ms = wait.as_millis(), "door closed");
            self.known.status.clear();
            let now = clock.now();
            self.known.set(Now {
                state: DoorState::Waiting,
                since: now,
                fault: Some(outage.fault),
                retry_at: Some(now.plus(wait)),
            });
            clock.sleep(wait).await;
            self.known.set(Now {
                state: DoorState::Opening,
                since: clock.now(),
                fault: None,
                retry_at: None,
            });
        }
    }

    async fn run_once(&self) -> Outage {
        let config = match self.reaches.seal.open_config(self.org, self.door.id, &self.config) {
            Ok(config) => config,
            Err(fault) => return Outage::configuration(fault),
        };
        let enrolment = DoorEnrolment::new(self.org, self.door.id, self.plant.clone());
        let task = DoorTask {
            config,
            reach: self.reaches.of(self.org, self.door.id),
            arrivals: self.known.arrivals.clone(),
            enrolment: Enrolment::new(Arc::new(enrolment)),
            status: self.known.status.clone(),
        };
        match AssertUnwindSafe((self.door.run)(task)).catch_unwind().await {
            Ok(outage) => outage,
            Err(_panic) => {
                tracing::error!(door = self.door.id, "the door panicked");
                Outage::configuration(Fault::new(
                    codes::INTERNAL,
                    "the door closed because of a fault of ours: see the log, and report it",
                ))
            }
        }
    }
}
