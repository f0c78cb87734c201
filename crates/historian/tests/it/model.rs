//! Random appends, flushes, stops and queries against the naive model.

use historian::{AggregateQuery, Historian, Options, RangeQuery, sim::SimDisk};
use proptest::{collection::vec, option, prelude::*};
use types::{Bucket, PointId, Quality, Time, Value};

use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Row>),
    Flush,
    Kill(u64),
    Close,
    Range(RangeQuery),
    Aggregate(AggregateQuery),
}

/// Times meet often, and cross days and the whole range seldom.
fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        8 => (0i64..60).prop_map(seconds),
        2 => (-3i64..3).prop_map(|d| Time(d * DAY_NS)),
        1 => (i64::MIN..i64::MAX).prop_map(Time),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-1000i32..1000).prop_map(|v| Value::F64(f64::from(v))),
        2 => (-1000i32..1000).prop_map(|v| Value::F32(v as f32)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => (-1000i64..1000).prop_map(Value::I64),
        1 => (0u64..1000).prop_map(Value::U64),
        1 => "[a-z]{0,3}".prop_map(|v| Value::String(v.into())),
        1 => vec(any::<u8>(), 0..3).prop_map(|v| Value::Bytes(v.into())),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let quality =
        prop_oneof![5 => Just(Quality::GOOD), 1 => Just(Quality::UNCERTAIN), 1 => Just(Quality::BAD)];
    (0u32..4, time(), option::weighted(0.9, value()), quality).prop_map(|(p, t, v, q)| (PointId(p), t, v, q))
}

fn points() -> impl Strategy<Value = Vec<PointId>> {
    vec((0u32..5).prop_map(PointId), 1..5)
}

fn step() -> impl Strategy<Value = Step> {
    let range = (points(), time(), time(), 0usize..200, any::<bool>()).prop_map(
        |(points, from, to, limit_rows, newest_first)| {
            Step::Range(RangeQuery { points, from, to, limit_rows, newest_first })
        },
    );
    let aggregate = (points(), time(), time(), 1u32..9).prop_map(|(points, from, to, buckets)| {
        Step::Aggregate(AggregateQuery { points, from, to, buckets })
    });
    prop_oneof![
        6 => vec(row(), 1..40).prop_map(Step::Append),
        2 => Just(Step::Flush),
        1 => any::<u64>().prop_map(Step::Kill),
        1 => Just(Step::Close),
        4 => range,
        3 => aggregate,
    ]
}

/// Buckets by the definition: each row asks which bucket it belongs to.
fn naive(model: &Model, query: &AggregateQuery, point: PointId) -> Vec<Bucket> {
    let (from, n) = (i128::from(query.from.0), i128::from(query.buckets));
    let span = (i128::from(query.to.0) - from).max(0);
    let mut buckets: Vec<Bucket> = (0..n)
        .map(|i| {
            Bucket::empty(Time((from + (i * span).div_euclid(n) + i128::from((i * span) % n != 0)) as i64))
        })
        .collect();
    let range = RangeQuery {
        points: vec![point],
        from: query.from,
        to: query.to,
        limit_rows: usize::MAX,
        newest_first: false,
    };
    for (_, time, value, quality) in model.range(&range) {
        if matches!(value, Some(Value::String(_) | Value::Bytes(_))) && !quality.is_bad() {
            continue;
        }
        let at = (i128::from(time.0) - from) * n / span;
        buckets[at as usize].add(time, value.and_then(|v| v.as_f64()), quality);
    }
    buckets
}

fn run(steps: Vec<Step>, chunk_rows: usize, memory_bytes: usize) {
    let disk = SimDisk::new();
    let open = || Historian::open(Options { chunk_rows, memory_bytes, ..options(&disk) }).unwrap().0;
    let (mut historian, mut model, mut sequence) = (Some(open()), Model::default(), 0);
    for step in steps {
        let store = historian.as_ref().unwrap();
        match step {
            Step::Append(rows) => {
                let next = batch(1, 1, sequence, rows);
                sequence += next.rows() as u64;
                model.push(&next);
                wait(store.append(next)).unwrap();
            }
            Step::Flush => wait(store.flush()).unwrap(),
            Step::Kill(seed) => {
                drop(historian.take());
                disk.restart(seed);
                historian = Some(open());
            }
            Step::Close => {
                wait(historian.take().unwrap().close()).unwrap();
                historian = Some(open());
            }
            Step::Range(query) => assert_eq!(read(store, query.clone()), model.range(&query), "{query:?}"),
            Step::Aggregate(query) => {
                let answer = wait(store.aggregate(query.clone())).unwrap();
                for (point, found) in query.points.iter().zip(answer) {
                    assert_eq!(found.point, *point);
                    // NaN is not equal to itself; its text is.
                    assert_eq!(
                        format!("{:?}", found.buckets),
                        format!("{:?}", naive(&model, &query, *point))
                    );
                }
            }
        }
        let store = historian.as_ref().unwrap();
        for point in (0..5).map(PointId) {
            model.check_latest(point, store.latest(&[point]).remove(0));
        }
    }
}

proptest! {
    #![proptest_config(fixed(200))]
    #[test]
    fn the_store_agrees_with_the_model(
        steps in vec(step(), 1..40),
        chunk_rows in 1usize..20,
        memory_bytes in prop_oneof![Just(1usize << 20), Just(110_000)],
    ) {
        run(steps, chunk_rows, memory_bytes);
    }
}
