//! What rows come to, per point and span: a table that no statement names and that [`crate::push`] puts in the place of
//! `samples` where only sums are wanted. Whole chunks are answered from their summaries, without reading a row.

use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray,
    UInt32Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures_util::StreamExt;
use historian::{Historian, RangeQuery, Summary, TrendQuery};
use types::{PointId, Section, Time};

use crate::book::{self, Book, Scene};
use crate::exec::PointsExec;
use crate::grid::Grid;
use crate::history::{external, figures, time_type};
use crate::span::Span;

/// Points of one reading at most.
const POINTS_A_READING: usize = 64;
/// Spans of one reading at most, over all of its points.
const SPANS_A_READING: i64 = 65_536;
/// Where fewer rows than one in so many spans are expected, rows are read and put into their spans instead.
const SPANS_A_ROW_MAX: i64 = 4;
/// Rows of one reading at most.
const ROWS_A_READING: usize = 65_536;

/// What is told of a span beside its point and its start.
const FIGURES: [&str; 7] = ["rows", "figures", "sum", "min", "max", "first_time", "last_time"];

/// The columns: which point, which span, what its rows come to.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<Field> = book::SCHEMA.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new("span", time_type(), true));
    fields.extend(FIGURES.iter().map(|name| {
        let of = match *name {
            "rows" | "figures" => DataType::Int64,
            "first_time" | "last_time" => time_type(),
            _ => DataType::Float64,
        };
        Field::new(*name, of, true)
    }));
    Arc::new(Schema::new(fields))
});

/// See the top of the file.
pub(crate) struct Sums {
    pub(crate) scene: Scene,
    /// Which points.
    pub(crate) conditions: Vec<Expr>,
    pub(crate) span: Span,
    /// `None`: one span for all.
    pub(crate) grid: Option<Grid>,
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("summaries of samples")
    }
}

#[async_trait]
impl TableProvider for Sums {
    fn schema(&self) -> SchemaRef {
        SCHEMA.clone()
    }
    fn table_type(&self) -> TableType {
        TableType::Base
    }
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let book = self.scene.book().await?;
        let places = book.select(&self.conditions)?;
        let columns = projection.cloned().unwrap_or_else(|| (0..SCHEMA.fields().len()).collect());
        let schema = Arc::new(SCHEMA.project(&columns)?);
        let threads = state.config_options().execution.target_partitions.max(1);
        let of = (places.len(), book.points.len());
        let width = match self.grid {
            Some(grid) => format!("spans of {} s", grid.width_ns as f64 / 1e9),
            None => "one span".to_string(),
        };
        let words = format!("{}, {width}, mostly from summaries", self.span);
        let historian = self.scene.historian.clone();
        let (span, grid) = (self.span, self.grid);
        let reading = Arc::new(Reading { historian, book, span, grid, columns, schema: schema.clone() });
        let open = move |places: Arc<[u32]>| {
            let tasks = Tasks { reading: reading.clone(), places, at: 0, open: Vec::new() };
            futures_util::stream::try_unfold(tasks, |mut tasks| async move {
                Ok(tasks.next().await?.map(|batch| (vec![batch], tasks)))
            })
            .boxed()
        };
        Ok(Arc::new(PointsExec::new("SummaryExec", schema, of, words, &places, threads, Box::new(open))))
    }
}

/// What all partitions share.
struct Reading {
    historian: Historian,
    book: Arc<Book>,
    span: Span,
    grid: Option<Grid>,
    /// Of [`SCHEMA`].
    columns: Vec<usize>,
    schema: SchemaRef,
}

/// One span of one point: its place in the book, its start, what its rows come to.
type Found = (u32, Option<i64>, Tally);

/// What rows come to.
#[derive(Clone, Copy)]
struct Tally {
    rows: i64,
    figures: i64,
    sum: f64,
    min: f64,
    max: f64,
    first: Time,
    last: Time,
}

impl Tally {
    fn of(summary: &Summary) -> Tally {
        Tally {
            rows: summary.rows as i64,
            figures: summary.figures as i64,
            sum: summary.sum,
            min: summary.min.value,
            max: summary.max.value,
            first: summary.first_time,
            last: summary.last_time,
        }
    }

