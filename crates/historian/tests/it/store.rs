//! The plain promises: what goes in comes out, once, in order, and survives a restart.

use historian::{
    AggregateQuery, AppendError, Historian, OpenError, Options, RangeQuery, Scope, SourceState, sim::SimDisk,
};
use types::{PointId, Quality, SourceId, Time, Value};

use crate::support::*;

fn one_of_each() -> Vec<Row> {
    let good = Quality::GOOD;
    vec![
        (PointId(1), Time(1), Some(Value::Bool(true)), good),
        (PointId(1), Time(2), Some(Value::Bool(false)), Quality::UNCERTAIN),
        (PointId(2), Time(1), Some(Value::I64(i64::MIN)), good),
        (PointId(3), Time(1), Some(Value::U64(u64::MAX)), good),
        (PointId(4), Time(1), Some(Value::F32(0.1)), good),
        (PointId(4), Time(2), None, Quality::BAD_NO_COMMUNICATION),
        (PointId(4), Time(3), Some(Value::F32(-0.2)), good),
        (PointId(5), Time::MIN, Some(Value::F64(f64::MAX)), good),
        (PointId(5), Time(i64::MAX - 1), Some(Value::F64(f64::INFINITY)), Quality::BAD_OUT_OF_RANGE),
        (PointId(6), Time(1), Some(Value::String("3 号泵".into())), good),
        (PointId(6), Time(2), Some(Value::String("".into())), Quality::UNCERTAIN_LAST_USABLE),
        (PointId(7), Time(1), Some(Value::Bytes([0, 255, 7].as_slice().into())), good),
        (PointId(u32::MAX), Time(1), None, Quality::BAD),
    ]
}

#[test]
fn every_type_comes_back_from_memory_log_and_segment() {
    let disk = SimDisk::new();
    let (historian, recovery) = open(&disk);
    assert!(recovery.created);
    let appended = wait(historian.append(batch(1, 1, 0, one_of_each()))).unwrap();
    assert_eq!((appended.rows, appended.duplicate), (13, false));
    let query = || all([1, 2, 3, 4, 5, 6, 7, u32::MAX]);
    assert_eq!(read(&historian, query()), one_of_each(), "from memory");
    drop(historian);
    let (historian, recovery) = open(&disk);
    assert_eq!((recovery.rows_replayed, recovery.created), (13, false));
    assert_eq!(read(&historian, query()), one_of_each(), "from the log");
    wait(historian.flush()).unwrap();
    assert_eq!(historian.stats().memory_rows, 0);
    assert_eq!(read(&historian, query()), one_of_each(), "from segments");
    wait(historian.close()).unwrap();
    assert!(names(&disk, ".log").is_empty(), "what is flushed leaves the log");
    let (historian, recovery) = open(&disk);
    assert_eq!(recovery.rows_replayed, 0);
    assert_eq!(read(&historian, query()), one_of_each(), "from segments of another life");
    let latest = historian.latest(&[PointId(4), PointId(9), PointId(u32::MAX)]);
    let fourth = latest[0].as_ref().unwrap();
    assert_eq!((fourth.value.clone(), fourth.value_time), (Some(Value::F32(-0.2)), Time(3)));
    assert_eq!(latest[1], None);
    assert_eq!(latest[2].as_ref().unwrap().value, None);
}

#[test]
fn a_lost_connection_turns_the_quality_and_keeps_the_value() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    wait(historian.append(batch(1, 1, 0, ramp(1, 0, 3)))).unwrap();
    let lost = (PointId(1), seconds(9), None, Quality::BAD_NO_COMMUNICATION);
    wait(historian.append(batch(1, 1, 3, [lost]))).unwrap();
    let late = (PointId(1), seconds(5), Some(Value::F64(5.0)), Quality::GOOD);
    wait(historian.append(batch(1, 1, 4, [late]))).unwrap();
    for _ in 0..2 {
        let latest = historian.latest(&[PointId(1)])[0].clone().unwrap();
        assert_eq!((latest.value, latest.value_time), (Some(Value::F64(5.0)), seconds(5)));
        assert_eq!((latest.quality, latest.quality_time), (Quality::BAD_NO_COMMUNICATION, seconds(9)));
        wait(historian.flush()).unwrap();
    }
}

