//! The loop on a clock that is moved by hand and a device made of a map.

use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use types::{Scaling, ValueType};

use super::*;
use crate::{
    BoundPoint, Clock, DeviceCounters, Outbox, contract::driver::Recorder, fake::FakeClock, poll::Limits,
};

/// What the device holds and does; shared with the test.
#[derive(Default)]
struct Device {
    cells: BTreeMap<u32, u64>,
    /// Most cells at once, whatever the plan believes.
    cap: Option<u32>,
    read_ms: u64,
    busy: bool,
    gone: bool,
    log: Vec<Asked>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Read(u32, u32),
    Write(u32),
}

#[derive(Clone)]
struct Handle {
    device: Arc<Mutex<Device>>,
    clock: Clock,
}

impl Handle {
    fn lock(&self) -> MutexGuard<'_, Device> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn reads(&self) -> Vec<(u32, u32)> {
        let read = |asked: &Asked| match asked {
            Asked::Read(start, len) => Some((*start, *len)),
            Asked::Write(_) => None,
        };
        self.lock().log.iter().filter_map(read).collect()
    }
    fn forget(&self) {
        self.lock().log.clear();
    }
    fn read_one(&self, block: &Block) -> Result<Result<Vec<u64>, Refusal>, Outage> {
        let mut device = self.lock();
        device.log.push(Asked::Read(block.start, block.len));
        if device.gone {
            return Err(Outage::connection(Fault::new("test.gone", "plug it in")));
        }
        if device.busy {
            return Ok(Err(Refusal::Passing(Quality::BAD_DEVICE_FAILURE)));
        }
        let cells: Vec<u64> = device.cells.range(block.start..block.end()).map(|(_, v)| *v).collect();
        let whole = cells.len() == block.len as usize && device.cap.is_none_or(|cap| block.len <= cap);
        Ok(if whole { Ok(cells) } else { Err(Refusal::Address) })
    }
}

impl Polled for Handle {
    type Data = Vec<u64>;

    fn connect(&mut self) -> BoxFuture<'_, Result<(), Outage>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn read<'a>(
        &'a mut self,
        blocks: &'a [Block],
    ) -> BoxFuture<'a, Result<Vec<BlockReply<Vec<u64>>>, Outage>> {
        Box::pin(async move {
            let mut replies = Vec::new();
            for block in blocks {
                let read_ms = self.lock().read_ms;
                if read_ms > 0 {
                    self.clock.sleep(Duration::from_millis(read_ms)).await;
                }
                replies.push(BlockReply { outcome: self.read_one(block)?, at: self.clock.now() });
            }
            Ok(replies)
        })
    }
    fn value(&self, span: &Span, block: &Block, data: &Vec<u64>) -> Result<Value, Quality> {
        data.get((span.start - block.start) as usize).map(|v| Value::U64(*v)).ok_or(Quality::BAD)
    }
    fn native(&self, _: u32) -> ValueType {
        ValueType::U64
    }
    fn write(&mut self, item: u32, raw: Value) -> BoxFuture<'_, Result<Option<Value>, WriteFailure>> {
        self.lock().log.push(Asked::Write(item));
        Box::pin(std::future::ready(Ok(Some(raw))))
    }
}

struct Bench {
    fake: FakeClock,
    device: Handle,
    outbox: Arc<Recorder>,
    writes: mpsc::Sender<WriteOrder>,
    counters: Arc<DeviceCounters>,
    task: JoinHandle<Outage>,
}

const LIMITS: Limits = Limits { span_max: 125, gap_max: 16, one_item: false };
const SECOND: Duration = Duration::from_secs(1);

fn at(start: u32) -> (BoundPoint, u32) {
    let point = BoundPoint {
        id: PointId(start),
        address: start.to_string(),
        value_type: ValueType::U64,
        scaling: None,
        period_ms: 1_000,
    };
    (point, start)
}

