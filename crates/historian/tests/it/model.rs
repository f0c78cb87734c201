//! Random appends, flushes, stops and queries against the naive model.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use historian::{
    AggregateQuery, At, Disk, Historian, Options, RangeQuery, Scope, Trend, TrendQuery, sim::SimDisk,
};
use proptest::{collection::vec, option, prelude::*};
use types::{Aggregate, Bucket, PointId, Quality, Time, Value};

use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Row>),
    Flush,
    Compact,
    Delete(Scope),
    /// So many seconds pass, or the clock is set back by them.
    Wait(i64),
    Kill(u64),
    Close,
    Range(RangeQuery),
    Aggregate(AggregateQuery),
    Trend(TrendQuery),
}

/// Whole seconds around where the clock begins.
fn known_at() -> impl Strategy<Value = Option<Time>> {
    option::weighted(0.4, (-100i64..700).prop_map(|s| Time(CLOCK_START + s * 1_000_000_000)))
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
    let range = (points(), time(), time(), 0usize..200, any::<bool>(), known_at()).prop_map(
        |(points, from, to, limit_rows, newest_first, known_at)| {
            Step::Range(RangeQuery { points, from, to, limit_rows, newest_first, known_at })
        },
    );
    let all = (points(), known_at()).prop_map(|(points, known_at)| {
        let (from, to, limit_rows) = (Time::MIN, Time::MAX, usize::MAX);
        Step::Range(RangeQuery { points, from, to, limit_rows, newest_first: false, known_at })
    });
    let scope = (vec((0u32..5).prop_map(PointId), 0..3), time(), time())
        .prop_map(|(points, from, to)| Step::Delete(Scope { points, from, to }));
    let aggregate = (points(), time(), time(), 1u32..9).prop_map(|(points, from, to, buckets)| {
        Step::Aggregate(AggregateQuery { points, from, to, buckets })
    });
    let trend =
        (points(), time(), time(), 1u32..9, any::<bool>()).prop_map(|(points, from, to, columns, exact)| {
            Step::Trend(TrendQuery { points, from, to, columns, exact })
        });
    prop_oneof![
        2 => trend,
        6 => vec(row(), 1..40).prop_map(Step::Append),
        2 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => scope,
        1 => (-200i64..200).prop_map(Step::Wait),
        1 => any::<u64>().prop_map(Step::Kill),
        1 => Just(Step::Close),
        4 => range,
        2 => all,
        3 => aggregate,
    ]
}

