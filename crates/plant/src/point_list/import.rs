//! A point list coming in: each row a new point, a change or nothing; wrong rows are told and the rest goes on.

use std::collections::{HashMap, HashSet};

use types::{CataloguedPoint, Device, Fault, ObjectId, OrgId, Point, Query, Stored, codes};

use super::column::Column;
use super::places::Places;
use super::reading::{Draft, blank, read};
use super::table::{Table, TableRow, place};
use super::{IMPORT_FAULTS_MAX, ImportReport};
use crate::points::{POINTS_PER_CALL_MAX, Replacement};
use crate::{AddressCheck, PlantModel};

/// A row that became a point.
struct ReadRow {
    line: u64,
    before: Option<CataloguedPoint>,
    point: Point,
}

/// What rows refer to by name.
struct Lookup<'a> {
    drivers: &'a dyn AddressCheck,
    devices: HashMap<String, Stored<Device>>,
    places: Places,
    /// Rows without a device name belong to this one, and rows of another are refused.
    only: Option<Stored<Device>>,
    /// Points by device and name.
    known: HashMap<Option<ObjectId>, HashMap<String, CataloguedPoint>>,
    /// Where a point was first met in the file.
    met: HashMap<(Option<ObjectId>, String), u64>,
}

impl PlantModel {
    /// Takes a point list. A row is known by device name and point name; good rows are taken even when others fail, in
    /// transactions of [`POINTS_PER_CALL_MAX`]. With `device`, rows without a device name belong to it.
    ///
    /// # Errors
    /// When nothing can be used: not UTF-8, no headings, an unknown device; or when the record store does not answer.
    pub async fn import_csv(
        &self,
        org: OrgId,
        actor: &str,
        bytes: &[u8],
        device: Option<ObjectId>,
        dry_run: bool,
    ) -> Result<ImportReport, Fault> {
        let table = Table::read(bytes)?;
        let writing = self.writing().await?;
        let mut lookup = self.lookup(org, device).await?;
        let mut faults = Vec::new();
        let mut rows = Vec::new();
        for row in &table.rows {
            match lookup.read(self, org, &table, row) {
                Ok(row) => rows.push(row),
                Err(found) => faults.extend(found),
            }
        }
        let mut around = self.surroundings(org, rows.iter().map(|row| &row.point)).await?;
        let mut report = ImportReport::default();
        let (mut fresh, mut changed) = (Vec::new(), Vec::new());
        for ReadRow { line, before, mut point } in rows {
            let found = around.check(self, &mut point, before.as_ref().map(|known| known.object), "");
            if !found.is_empty() {
                faults.extend(found.into_iter().map(|fault| in_row(fault, line)));
                continue;
            }
            match before {
                None => fresh.push(point),
                Some(before) if before.point == point => report.unchanged += 1,
                Some(before) => changed.push(Replacement { before, point }),
            }
        }
        (report.created, report.updated) = (fresh.len(), changed.len());
        // Two passes found them; a person reads them from top to bottom.
        faults.sort_by_key(line_of);
        report.errors = bounded(table.faults.into_iter().chain(faults).collect());
        if !dry_run {
            while !(fresh.is_empty() && changed.is_empty()) {
                let fresh: Vec<_> = fresh.drain(..fresh.len().min(POINTS_PER_CALL_MAX)).collect();
                let room = POINTS_PER_CALL_MAX - fresh.len();
                let changed: Vec<_> = changed.drain(..changed.len().min(room)).collect();
                self.store_points(&writing, org, actor, fresh, changed).await?;
            }
        }
        Ok(report)
    }

    async fn lookup(&self, org: OrgId, device: Option<ObjectId>) -> Result<Lookup<'_>, Fault> {
        let only = match device {
            Some(id) => Some(self.device(org, id).await?),
            None => None,
        };
        let devices = self.all::<Device>(org, Query::default()).await?;
        Ok(Lookup {
            drivers: &*self.inner.drivers,
            devices: devices.into_iter().map(|stored| (stored.body.name.clone(), stored)).collect(),
            places: Places::new(&self.asset_tree(org).await?),
            only,
            known: HashMap::new(),
            met: HashMap::new(),
        })
    }
}

