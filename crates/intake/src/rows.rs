//! From lines to columns. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use types::{PointId, QualityRuns, Section, Time, ValueType, Values};

use crate::line::{FieldValue, Line, LineError, Lines, shown, unescape_text, unescaped};
use crate::series::{Book, find, point_name};
use crate::{FAULTS_MAX, Precision};

/// What a request came to.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) sections: Vec<Section>,
    pub(crate) rows: usize,
    /// Fields that have no point yet. Then nothing else here counts: read the request again when they have.
    pub(crate) unknown: Vec<Unknown>,
    /// The first bad lines.
    pub(crate) faults: Vec<LineError>,
    /// All bad lines.
    pub(crate) refused: usize,
}

/// A field that has no point yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) key: Box<[u8]>,
    pub(crate) field: Box<[u8]>,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) value_type: ValueType,
}

/// Each once, as it was met first: its first value says what type its point has.
#[derive(Default)]
struct Unknowns {
    list: Vec<Unknown>,
    met: HashSet<Vec<u8>>,
}

impl Unknowns {
    fn add(&mut self, field: Unknown) {
        if self.met.insert([&*field.key, b" ", &*field.field].concat()) {
            self.list.push(field);
        }
    }
}

/// Rows of one type.
#[derive(Default)]
struct Column<T> {
    points: Vec<PointId>,
    times: Vec<Time>,
    values: Vec<T>,
}

impl<T> Column<T> {
    fn push(&mut self, point: PointId, time: Time, value: T) {
        self.points.push(point);
        self.times.push(time);
        self.values.push(value);
    }
    fn into_section(self, values: impl FnOnce(Vec<T>) -> Values) -> Option<Section> {
        let Column { points, times, values: column } = self;
        let rows = !points.is_empty();
        rows.then(|| Section { points, times, values: values(column), quality: QualityRuns::default() })
    }
}

#[derive(Default)]
struct Columns {
    bools: Column<bool>,
    ints: Column<i64>,
    uints: Column<u64>,
    singles: Column<f32>,
    floats: Column<f64>,
    texts: Column<Arc<str>>,
}

impl Columns {
    fn into_sections(self) -> Vec<Section> {
        let all = [
            self.bools.into_section(Values::Bool),
            self.ints.into_section(Values::I64),
            self.uints.into_section(Values::U64),
            self.singles.into_section(Values::F32),
            self.floats.into_section(Values::F64),
            self.texts.into_section(Values::String),
        ];
        all.into_iter().flatten().collect()
    }

    fn push(&mut self, point: PointId, time: Time, value: Fitting) {
        match value {
            Fitting::Bool(value) => self.bools.push(point, time, value),
            Fitting::Integer(value) => self.ints.push(point, time, value),
            Fitting::Unsigned(value) => self.uints.push(point, time, value),
            Fitting::Single(value) => self.singles.push(point, time, value),
            Fitting::Float(value) => self.floats.push(point, time, value),
            Fitting::Text(value) => self.texts.push(point, time, value),
        }
    }
}

/// A value in its point's type.
enum Fitting {
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Single(f32),
    Float(f64),
    Text(Arc<str>),
}

/// The type a new point of such a field has.
fn type_of(value: &FieldValue<'_>) -> ValueType {
    match value {
        FieldValue::Float(_) => ValueType::F64,
        FieldValue::Integer(_) => ValueType::I64,
        FieldValue::Unsigned(_) => ValueType::U64,
        FieldValue::Boolean(_) => ValueType::Bool,
        FieldValue::Text(_) => ValueType::String,
    }
}

/// The value in the point's type, if it keeps every digit there: an integer may go to a point of floats, because many
/// senders drop `.0`.
fn fit(value: &FieldValue<'_>, wanted: ValueType) -> Result<Fitting, String> {
    const EXACT: i64 = 1 << 53;
    let exact = |value: i64| (-EXACT..=EXACT).contains(&value);
    Ok(match (wanted, *value) {
        (ValueType::F64, FieldValue::Float(value)) => Fitting::Float(value),
        (ValueType::I64, FieldValue::Integer(value)) => Fitting::Integer(value),
        (ValueType::U64, FieldValue::Unsigned(value)) => Fitting::Unsigned(value),
        (ValueType::Bool, FieldValue::Boolean(value)) => Fitting::Bool(value),
        (ValueType::F64, FieldValue::Integer(value)) if exact(value) => Fitting::Float(value as f64),
        (ValueType::F64, FieldValue::Unsigned(value)) if value <= EXACT as u64 => {
            Fitting::Float(value as f64)
        }
        (ValueType::F32, FieldValue::Float(value)) if f64::from(value as f32) == value => {
            Fitting::Single(value as f32)
        }
        (ValueType::I64, FieldValue::Unsigned(value)) if i64::try_from(value).is_ok() => {
            Fitting::Integer(value.cast_signed())
        }
        (ValueType::U64, FieldValue::Integer(value)) if value >= 0 => {
            Fitting::Unsigned(value.cast_unsigned())
        }
        (ValueType::String, FieldValue::Text(raw)) => Fitting::Text(unescape_text(raw)?.into()),
        (wanted, got) => {
            let got = type_of(&got);
            return Err(format!(
                "its point holds {wanted:?} values and this is {got:?} that does not fit: send one type, or change the \
                 point's type"
            ));
        }
    })
}

