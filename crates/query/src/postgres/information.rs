//! `information_schema`, as PostgreSQL words it: the engine's own has the names of its types, which no tool of PostgreSQL
//! knows. The tables of a connection do not change, so each is made once.
//!
//! Source: ISO/IEC 9075-11 and PostgreSQL 16, "The Information Schema".

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{CatalogProvider, MemTable, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::Result;

use super::functions::SETTINGS;
use crate::CATALOG;

/// As it is named.
pub(super) const NAME: &str = "information_schema";

/// Tables that are there and empty, with their columns: tools join them.
const EMPTY: [(&str, &str); 5] = [
    ("views", "table_catalog table_schema table_name view_definition"),
    (
        "table_constraints",
        "constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name constraint_type",
    ),
    (
        "key_column_usage",
        "constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name column_name",
    ),
    (
        "referential_constraints",
        "constraint_catalog constraint_schema constraint_name unique_constraint_schema unique_constraint_name",
    ),
    ("routines", "routine_catalog routine_schema routine_name routine_type data_type"),
];

/// Of the tables of a catalog.
pub(super) fn of(
    tables: &[(&str, &str, Arc<dyn TableProvider>)],
    catalog: &dyn CatalogProvider,
) -> Result<Arc<dyn SchemaProvider>> {
    let schema = MemorySchemaProvider::new();
    let mut schemas = catalog.schema_names();
    schemas.extend([NAME.to_string(), super::PG_CATALOG.to_string()]);
    schemas.sort();
    schemas.dedup();
    let all = |value: &str| -> Vec<Option<String>> { vec![Some(value.to_string()); tables.len()] };
    let none = || -> Vec<Option<String>> { vec![None; tables.len()] };
    schema.register_table(
        "schemata".into(),
        table(vec![
            ("catalog_name", texts(schemas.iter().map(|_| Some(CATALOG.to_string())))),
            ("schema_name", texts(schemas.iter().cloned().map(Some))),
            ("schema_owner", texts(schemas.iter().map(|_| Some(CATALOG.to_string())))),
        ])?,
    )?;
    schema.register_table(
        "tables".into(),
        table(vec![
            ("table_catalog", texts(all(CATALOG))),
            ("table_schema", texts(tables.iter().map(|(schema, ..)| Some(schema.to_string())))),
            ("table_name", texts(tables.iter().map(|(_, name, _)| Some(name.to_string())))),
            ("table_type", texts(all("BASE TABLE"))),
            ("self_referencing_column_name", texts(none())),
            ("is_insertable_into", texts(all("NO"))),
        ])?,
    )?;
    schema.register_table("columns".into(), columns(tables)?)?;
    for (name, columns) in EMPTY {
        let columns = columns.split(' ').map(|name| (name, texts([]))).collect();
        schema.register_table(name.into(), table(columns)?)?;
    }
    Ok(Arc::new(schema))
}

/// The system tables with settings in them, of which the wire's own has one.
#[derive(Debug)]
pub(super) struct WithSettings<S> {
    inner: S,
    settings: Arc<dyn TableProvider>,
}

impl<S: SchemaProvider> WithSettings<S> {
    pub(super) fn new(inner: S) -> Result<WithSettings<S>> {
        let all = |value: Option<&str>| texts(SETTINGS.iter().map(|_| value.map(str::to_string)));
        let settings = table(vec![
            ("name", texts(SETTINGS.iter().map(|(name, _)| Some(name.to_string())))),
            ("setting", texts(SETTINGS.iter().map(|(_, value)| Some(value.to_string())))),
            ("unit", all(None)),
            ("category", all(Some("Preset Options"))),
            ("short_desc", all(None)),
            ("context", all(Some("internal"))),
            ("vartype", all(Some("string"))),
            ("source", all(Some("default"))),
            ("boot_val", texts(SETTINGS.iter().map(|(_, value)| Some(value.to_string())))),
            ("reset_val", texts(SETTINGS.iter().map(|(_, value)| Some(value.to_string())))),
        ])?;
        Ok(WithSettings { inner, settings })
    }
}

#[async_trait]
impl<S: SchemaProvider> SchemaProvider for WithSettings<S> {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }
    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == "pg_settings" {
            return Ok(Some(self.settings.clone()));
        }
        self.inner.table(name).await
    }
    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}

