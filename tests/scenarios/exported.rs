//! History as Parquet says the same as the historian, value by value: in memory, in segments, compacted.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use ::types::{BatchHeader, OrgId, Origin, PointId, Quality, SampleBatch, SourceId, Time, Value};
use access::Role;
use arrow_array::{Array, RecordBatch, cast::AsArray, types};
use historian::{Historian, RangeQuery, Scope};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use query::format::Format;
use sdk::http::Permission;
use serde_json::json;

use crate::support::{dice::Dice, node::Node};

/// Histories, each of a point of its own.
const HISTORIES: usize = 1_000;

fn time(dice: &mut Dice) -> Time {
    match dice.roll(20) {
        0 => Time(i64::MIN + 1 + dice.roll(1_000)),
        1 => Time(i64::MAX - 1 - dice.roll(1_000)),
        2 => Time(dice.roll(7) - 3),
        // Few of them, so that rows are corrected.
        _ => Time(1_767_225_600_000_000_000 + dice.roll(40) * 1_500_000_000),
    }
}

fn one_of<T: Clone, const N: usize>(dice: &mut Dice, all: [T; N]) -> T {
    all[dice.roll(N as u32) as usize].clone()
}

fn value(dice: &mut Dice) -> Option<Value> {
    let digits = dice.roll(2_000) - 1_000;
    Some(match dice.roll(10) {
        0 => return None,
        1 => Value::Bool(digits > 0),
        2 => Value::I64(one_of(dice, [digits, i64::MIN, i64::MAX, (1 << 53) + 1])),
        3 => Value::U64(one_of(dice, [digits.unsigned_abs(), u64::MAX])),
        4 => Value::F32(one_of(dice, [digits as f32 / 8.0, 0.1, f32::NAN])),
        5 => Value::String(one_of(dice, ["", "3 号泵", "a,\"b\"\n"]).into()),
        6 => Value::Bytes([0, 255, digits as u8].as_slice().into()),
        7 => Value::F64(one_of(dice, [f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE / 2.0])),
        _ => Value::F64(digits as f64 / 8.0),
    })
}

fn row(dice: &mut Dice, point: PointId) -> (PointId, Time, Option<Value>, Quality) {
    let quality = one_of(dice, [Quality::GOOD, Quality::GOOD, Quality::UNCERTAIN, Quality::BAD]);
    (point, time(dice), value(dice), quality)
}

/// One row as text, so that NaN equals itself and -0.0 is not 0.0.
type Row = (i64, String, u32);

async fn stored(historian: &Historian, point: PointId) -> Vec<Row> {
    let query = RangeQuery {
        points: vec![point],
        from: Time::MIN,
        to: Time::MAX,
        limit_rows: usize::MAX,
        newest_first: false,
        known_at: None,
    };
    let sections = historian.range(query).await.unwrap();
    let rows = sections.iter().flat_map(|section| section.rows());
    rows.map(|(_, time, value, quality)| (time.0, value.map_or("nothing".into(), |v| shown(&v)), quality.0))
        .collect()
}

fn shown(value: &Value) -> String {
    match value {
        // The column holds both widths: a single is exact in a double.
        Value::F32(v) => format!("float {:?}", f64::from(*v)),
        Value::F64(v) => format!("float {v:?}"),
        Value::I64(v) => format!("integer {v}"),
        Value::U64(v) => format!("unsigned {v}"),
        Value::Bool(v) => format!("boolean {v}"),
        Value::String(v) => format!("text {v:?}"),
        Value::Bytes(v) => format!("bytes {v:?}"),
    }
}

