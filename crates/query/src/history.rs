//! The table `samples`: every current row of every point. Conditions on points and on time are answered by not reading
//! anything else.

use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Float64Array, Int64Array, NullArray, RecordBatch,
    RecordBatchOptions, StringViewArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures_util::StreamExt;
use historian::{Historian, RangeQuery};
use types::{PointId, Quality, Section, Time, Values};

use crate::book::{self, Book, Scene, is_about_points};
use crate::exec::PointsExec;
use crate::span::Span;

/// Rows of one batch at most.
const BATCH_ROWS_MAX: usize = 65_536;
/// Points of one reading at most.
const POINTS_A_READING: usize = 512;

/// What a row says beside its time and its point, with what it means.
pub(crate) const VALUE_COLUMNS: [(&str, &str); 8] = [
    ("value", "the figure, as it can be reckoned with: null where it is Bad, no number, or not there"),
    ("float", "the value as it is stored, of f32 and f64 points"),
    ("integer", "the value as it is stored, of i64 points"),
    ("unsigned", "the value as it is stored, of u64 points"),
    ("boolean", "the value as it is stored, of bool points"),
    ("text", "the value as it is stored, of string points"),
    ("bytes", "the value as it is stored, of bytes points"),
    ("quality", "OPC UA status code; 0 is Good"),
];

pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()))
}

pub(crate) fn value_fields() -> Vec<Field> {
    let types = [
        DataType::Float64,
        DataType::Float64,
        DataType::Int64,
        DataType::UInt64,
        DataType::Boolean,
        DataType::Utf8View,
        DataType::BinaryView,
        DataType::UInt32,
    ];
    VALUE_COLUMNS.iter().zip(types).map(|((name, _), of)| Field::new(*name, of, *name != "quality")).collect()
}

/// The columns of `samples`: time, which point, which value.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![Field::new("time", time_type(), false)];
    fields.extend(book::SCHEMA.fields().iter().map(|field| field.as_ref().clone()));
    fields.extend(value_fields());
    Arc::new(Schema::new(fields))
});

/// See the top of the file.
pub(crate) struct History(pub(crate) Scene);

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("samples")
    }
}

/// What conditions come to: which points, by their places, and which span.
pub(crate) fn selected(book: &Book, conditions: &[Expr]) -> Result<(Vec<u32>, Span)> {
    let spans = conditions.iter().filter_map(Span::of);
    let span = spans.fold(Span::ALL, Span::and);
    let about_points: Vec<Expr> = conditions.iter().filter(|c| is_about_points(c)).cloned().collect();
    Ok((book.select(&about_points)?, span))
}

#[async_trait]
impl TableProvider for History {
    fn schema(&self) -> SchemaRef {
        SCHEMA.clone()
    }
    fn table_type(&self) -> TableType {
        TableType::Base
    }
    fn supports_filters_pushdown(&self, conditions: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |condition: &&Expr| match is_about_points(condition) || Span::of(condition).is_some() {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(conditions.iter().map(answer).collect())
    }
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let book = self.0.book().await?;
        let (places, span) = selected(&book, conditions)?;
        let columns = projection.cloned().unwrap_or_else(|| (0..SCHEMA.fields().len()).collect());
        let threads = state.config_options().execution.target_partitions.max(1);
        let schema = Arc::new(SCHEMA.project(&columns)?);
        let reading = Reading { historian: self.0.historian.clone(), book, span, columns, schema, limit };
        Ok(Arc::new(reading.exec(&places, threads)))
    }
}

/// What all partitions share.
struct Reading {
    historian: Historian,
    book: Arc<Book>,
    span: Span,
    /// Of [`SCHEMA`].
    columns: Vec<usize>,
    schema: SchemaRef,
    limit: Option<usize>,
}

impl Reading {
    /// In words, for `EXPLAIN`.
    fn words(&self) -> String {
        let limit = self.limit.map(|limit| format!(", at most {limit} rows")).unwrap_or_default();
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        format!("{}{limit}, columns [{}]", self.span, names.join(", "))
    }