fn columns(tables: &[(&str, &str, Arc<dyn TableProvider>)]) -> Result<Arc<dyn TableProvider>> {
    struct Row {
        schema: String,
        table: String,
        number: i32,
        field: Arc<Field>,
        of: Described,
    }
    let mut rows = Vec::new();
    for (schema, table, provider) in tables {
        for (number, field) in (1..).zip(provider.schema().fields()) {
            let (schema, table) = (schema.to_string(), table.to_string());
            rows.push(Row { schema, table, number, field: field.clone(), of: described(field.data_type()) });
        }
    }
    let text = |of: &dyn Fn(&Row) -> Option<String>| texts(rows.iter().map(of));
    let number = |of: &dyn Fn(&Row) -> Option<i32>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int32Array>())
    };
    let yes = |is: bool| Some(if is { "YES" } else { "NO" }.to_string());
    let set = |value: &str| Some(value.to_string());
    table(vec![
        ("table_catalog", text(&|_| set(CATALOG))),
        ("table_schema", text(&|row| Some(row.schema.clone()))),
        ("table_name", text(&|row| Some(row.table.clone()))),
        ("column_name", text(&|row| Some(row.field.name().clone()))),
        ("ordinal_position", number(&|row| Some(row.number))),
        ("column_default", text(&|_| None)),
        ("is_nullable", text(&|row| yes(row.field.is_nullable()))),
        ("data_type", text(&|row| set(row.of.data_type))),
        ("character_maximum_length", number(&|_| None)),
        ("character_octet_length", number(&|_| None)),
        ("numeric_precision", number(&|row| row.of.precision)),
        ("numeric_precision_radix", number(&|row| row.of.precision.map(|_| row.of.radix))),
        ("numeric_scale", number(&|row| row.of.scale)),
        ("datetime_precision", number(&|row| row.of.data_type.starts_with("timestamp").then_some(6))),
        ("udt_catalog", text(&|_| set(CATALOG))),
        ("udt_schema", text(&|_| set(super::PG_CATALOG))),
        ("udt_name", text(&|row| set(row.of.udt_name))),
        ("is_identity", text(&|_| yes(false))),
        ("is_generated", text(&|_| set("NEVER"))),
        ("is_updatable", text(&|_| yes(false))),
    ])
}

/// A type in PostgreSQL's words.
struct Described {
    data_type: &'static str,
    udt_name: &'static str,
    /// Digits, of this base.
    precision: Option<i32>,
    radix: i32,
    scale: Option<i32>,
}

/// As the wire sends values of this type.
fn described(of: &DataType) -> Described {
    let plain =
        |data_type, udt_name| Described { data_type, udt_name, precision: None, radix: 2, scale: None };
    let number = |data_type, udt_name, precision, scale| Described {
        precision: Some(precision),
        scale,
        ..plain(data_type, udt_name)
    };
    match of {
        DataType::Boolean => plain("boolean", "bool"),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => number("smallint", "int2", 16, Some(0)),
        DataType::Int32 | DataType::UInt16 => number("integer", "int4", 32, Some(0)),
        DataType::Int64 | DataType::UInt32 => number("bigint", "int8", 64, Some(0)),
        DataType::UInt64 => Described { radix: 10, ..number("numeric", "numeric", 20, Some(0)) },
        DataType::Decimal128(digits, scale) => Described {
            radix: 10,
            ..number("numeric", "numeric", i32::from(*digits), Some(i32::from(*scale)))
        },
        DataType::Float16 | DataType::Float32 => number("real", "float4", 24, None),
        DataType::Float64 => number("double precision", "float8", 53, None),
        DataType::Date32 | DataType::Date64 => plain("date", "date"),
        DataType::Timestamp(_, Some(_)) => plain("timestamp with time zone", "timestamptz"),
        DataType::Timestamp(_, None) => plain("timestamp without time zone", "timestamp"),
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => plain("bytea", "bytea"),
        _ => plain("text", "text"),
    }
}

fn texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<Arc<dyn TableProvider>> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, values)| Field::new(*name, values.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, values)| values).collect())?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
}
