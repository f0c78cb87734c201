//! All points of the node in memory: rows by number, and three indexes over them. Pure.

use std::collections::HashMap;

use types::{CataloguedPoint, ObjectId, OrgId, PointId, ValueType};

use crate::object_index::ObjectIndex;
use crate::row::Row;

/// A question for points. All conditions must hold; the answer is in the order of point ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointQuery {
    /// Of this device.
    pub device: Option<ObjectId>,
    /// Of this asset itself, without what is below it.
    pub asset: Option<ObjectId>,
    /// Name or label holds this text, in any case.
    pub search: Option<String>,
    /// After this point.
    pub after: Option<PointId>,
    /// At most so many.
    pub limit: usize,
}

struct Slot {
    /// Place in [`Catalogue::orgs`].
    org: u32,
    row: Row,
}

/// Numbers are dense and never used again, so the slots are a plain vector.
#[derive(Default)]
pub(crate) struct Catalogue {
    orgs: Vec<OrgId>,
    slots: Vec<Slot>,
    by_object: ObjectIndex,
    /// Numbers in rising order, of a device or, without one, of the organisation's other points.
    of_device: HashMap<(u32, Option<ObjectId>), Vec<u32>>,
    of_asset: HashMap<(u32, ObjectId), Vec<u32>>,
}

impl Catalogue {
    /// Adds a point or changes it.
    pub(crate) fn put(&mut self, org: OrgId, id: PointId, row: Row) {
        self.remove(id);
        let org = self.org_place(org);
        if let Some(object) = row.object() {
            self.by_object.insert(object, id.0, object_of(&self.slots));
        }
        insert(self.of_device.entry((org, row.device())).or_default(), id.0);
        if let Some(asset) = row.asset() {
            insert(self.of_asset.entry((org, asset)).or_default(), id.0);
        }
        let place = id.0 as usize;
        if place >= self.slots.len() {
            self.slots.resize_with(place + 1, || Slot { org: 0, row: Row::vacant() });
        }
        self.slots[place] = Slot { org, row };
    }

    /// Forgets a point; its number stays unused.
    pub(crate) fn remove(&mut self, id: PointId) {
        let Some(slot) = self.slots.get(id.0 as usize).filter(|slot| !slot.row.is_vacant()) else { return };
        let org = slot.org;
        if let Some(object) = slot.row.object() {
            self.by_object.remove(object, object_of(&self.slots));
        }
        let row = std::mem::replace(&mut self.slots[id.0 as usize].row, Row::vacant());
        take_out(&mut self.of_device, &(org, row.device()), id.0);
        if let Some(asset) = row.asset() {
            take_out(&mut self.of_asset, &(org, asset), id.0);
        }
    }

    pub(crate) fn owner(&self, id: PointId) -> Option<OrgId> {
        let slot = self.slots.get(id.0 as usize).filter(|slot| !slot.row.is_vacant())?;
        self.orgs.get(slot.org as usize).copied()
    }

    pub(crate) fn by_object(&self, org: OrgId, object: ObjectId) -> Option<CataloguedPoint> {
        self.by_object.find(object, object_of(&self.slots)).and_then(|id| self.by_id(org, PointId(id)))
    }

    /// `None` also for a point of another organisation.
    pub(crate) fn by_id(&self, org: OrgId, id: PointId) -> Option<CataloguedPoint> {
        if self.owner(id)? == org { self.read(id.0) } else { None }
    }

    /// All points of a device or, without one, the points of the organisation that have no device.
    pub(crate) fn of_device(&self, org: OrgId, device: Option<ObjectId>) -> Vec<CataloguedPoint> {
        self.numbers(org, device, None).into_iter().flatten().filter_map(|id| self.read(*id)).collect()
    }

    /// Points of a device, or without one, by their names, in the order asked.
    pub(crate) fn by_name(
        &self,
        org: OrgId,
        device: Option<ObjectId>,
        names: &[&str],
    ) -> Vec<Option<CataloguedPoint>> {
        let mut places: HashMap<&str, u32> = names.iter().map(|name| (*name, u32::MAX)).collect();
        for number in self.numbers(org, device, None).into_iter().flatten() {
            let texts = self.slots.get(*number as usize).and_then(|slot| slot.row.texts());
            if let Some(place) = texts.and_then(|[name, ..]| places.get_mut(name)) {
                *place = *number;
            }
        }
        names.iter().map(|name| places.get(name).and_then(|number| self.read(*number))).collect()
    }

    /// `None` also for a point of another organisation.
    pub(crate) fn value_type(&self, org: OrgId, id: PointId) -> Option<ValueType> {
        let slot = self.slots.get(id.0 as usize)?;
        if *self.orgs.get(slot.org as usize)? == org { slot.row.value_type() } else { None }
    }

    pub(crate) fn count_of_device(&self, org: OrgId, device: ObjectId) -> usize {
        self.numbers(org, Some(device), None).map_or(0, <[u32]>::len)
    }

    pub(crate) fn count_of_asset(&self, org: OrgId, asset: ObjectId) -> usize {
        self.numbers(org, None, Some(asset)).map_or(0, <[u32]>::len)
    }