fn bench(device: Device, items: Vec<(BoundPoint, u32)>, limits: Limits) -> Bench {
    let fake = FakeClock::at(Time(0));
    let device = Handle { device: Arc::new(Mutex::new(device)), clock: fake.handle() };
    let outbox = Recorder::new();
    let (writes, orders) = mpsc::channel(4);
    let counters = Arc::new(DeviceCounters::default());
    let spans = (0..).zip(&items).map(|(item, (_, start))| Span { area: 0, start: *start, len: 1, item });
    let wiring = Wiring {
        spans: spans.collect(),
        points: items.iter().map(|(point, _)| point.clone()).collect(),
        limits: Box::new(move |_| limits),
        outbox: Outbox::new(outbox.clone()),
        writes: orders,
        clock: fake.handle(),
        phase_seed: 3,
        counters: counters.clone(),
    };
    let task = tokio::spawn(serve(device.clone(), wiring));
    Bench { fake, device, outbox, writes, counters, task }
}

fn holding(cells: impl IntoIterator<Item = u32>) -> Device {
    Device { cells: cells.into_iter().map(|c| (c, u64::from(c) + 100)).collect(), ..Device::default() }
}

#[tokio::test]
async fn reads_at_a_fixed_rate_with_one_request_a_block() {
    let bench = bench(holding(0..50), vec![at(0), at(9), at(40)], LIMITS);
    bench.fake.advance(SECOND * 5).await;
    let reads = bench.device.reads();
    assert_eq!(reads.len(), 12, "one at once, five on the beat, of two blocks each");
    assert_eq!(reads[..2], [(0, 10), (40, 1)]);
    let rows = bench.outbox.rows();
    let times: Vec<Time> = rows.iter().filter(|r| r.0 == PointId(9)).map(|r| r.1).collect();
    assert!(times[1..].windows(2).all(|pair| pair[1].since(pair[0]) == SECOND), "{times:?}");
    assert!(rows.iter().all(|r| r.2 == Some(Value::U64(u64::from(r.0.0) + 100)) && r.3.is_good()));
    assert!(bench.outbox.is_online());
}

#[tokio::test]
async fn an_absent_item_is_found_once_and_asked_around() {
    let bench = bench(holding((0..20).filter(|c| *c != 7)), (0..20).map(at).collect(), LIMITS);
    bench.fake.advance(Duration::ZERO).await;
    let rows = bench.outbox.rows();
    assert_eq!(rows.len(), 20);
    let bad: Vec<_> = rows.iter().filter(|r| !r.3.is_good()).collect();
    assert_eq!(bad.iter().map(|r| (r.0, r.3)).collect::<Vec<_>>(), [(PointId(7), Quality::BAD_ADDRESS)]);
    assert!(bench.device.reads().len() <= 11, "{:?}", bench.device.reads());
    bench.device.forget();
    bench.fake.advance(SECOND).await;
    assert_eq!(bench.device.reads(), [(0, 7), (8, 12)]);
    assert_eq!(bench.outbox.rows().len(), 39, "no second row for the absent one");
}

#[tokio::test]
async fn a_hole_in_a_gap_is_not_filled_again() {
    let bench = bench(holding((0..20).filter(|c| *c != 3)), vec![at(0), at(1), at(6), at(8)], LIMITS);
    bench.fake.advance(Duration::ZERO).await;
    assert!(bench.outbox.rows().iter().all(|r| r.3.is_good()));
    bench.device.forget();
    bench.fake.advance(SECOND).await;
    assert_eq!(bench.device.reads(), [(0, 2), (6, 3)]);
}

#[tokio::test]
async fn a_device_that_bears_less_than_it_says_is_learnt() {
    let device = Device { cap: Some(40), ..holding(0..100) };
    let bench = bench(device, (0..100).map(at).collect(), LIMITS);
    bench.fake.advance(Duration::ZERO).await;
    assert_eq!(bench.outbox.rows().iter().filter(|r| r.3.is_good()).count(), 100);
    bench.fake.advance(SECOND).await;
    bench.device.forget();
    bench.fake.advance(SECOND).await;
    assert_eq!(bench.device.reads(), [(0, 25), (25, 25), (50, 25), (75, 25)]);
}

