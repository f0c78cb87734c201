//! A store in memory, batches in one line, and the naive model that the store must agree with.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use historian::{Disk, Historian, Options, RangeQuery, Recovery, Scope, sim::SimDisk};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use types::{
    BatchHeader, Latest, Now, Origin, PointId, Quality, SampleBatch, Section, SourceId, Time, Value,
};

pub(crate) const STORE: [u8; 16] = *b"sinew-test-store";
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

/// How many times as deep as in an ordinary run to look for faults: a nightly run sets `SINEW_TEST_DEPTH`.
pub(crate) fn depth() -> u32 {
    std::env::var("SINEW_TEST_DEPTH").ok().and_then(|depth| depth.parse().ok()).unwrap_or(1)
}

/// So many cases, the same in every run of the same depth.
pub(crate) fn fixed(cases: u32) -> ProptestConfig {
    let (cases, rng_seed) = (cases * depth(), RngSeed::Fixed(u64::from(depth())));
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) type Row = (PointId, Time, Option<Value>, Quality);

/// Runs a future to its end.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A clock that ticks one second a call.
pub(crate) fn clock() -> Now {
    let at = Arc::new(AtomicI64::new(0));
    Arc::new(move || Time(CLOCK_START + at.fetch_add(1_000_000_000, Ordering::Relaxed)))
}

/// The instant that [`clock`] begins at.
pub(crate) const CLOCK_START: i64 = 1_800_000_000_000_000_000;

pub(crate) fn options(disk: &SimDisk) -> Options {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Options { disk, budget: None, ..Options::new("/store", clock(), STORE) }
}

pub(crate) fn open(disk: &SimDisk) -> (Historian, Recovery) {
    Historian::open(options(disk)).unwrap()
}

pub(crate) fn batch(
    source: u32,
    epoch: u32,
    first_sequence: u64,
    rows: impl IntoIterator<Item = Row>,
) -> SampleBatch {
    let header = BatchHeader {
        source: SourceId(source),
        epoch,
        first_sequence,
        recorded: Time(0),
        origin: Origin::Measured,
    };
    SampleBatch::from_rows(header, rows)
}

/// `n` rows of one point, one a second from `start_s`, value = second.
pub(crate) fn ramp(point: u32, start_s: i64, n: i64) -> Vec<Row> {
    (start_s..start_s + n)
        .map(|s| (PointId(point), seconds(s), Some(Value::F64(s as f64)), Quality::GOOD))
        .collect()
}

/// As [`ramp`], with values that no code makes smaller.
pub(crate) fn noise(point: u32, start_s: i64, n: i64) -> Vec<Row> {
    // SplitMix64 (Steele, Lea, Flood 2014).
    let draw = |s: i64| {
        let z = (s as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Value::U64(z ^ (z >> 31))
    };
    (start_s..start_s + n).map(|s| (PointId(point), seconds(s), Some(draw(s)), Quality::GOOD)).collect()
}

pub(crate) fn seconds(s: i64) -> Time {
    Time(s * 1_000_000_000)
}

pub(crate) fn all(points: impl IntoIterator<Item = u32>) -> RangeQuery {
    let points = points.into_iter().map(PointId).collect();
    RangeQuery {
        points,
        from: Time::MIN,
        to: Time::MAX,
        limit_rows: usize::MAX,
        newest_first: false,
        known_at: None,
    }
}

/// The rows of an answer, one after the other.
pub(crate) fn rows(sections: &[Section]) -> Vec<Row> {
    sections.iter().flat_map(Section::rows).collect()
}

pub(crate) fn read(historian: &Historian, query: RangeQuery) -> Vec<Row> {
    rows(&wait(historian.range(query)).unwrap())
}

pub(crate) fn names(disk: &SimDisk, ending: &str) -> Vec<std::path::PathBuf> {
    let dir = Path::new("/store");
    let files = disk.files().into_iter().map(|(path, _)| path);
    files.filter(|path| path.parent() == Some(dir) && path.to_str().unwrap().ends_with(ending)).collect()
}

/// Something that was done to a point at a source time: written, or deleted.
#[derive(Clone, Debug)]
struct Event {
    recorded: Time,
    row: Option<(Option<Value>, Quality)>,
}

impl Event {
    /// Whether it was known at an instant, to the minute after its source time.
    fn is_known(&self, time: Time, at: Time) -> bool {
        let (minute, late) = (60_000_000_000i128, i128::from(self.recorded.0) - i128::from(time.0));
        let steps = late.div_euclid(minute) + i128::from(late.rem_euclid(minute) != 0);
        i128::from(time.0) + steps * minute <= i128::from(at.0)
    }
}

/// The same store without any cleverness: all that was ever done, in order.
#[derive(Default, Clone, Debug)]
pub(crate) struct Model {
    events: BTreeMap<(PointId, Time), Vec<Event>>,
}

impl Model {
    pub(crate) fn push(&mut self, batch: &SampleBatch) {
        self.push_at(batch, Time(0));
    }

    pub(crate) fn push_at(&mut self, batch: &SampleBatch, recorded: Time) {
        for (point, time, value, quality) in batch.sections.iter().flat_map(Section::rows) {
            let row = Some((value.clone(), quality));
            self.events.entry((point, time)).or_default().push(Event { recorded, row });
        }
    }

    pub(crate) fn delete(&mut self, scope: &Scope, recorded: Time) {
        let covers = |point: PointId, time: Time| {
            let named = scope.points.is_empty() || scope.points.contains(&point);
            named && scope.from <= time && time < scope.to
        };
        for ((point, time), events) in &mut self.events {
            if covers(*point, *time) {
                events.push(Event { recorded, row: None });
            }
        }
    }

    pub(crate) fn range(&self, query: &RangeQuery) -> Vec<Row> {
        let mut out = Vec::new();
        for point in &query.points {
            if query.from >= query.to {
                continue;
            }
            let inside = self.events.range((*point, query.from)..(*point, query.to));
            let visible = |((p, t), events): (&(PointId, Time), &Vec<Event>)| {
                let known = |event: &&Event| query.known_at.is_none_or(|at| event.is_known(*t, at));
                let (value, quality) = events.iter().rev().find(known)?.row.clone()?;
                Some((*p, *t, value, quality))
            };
            let mut rows: Vec<Row> = inside.filter_map(visible).collect();
            if query.newest_first {
                rows.reverse();
            }
            out.extend(rows);
        }
        out.truncate(query.limit_rows);
        out
    }

    /// Checks a `Latest` but for its recorded time, which the store's clock gives.
    pub(crate) fn check_latest(&self, point: PointId, latest: Option<Latest>) {
        let rows = self.range(&RangeQuery { newest_first: true, ..all([point.0]) });
        let value = rows.iter().find_map(|(_, time, value, _)| Some((*time, value.clone()?)));
        match (rows.first(), latest) {
            (None, None) => {}
            (Some((_, time, _, quality)), Some(found)) => {
                assert_eq!((found.quality_time, found.quality), (*time, *quality), "{point:?}");
                assert_eq!(found.value, value.as_ref().map(|(_, v)| v.clone()), "{point:?}");
                assert_eq!(found.value_time, value.map_or(*time, |(at, _)| at), "{point:?}");
            }
            (wanted, found) => panic!("{point:?}: wanted {wanted:?}, found {found:?}"),
        }
    }
}