    fn of_row(time: Time, figure: Option<f64>) -> Tally {
        let value = figure.unwrap_or(0.0);
        let figures = i64::from(figure.is_some());
        Tally { rows: 1, figures, sum: value, min: value, max: value, first: time, last: time }
    }

    /// Takes in what comes after.
    fn join(&mut self, later: Tally) {
        if later.figures > 0 {
            let is_first = self.figures == 0;
            self.sum += later.sum;
            self.min = if is_first { later.min } else { self.min.min(later.min) };
            self.max = if is_first { later.max } else { self.max.max(later.max) };
        }
        self.rows += later.rows;
        self.figures += later.figures;
        self.last = later.last;
    }
}

/// The points of one partition, and what of them is still to be read.
struct Tasks {
    reading: Arc<Reading>,
    places: Arc<[u32]>,
    /// Points before this one have been looked at.
    at: usize,
    open: Vec<Task>,
}

/// Something to read.
enum Task {
    /// Equal spans of some points.
    Spans { places: Vec<u32>, from: i64, width_ns: i64, count: i64 },
    /// One span of some points, which starts there in the grid.
    Part { places: Vec<u32>, from: Time, to: Time, start: Option<i64> },
    /// Rows of one point, to be put into their spans.
    Rows { place: u32, from: Time, to: Time },
}

impl Tasks {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let found = match self.open.pop() {
                Some(task) => self.read(task).await?,
                None if self.at < self.places.len() => {
                    let end = self.places.len().min(self.at + POINTS_A_READING);
                    let places = self.places[self.at..end].to_vec();
                    self.at = end;
                    self.plan(places).await?;
                    continue;
                }
                None => return Ok(None),
            };
            if !found.is_empty() {
                return batch(&found, &self.reading).map(Some);
            }
        }
    }

    /// What to read of some points.
    async fn plan(&mut self, places: Vec<u32>) -> Result<()> {
        let Span { from, to } = self.reading.span;
        let Some(grid) = self.reading.grid else {
            self.open.push(Task::Part { places, from, to, start: None });
            return Ok(());
        };
        // What a grid is laid over: from the first row on, to the last.
        let whole = self.trend(&places, from, to, 1).await?;
        for (place, _, whole) in whole {
            let (Some(first), Some(last)) = (grid.start(whole.first), grid.start(whole.last)) else {
                self.open.push(Task::Rows { place, from, to });
                continue;
            };
            let spans = last.abs_diff(first) / grid.width_ns as u64 + 1;
            if spans > whole.rows.saturating_mul(SPANS_A_ROW_MAX) as u64 {
                self.open.push(Task::Rows { place, from, to });
                continue;
            }
            self.lay(place, (whole.first, whole.last), grid, first, last);
        }
        Ok(())
    }

    /// Spans over the rows of a point: of one that the query cuts, only the part inside.
    fn lay(&mut self, place: u32, (from, to): (Time, Time), grid: Grid, first: i64, last: i64) {
        let Span { from: begin, to: end } = self.reading.span;
        let is_cut = |start: i64| {
            let after = i128::from(start) + i128::from(grid.width_ns);
            start < begin.0 || after > i128::from(end.0)
        };
        let places = vec![place];
        let (mut start, mut count) = (first, (last - first) / grid.width_ns + 1);
        if is_cut(last) {
            count -= 1;
            let from = from.max(Time(last));
            let to = Time(to.0.saturating_add(1));
            self.open.push(Task::Part { places: places.clone(), from, to, start: Some(last) });
        }
        if count > 0 && is_cut(first) && first != last {
            let to = Time(first + grid.width_ns);
            self.open.push(Task::Part { places: places.clone(), from, to, start: Some(first) });
            (start, count) = (start + grid.width_ns, count - 1);
        }
        while count > 0 {
            let some = count.min(i64::from(TrendQuery::COLUMNS_MAX));
            self.merge_or_push(places.clone(), start, grid.width_ns, some);
            (start, count) = (start + some * grid.width_ns, count - some);
        }
    }

    /// Points with the same spans are read together.
    fn merge_or_push(&mut self, places: Vec<u32>, from: i64, width_ns: i64, count: i64) {
        for task in &mut self.open {
            if let Task::Spans { places: others, from: begin, count: spans, .. } = task
                && (*begin, *spans) == (from, count)
                && (others.len() as i64 + 1) * count <= SPANS_A_READING
            {
                others.extend(places);
                return;
            }
        }
        self.open.push(Task::Spans { places, from, width_ns, count });
    }

    async fn read(&mut self, task: Task) -> Result<Vec<Found>> {
        match task {
            Task::Part { places, from, to, start } => {
                let found = self.trend(&places, from, to, 1).await?;
                Ok(found.into_iter().map(|(place, _, tally)| (place, start, tally)).collect())
            }
            Task::Spans { places, from, width_ns, count } => {
                let to = Time(from.saturating_add(count.saturating_mul(width_ns)));
                self.trend(&places, Time(from), to, u32::try_from(count).unwrap_or(u32::MAX)).await
            }
            Task::Rows { place, from, to } => self.rows(place, from, to).await,
        }
    }

    /// What equal spans of some points come to, without those that have no rows.
    async fn trend(&self, places: &[u32], from: Time, to: Time, columns: u32) -> Result<Vec<Found>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let Reading { historian, book, .. } = self.reading.as_ref();
        let points: Vec<PointId> = places.iter().map(|place| book.points[*place as usize]).collect();
        let query = TrendQuery { points, from, to, columns, exact: true };
        let trends = historian.trend(query).await.map_err(external)?;
        let width = to.0.abs_diff(from.0) / u64::from(columns);
        let mut found = Vec::new();
        for (place, trend) in places.iter().zip(&trends) {
            for (column, summary) in (0_u64..).zip(&trend.columns) {
                if summary.rows > 0 {
                    let start = from.0.saturating_add_unsigned(column * width);
                    found.push((*place, Some(start), Tally::of(summary)));
                }
            }
        }
        Ok(found)
    }

    /// The rows of a point in their spans; what is left is read next.
    async fn rows(&mut self, place: u32, from: Time, to: Time) -> Result<Vec<Found>> {
        let Reading { historian, book, grid, .. } = self.reading.as_ref();
        let query = RangeQuery {
            points: vec![book.points[place as usize]],
            from,
            to,
            limit_rows: ROWS_A_READING,
            newest_first: false,
            known_at: None,
        };
        let sections = historian.range(query).await.map_err(external)?;
        let rows: usize = sections.iter().map(Section::len).sum();
        let mut found: Vec<Found> = Vec::new();
        for section in &sections {
            for (time, figure) in section.times.iter().zip(&figures(section)) {
                let start = grid.and_then(|grid| grid.start(*time));
                let tally = Tally::of_row(*time, figure);
                match found.last_mut() {
                    Some((_, before, whole)) if *before == start => whole.join(tally),
                    _ => found.push((place, start, tally)),
                }
            }
        }
        let last = sections.last().and_then(|section| section.times.last());
        if let (true, Some(last)) = (rows == ROWS_A_READING, last) {
            self.open.push(Task::Rows { place, from: Time(last.0.saturating_add(1)), to });
        }
        Ok(found)
    }
}