impl Lookup<'_> {
    fn read(
        &mut self,
        model: &PlantModel,
        org: OrgId,
        table: &Table,
        row: &TableRow,
    ) -> Result<ReadRow, Vec<Fault>> {
        let device = self.device(row).map_err(|fault| vec![fault])?;
        let id = device.as_ref().map(|stored| stored.id);
        let name = row.cell(Column::Name);
        if let Some(first) = self.met.insert((id, name.to_string()), row.line) {
            let detail = format!("line {first} has the same point `{name}`: keep one of the two");
            let fault = Fault::new(codes::EXISTS, detail).arg("value", name).arg("line", first);
            return Err(vec![fault.at(place(row.line, Column::Name))]);
        }
        let known = self.known.entry(id).or_insert_with(|| {
            let points = model.catalogue().of_device(org, id);
            points.into_iter().map(|point| (point.point.name.clone(), point)).collect()
        });
        let before = known.get(name).cloned();
        let start = before.as_ref().map_or_else(|| blank(name), |known| known.point.clone());
        let Draft { mut point, native_type } = read(table, row, start)?;
        point.device = id;
        if table.has(Column::Asset) {
            point.asset = self.asset(row).map_err(|fault| vec![fault])?;
        }
        // A known point keeps its type where the file has no such column.
        if native_type && (before.is_none() || table.has(Column::ValueType)) {
            let native = device.as_ref().map(|stored| {
                self.drivers.check_address(&stored.body.driver, &point.address).map(|found| found.value_type)
            });
            match native {
                Some(Ok(native)) => point.value_type = native,
                // What is wrong with the address is told by the check of the point.
                Some(Err(_)) => {}
                None => {
                    let detail = "a point without a device needs a type: choose bool, i64, u64, f32, f64, string or bytes";
                    let fault = Fault::new("point.no-type", detail);
                    return Err(vec![fault.at(place(row.line, Column::ValueType))]);
                }
            }
        }
        Ok(ReadRow { line: row.line, before, point })
    }

    fn device(&self, row: &TableRow) -> Result<Option<Stored<Device>>, Fault> {
        let name = row.cell(Column::Device);
        let at = |fault: Fault| fault.arg("device", name).at(place(row.line, Column::Device));
        match (&self.only, name) {
            (only, "") => Ok(only.clone()),
            (Some(only), name) if only.body.name != name => {
                let detail = format!(
                    "this list is for `{}`, the row is of `{name}`: remove the row, or import for all devices",
                    only.body.name
                );
                Err(at(Fault::new(codes::INVALID, detail)))
            }
            (_, name) => {
                let unknown = || {
                    at(Fault::new(
                        codes::NOT_FOUND,
                        format!("there is no device `{name}`: add it first, or correct the name"),
                    ))
                };
                self.devices.get(name).cloned().map(Some).ok_or_else(unknown)
            }
        }
    }

    fn asset(&self, row: &TableRow) -> Result<Option<ObjectId>, Fault> {
        match row.cell(Column::Asset) {
            "" => Ok(None),
            text => self.places.find(text).map(Some).ok_or_else(|| {
                let text: String = text.chars().take(200).collect();
                let detail = format!("there is no place `{text}`: write its path, such as Hangzhou / Hall 1 / Compressor 3, or its id");
                Fault::new(codes::NOT_FOUND, detail).arg("asset", text).at(place(row.line, Column::Asset))
            }),
        }
    }
}

/// The place in a point as a place in the file.
fn in_row(fault: Fault, line: u64) -> Fault {
    const COLUMN_OF: [(&str, Column); 15] = [
        ("/name", Column::Name),
        ("/label", Column::LabelZh),
        ("/device", Column::Device),
        ("/address", Column::Address),
        ("/asset", Column::Asset),
        ("/value_type", Column::ValueType),
        ("/unit", Column::Unit),
        ("/scaling", Column::Gain),
        ("/range", Column::Low),
        ("/states", Column::States),
        ("/period_ms", Column::PeriodMs),
        ("/write/step", Column::WriteStep),
        ("/write/per_minute", Column::WritePerMinute),
        ("/write/max", Column::WriteMax),
        ("/write", Column::WriteMin),
    ];
    let path = fault.path.clone().unwrap_or_default();
    match COLUMN_OF.iter().find(|(start, _)| path.starts_with(start)) {
        Some((_, column)) => fault.at(place(line, *column)),
        None => fault.at(format!("line {line}")),
    }
}

fn line_of(fault: &Fault) -> u64 {
    let path = fault.path.as_deref().unwrap_or_default();
    let digits = path.strip_prefix("line ").unwrap_or_default();
    digits.split(',').next().and_then(|line| line.parse().ok()).unwrap_or(0)
}

fn bounded(mut faults: Vec<Fault>) -> Vec<Fault> {
    let more = faults.len().saturating_sub(IMPORT_FAULTS_MAX);
    if more > 0 {
        faults.truncate(IMPORT_FAULTS_MAX);
        let lines: HashSet<_> = faults.iter().map(line_of).collect();
        let detail =
            format!("{more} more faults, after {} lines: correct these first and import again", lines.len());
        faults.push(Fault::new(codes::LIMIT, detail).arg("count", more));
    }
    faults
}
