//! Tables that are made when they are asked for: latest values, the plant model, what apps publish.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use plant::PlantModel;
use sdk::{BoxFuture, Column, ColumnType, Scope, View};
use types::{Asset, Fault, Label, Latest, OrgId, Query, Stored, Time, Value, ValueType};

use crate::book::{self, Places, Scene, is_about_points};
use crate::fault::refusal;
use crate::history::{time_type, times, value_fields};

/// Rows of a published table that one query reads.
pub const VIEW_ROWS_MAX: usize = 1_000_000;

type Make = dyn Fn(Vec<Expr>) -> BoxFuture<'static, Result<RecordBatch>> + Send + Sync;

/// See the top of the file.
pub(crate) struct Made {
    name: &'static str,
    schema: SchemaRef,
    /// Conditions on the columns of points are answered by the maker.
    about_points: bool,
    make: Box<Make>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[async_trait]
impl TableProvider for Made {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn table_type(&self) -> TableType {
        TableType::Base
    }
    fn supports_filters_pushdown(&self, conditions: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |condition: &&Expr| match self.about_points && is_about_points(condition) {
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
        let batch = (self.make)(conditions.to_vec()).await?;
        let table = MemTable::try_new(self.schema.clone(), vec![vec![batch]])?;
        table.scan(state, projection, &[], limit).await
    }
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8View, true)
}

fn texts<T>(of: &[T], text: impl Fn(&T) -> Option<String>) -> ArrayRef {
    Arc::new(of.iter().map(text).collect::<StringViewArray>())
}

/// `latest`: the newest value of every point that has one.
pub(crate) fn latest(scene: Scene) -> Made {
    let mut fields = vec![Field::new("time", time_type(), true)];
    fields.extend(book::SCHEMA.fields().iter().map(|field| field.as_ref().clone()));
    fields.extend(value_fields());
    fields.push(Field::new("quality_time", time_type(), false));
    fields.push(Field::new("recorded", time_type(), false));
    let schema = Arc::new(Schema::new(fields));
    let made_with = schema.clone();
    let make = move |conditions: Vec<Expr>| -> BoxFuture<'static, Result<RecordBatch>> {
        let (scene, schema) = (scene.clone(), made_with.clone());
        Box::pin(async move {
            let book = scene.book().await?;
            let places = book.select(&conditions)?;
            let ids: Vec<_> = places.iter().map(|place| book.points[*place as usize]).collect();
            let found = scene.historian.latest(&ids).into_iter().zip(places);
            let (rows, places): (Vec<Latest>, Vec<u32>) =
                found.filter_map(|(latest, place)| Some((latest?, place))).unzip();
            let places = UInt32Array::from(places);
            let mut columns = vec![Arc::new(
                rows.iter()
                    .map(|row| row.value.is_some().then_some(row.value_time.0))
                    .collect::<TimestampNanosecondArray>()
                    .with_timezone("+00:00"),
            ) as ArrayRef];
            for column in 0..book::COLUMNS.len() {
                columns.push(book.column(column, &places)?);
            }
            columns.extend(latest_values(&rows));
            columns.push(times(rows.iter().map(|row| row.quality_time)));
            columns.push(times(rows.iter().map(|row| row.recorded)));
            Ok(RecordBatch::try_new(schema, columns)?)
        })
    };
    Made { name: "latest", schema, about_points: true, make: Box::new(make) }
}