#[test]
fn late_rows_find_their_place_and_the_last_writing_wins() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let mut model = Model::default();
    let mut sequence = 0;
    // Overwrites across flushes, across types, across days, and twice within one batch.
    for (flush, start) in [(true, 1_000), (true, 500), (false, 990), (true, 86_390), (false, 995), (false, 0)]
    {
        let mut rows = ramp(1, start, 20);
        rows.push((PointId(1), seconds(start + 3), Some(Value::Bool(true)), Quality::UNCERTAIN));
        rows.push((PointId(1), seconds(start + 4), None, Quality::BAD));
        let next = batch(1, 1, sequence, rows);
        sequence += next.rows() as u64;
        model.push(&next);
        wait(historian.append(next)).unwrap();
        if flush {
            wait(historian.flush()).unwrap();
        }
    }
    let check = |historian: &Historian| {
        for newest_first in [false, true] {
            for limit_rows in [1, 7, 1000] {
                let query = RangeQuery { newest_first, limit_rows, ..all([1, 2]) };
                assert_eq!(read(historian, query.clone()), model.range(&query));
            }
        }
    };
    check(&historian);
    drop(historian);
    check(&open(&disk).0);
}

#[test]
fn repeats_are_acknowledged_and_not_stored() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let append = |historian: &Historian, epoch, first, n| {
        wait(historian.append(batch(7, epoch, first, ramp(1, first as i64, n))))
    };
    assert!(!append(&historian, 1, 0, 10).unwrap().duplicate);
    assert!(append(&historian, 1, 0, 10).unwrap().duplicate);
    assert!(append(&historian, 1, 3, 2).unwrap().duplicate);
    let overlap = AppendError::Overlap { source_id: SourceId(7), first: 5, expected: 10 };
    assert_eq!(append(&historian, 1, 5, 10), Err(overlap));
    assert!(!append(&historian, 1, 15, 5).unwrap().duplicate, "a gap is let through");
    assert_eq!(historian.stats().sequence_gap_rows, 5);
    assert_eq!(historian.source_state(SourceId(7)), Some(SourceState { epoch: 1, next_sequence: 20 }));
    assert!(!append(&historian, 2, 0, 1).unwrap().duplicate);
    assert!(matches!(append(&historian, 1, 20, 1), Err(AppendError::Stale { known: 2, .. })));
    // The high-water mark outlives the log.
    wait(historian.close()).unwrap();
    let (historian, _) = open(&disk);
    assert!(append(&historian, 2, 0, 1).unwrap().duplicate);
    assert_eq!(historian.source_state(SourceId(7)), Some(SourceState { epoch: 2, next_sequence: 1 }));
    assert_eq!(historian.source_state(SourceId(8)), None);
    assert_eq!(historian.stats().batches_duplicate, 1);
    assert_eq!(read(&historian, all([1])).len(), 15);
}

#[test]
fn a_batch_that_cannot_be_is_refused() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let mut crooked = batch(1, 1, 0, ramp(1, 0, 2));
    crooked.sections[0].times.pop();
    assert!(matches!(wait(historian.append(crooked)), Err(AppendError::Columns(_))));
    let large = Value::Bytes(vec![0; historian::RECORD_BYTES_MAX].into());
    let large = batch(1, 1, 0, [(PointId(1), Time(0), Some(large), Quality::GOOD)]);
    assert!(matches!(wait(historian.append(large)), Err(AppendError::TooLarge { .. })));
    let end = batch(1, 1, u64::MAX, ramp(1, 0, 2));
    assert!(matches!(wait(historian.append(end)), Err(AppendError::SequenceExhausted { .. })));
    assert_eq!(wait(historian.append(batch(1, 1, 0, []))).unwrap().rows, 0);
    assert_eq!(historian.source_state(SourceId(1)), None);
}