/// Reads a request.
pub(crate) fn read(book: &Book, body: &[u8], precision: Precision, now: Time) -> Rows {
    let mut rows = Rows::default();
    let mut unknown = Unknowns::default();
    let mut columns = Columns::default();
    let mut scratch = Vec::new();
    for line in Lines::of(body) {
        let done = line.and_then(|line| {
            scratch.clear();
            let read = read_line(book, &line, precision, now, &mut scratch, &mut unknown);
            read.map_err(|what| LineError {
                number: line.number,
                what: format!("`{}`: {what}", shown(line.key)),
            })
        });
        match done {
            Ok(time) => {
                rows.rows += scratch.len();
                scratch.drain(..).for_each(|(point, value)| columns.push(point, time, value));
            }
            Err(fault) => {
                rows.refused += 1;
                if rows.faults.len() < FAULTS_MAX {
                    rows.faults.push(fault);
                }
            }
        }
    }
    rows.sections = columns.into_sections();
    rows.unknown = unknown.list;
    rows
}

/// All fields of a line, or nothing of it.
fn read_line(
    book: &Book,
    line: &Line<'_>,
    precision: Precision,
    now: Time,
    scratch: &mut Vec<(PointId, Fitting)>,
    unknown: &mut Unknowns,
) -> Result<Time, String> {
    let time = match line.time {
        Some(units) => {
            precision.time(units).ok_or("the time is beyond the years 1677 to 2262: check the precision")?
        }
        None => now,
    };
    let known = book.fields(line.key);
    let (mut next, mut news) = (0, Vec::new());
    for field in line.fields() {
        let (name, value) = field?;
        match find(known, &mut next, name) {
            Some(field) => {
                let value = fit(&value, field.value_type)
                    .map_err(|what| format!("field `{}`: {what}", shown(name)))?;
                scratch.push((field.point, value));
            }
            None => news.push((name, value)),
        }
    }
    if !news.is_empty() {
        let names = line.names()?;
        let news: Result<Vec<Unknown>, String> =
            news.iter().map(|(field, value)| unknown_field(line.key, &names, field, value)).collect();
        news?.into_iter().for_each(|field| unknown.add(field));
    }
    Ok(time)
}

fn unknown_field(
    key: &[u8],
    names: &crate::line::Names,
    field: &[u8],
    value: &FieldValue<'_>,
) -> Result<Unknown, String> {
    // A text that cannot be read makes no point.
    if let FieldValue::Text(raw) = value {
        unescape_text(raw)?;
    }
    let (name, label) = point_name(names, &unescaped(field)?);
    Ok(Unknown { key: key.into(), field: field.into(), name, label, value_type: type_of(value) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Field;

    fn book() -> Book {
        let mut book = Book::default();
        for (name, point, value_type) in [
            ("f", 1, ValueType::F64),
            ("i", 2, ValueType::I64),
            ("u", 3, ValueType::U64),
            ("b", 4, ValueType::Bool),
            ("s", 5, ValueType::String),
            ("g", 6, ValueType::F32),
        ] {
            book.learn(b"m", Field { name: name.as_bytes().into(), point: PointId(point), value_type });
        }
        book
    }

    fn one(body: &str) -> Rows {
        read(&book(), body.as_bytes(), Precision::Milliseconds, Time(7))
    }

    #[test]
    fn rows_stand_in_columns_of_their_points_types() {
        let rows = one("m f=1,i=2i,u=3u,b=t,s=\"x\",g=0.5 1000\nm f=2i,u=4i,i=5u\n");
        assert_eq!((rows.rows, rows.refused), (9, 0));
        let found: Vec<_> = rows
            .sections
            .iter()
            .flat_map(Section::rows)
            .map(|(p, t, v, _)| (p.0, t.0, v.unwrap().to_string()))
            .collect();
        let at = |point, value: &str| (point, 1_000_000_000, value.to_string());
        let now = |point, value: &str| (point, 7, value.to_string());
        assert_eq!(
            found,
            [
                at(4, "true"),
                at(2, "2"),
                now(2, "5"),
                at(3, "3"),
                now(3, "4"),
                at(6, "0.5"),
                at(1, "1.0"),
                now(1, "2.0"),
                at(5, "x")
            ]
        );
    }

    #[test]
    fn a_line_is_kept_whole_or_not_at_all() {
        for (bad, what) in [
            ("f=1,i=1.5", "holds I64 values"),
            ("f=1,i=9223372036854775808u", "holds I64 values"),
            ("f=9007199254740993i", "holds F64 values"),
            ("f=1,u=-1i", "holds U64 values"),
            ("f=1,s=1", "holds String values"),
            ("f=1,b=1", "holds Bool values"),
            ("f=1,g=0.1", "holds F32 values"),
            ("f=1 9223372036854775807", "beyond the years"),
        ] {
            let rows = one(&format!("m f=0\nm {bad}\nm f=2"));
            assert_eq!((rows.rows, rows.refused), (2, 1), "{bad}");
            assert!(
                rows.faults[0].to_string().starts_with("line 2: ") && rows.faults[0].what.contains(what),
                "{}",
                rows.faults[0]
            );
        }
    }

    #[test]
    fn new_fields_are_named_once() {
        let rows = one("m f=1,new=1i 1\nm new=t 2\nn,host=a f=1,s=\"t\"\nn f=");
        let mut names: Vec<(&str, ValueType)> =
            rows.unknown.iter().map(|u| (u.name.as_str(), u.value_type)).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [("m.new", ValueType::I64), ("n.host.a.f", ValueType::F64), ("n.host.a.s", ValueType::String)]
        );
        assert_eq!(rows.refused, 1);
    }
}
