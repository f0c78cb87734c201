//! The power goes at every single step, and what was acknowledged is there afterwards: once, whole, in order.

use historian::{Historian, Options, sim::SimDisk};
use proptest::prelude::*;
use types::{PointId, Quality, Value};

use crate::support::*;

/// What a run did before the power went.
struct Told {
    /// Batches in the order they were sent: the rows, and whether they were acknowledged.
    batches: Vec<(types::SampleBatch, bool)>,
}

fn next_batch(i: u64) -> types::SampleBatch {
    let (source, start) = ((i % 3) as u32, i as i64 * 40);
    let mut rows = ramp(source, start, 5);
    rows.push((
        PointId(10 + source),
        seconds(start),
        Some(Value::String(format!("step {i}").into())),
        Quality::GOOD,
    ));
    rows.push((PointId(source), seconds(start + 9), None, Quality::BAD_NO_COMMUNICATION));
    batch(source, 1, i / 3 * 7, rows)
}

/// Opens, appends, flushes, reopens; ends early when the power goes.
fn work(disk: &SimDisk) -> Told {
    let mut told = Told { batches: Vec::new() };
    let small = || Options { chunk_rows: 4, ..options(disk) };
    let mut number = 0;
    for life in 0..3 {
        let Ok((historian, _)) = Historian::open(small()) else { return told };
        for step in 0..5 {
            let next = next_batch(number);
            number += 1;
            let acknowledged = wait(historian.append(next.clone())).is_ok();
            told.batches.push((next, acknowledged));
            if !acknowledged || (step == 2 && wait(historian.flush()).is_err()) {
                return told;
            }
        }
        // The second life ends without a clean stop.
        if life != 1 && wait(historian.close()).is_err() {
            return told;
        }
    }
    told
}

