//! A row of a point list as a point. Pure.
//!
//! A column that the file does not have leaves its part of a point as it is; an empty cell takes it away or sets the
//! default.

use types::{Fault, Point, Scaling, ValueType, WritePolicy, codes};

use super::cell::{number, states, value_type};
use super::column::Column;
use super::table::{Table, TableRow, place};

/// A point that is still to be looked at: the type cell may be empty, which asks for the native type.
pub(crate) struct Draft {
    pub(crate) point: Point,
    pub(crate) native_type: bool,
}

/// A point with nothing but a name.
pub(crate) fn blank(name: &str) -> Point {
    Point {
        name: name.to_string(),
        label: types::Label::default(),
        device: None,
        address: String::new(),
        asset: None,
        value_type: ValueType::F64,
        unit: "1".into(),
        scaling: None,
        range: None,
        states: std::collections::BTreeMap::new(),
        period_ms: PERIOD_MS_DEFAULT,
        write: None,
    }
}

/// What a point without a period gets.
const PERIOD_MS_DEFAULT: u32 = 1_000;

/// Reads everything but device and asset, which need looking up, over what is there already.
pub(crate) fn read(table: &Table, row: &TableRow, before: Point) -> Result<Draft, Vec<Fault>> {
    let reader = RowReader { table, row };
    let mut faults = Vec::new();
    let mut take = |result: Result<(), Fault>| faults.extend(result.err());
    let mut point = before;
    let mut native_type = false;
    for (column, text) in [
        (Column::LabelZh, &mut point.label.zh),
        (Column::LabelEn, &mut point.label.en),
        (Column::Address, &mut point.address),
        (Column::Unit, &mut point.unit),
    ] {
        if table.has(column) {
            *text = row.cell(column).to_string();
        }
    }
    take(reader.value_type(&mut point, &mut native_type));
    take(reader.scaling(&mut point));
    take(reader.range(&mut point));
    take(reader.states(&mut point));
    take(reader.period(&mut point));
    take(reader.write(&mut point));
    if native_type && point.scaling.is_some() {
        (point.value_type, native_type) = (ValueType::F64, false);
    }
    if faults.is_empty() { Ok(Draft { point, native_type }) } else { Err(faults) }
}

struct RowReader<'a> {
    table: &'a Table,
    row: &'a TableRow,
}

impl RowReader<'_> {
    fn fault(&self, column: Column, wanted: &str) -> Fault {
        let text: String = self.row.cell(column).chars().take(60).collect();
        let detail = format!("`{text}` is not {wanted}: correct the cell and import again");
        let fault = Fault::new(codes::INVALID, detail).arg("value", text);
        fault.at(place(self.row.line, column))
    }

    /// What the cell says; `old` where the file has no such column, nothing where the cell is empty.
    fn number(&self, column: Column, old: Option<f64>) -> Result<Option<f64>, Fault> {
        match self.row.cell(column) {
            _ if !self.table.has(column) => Ok(old),
            "" => Ok(None),
            text => match number(text, self.table.decimal_comma) {
                Some(number) => Ok(Some(number)),
                None => Err(self.fault(column, "a number")),
            },
        }
    }

    fn count(&self, column: Column, old: Option<u32>) -> Result<Option<u32>, Fault> {
        let number = self.number(column, old.map(f64::from))?;
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number);
        match number {
            Some(number) if !whole(&number) => Err(self.fault(column, "a whole number")),
            number => Ok(number.map(|number| number as u32)),
        }
    }

    /// Two cells that stand together: both or neither.
    fn pair(&self, columns: [Column; 2], old: Option<[f64; 2]>) -> Result<Option<[f64; 2]>, Fault> {
        let first = self.number(columns[0], old.map(|old| old[0]))?;
        let second = self.number(columns[1], old.map(|old| old[1]))?;
        match (first, second) {
            (Some(first), Some(second)) => Ok(Some([first, second])),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(self.fault(columns[0], "a number, but the other end is given")),
            (Some(_), None) => Err(self.fault(columns[1], "a number, but the other end is given")),
        }
    }

    fn value_type(&self, point: &mut Point, native: &mut bool) -> Result<(), Fault> {
        match self.row.cell(Column::ValueType) {
            // Without this column a known point keeps its type; see the caller.
            "" => *native = true,
            text => {
                let wanted = "a type; choose bool, i64, u64, f32, f64, string or bytes";
                point.value_type = value_type(text).ok_or_else(|| self.fault(Column::ValueType, wanted))?;
            }
        }
        Ok(())
    }

    fn scaling(&self, point: &mut Point) -> Result<(), Fault> {
        let gain = self.number(Column::Gain, point.scaling.map(|scaling| scaling.gain))?;
        let offset = self.number(Column::Offset, point.scaling.map(|scaling| scaling.offset))?;
        point.scaling = match (gain, offset) {
            (None, None | Some(0.0)) => None,
            (gain, offset) => Some(Scaling { gain: gain.unwrap_or(1.0), offset: offset.unwrap_or(0.0) }),
        };
        Ok(())
    }

    fn range(&self, point: &mut Point) -> Result<(), Fault> {
        point.range = self.pair([Column::Low, Column::High], point.range)?;
        Ok(())
    }

    fn states(&self, point: &mut Point) -> Result<(), Fault> {
        if self.table.has(Column::States) {
            let wanted = "a list of states; write 0=stopped; 1=running";
            point.states =
                states(self.row.cell(Column::States)).ok_or_else(|| self.fault(Column::States, wanted))?;
        }
        Ok(())
    }

    fn period(&self, point: &mut Point) -> Result<(), Fault> {
        let period = self.count(Column::PeriodMs, Some(point.period_ms))?;
        point.period_ms = period.unwrap_or(PERIOD_MS_DEFAULT);
        Ok(())
    }

    fn write(&self, point: &mut Point) -> Result<(), Fault> {
        let old = point.write;
        let bounds =
            self.pair([Column::WriteMin, Column::WriteMax], old.map(|write| [write.min, write.max]))?;
        let step = self.number(Column::WriteStep, old.and_then(|write| write.step))?;
        let per_minute = self.count(Column::WritePerMinute, old.map(|write| write.per_minute))?;
        point.write = match (bounds, step, per_minute) {
            (Some([min, max]), step, per_minute) => {
                let per_minute = per_minute.unwrap_or(WritePolicy::PER_MINUTE_DEFAULT);
                Some(WritePolicy { min, max, step, per_minute })
            }
            (None, None, None) => None,
            (None, ..) => return Err(self.fault(Column::WriteMin, "a number, but a step or rate is given")),
        };
        Ok(())
    }
}
