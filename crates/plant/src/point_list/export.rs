//! A point list going out.

use std::collections::HashMap;

use types::{CataloguedPoint, Device, Fault, ObjectId, OrgId, Point, Query, codes};

use super::cell::{guarded, states_text};
use super::column::{COLUMNS, Column};
use super::places::Places;
use crate::{PlantModel, PointQuery};

/// Without it, spreadsheets take UTF-8 for something else.
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl PlantModel {
    /// The points of an organisation or of one device as CSV: UTF-8 with byte order mark, comma, English headings.
    ///
    /// # Errors
    /// An unknown device, or when the record store does not answer.
    pub async fn points_csv(&self, org: OrgId, device: Option<ObjectId>) -> Result<String, Fault> {
        if let Some(device) = device {
            self.device(org, device).await?;
        }
        let devices = self.all::<Device>(org, Query::default()).await?;
        let names: HashMap<_, _> = devices.into_iter().map(|stored| (stored.id, stored.body.name)).collect();
        let places = Places::new(&self.asset_tree(org).await?);
        let points = self.points(org, &PointQuery { device, limit: usize::MAX, ..PointQuery::default() });
        write(&points, &names, &places).map_err(|error| {
            Fault::new(codes::INTERNAL, format!("the list could not be written ({error}): report this fault"))
        })
    }
}

fn write(
    points: &[CataloguedPoint],
    devices: &HashMap<ObjectId, String>,
    places: &Places,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = ::csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    writer.write_record(COLUMNS.map(|(_, heading, _)| heading))?;
    for point in points {
        let point = &point.point;
        let device = point.device.and_then(|id| devices.get(&id)).map_or("", String::as_str);
        let asset = point.asset.map(|id| places.text(id)).unwrap_or_default();
        writer.write_record(COLUMNS.map(|(column, ..)| cell(point, column, device, &asset)))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn cell(point: &Point, column: Column, device: &str, asset: &str) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    match column {
        Column::Device => guarded(device),
        Column::Name => guarded(&point.name),
        Column::LabelZh => guarded(&point.label.zh),
        Column::LabelEn => guarded(&point.label.en),
        Column::Address => guarded(&point.address),
        Column::ValueType => point.value_type.name().to_string(),
        Column::Unit => point.unit.clone(),
        Column::Asset => guarded(asset),
        Column::PeriodMs => point.period_ms.to_string(),
        Column::Gain => number(point.scaling.map(|scaling| scaling.gain)),
        Column::Offset => number(point.scaling.map(|scaling| scaling.offset)),
        Column::Low => number(point.range.map(|[low, _]| low)),
        Column::High => number(point.range.map(|[_, high]| high)),
        Column::States => guarded(&states_text(&point.states)),
        Column::WriteMin => number(point.write.map(|write| write.min)),
        Column::WriteMax => number(point.write.map(|write| write.max)),
        Column::WriteStep => number(point.write.and_then(|write| write.step)),
        Column::WritePerMinute => point.write.map(|write| write.per_minute.to_string()).unwrap_or_default(),
    }
}
