//! Answers as bytes: JSON, CSV, Arrow IPC and Parquet, one batch after the other.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int64Type, Schema, SchemaRef, TimestampNanosecondType,
    UInt64Type,
};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DataFusionError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;
use types::{Fault, Time};

use crate::fault::fault_of;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Format {
    #[default]
    Json,
    Csv,
    Arrow,
    Parquet,
}

impl Format {
    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Begins an answer with these columns.
    ///
    /// # Errors
    /// Columns that the format has no form for.
    pub fn begin(self, schema: &SchemaRef) -> Result<Writer, Fault> {
        let to = Shared::default();
        let encoder = match self {
            Format::Json => Encoder::Json(Json::begin(&to, schema)),
            Format::Csv => {
                let builder = csv::WriterBuilder::new().with_header(true);
                Encoder::Csv(Box::new(builder.build(to.clone())))
            }
            Format::Arrow => {
                let plain = plain(schema);
                let writer = StreamWriter::try_new(to.clone(), &plain).map_err(failed)?;
                Encoder::Arrow(Box::new(writer), plain)
            }
            Format::Parquet => {
                let plain = plain(schema);
                let writer = ArrowWriter::try_new(to.clone(), plain.clone(), Some(parquet_properties()))
                    .map_err(|error| failed(DataFusionError::from(error)))?;
                Encoder::Parquet(Box::new(writer), plain)
            }
        };
        let header = (self == Format::Csv).then(|| RecordBatch::new_empty(schema.clone()));
        let mut writer = Writer { to, encoder };
        if let Some(header) = header {
            // The header line, also when no rows come.
            writer.write(&header)?;
        }
        Ok(writer)
    }
}

/// Parquet as `storage` measured it best for samples: time in deltas, values plain, no dictionary on either, zstd.
pub fn parquet_properties() -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default());
    WriterProperties::builder()
        .set_compression(zstd)
        .set_column_encoding("time".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled("time".into(), false)
        .set_column_dictionary_enabled("value".into(), false)
        .set_column_dictionary_enabled("float".into(), false)
        .set_max_row_group_row_count(Some(1 << 20))
        .build()
}

/// For readers outside: texts and bytes in the form that all of them know.
fn plain(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let of = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        Field::new(field.name(), of, field.is_nullable())
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn in_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Result<Vec<_>, _> =
        columns.map(|(column, field)| datafusion::arrow::compute::cast(column, field.data_type())).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns?)?)
}

fn failed(error: impl Into<DataFusionError>) -> Fault {
    fault_of(&error.into())
}

/// Where encoders write to, and what is taken out of it as it comes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes one answer.
pub struct Writer {
    to: Shared,
    encoder: Encoder,
}

enum Encoder {
    Json(Json),
    Csv(Box<csv::Writer<Shared>>),
    Arrow(Box<StreamWriter<Shared>>, SchemaRef),
    Parquet(Box<ArrowWriter<Shared>>, SchemaRef),
}

impl Writer {
    /// The bytes so far, for a batch more.
    ///
    /// # Errors
    /// A value that the format has no form for.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, Fault> {
        self.write(batch)?;
        Ok(self.to.take())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        match &mut self.encoder {
            Encoder::Json(json) => json.batch(batch).map_err(failed),
            Encoder::Csv(writer) => writer.write(batch).map_err(failed),
            Encoder::Arrow(writer, schema) => {
                in_schema(batch, schema).and_then(|batch| Ok(writer.write(&batch)?)).map_err(failed)
            }
            Encoder::Parquet(writer, schema) => {
                in_schema(batch, schema).and_then(|batch| Ok(writer.write(&batch)?)).map_err(failed)
            }
        }
    }

    /// The last bytes. `stopped`: the answer is not whole, which JSON can still say.
    ///
    /// # Errors
    /// The answer is not whole and the format has no way to say so: what was sent must be cut off.
    pub fn end(self, is_truncated: bool, stopped: Option<Fault>) -> Result<Bytes, Fault> {
        let to = self.to;
        match (self.encoder, stopped) {
            (Encoder::Json(json), stopped) => json.end(is_truncated, stopped.as_ref()),
            (_, Some(fault)) => return Err(fault),
            (Encoder::Csv(_), None) => {}
            (Encoder::Arrow(mut writer, _), None) => writer.finish().map_err(failed)?,
            (Encoder::Parquet(writer, _), None) => {
                writer.close().map_err(|error| failed(DataFusionError::from(error)))?;
            }
        }
        Ok(to.take())
    }
}