#[test]
fn buckets_share_the_span_and_keep_bad_rows_apart() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let mut rows = ramp(1, 0, 100);
    rows.push((PointId(1), seconds(42), Some(Value::F64(1e9)), Quality::BAD));
    rows.push((PointId(2), seconds(1), Some(Value::String("on".into())), Quality::GOOD));
    rows.push((PointId(2), seconds(2), Some(Value::String("?".into())), Quality::BAD));
    rows.push((PointId(2), seconds(3), Some(Value::Bool(true)), Quality::GOOD));
    wait(historian.append(batch(1, 1, 0, rows))).unwrap();
    let query = |from, to, buckets| AggregateQuery {
        points: vec![PointId(1), PointId(2)],
        from: seconds(from),
        to: seconds(to),
        buckets,
    };
    let answer = wait(historian.aggregate(query(0, 100, 10))).unwrap();
    let fifth = answer[0].buckets[4];
    assert_eq!((fifth.start, fifth.count, fifth.bad), (seconds(40), 9, 1));
    assert_eq!((fifth.min, fifth.max, fifth.sum), (40.0, 49.0, 403.0));
    assert_eq!((fifth.first, fifth.last), (Some((seconds(40), 40.0)), Some((seconds(49), 49.0))));
    let second = answer[1].buckets[0];
    assert_eq!((second.count, second.bad, second.sum), (1, 1, 1.0));
    assert!(answer[1].buckets[9].min.is_nan());
    assert!(wait(historian.aggregate(query(0, 100, 0))).is_err());
    assert!(wait(historian.aggregate(query(0, 100, AggregateQuery::BUCKETS_MAX + 1))).is_err());
    let nothing = wait(historian.aggregate(query(100, 0, 3))).unwrap();
    assert_eq!(nothing[0].buckets.iter().map(|b| b.count + b.bad).sum::<u64>(), 0);
}

#[test]
fn memory_stays_within_its_budget_by_flushing() {
    let disk = SimDisk::new();
    let (historian, _) = Historian::open(Options { memory_bytes: 256 << 10, ..options(&disk) }).unwrap();
    let mut model = Model::default();
    for i in 0..40i64 {
        let next = batch(1, 1, i as u64 * 1000, ramp(i as u32 % 3, i * 10_000, 1000));
        model.push(&next);
        wait(historian.append(next)).unwrap();
        assert!(historian.stats().memory_rows < 20_000);
    }
    assert!(historian.stats().segments > 1);
    assert_eq!(read(&historian, all([0, 1, 2])), model.range(&all([0, 1, 2])));
}

#[test]
fn rows_of_a_thousand_days_do_not_become_a_thousand_files() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let rows = (-500..500i64).map(|d| (PointId(1), Time(d * DAY_NS), Some(Value::I64(d)), Quality::GOOD));
    let next = batch(1, 1, 0, rows);
    let mut model = Model::default();
    model.push(&next);
    wait(historian.append(next)).unwrap();
    wait(historian.flush()).unwrap();
    assert!(historian.stats().segments <= 32, "{}", historian.stats().segments);
    assert_eq!(read(&historian, all([1])), model.range(&all([1])));
}

#[test]
fn appends_that_come_together_share_a_sync() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    // All are queued by their first poll, before the writer thread can have answered one after the other.
    let futures: Vec<_> = (0..200).map(|s| historian.append(batch(s, 1, 0, ramp(s, 0, 1)))).collect();
    wait(async {
        let tasks: Vec<_> = futures.into_iter().map(|f| tokio::spawn(f)).collect();
        for task in tasks {
            assert!(!task.await.unwrap().unwrap().duplicate);
        }
    });
    let syncs = historian.stats().syncs;
    assert!(syncs < 200, "{syncs} syncs for 200 appends");
    assert_eq!(read(&historian, all(0..200)).len(), 200);
}

#[test]
fn the_log_has_room_ahead_that_is_small_at_rest_and_bounded_under_load() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let log_file = || disk.content(&names(&disk, ".log")[0]).unwrap();
    let zeros = |bytes: &[u8]| bytes.iter().rev().take_while(|byte| **byte == 0).count();
    wait(historian.append(batch(1, 1, 0, ramp(1, 0, 1)))).unwrap();
    assert!(log_file().len() < 100 << 10, "{} bytes for one row", log_file().len());
    assert!(historian.stats().log_bytes < 200, "the room does not count");
    for i in 0..30 {
        let first = 1 + i * 20_000;
        wait(historian.append(batch(1, 1, first as u64, noise(1, first, 20_000)))).unwrap();
    }
    // The room for the next group is made after the acknowledgement: wait until the thread is through with it.
    let sequence = 1 + 30 * 20_000;
    assert!(wait(historian.append(batch(1, 1, sequence - 1, []))).is_ok());
    let (bytes, used) = (log_file(), historian.stats().log_bytes as usize);
    assert!(used > 4 << 20, "{used}");
    assert!((1 << 20..=4 << 20).contains(&(bytes.len() - used)), "{used} of {}", bytes.len());
    assert!(zeros(&bytes) >= bytes.len() - used);
    drop(historian);
    let (historian, recovery) = open(&disk);
    assert_eq!((recovery.torn_bytes, recovery.damaged), (0, vec![]), "zeros are a clean end");
    assert_eq!(log_file().len(), used, "a file that takes no more gives its room back");
    assert_eq!(historian.stats().log_bytes as usize, used);
}