#[tokio::test]
async fn what_was_refused_comes_back() {
    let bench = bench(holding([0, 2]), vec![at(0), at(1), at(2)], LIMITS);
    bench.fake.advance(SECOND * 2).await;
    bench.device.lock().cells.insert(1, 5);
    bench.fake.advance(RECHECK_PERIOD).await;
    let rows = bench.outbox.rows();
    let of_it: Vec<_> = rows.iter().filter(|r| r.0 == PointId(1)).map(|r| (r.2.clone(), r.3)).collect();
    assert_eq!(of_it[..2], [(None, Quality::BAD_ADDRESS), (Some(Value::U64(5)), Quality::GOOD)]);
    bench.fake.advance(SECOND * 3).await;
    let again = bench.outbox.rows().iter().filter(|r| r.0 == PointId(1)).count();
    assert!(again > of_it.len(), "polled again like any other");
}

#[tokio::test]
async fn a_busy_device_is_not_taken_apart() {
    let bench = bench(Device { busy: true, ..holding(0..4) }, (0..4).map(at).collect(), LIMITS);
    bench.fake.advance(Duration::ZERO).await;
    assert_eq!(bench.device.reads(), [(0, 4)]);
    assert!(bench.outbox.rows().iter().all(|r| r.2.is_none() && r.3 == Quality::BAD_DEVICE_FAILURE));
    bench.device.lock().busy = false;
    bench.fake.advance(SECOND).await;
    assert!(bench.outbox.rows()[4..].iter().all(|r| r.3.is_good()));
}

#[tokio::test]
async fn late_cycles_are_counted_and_never_queued() {
    let bench = bench(Device { read_ms: 2_500, ..holding(0..1) }, vec![at(0)], LIMITS);
    bench.fake.advance(SECOND * 20).await;
    let reads = bench.device.reads().len();
    let late = bench.counters.late_cycles.load(Ordering::Relaxed);
    assert!((6..=8).contains(&reads), "{reads} reads of 2.5 s in 20 s");
    assert!((11..=14).contains(&late), "{late}");
    bench.device.lock().read_ms = 0;
    bench.device.forget();
    bench.fake.advance(SECOND * 5).await;
    assert!(bench.device.reads().len() <= 6, "nothing had piled up");
}

