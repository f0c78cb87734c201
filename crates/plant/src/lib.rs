//! The plant model: what stands where, what speaks which protocol, and which points it gives.
//!
//! Places, assets, asset types and devices are documents; points are rows of a compact catalogue that is also held in
//! memory, so that the way of a value never waits for a database. Every mutating call checks everything first, then
//! commits the change and its event in one transaction, then brings memory in line. One writer at a time: what was
//! checked is still so when it is committed.
//!
//! Deliberately absent: drivers (they answer through [`AddressCheck`]), permissions (the caller was let through
//! already), and any relation between two organisations: a foreign id is an unknown id.

mod asset_types;
mod assets;
mod catalogue;
mod commit;
mod devices;
mod events;
mod names;
mod object_index;
mod paging;
mod point_check;
mod point_list;
mod points;
mod row;
mod tree;
mod tsl;
mod type_check;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use records::Records;
use tokio::sync::{Mutex, broadcast};
use types::{CataloguedPoint, Fault, Now, ObjectId, OrgId, PointId, Random, ValueType};

pub use catalogue::PointQuery;
pub use devices::Source;
pub use point_list::{IMPORT_BYTES_MAX, IMPORT_FAULTS_MAX, ImportReport};
pub use points::POINTS_PER_CALL_MAX;
pub use tsl::{TslType, tsl_in, tsl_out};

use catalogue::Catalogue;

/// Changes that a subscriber may be behind; one further behind is told that it lagged and reads everything again.
pub const CHANGES_BEHIND_MAX: usize = 256;

/// What the plant model takes from outside.
#[derive(Clone)]
pub struct Env {
    /// Stamps what is born here.
    pub now: Now,
    /// Makes ids.
    pub random: Random,
}

/// What an address says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressVerdict {
    /// The same address in the driver's canonical notation; this is what is stored.
    pub canonical: String,
    /// The native type of what is read there, before scaling.
    pub value_type: ValueType,
    /// The protocol has a way to write there.
    pub writable: bool,
}

/// What the plant model asks of drivers, which it does not know. Given by the runtime.
pub trait AddressCheck: Send + Sync {
    /// Checks a device's `config` and gives it as it is to be stored, with its secrets sealed. Every fault names its
    /// place as a JSON pointer into the config. An unknown driver is a fault too.
    fn accept_config(
        &self,
        org: OrgId,
        driver: &str,
        config: &serde_json::Value,
    ) -> Result<serde_json::Value, Vec<Fault>>;
    /// Reads an address in the driver's notation.
    fn check_address(&self, driver: &str, address: &str) -> Result<AddressVerdict, Fault>;
}

/// Devices or points changed: whoever reads a device starts it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlantChange {
    /// Whose.
    pub org: OrgId,
    /// Which device, or whose points; `None` for points without a device.
    pub device: Option<ObjectId>,
}

/// The plant model of a node; clones share it.
#[derive(Clone)]
pub struct PlantModel {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    env: Env,
    drivers: Arc<dyn AddressCheck>,
    catalogue: RwLock<Catalogue>,
    /// A commit ended without an answer, so memory may differ from disk: the next writer reads the disk first.
    doubtful: AtomicBool,
    writing: Arc<Mutex<()>>,
    changes: broadcast::Sender<PlantChange>,
    /// Counts all that was committed since the node started.
    revision: AtomicU64,
}

impl PlantModel {
    /// Reads the whole catalogue into memory.
    ///
    /// # Errors
    /// When the record store does not answer, or holds a point that this version cannot read.
    pub async fn open(
        records: Records,
        env: Env,
        drivers: Arc<dyn AddressCheck>,
    ) -> Result<PlantModel, Fault> {
        let inner = Inner {
            records,
            env,
            drivers,
            catalogue: RwLock::default(),
            doubtful: AtomicBool::new(true),
            writing: Arc::default(),
            changes: broadcast::Sender::new(CHANGES_BEHIND_MAX),
            revision: AtomicU64::new(0),
        };
        let model = PlantModel { inner: Arc::new(inner) };
        model.writing().await?;
        Ok(model)
    }

    /// Devices and points as they change from now on. A receiver that lags reads everything again.
    pub fn changes(&self) -> broadcast::Receiver<PlantChange> {
        self.inner.changes.subscribe()
    }

    /// Rises with every change of assets, types, devices and points, of any organisation: what was worked out from them is
    /// as good as new while it stays.
    pub fn revision(&self) -> u64 {
        self.inner.revision.load(Ordering::Acquire)
    }

    /// Points by their names everywhere, in the order asked; `None` for unknown or foreign ones. From memory.
    pub fn by_object(&self, org: OrgId, objects: &[ObjectId]) -> Vec<Option<CataloguedPoint>> {
        let catalogue = self.catalogue();
        objects.iter().map(|object| catalogue.by_object(org, *object)).collect()
    }

    /// Points by their numbers on this node, in the order asked; `None` for unknown or foreign ones. From memory.
    pub fn by_id(&self, org: OrgId, ids: &[PointId]) -> Vec<Option<CataloguedPoint>> {
        let catalogue = self.catalogue();
        ids.iter().map(|id| catalogue.by_id(org, *id)).collect()
    }

    /// Points of a device, or of those without one, by their names, in the order asked. From memory; looks at every
    /// point there.
    pub fn by_name(
        &self,
        org: OrgId,
        device: Option<ObjectId>,
        names: &[&str],
    ) -> Vec<Option<CataloguedPoint>> {
        self.catalogue().by_name(org, device, names)
    }

    /// Types of points by their numbers, in the order asked; `None` for unknown or foreign ones. From memory, and quick
    /// enough to be asked for every row that is written.
    pub fn value_types(&self, org: OrgId, ids: impl IntoIterator<Item = PointId>) -> Vec<Option<ValueType>> {
        let catalogue = self.catalogue();
        ids.into_iter().map(|id| catalogue.value_type(org, id)).collect()
    }

    /// Whose point this is.
    pub fn owner(&self, id: PointId) -> Option<OrgId> {
        self.catalogue().owner(id)
    }

    /// All points of a device, in the order of their numbers. From memory.
    pub fn of_device(&self, org: OrgId, device: ObjectId) -> Vec<CataloguedPoint> {
        self.catalogue().of_device(org, Some(device))
    }

    /// Points by condition. From memory; a search without device or asset looks at every point of the organisation.
    pub fn points(&self, org: OrgId, query: &PointQuery) -> Vec<CataloguedPoint> {
        self.catalogue().query(org, query)
    }

    fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.inner.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn born(&self) -> ObjectId {
        ObjectId::born((self.inner.env.now)(), types::random_bytes(&self.inner.env.random))
    }

    fn is_doubtful(&self) -> bool {
        self.inner.doubtful.load(Ordering::Acquire)
    }
}