fn read(batch: &RecordBatch, row: usize) -> (String, Row) {
    let column = |name: &str| batch.column_by_name(name).expect("a column of samples");
    let found: Vec<String> = ["float", "integer", "unsigned", "boolean", "text", "bytes"]
        .into_iter()
        .filter(|name| column(name).is_valid(row))
        .map(|name| {
            let column = column(name);
            match name {
                "float" => format!("float {:?}", column.as_primitive::<types::Float64Type>().value(row)),
                "integer" => format!("integer {}", column.as_primitive::<types::Int64Type>().value(row)),
                "unsigned" => format!("unsigned {}", column.as_primitive::<types::UInt64Type>().value(row)),
                "boolean" => format!("boolean {}", column.as_boolean().value(row)),
                "text" => format!("text {:?}", column.as_string::<i32>().value(row)),
                _ => format!("bytes {:?}", column.as_binary::<i32>().value(row)),
            }
        })
        .collect();
    assert!(found.len() <= 1, "a row has one value: {found:?}");
    let time = column("time").as_primitive::<types::TimestampNanosecondType>().value(row);
    let quality = column("quality").as_primitive::<types::UInt32Type>().value(row);
    let value = found.into_iter().next().unwrap_or_else(|| "nothing".into());
    (column("point").as_string::<i32>().value(row).to_string(), (time, value, quality))
}

/// All of `samples` as Parquet, read again by its own reader.
async fn exported(node: &Node, org: OrgId) -> Vec<Vec<Row>> {
    let caller = sdk::Caller { name: "test".into(), user: None, permissions: vec![Permission::Read] };
    let scope = node.runtime.scope(org, caller);
    let mut answer = node.sql.query(&scope, "select * from samples order by point, time").await.unwrap();
    let mut writer = Format::Parquet.begin(&answer.schema).unwrap();
    let mut file = Vec::new();
    while let Some(batch) = answer.next().await {
        file.extend_from_slice(&writer.batch(&batch.unwrap()).unwrap());
    }
    file.extend_from_slice(&writer.end(false, None).unwrap());
    let mut histories = vec![Vec::new(); HISTORIES];
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let (point, row) = read(&batch, row);
            histories[point.trim_start_matches('p').parse::<usize>().unwrap()].push(row);
        }
    }
    histories
}

#[test]
fn a_thousand_histories_are_the_same_as_parquet() {
    let node = Node::start("exported");
    let org = node.organisation("Works One");
    let names: Vec<_> =
        (0..HISTORIES).map(|at| json!({ "name": format!("p{at:04}"), "value_type": "f64" })).collect();
    let made = node.client(org, Role::Engineer).post("/points", json!({ "points": names }));
    let objects: Vec<_> = made["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_str().unwrap().parse().unwrap())
        .collect();
    let caller = sdk::Caller { name: "test".into(), user: None, permissions: vec![Permission::Read] };
    let found = node.runtime.scope(org, caller).plant.points_by_object(&objects);
    let points: Vec<PointId> = found.into_iter().map(|point| point.unwrap().id).collect();
    let historian = node.historian.clone();
    let mut dice = Dice::new(20_261_130);
    node.block_on(async {
        let (mut sequence, mut forms) = (0, 0);
        for round in 0..6 {
            for chunk in points.chunks(100) {
                let rows: Vec<_> =
                    chunk.iter().flat_map(|p| (0..dice.roll(12)).map(|_| *p).collect::<Vec<_>>()).collect();
                let rows: Vec<_> = rows.into_iter().map(|point| row(&mut dice, point)).collect();
                let header = BatchHeader {
                    source: SourceId(4_000_000),
                    epoch: 1,
                    first_sequence: sequence,
                    recorded: Time(0),
                    origin: Origin::Measured,
                };
                let batch = SampleBatch::from_rows(header, rows);
                sequence += batch.rows() as u64;
                historian.append(batch).await.unwrap();
            }
            match round {
                1 => historian.flush().await.unwrap(),
                2 | 4 => drop(historian.compact().await.unwrap()),
                3 => {
                    let some = points.iter().copied().filter(|point| point.0 % 7 == 0).collect();
                    let span = Scope { points: some, from: time(&mut dice), to: Time::MAX };
                    historian.delete(span, "test", "a test").await.unwrap();
                }
                _ => {}
            }
            let histories = exported(&node, org).await;
            for (point, exported) in points.iter().zip(&histories) {
                assert_eq!(*exported, stored(&historian, *point).await, "round {round}, {point:?}");
                forms += 1;
            }
        }
        assert_eq!(forms, 6 * HISTORIES);
    });
}