    fn exec(self, places: &[u32], threads: usize) -> PointsExec {
        // The rows of a single point come in the order of time.
        let time = self.columns.iter().position(|column| *column == 0).filter(|_| places.len() == 1);
        let of = (places.len(), self.book.points.len());
        let (schema, words) = (self.schema.clone(), self.words());
        let reading = Arc::new(self);
        let open = move |places: Arc<[u32]>| {
            let from = reading.span.from;
            let left = reading.limit.unwrap_or(usize::MAX);
            let pages = Pages { reading: reading.clone(), places, at: 0, from, left };
            futures_util::stream::try_unfold(pages, |mut pages| async move {
                Ok(pages.next().await?.map(|batches| (batches, pages)))
            })
            .boxed()
        };
        PointsExec::new("HistoryExec", schema, of, words, places, threads, Box::new(open)).in_order_of(time)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (Time::MIN, Time::MAX) => f.write_str("all times"),
            (from, Time::MAX) => write!(f, "from {from} on"),
            (Time::MIN, to) => write!(f, "before {to}"),
            (from, to) => write!(f, "from {from} to {to}"),
        }
    }
}

/// Goes through the points of one partition, a bounded number of rows at a time. Between two readings nothing is held, so
/// a slow reader holds up nobody.
struct Pages {
    reading: Arc<Reading>,
    places: Arc<[u32]>,
    /// Points before this place in `places` are done.
    at: usize,
    /// The rows of the point at `at` before this time are done.
    from: Time,
    /// Rows still wanted.
    left: usize,
}

impl Pages {
    async fn next(&mut self) -> Result<Option<Vec<RecordBatch>>> {
        let Reading { historian, book, span, .. } = self.reading.as_ref();
        let limit = self.left.min(BATCH_ROWS_MAX);
        // A point whose reading began before is read to its end alone: the others begin at the start of the span.
        let count = if self.from > span.from { 1 } else { POINTS_A_READING };
        let chosen = &self.places[self.at..self.places.len().min(self.at + count)];
        if chosen.is_empty() || limit == 0 || span.from >= span.to {
            return Ok(None);
        }
        let points: Vec<PointId> = chosen.iter().map(|place| book.points[*place as usize]).collect();
        let query = RangeQuery {
            points: points.clone(),
            from: self.from,
            to: span.to,
            limit_rows: limit,
            newest_first: false,
            known_at: None,
        };
        let sections = historian.range(query).await.map_err(external)?;
        let rows: usize = sections.iter().map(Section::len).sum();
        self.left -= rows;
        let last =
            sections.last().and_then(|section| Some((*section.points.last()?, *section.times.last()?)));
        match last {
            Some((point, time)) if rows == limit => {
                let done = points.iter().position(|other| *other == point).unwrap_or(0);
                self.at += done;
                self.from = Time(time.0.saturating_add(1));
            }
            _ => {
                self.at += chosen.len();
                self.from = span.from;
            }
        }
        if sections.is_empty() {
            return Ok(Some(Vec::new()));
        }
        Ok(Some(vec![batch(&sections, &self.reading)?]))
    }
}

pub(crate) fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// One batch of all sections of a reading: points of several types alternate, and readers pay for each batch.
fn batch(sections: &[Section], reading: &Reading) -> Result<RecordBatch> {
    let rows: usize = sections.iter().map(Section::len).sum();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let first_value = 1 + book::COLUMNS.len();
    let points = || sections.iter().flat_map(|section| section.points.iter().copied());
    let places = LazyLock::new(|| places_of(points(), &reading.book));
    let columns: Result<Vec<ArrayRef>> = reading
        .columns
        .iter()
        .map(|column| match *column {
            0 => Ok(times(sections.iter().flat_map(|section| section.times.iter().copied()))),
            of_point if of_point < first_value => reading.book.column(of_point - 1, &places),
            of_value => {
                let part = |section: &Section| value_column(of_value - first_value, section, section.len());
                let parts: Vec<ArrayRef> = sections.iter().map(part).collect::<Result<_>>()?;
                match parts.as_slice() {
                    [one] => Ok(one.clone()),
                    parts => Ok(concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
                }
            }
        })
        .collect();
    Ok(RecordBatch::try_new_with_options(reading.schema.clone(), columns?, &options)?)
}

pub(crate) fn times(of: impl Iterator<Item = Time>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(of.map(|time| time.0)).with_timezone("+00:00"))
}