/// `{"columns": [{"name", "type"}], "rows": [[…]], "truncated"}`; 64-bit integers as strings, times in RFC 3339, bytes in
/// hex, floats that are not finite as strings: as values are written everywhere in the API.
struct Json {
    to: Shared,
    is_first: bool,
}

impl Json {
    fn begin(to: &Shared, schema: &SchemaRef) -> Json {
        let columns: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| json!({ "name": field.name(), "type": column_type(field.data_type()) }))
            .collect();
        let json = Json { to: to.clone(), is_first: true };
        json.put(&format!("{{\"columns\":{},\"rows\":[", serde_json::Value::from(columns)));
        json
    }

    fn put(&self, text: &str) {
        self.to.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text.as_bytes());
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let cells: Result<Vec<Cells<'_>>, DataFusionError> =
            batch.columns().iter().map(|column| Cells::of(column.as_ref())).collect();
        let cells = cells?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            text.push_str(if std::mem::take(&mut self.is_first) { "\n[" } else { ",\n[" });
            for (at, cells) in cells.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                cells.put(row, &mut text)?;
            }
            text.push(']');
        }
        self.put(&text);
        Ok(())
    }

    fn end(&self, is_truncated: bool, stopped: Option<&Fault>) {
        let mut end = format!("],\"truncated\":{is_truncated}");
        if let Some(fault) = stopped {
            end += &format!(",\"error\":{}", json!(fault));
        }
        self.put(&(end + "}\n"));
    }
}

/// Words for types that people and programs outside know.
pub fn column_type(of: &DataType) -> &'static str {
    match of {
        DataType::Boolean => "bool",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "i32",
        DataType::Int64 => "i64",
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => "u32",
        DataType::UInt64 => "u64",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "f64",
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "decimal",
        DataType::Timestamp(..) => "time",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytes"
        }
        DataType::Null => "null",
        _ => "other",
    }
}

/// The cells of a column, each on its way to JSON.
struct Cells<'a> {
    column: &'a dyn Array,
    other: Option<ArrayFormatter<'a>>,
}

impl<'a> Cells<'a> {
    fn of(column: &'a dyn Array) -> Result<Cells<'a>, DataFusionError> {
        static OPTIONS: FormatOptions<'static> = FormatOptions::new();
        let known = matches!(
            column.data_type(),
            DataType::Float64
                | DataType::Float32
                | DataType::Int64
                | DataType::UInt64
                | DataType::Boolean
                | DataType::Utf8View
        ) || is_time(column.data_type());
        let other = if known { None } else { Some(ArrayFormatter::try_new(column, &OPTIONS)?) };
        Ok(Cells { column, other })
    }

    fn put(&self, row: usize, text: &mut String) -> Result<(), DataFusionError> {
        use std::fmt::Write as _;
        let column = self.column;
        if column.is_null(row) || *column.data_type() == DataType::Null {
            text.push_str("null");
            return Ok(());
        }
        let float = |value: f64, text: &mut String| {
            let quote = if value.is_finite() { "" } else { "\"" };
            write!(text, "{quote}{value:?}{quote}")
        };
        let done = match column.data_type() {
            DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row), text),
            DataType::Float32 => {
                let value = column.as_primitive::<Float32Type>().value(row);
                if value.is_finite() { write!(text, "{value:?}") } else { float(f64::from(value), text) }
            }
            DataType::Int64 => write!(text, "\"{}\"", column.as_primitive::<Int64Type>().value(row)),
            DataType::UInt64 => write!(text, "\"{}\"", column.as_primitive::<UInt64Type>().value(row)),
            DataType::Boolean => write!(text, "{}", column.as_boolean().value(row)),
            DataType::Utf8View => write!(text, "{}", json!(column.as_string_view().value(row))),
            of if is_time(of) => {
                write!(text, "\"{}\"", Time(column.as_primitive::<TimestampNanosecondType>().value(row)))
            }
            of => match &self.other {
                Some(formatter) => {
                    let shown = formatter.value(row).try_to_string()?;
                    let bare = matches!(of, DataType::Int8 | DataType::Int16 | DataType::Int32)
                        || matches!(of, DataType::UInt8 | DataType::UInt16 | DataType::UInt32);
                    if bare { write!(text, "{shown}") } else { write!(text, "{}", json!(shown)) }
                }
                None => write!(text, "null"),
            },
        };
        done.map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

/// Stored times and what is worked out from them by whole units: all are shown in UTC.
fn is_time(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Nanosecond, Some(_)))
}