/// The value columns of latest values: their types differ from row to row.
fn latest_values(rows: &[Latest]) -> Vec<ArrayRef> {
    let figure = |row: &Latest| {
        let figure = row.value.as_ref().and_then(Value::as_f64);
        figure.filter(|value| !row.quality.is_bad() && !value.is_nan())
    };
    let float = |row: &Latest| match row.value {
        Some(Value::F64(value)) => Some(value),
        Some(Value::F32(value)) => Some(f64::from(value)),
        _ => None,
    };
    let integer = |row: &Latest| if let Some(Value::I64(value)) = row.value { Some(value) } else { None };
    let unsigned = |row: &Latest| if let Some(Value::U64(value)) = row.value { Some(value) } else { None };
    let boolean = |row: &Latest| if let Some(Value::Bool(value)) = row.value { Some(value) } else { None };
    let text = rows.iter().map(|row| match &row.value {
        Some(Value::String(text)) => Some(text.as_ref()),
        _ => None,
    });
    let bytes = rows.iter().map(|row| match &row.value {
        Some(Value::Bytes(bytes)) => Some(bytes.as_ref()),
        _ => None,
    });
    vec![
        Arc::new(rows.iter().map(figure).collect::<Float64Array>()),
        Arc::new(rows.iter().map(float).collect::<Float64Array>()),
        Arc::new(rows.iter().map(integer).collect::<Int64Array>()),
        Arc::new(rows.iter().map(unsigned).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(boolean).collect::<BooleanArray>()),
        Arc::new(text.collect::<StringViewArray>()),
        Arc::new(bytes.collect::<BinaryViewArray>()),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.quality.0))),
    ]
}

/// `points`: every point, with the columns that samples have too.
pub(crate) fn points(scene: Scene) -> Made {
    let schema = book::SCHEMA.clone();
    let make = move |conditions: Vec<Expr>| -> BoxFuture<'static, Result<RecordBatch>> {
        let scene = scene.clone();
        Box::pin(async move {
            let book = scene.book().await?;
            let places = UInt32Array::from(book.select(&conditions)?);
            let columns: Result<Vec<ArrayRef>> =
                (0..book::COLUMNS.len()).map(|column| book.column(column, &places)).collect();
            Ok(RecordBatch::try_new(book::SCHEMA.clone(), columns?)?)
        })
    };
    Made { name: "points", schema, about_points: true, make: Box::new(make) }
}

/// A table of the plant model or of an app.
fn table<F>(name: &'static str, schema: SchemaRef, make: F) -> Made
where
    F: Fn() -> BoxFuture<'static, Result<Vec<ArrayRef>, Fault>> + Send + Sync + 'static,
{
    let made_with = schema.clone();
    let make = move |_: Vec<Expr>| -> BoxFuture<'static, Result<RecordBatch>> {
        let (columns, schema) = (make(), made_with.clone());
        Box::pin(async move { Ok(RecordBatch::try_new(schema, columns.await.map_err(refusal)?)?) })
    };
    Made { name, schema, about_points: false, make: Box::new(make) }
}

fn shown(label: &Label) -> [Option<String>; 2] {
    [&label.zh, &label.en].map(|text| (!text.is_empty()).then(|| text.clone()))
}

fn kind_name(asset: &Asset) -> Option<String> {
    serde_json::to_value(asset.kind).ok()?.as_str().map(str::to_string)
}

/// `assets`: places and machines.
pub(crate) fn assets(plant: PlantModel, org: OrgId) -> Made {
    let names =
        ["asset_id", "asset", "path", "kind", "name_zh", "name_en", "parent_id", "asset_type", "zone"];
    let schema = Arc::new(Schema::new(names.map(text).to_vec()));
    table("assets", schema, move || {
        let plant = plant.clone();
        Box::pin(async move {
            let tree: Vec<Stored<Asset>> = plant.asset_tree(org).await?;
            let places = Places::of(&tree);
            let types = plant.all_asset_types(org).await?;
            let key = |asset: &Asset| {
                let id = asset.asset_type?;
                types.iter().find(|stored| stored.id == id).map(|stored| stored.body.key.clone())
            };
            Ok(vec![
                texts(&tree, |a| Some(a.id.to_string())),
                texts(&tree, |a| places.name(a.id).map(str::to_string)),
                texts(&tree, |a| places.path(a.id).map(str::to_string)),
                texts(&tree, |a| kind_name(&a.body)),
                texts(&tree, |a| shown(&a.body.name)[0].clone()),
                texts(&tree, |a| shown(&a.body.name)[1].clone()),
                texts(&tree, |a| a.body.parent.map(|id| id.to_string())),
                texts(&tree, |a| key(&a.body)),
                texts(&tree, |a| a.body.zone.as_ref().map(|zone| zone.name().to_string())),
            ])
        })
    })
}