#[tokio::test]
async fn a_long_cycle_does_not_hold_up_a_short_period() {
    let mut items: Vec<_> = (0..30).map(|i| at(i * 50)).collect();
    items.iter_mut().for_each(|item| item.0.period_ms = 60_000);
    items[0].0.period_ms = 500;
    let device = Device { read_ms: 100, ..holding((0..30).map(|i| i * 50)) };
    let bench = bench(device, items, LIMITS);
    bench.fake.advance(SECOND * 10).await;
    let rows = bench.outbox.rows();
    let short = rows.iter().filter(|r| r.0 == PointId(0)).count();
    assert!((20..=21).contains(&short), "{short} readings at 500 ms in 10 s");
    assert!(rows.iter().filter(|r| r.0 != PointId(0)).count() >= 29, "and the long cycle was done");
    assert_eq!(bench.counters.late_cycles.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_short_period_within_a_long_cycle_learns_its_holes_once() {
    let mut items: Vec<_> = (0..30).map(|i| at(1_000 + i * 50)).collect();
    items.iter_mut().for_each(|item| item.0.period_ms = 60_000);
    items.extend((0..4).map(at));
    items[30..].iter_mut().for_each(|item| item.0.period_ms = 300);
    let cells = (0..30).map(|i| 1_000 + i * 50).chain([0, 1, 3]);
    let bench = bench(Device { read_ms: 50, ..holding(cells) }, items, LIMITS);
    bench.fake.advance(SECOND * 5).await;
    let bad: Vec<u32> = bench.outbox.rows().iter().filter(|r| r.3.is_bad()).map(|r| r.0.0).collect();
    assert_eq!(bad, [2]);
}

#[tokio::test]
async fn writes_go_ahead_of_reads() {
    let far_apart = (0..10).map(|i| at(i * 50)).collect();
    let device = Device { read_ms: 100, ..holding((0..10).map(|i| i * 50)) };
    let bench = bench(device, far_apart, LIMITS);
    bench.fake.advance(Duration::from_millis(250)).await;
    let (reply, answer) = oneshot::channel();
    let order = WriteOrder { point: PointId(100), value: Value::U64(9), reply };
    bench.writes.send(order).await.unwrap();
    bench.fake.advance(Duration::from_millis(60)).await;
    assert_eq!(answer.await.unwrap(), Ok(Written { read_back: Some(Value::U64(9)) }));
    assert_eq!(bench.device.lock().log[3], Asked::Write(2), "after the read that was on its way");
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_not_sent() {
    let bench = bench(Device { read_ms: 100, ..holding(0..1) }, vec![at(0)], LIMITS);
    bench.fake.advance(Duration::from_millis(50)).await;
    let (reply, answer) = oneshot::channel();
    bench.writes.send(WriteOrder { point: PointId(0), value: Value::U64(9), reply }).await.unwrap();
    drop(answer);
    bench.fake.advance(SECOND * 2).await;
    assert!(!bench.device.lock().log.contains(&Asked::Write(0)));
    assert!(bench.device.reads().len() >= 2, "and reading goes on");
}

#[tokio::test]
async fn what_was_read_before_a_loss_is_kept() {
    let device = Device { read_ms: 100, ..holding([0, 50, 100]) };
    let bench = bench(device, vec![at(0), at(50), at(100)], LIMITS);
    bench.fake.advance(Duration::from_millis(150)).await;
    bench.device.lock().gone = true;
    bench.fake.advance(SECOND).await;
    let outage = bench.task.await.unwrap();
    assert_eq!(outage.fault.code, "test.gone");
    assert_eq!(bench.outbox.rows().iter().map(|r| r.0).collect::<Vec<_>>(), [PointId(0)]);
}

#[tokio::test]
async fn wrong_points_say_so_once() {
    let mut text = at(1);
    text.0.value_type = ValueType::String;
    let mut tiny = at(2);
    tiny.0.value_type = ValueType::F64;
    tiny.0.scaling = Some(Scaling { gain: f64::MAX, offset: 0.0 });
    let bench = bench(holding(0..4), vec![at(0), text, tiny], LIMITS);
    bench.fake.advance(Duration::ZERO).await;
    let quality: BTreeMap<u32, Quality> = bench.outbox.rows().iter().map(|r| (r.0.0, r.3)).collect();
    let wanted = [(0, Quality::GOOD), (1, Quality::BAD_CONFIGURATION), (2, Quality::BAD_OUT_OF_RANGE)];
    assert_eq!(quality, wanted.into());
    let none = Limits { span_max: 0, ..LIMITS };
    let bench = self::bench(holding(0..4), vec![at(0)], none);
    bench.fake.advance(SECOND * 3).await;
    assert_eq!(bench.outbox.rows().iter().map(|r| r.3).collect::<Vec<_>>(), [Quality::BAD_CONFIGURATION]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn one_cycle_finds_all_there_is_and_a_few_settle(
        items in prop::collection::btree_set(0..200u32, 1..60),
        absent in prop::collection::btree_set(0..200u32, 0..30),
        cap in prop::option::of(3..60u32),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let device = Device { cap, ..holding((0..200).filter(|c| !absent.contains(c))) };
            let bench = bench(device, items.iter().map(|i| at(*i)).collect(), LIMITS);
            bench.fake.advance(Duration::ZERO).await;
            let rows = bench.outbox.rows();
            assert_eq!(rows.len(), items.len(), "every point has one row");
            let bad: BTreeSet<u32> = rows.iter().filter(|r| r.3.is_bad()).map(|r| r.0.0).collect();
            assert_eq!(bad, items.intersection(&absent).copied().collect());
            // One refusal can hide another, so the blocks settle over some cycles; then none is refused any more.
            bench.fake.advance(SECOND * 8).await;
            assert_eq!(bench.outbox.rows().iter().filter(|r| r.3.is_bad()).count(), bad.len(), "one row each");
            bench.device.forget();
            bench.fake.advance(SECOND).await;
            let refused = |(start, len): &(u32, u32)| {
                cap.is_some_and(|cap| *len > cap) || (*start..start + len).any(|c| absent.contains(&c))
            };
            assert!(!bench.device.reads().iter().any(refused), "{:?}", bench.device.reads());
        });
    }
}