/// A trend by the definition.
pub(crate) fn check_trend(model: &Model, query: &TrendQuery, found: &[Trend]) {
    for (point, trend) in query.points.iter().zip(found) {
        assert_eq!((trend.point, trend.columns.len()), (*point, query.columns as usize));
        let (span, n) = (i128::from(query.to.0) - i128::from(query.from.0), i128::from(query.columns));
        if span <= 0 {
            assert!(trend.columns.iter().all(|column| column.rows == 0));
            continue;
        }
        assert!(trend.shift_ns >= 0 && i128::from(trend.shift_ns) <= span / n + 1);
        assert!(!query.exact || trend.shift_ns == 0, "{query:?}: {}", trend.shift_ns);
        let range = RangeQuery { points: vec![*point], from: query.from, to: query.to, ..all([]) };
        let rows = model.range(&range);
        let of = |time: Time| ((i128::from(time.0) - i128::from(query.from.0)) * n / span) as usize;
        let told: Vec<_> = trend.columns.iter().map(|c| (c.rows, c.figures, c.bad)).collect();
        let mut wanted = vec![(0, 0, 0); query.columns as usize];
        let mut figures = vec![Vec::new(); query.columns as usize];
        for (_, time, value, quality) in &rows {
            let is_text = matches!(value, Some(Value::String(_) | Value::Bytes(_)));
            let figure = value.clone().and_then(|v| v.as_f64()).filter(|v| !quality.is_bad() && !v.is_nan());
            let column = &mut wanted[of(*time)];
            column.0 += 1;
            column.1 += u64::from(figure.is_some());
            column.2 += u64::from(quality.is_bad() || (figure.is_none() && !is_text));
            figures[of(*time)].extend(figure.map(|figure| (*time, figure)));
        }
        if trend.shift_ns > 0 {
            // Rows may be counted next door, never lost.
            let sum = |all: &[(u64, u64, u64)]| {
                all.iter().fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
            };
            assert_eq!(sum(&told), sum(&wanted), "{query:?}");
            continue;
        }
        assert_eq!(told, wanted, "{query:?}");
        for (column, figures) in trend.columns.iter().zip(figures).filter(|(_, figures)| !figures.is_empty())
        {
            let by_value = |a: &&(Time, f64), b: &&(Time, f64)| a.1.total_cmp(&b.1);
            let at = |at: At| (at.time, at.value);
            assert_eq!(at(column.first), figures[0]);
            assert_eq!(at(column.last), figures[figures.len() - 1]);
            assert_eq!(column.min.value, figures.iter().min_by(by_value).unwrap().1);
            assert_eq!(column.max.value, figures.iter().max_by(by_value).unwrap().1);
            assert!(figures.contains(&at(column.min)) && figures.contains(&at(column.max)));
            let sum: f64 = figures.iter().map(|(_, v)| v).sum();
            assert!((column.sum - sum).abs() <= 1e-9 * figures.iter().map(|(_, v)| v.abs()).sum::<f64>());
        }
    }
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
        known_at: None,
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
    let clock = Arc::new(AtomicI64::new(CLOCK_START));
    let now: types::Now = {
        let clock = clock.clone();
        Arc::new(move || Time(clock.load(Ordering::Relaxed)))
    };
    let open = || {
        let now = now.clone();
        Historian::open(Options { chunk_rows, memory_bytes, now, ..options(&disk) }).unwrap().0
    };
    let (mut historian, mut model, mut sequence) = (Some(open()), Model::default(), 0);
    for step in steps {
        clock.fetch_add(1_000_000_000, Ordering::Relaxed);
        let store = historian.as_ref().unwrap();
        match step {
            Step::Append(rows) => {
                let next = batch(1, 1, sequence, rows);
                sequence += next.rows() as u64;
                model.push_at(&next, now());
                wait(store.append(next)).unwrap();
            }
            Step::Flush => wait(store.flush()).unwrap(),
            Step::Compact => drop(wait(store.compact()).unwrap()),
            Step::Delete(scope) if scope.from >= scope.to => {
                assert!(wait(store.delete(scope, "test", "an empty span")).is_err());
            }
            Step::Delete(scope) => {
                model.delete(&scope, now());
                wait(store.delete(scope, "test", "wrong values")).unwrap();
            }
            Step::Wait(seconds) => drop(clock.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed)),
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
            Step::Trend(query) => check_trend(&model, &query, &wait(store.trend(query.clone())).unwrap()),
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
    check_backup(&disk, historian.as_ref().unwrap(), &model);
}

/// A backup answers as the store did.
fn check_backup(disk: &SimDisk, store: &Historian, model: &Model) {
    wait(store.backup("/backup".into())).unwrap();
    let beside: Arc<dyn Disk> = Arc::new(disk.clone());
    let beside = Options { disk: beside, dir: Path::new("/backup").into(), ..options(disk) };
    let (copy, recovery) = Historian::open(beside).unwrap();
    assert_eq!((recovery.damaged, recovery.quarantined, recovery.rows_replayed), (vec![], vec![], 0));
    assert_eq!(read(&copy, all(0..5)), model.range(&all(0..5)));
    for point in (0..5).map(PointId) {
        model.check_latest(point, copy.latest(&[point]).remove(0));
    }
}

/// The same but for the order in which sums were added up.
fn check_buckets(drawn: &Aggregate, summed: &Aggregate) {
    assert_eq!((drawn.point, drawn.buckets.len()), (summed.point, summed.buckets.len()));
    for (drawn, summed) in drawn.buckets.iter().zip(&summed.buckets) {
        assert!((drawn.sum - summed.sum).abs() <= 1e-12 * summed.sum.abs(), "{drawn:?} {summed:?}");
        let drawn = Bucket { sum: summed.sum, ..*drawn };
        assert_eq!(format!("{drawn:?}"), format!("{summed:?}"), "NaN is equal to itself here");
    }
}

/// Enough rows for three levels of summaries, with gaps, late rows, corrections and a deletion across them.
#[test]
fn a_trend_of_many_rows_agrees_with_the_model() {
    let disk = SimDisk::new();
    let open = || Historian::open(options(&disk)).unwrap().0;
    let (historian, mut model, mut sequence) = (open(), Model::default(), 0);
    let mut append = |rows: Vec<Row>, model: &mut Model| {
        let next = batch(1, 1, sequence, rows);
        sequence += next.rows() as u64;
        model.push(&next);
        wait(historian.append(next)).unwrap();
    };
    let ask = |model: &Model, from: i64, to: i64, columns: u32| {
        for exact in [false, true] {
            let (from, to) = (seconds(from), seconds(to));
            let query = TrendQuery { points: vec![PointId(1)], from, to, columns, exact };
            let drawn = wait(historian.trend(query.clone())).unwrap();
            check_trend(model, &query, &drawn);
            if exact {
                let query = AggregateQuery { points: vec![PointId(1)], from, to, buckets: columns };
                check_buckets(&drawn[0].aggregate(from, to), &wait(historian.aggregate(query)).unwrap()[0]);
            }
        }
    };
    for part in 0..30 {
        append(noise(1, part * 11_000, 10_000), &mut model);
    }
    let lost = |s: i64| (PointId(1), seconds(s), None, Quality::BAD_NO_COMMUNICATION);
    append((0..30).map(|part| lost(part * 11_000 + 10_500)).collect(), &mut model);
    let everything = |model: &Model| {
        for (from, to, columns) in [
            (0, 330_000, 10),
            (0, 330_000, 777),
            (-5, 400_000, 3),
            (50_000, 50_600, 10),
            (9_000, 200_001, 37),
        ] {
            ask(model, from, to, columns);
        }
    };
    everything(&model);
    wait(historian.compact()).unwrap();
    assert_eq!(historian.stats().memory_rows, 300_030, "what is in memory is not compacted");
    wait(historian.flush()).unwrap();
    everything(&model);
    wait(historian.compact()).unwrap();
    everything(&model);
    append(ramp(1, 10_100, 200), &mut model);
    append(ramp(1, 123_456, 5), &mut model);
    everything(&model);
    wait(historian.flush()).unwrap();
    everything(&model);
    let scope = Scope { points: vec![PointId(1)], from: seconds(60_000), to: seconds(60_100) };
    wait(historian.delete(scope.clone(), "test", "wrong")).unwrap();
    model.delete(&scope, Time(0));
    everything(&model);
    wait(historian.compact()).unwrap();
    everything(&model);
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