/// `devices`: what speaks a protocol. Their configuration is not shown: it may hold addresses and names of accounts.
pub(crate) fn devices(plant: PlantModel, org: OrgId) -> Made {
    let mut fields = ["device_id", "device", "driver"].map(text).to_vec();
    fields.push(Field::new("enabled", DataType::Boolean, false));
    fields.push(Field::new("writes_enabled", DataType::Boolean, false));
    fields.push(Field::new("added", time_type(), true));
    table("devices", Arc::new(Schema::new(fields)), move || {
        let plant = plant.clone();
        Box::pin(async move {
            let all = plant.all_devices(org).await?;
            let added = all.iter().map(|d| d.body.added.map(|time| time.0));
            Ok(vec![
                texts(&all, |d| Some(d.id.to_string())),
                texts(&all, |d| Some(d.body.name.clone())),
                texts(&all, |d| Some(d.body.driver.clone())),
                Arc::new(BooleanArray::from_iter(all.iter().map(|d| Some(d.body.enabled)))),
                Arc::new(BooleanArray::from_iter(all.iter().map(|d| Some(d.body.writes_enabled)))),
                Arc::new(added.collect::<TimestampNanosecondArray>().with_timezone("+00:00")),
            ])
        })
    })
}

/// A table that an app publishes, through the caller's own handle on records.
pub(crate) fn published(scope: Scope, view: &'static View) -> Made {
    let mut fields = vec![text("id")];
    fields.extend(view.columns.iter().map(|column| Field::new(column.name, arrow_type(column), true)));
    table(view.name, Arc::new(Schema::new(fields)), move || {
        let scope = scope.clone();
        Box::pin(async move {
            let (mut rows, mut after) = (Vec::new(), None);
            loop {
                let page = scope.records.view(view, after, Query::LIMIT_MAX).await?;
                rows.extend(page.items);
                if rows.len() > VIEW_ROWS_MAX {
                    let detail = format!(
                        "`{}` has more than {VIEW_ROWS_MAX} rows: read it through /api/v1/views",
                        view.name
                    );
                    return Err(Fault::new(types::codes::LIMIT, detail));
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            let mut columns = vec![texts(&rows, |row| Some(row.id.to_string()))];
            columns.extend(view.columns.iter().map(|column| column_of(column, &rows)));
            Ok(columns)
        })
    })
}

fn arrow_type(column: &Column) -> DataType {
    match column.value_type {
        ColumnType::Time => time_type(),
        ColumnType::Id => DataType::Utf8View,
        ColumnType::Scalar(of) => match of {
            ValueType::Bool => DataType::Boolean,
            ValueType::I64 => DataType::Int64,
            ValueType::U64 => DataType::UInt64,
            ValueType::F32 | ValueType::F64 => DataType::Float64,
            ValueType::String | ValueType::Bytes => DataType::Utf8View,
        },
    }
}

fn column_of(column: &Column, rows: &[Stored<serde_json::Value>]) -> ArrayRef {
    let found = rows.iter().map(|row| row.body.pointer(column.path).filter(|value| !value.is_null()));
    // i64 and u64 travel as strings.
    fn number<T: std::str::FromStr>(value: &serde_json::Value) -> Option<T> {
        match value {
            serde_json::Value::String(digits) => digits.parse().ok(),
            other => other.to_string().parse().ok(),
        }
    }
    match arrow_type(column) {
        DataType::Boolean => Arc::new(found.map(|v| v?.as_bool()).collect::<BooleanArray>()),
        DataType::Int64 => Arc::new(found.map(|v| number::<i64>(v?)).collect::<Int64Array>()),
        DataType::UInt64 => Arc::new(found.map(|v| number::<u64>(v?)).collect::<UInt64Array>()),
        DataType::Float64 => Arc::new(found.map(|v| v?.as_f64()).collect::<Float64Array>()),
        DataType::Timestamp(..) => {
            let time =
                |v: Option<&serde_json::Value>| Some(serde_json::from_value::<Time>(v?.clone()).ok()?.0);
            Arc::new(found.map(time).collect::<TimestampNanosecondArray>().with_timezone("+00:00"))
        }
        _ => {
            let text = |v: Option<&serde_json::Value>| match v? {
                serde_json::Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            Arc::new(found.map(text).collect::<StringViewArray>())
        }
    }
}