/// Points come in runs.
fn places_of(points: impl Iterator<Item = PointId>, book: &Book) -> UInt32Array {
    let (mut last, mut place) = (None, None);
    let places = points.map(|point| {
        if last != Some(point) {
            (last, place) = (Some(point), book.place(point));
        }
        place
    });
    places.collect()
}

/// One of [`VALUE_COLUMNS`].
pub(crate) fn value_column(column: usize, section: &Section, rows: usize) -> Result<ArrayRef> {
    let values = &section.values;
    let nothing = |of: &DataType| cast(&NullArray::new(rows), of);
    Ok(match (VALUE_COLUMNS[column].0, values) {
        ("value", _) => Arc::new(figures(section)),
        ("float", Values::F64(values)) => Arc::new(Float64Array::from(values.clone())),
        ("float", Values::F32(values)) => {
            Arc::new(values.iter().map(|value| Some(f64::from(*value))).collect::<Float64Array>())
        }
        ("integer", Values::I64(values)) => Arc::new(Int64Array::from(values.clone())),
        ("unsigned", Values::U64(values)) => Arc::new(UInt64Array::from(values.clone())),
        ("boolean", Values::Bool(values)) => Arc::new(BooleanArray::from(values.clone())),
        ("text", Values::String(values)) => {
            Arc::new(values.iter().map(|text| Some(text.as_ref())).collect::<StringViewArray>())
        }
        ("bytes", Values::Bytes(values)) => {
            Arc::new(values.iter().map(|bytes| Some(bytes.as_ref())).collect::<BinaryViewArray>())
        }
        ("quality", _) => {
            let qualities = section.quality.iter().take(rows).map(|quality| quality.0);
            Arc::new(UInt32Array::from_iter_values(qualities))
        }
        _ => nothing(value_fields()[column].data_type())?,
    })
}

/// What can be reckoned with, one a row: as summaries have it.
pub(crate) fn figures(section: &Section) -> Float64Array {
    let all_good = section.quality.0.is_empty();
    let usable = |value: f64, quality: Quality| (!quality.is_bad() && !value.is_nan()).then_some(value);
    fn column(values: impl Iterator<Item = Option<f64>>) -> Float64Array {
        values.collect()
    }
    let qualities = || section.quality.iter();
    match &section.values {
        Values::Absent(_) | Values::String(_) | Values::Bytes(_) => Float64Array::new_null(section.len()),
        Values::F64(values) if all_good && !values.iter().any(|value| value.is_nan()) => {
            Float64Array::from(values.clone())
        }
        Values::I64(values) if all_good => {
            Float64Array::from_iter_values(values.iter().map(|value| *value as f64))
        }
        Values::F64(values) => column(values.iter().zip(qualities()).map(|(v, q)| usable(*v, q))),
        Values::F32(values) => column(values.iter().zip(qualities()).map(|(v, q)| usable(f64::from(*v), q))),
        Values::I64(values) => column(values.iter().zip(qualities()).map(|(v, q)| usable(*v as f64, q))),
        Values::U64(values) => column(values.iter().zip(qualities()).map(|(v, q)| usable(*v as f64, q))),
        Values::Bool(values) => {
            column(values.iter().zip(qualities()).map(|(v, q)| usable(f64::from(u8::from(*v)), q)))
        }
    }
}