/// After the restart: every acknowledged batch is there whole, any other is there whole or not at all.
fn verify(disk: &SimDisk, told: &Told, what: &str) {
    let (historian, recovery) = Historian::open(options(disk)).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(recovery.damaged, [], "{what}");
    let points = || [0, 1, 2, 10, 11, 12];
    let found = read(&historian, all(points()));
    let mut model = Model::default();
    for (batch, acknowledged) in &told.batches {
        let rows = batch.sections.iter().flat_map(|s| s.rows()).collect::<Vec<_>>();
        let there = rows.iter().filter(|row| found.contains(row)).count();
        assert!(
            there == rows.len() || (there == 0 && !acknowledged),
            "{what}: {there} of {} rows",
            rows.len()
        );
        if there > 0 {
            model.push(batch);
        }
    }
    assert_eq!(found, model.range(&all(points())), "{what}: nothing else is there");
    for point in points().map(PointId) {
        model.check_latest(point, historian.latest(&[point]).remove(0));
    }
    // What is known of the source agrees with what is there, so a sender that repeats loses nothing and doubles nothing.
    for (batch, acknowledged) in &told.batches {
        let repeated = wait(historian.append(batch.clone())).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(repeated.duplicate || !acknowledged, "{what}");
        model.push(batch);
    }
    assert_eq!(read(&historian, all(points())), model.range(&all(points())), "{what}: after repeating");
    wait(historian.close()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (historian, _) = open(disk);
    assert_eq!(read(&historian, all(points())), model.range(&all(points())), "{what}: another life");
}

#[test]
fn power_cut_at_every_step() {
    let whole = SimDisk::new();
    assert!(work(&whole).batches.iter().all(|(_, acknowledged)| *acknowledged));
    let steps = whole.steps();
    assert!(steps > 60, "{steps}");
    for step in 0..=steps {
        for seed in 0..4 * u64::from(depth()) {
            let disk = SimDisk::new();
            disk.cut_power_after(step);
            let told = work(&disk);
            disk.restart(seed * 1_000 + step);
            verify(&disk, &told, &format!("step {step} seed {seed}"));
        }
    }
}

/// Appends until the power goes; gives how many batches were acknowledged. Each is a large part of the log's room, so
/// that the room grows ahead of need and, now and then, at need.
fn fill(disk: &SimDisk) -> i64 {
    let Ok((historian, _)) = Historian::open(options(disk)) else { return 0 };
    let mut sequence = 0;
    for (i, n) in (0..).zip(SIZES) {
        let next = batch(1, 1, sequence as u64, noise(1, sequence, n));
        if wait(historian.append(next)).is_err() {
            return i;
        }
        sequence += n;
    }
    SIZES.len() as i64
}

const SIZES: [i64; 8] = [10, 2_000, 3_000, 40_000, 10, 5_000, 5_000, 20_000];

#[test]
fn power_cut_at_every_step_while_the_log_makes_room() {
    let whole = SimDisk::new();
    assert_eq!(fill(&whole), SIZES.len() as i64);
    for step in 0..=whole.steps() {
        for seed in 0..2 * u64::from(depth()) {
            let disk = SimDisk::new();
            disk.cut_power_after(step);
            let acknowledged = fill(&disk) as usize;
            disk.restart(seed * 1_000 + step);
            let (historian, recovery) = open(&disk);
            assert_eq!(recovery.damaged, [], "step {step} seed {seed}");
            let found = read(&historian, all([1]));
            let told = |batches: usize| SIZES.iter().take(batches).sum::<i64>();
            let rows = found.len() as i64;
            assert!(
                [told(acknowledged), told(acknowledged + 1)].contains(&rows),
                "step {step} seed {seed}: {acknowledged} batches acknowledged, {rows} rows there"
            );
            assert_eq!(found, noise(1, 0, rows), "step {step} seed {seed}");
        }
    }
}

#[test]
fn power_cut_while_recovering_from_a_power_cut() {
    for seed in 0..150 * u64::from(depth()) {
        let disk = SimDisk::new();
        disk.cut_power_after(20 + seed % 50);
        let told = work(&disk);
        for again in 0..4 {
            disk.restart(seed * 10 + again);
            disk.cut_power_after(seed % 7 + again);
            // Whether this open works does not matter; what it leaves behind does.
            if let Ok((historian, _)) = Historian::open(options(&disk)) {
                let _ = wait(historian.close());
            }
        }
        disk.restart(seed);
        verify(&disk, &told, &format!("seed {seed}"));
    }
}

#[test]
fn a_failed_sync_at_any_place_never_acknowledges_what_is_lost() {
    for n in 1..40 {
        for seed in 0..3 * u64::from(depth()) {
            let disk = SimDisk::new();
            disk.fail_sync(n);
            let told = work(&disk);
            disk.restart(seed);
            verify(&disk, &told, &format!("sync {n} seed {seed}"));
        }
    }
}

proptest! {
    #![proptest_config(fixed(60))]
    /// Producers at once, so that groups hold several records: a torn group is not damage.
    #[test]
    fn power_cut_with_many_producers(cut in 5u64..60, seed in any::<u64>(), producers in 2u32..8) {
        let disk = SimDisk::new();
        let (historian, _) = open(&disk);
        disk.cut_power_after(cut);
        let acknowledged: Vec<(u32, u64)> = wait(async {
            let tasks: Vec<_> = (0..producers).map(|source| {
                let historian = historian.clone();
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for i in 0..20u64 {
                        let rows = ramp(source, i as i64 * 50, 50);
                        match historian.append(batch(source, 1, i * 50, rows)).await {
                            Ok(_) => done.push((source, i)),
                            Err(_) => break,
                        }
                        if i % 7 == 6 {
                            let _ = historian.flush().await;
                        }
                    }
                    done
                })
            }).collect();
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.unwrap());
            }
            all
        });
        drop(historian);
        disk.restart(seed);
        let (historian, recovery) = open(&disk);
        prop_assert_eq!(recovery.damaged, vec![]);
        for source in 0..producers {
            let found = read(&historian, all([source]));
            let kept = found.len() as i64 / 50;
            prop_assert_eq!(&found, &ramp(source, 0, kept * 50), "whole batches in order");
            let told = acknowledged.iter().filter(|(s, _)| *s == source).count() as i64;
            prop_assert!(kept == told || kept == told + 1, "{} acknowledged, {} there", told, kept);
        }
    }
}