#[test]
fn a_closed_store_refuses_and_lets_the_next_one_in() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    assert!(matches!(Historian::open(options(&disk)), Err(OpenError::InUse { .. })));
    let other = historian.clone();
    wait(historian.append(batch(1, 1, 0, ramp(1, 0, 5)))).unwrap();
    wait(historian.close()).unwrap();
    assert_eq!(wait(other.append(batch(1, 1, 5, ramp(1, 5, 5)))), Err(AppendError::Closed));
    assert_eq!(read(&other, all([1])).len(), 5);
    assert_eq!(read(&open(&disk).0, all([1])).len(), 5);
}

#[test]
fn a_real_directory_works_and_is_locked() {
    let dir =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("historian-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let real = || Options::new(&dir, clock(), STORE);
    let (historian, _) = Historian::open(real()).unwrap();
    assert!(matches!(Historian::open(real()), Err(OpenError::InUse { .. })));
    wait(historian.append(batch(1, 1, 0, one_of_each()))).unwrap();
    wait(historian.flush()).unwrap();
    wait(historian.append(batch(1, 1, 13, ramp(8, 0, 100)))).unwrap();
    drop(historian);
    std::fs::write(dir.join("stray.txt"), "not ours").unwrap();
    let (historian, recovery) = Historian::open(real()).unwrap();
    assert_eq!((recovery.rows_replayed, recovery.quarantined), (100, vec!["stray.txt".to_string()]));
    assert!(dir.join("quarantine/stray.txt").exists());
    assert_eq!(read(&historian, all([1, 8])).len(), 102);
    // A future that is dropped does not undo what was queued.
    wait(async {
        tokio::select! {
            biased;
            _ = historian.append(batch(1, 1, 113, ramp(9, 0, 1))) => {}
            () = std::future::ready(()) => {}
        }
    });
    wait(historian.flush()).unwrap();
    assert_eq!(read(&historian, all([9])).len(), 1);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_was_deleted_is_not_the_latest_any_more() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    let latest = |historian: &Historian| {
        let latest = historian.latest(&[PointId(1)]).remove(0)?;
        Some((latest.quality_time, latest.value_time, latest.value))
    };
    let says = |time: i64, value: i64| Some((seconds(time), seconds(value), Some(Value::F64(value as f64))));
    let delete = |historian: &Historian, from: i64, to: i64| {
        let scope = Scope { points: vec![PointId(1)], from: seconds(from), to: seconds(to) };
        wait(historian.delete(scope, "test", "wrong")).unwrap();
    };
    wait(historian.append(batch(1, 1, 0, ramp(1, 0, 10)))).unwrap();
    wait(historian.flush()).unwrap();
    let lost = (PointId(1), seconds(10), None, Quality::BAD_NO_COMMUNICATION);
    wait(historian.append(batch(1, 1, 10, [lost]))).unwrap();
    assert_eq!(latest(&historian), says(10, 9));
    delete(&historian, 9, 10);
    assert_eq!(latest(&historian), says(10, 8), "the row without a value is still there");
    delete(&historian, 5, 100);
    assert_eq!(latest(&historian), says(4, 4));
    wait(historian.compact()).unwrap();
    drop(historian);
    let (historian, _) = open(&disk);
    assert_eq!(latest(&historian), says(4, 4), "also after a restart");
    wait(historian.append(batch(1, 1, 11, ramp(1, 3, 1)))).unwrap();
    assert_eq!(latest(&historian), says(4, 4));
    delete(&historian, 0, 100);
    assert_eq!(latest(&historian), None);
}
