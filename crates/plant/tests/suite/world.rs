//! What every suite stands on: a store in a folder of its own, a clock that ticks, a protocol of three lines.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use plant::{AddressCheck, AddressVerdict, Env, PlantModel};
use records::Records;
use serde_json::{Value as Json, json};
use types::{
    Asset, Device, Fault, Label, NodeKind, Now, ObjectId, OrgId, Point, Random, Stored, Time, ValueType,
};

pub(crate) const ACTOR: &str = "user:anna";
pub(crate) const OURS: OrgId = OrgId::from_bytes([1; 16]);
pub(crate) const THEIRS: OrgId = OrgId::from_bytes([2; 16]);
pub(crate) const NOBODYS: ObjectId = ObjectId::from_bytes([9; 16]);

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct World {
    pub(crate) plant: PlantModel,
    pub(crate) records: Records,
    now: Now,
    random: Random,
    _folder: Folder,
}

impl World {
    pub(crate) async fn new() -> World {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sinew-plant-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let ms = AtomicI64::new(1_790_000_000_000);
        let now: Now = Arc::new(move || Time::from_unix_ms(ms.fetch_add(1, Ordering::Relaxed)));
        let count = AtomicU64::new(0);
        let random: Random = Arc::new(move |bytes: &mut [u8]| {
            let number = count.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            bytes.iter_mut().zip(number.to_le_bytes().iter().cycle()).for_each(|(to, from)| *to = *from);
        });
        let env = records::Env { now: now.clone(), random: random.clone() };
        let records = Records::open_sqlite(&folder.join("records.db"), env).await.unwrap();
        let plant = open(&records, &now, &random).await;
        World { plant, records, now, random, _folder: Folder(folder) }
    }

    /// As after a restart: nothing but the store.
    pub(crate) async fn again(&self) -> PlantModel {
        open(&self.records, &self.now, &self.random).await
    }

    pub(crate) async fn device(&self, org: OrgId, name: &str) -> Stored<Device> {
        self.plant.create_device(org, ACTOR, device(name)).await.unwrap()
    }

    pub(crate) async fn site(&self, org: OrgId, name: &str) -> ObjectId {
        self.plant.create_asset(org, ACTOR, place(NodeKind::Site, name, None)).await.unwrap().id
    }
}

async fn open(records: &Records, now: &Now, random: &Random) -> PlantModel {
    let env = Env { now: now.clone(), random: random.clone() };
    PlantModel::open(records.clone(), env, Arc::new(Protocol)).await.unwrap()
}

/// Drivers `line` and `tape`: `config` is `{"host": text}`; addresses are `<number>` with an optional type, f32 when it is left
/// out; numbers from 1000 can only be read.
struct Protocol;

impl AddressCheck for Protocol {
    fn accept_config(&self, _: OrgId, driver: &str, config: &Json) -> Result<Json, Vec<Fault>> {
        if !matches!(driver, "line" | "tape") {
            return Err(vec![Fault::new("driver.unknown", "no such driver")]);
        }
        match config["host"].is_string() {
            true => Ok(config.clone()),
            false => Err(vec![Fault::new("invalid", "host is missing").at("/host")]),
        }
    }

    fn check_address(&self, _: &str, address: &str) -> Result<AddressVerdict, Fault> {
        let wrong = || Fault::new("line.address", "write a number and a type").at("/");
        let mut words = address.split_whitespace();
        let number: u32 = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
        let name = words.next().unwrap_or("f32");
        let value_type = serde_json::from_value(json!(name)).map_err(|_| wrong())?;
        Ok(AddressVerdict { canonical: format!("{number} {name}"), value_type, writable: number < 1000 })
    }
}

pub(crate) fn device(name: &str) -> Device {
    serde_json::from_value(json!({"name": name, "driver": "line", "config": {"host": "192.0.2.1"}})).unwrap()
}

pub(crate) fn place(kind: NodeKind, name: &str, parent: Option<ObjectId>) -> Asset {
    Asset { kind, name: Label::plain(name), parent, asset_type: None, zone: None, notes: [].into() }
}

/// A point that is right on a device of driver `line`.
pub(crate) fn point(device: ObjectId, name: &str) -> Point {
    let json = json!({"name": name, "device": device, "address": "7", "value_type": "f32", "unit": "bar"});
    serde_json::from_value(json).unwrap()
}

/// A point that is written by the API.
pub(crate) fn loose_point(name: &str) -> Point {
    Point { device: None, address: String::new(), value_type: ValueType::F64, ..point(NOBODYS, name) }
}

pub(crate) fn codes_and_paths(faults: Vec<Fault>) -> Vec<(String, String)> {
    faults.into_iter().map(|fault| (fault.code.into_owned(), fault.path.unwrap_or_default())).collect()
}