    pub(crate) fn query(&self, org: OrgId, query: &PointQuery) -> Vec<CataloguedPoint> {
        let needle = query.search.as_deref().map(str::to_lowercase);
        let from = query.after.map_or(0, |id| id.0.saturating_add(1));
        let wanted = |slot: &Slot| {
            query.device.is_none_or(|device| slot.row.device() == Some(device))
                && query.asset.is_none_or(|asset| slot.row.asset() == Some(asset))
                && needle.as_deref().is_none_or(|needle| holds(&slot.row, needle))
        };
        if query.device.is_some() || query.asset.is_some() {
            let numbers = self.numbers(org, query.device, query.asset).unwrap_or_default();
            let numbers = numbers[numbers.partition_point(|id| *id < from)..].iter().copied();
            let found = numbers.filter(|id| self.slots.get(*id as usize).is_some_and(wanted));
            return found.take(query.limit).filter_map(|id| self.read(id)).collect();
        }
        let Some(org) = self.orgs.iter().position(|known| *known == org) else { return Vec::new() };
        let slots = self.slots.iter().enumerate().skip(from as usize);
        let ours = slots.filter(|(_, slot)| slot.org as usize == org && !slot.row.is_vacant());
        let found = ours.filter(|(_, slot)| wanted(slot)).take(query.limit);
        found.filter_map(|(place, _)| self.read(place as u32)).collect()
    }

    /// Numbers by asset when one is given, else by device or the lack of one.
    fn numbers(&self, org: OrgId, device: Option<ObjectId>, asset: Option<ObjectId>) -> Option<&[u32]> {
        let org = self.orgs.iter().position(|known| *known == org)? as u32;
        match (device, asset) {
            (None, Some(asset)) => self.of_asset.get(&(org, asset)),
            (device, _) => self.of_device.get(&(org, device)),
        }
        .map(Vec::as_slice)
    }

    fn read(&self, number: u32) -> Option<CataloguedPoint> {
        let row = &self.slots.get(number as usize)?.row;
        let (revision, point) = row.decode()?;
        Some(CataloguedPoint { id: PointId(number), object: row.object()?, revision, point })
    }

    fn org_place(&mut self, org: OrgId) -> u32 {
        let place = self.orgs.iter().position(|known| *known == org).unwrap_or_else(|| {
            self.orgs.push(org);
            self.orgs.len() - 1
        });
        place as u32
    }
}

fn object_of(slots: &[Slot]) -> impl Fn(u32) -> Option<ObjectId> + '_ {
    |number| slots.get(number as usize)?.row.object()
}

fn insert(numbers: &mut Vec<u32>, number: u32) {
    let at = numbers.partition_point(|other| *other < number);
    numbers.insert(at, number);
}

fn take_out<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Vec<u32>>, key: &K, number: u32) {
    if let Some(numbers) = index.get_mut(key) {
        if let Ok(at) = numbers.binary_search(&number) {
            numbers.remove(at);
        }
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}

/// Whether the name or a label holds a text, which is lower case already, in any case.
fn holds(row: &Row, needle: &str) -> bool {
    let plain = needle.is_ascii();
    let in_text = |text: &str| {
        if plain && text.is_ascii() {
            // Without a copy: most names are ASCII, and a search looks at every point.
            let wanted = needle.as_bytes();
            return wanted.is_empty()
                || text.as_bytes().windows(wanted.len()).any(|at| at.eq_ignore_ascii_case(wanted));
        }
        text.to_lowercase().contains(needle)
    };
    row.texts().is_some_and(|texts| texts.into_iter().any(in_text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use types::{Label, Point, ValueType};

    /// `cargo test -p plant --lib -- --ignored --nocapture`: the figure in the README.
    #[test]
    #[ignore = "takes seconds and prints a figure"]
    fn memory_of_a_million_points() {
        const POINTS: u32 = 1_000_000;
        const A_DEVICE: u32 = 1_000;
        let org = OrgId::from_bytes([1; 16]);
        let id = |kind: u8, number: u32| {
            let mut bytes = [kind; 16];
            bytes[12..].copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_le_bytes());
            ObjectId::from_bytes(bytes)
        };
        let before = resident_bytes();
        let mut catalogue = Catalogue::default();
        for number in 1..=POINTS {
            let point = Point {
                name: format!("discharge_pressure_{}", number % A_DEVICE),
                label: Label::both("排气压力", "Discharge pressure"),
                device: Some(id(1, number / A_DEVICE)),
                address: format!("{} float32 cdab", 40_001 + number % A_DEVICE),
                asset: Some(id(2, number / A_DEVICE)),
                value_type: ValueType::F32,
                unit: "bar".into(),
                scaling: None,
                range: None,
                states: [].into(),
                period_ms: 1_000,
                write: None,
            };
            catalogue.put(org, PointId(number), Row::encode(id(3, number), 1, &point));
        }
        let each = (resident_bytes() - before) / f64::from(POINTS);
        let started = Instant::now();
        let search = PointQuery { search: Some("nowhere".into()), limit: 10, ..PointQuery::default() };
        assert!(catalogue.query(org, &search).is_empty());
        println!("{each:.0} bytes a point, all searched in {:?}", started.elapsed());
        assert!(each < 260.0);
    }

    fn resident_bytes() -> f64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
    }
}