fn batch(found: &[Found], reading: &Reading) -> Result<RecordBatch> {
    let places: UInt32Array = found.iter().map(|(place, ..)| Some(*place)).collect();
    let float = |value: fn(&Tally) -> f64| -> ArrayRef {
        Arc::new(found.iter().map(|(_, _, t)| (t.figures > 0).then(|| value(t))).collect::<Float64Array>())
    };
    let integer = |value: fn(&Tally) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(found.iter().map(|(_, _, t)| value(t))))
    };
    let time = |value: &dyn Fn(&Found) -> Option<i64>| -> ArrayRef {
        Arc::new(found.iter().map(value).collect::<TimestampNanosecondArray>().with_timezone("+00:00"))
    };
    let columns: Result<Vec<ArrayRef>> = reading
        .columns
        .iter()
        .map(|column| {
            Ok(match SCHEMA.field(*column).name().as_str() {
                "span" => time(&|(_, start, _)| *start),
                "rows" => integer(|t| t.rows),
                "figures" => integer(|t| t.figures),
                "sum" => float(|t| t.sum),
                "min" => float(|t| t.min),
                "max" => float(|t| t.max),
                "first_time" => time(&|(_, _, t)| Some(t.first.0)),
                "last_time" => time(&|(_, _, t)| Some(t.last.0)),
                _ => reading.book.column(*column, &places)?,
            })
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
    Ok(RecordBatch::try_new_with_options(reading.schema.clone(), columns?, &options)?)
}
