//! The fault model by seeds: a drawn workload, a drawn fault, and nothing acknowledged is lost, nothing is there twice,
//! nothing is there that was not written, and the store opens.

use historian::{Historian, Options, Scope, sim::SimDisk};
use types::{PointId, Quality, Time, Value};

use crate::{soak::Soak, support::*};

/// Seeds of an ordinary run, and of a nightly one.
const SEEDS: u64 = 300;
const SEEDS_SOAK: u64 = 20_000;

struct Draw(u64);

impl Draw {
    /// Below `n`; SplitMix64 (Steele, Lea, Flood 2014).
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    /// A few rows that meet those before them now and then.
    fn rows(&mut self) -> Vec<Row> {
        let (n, start) = (1 + self.below(90), self.below(400) as i64);
        let day = if self.below(6) == 0 { self.below(60) as i64 } else { 0 };
        (0..n as i64)
            .map(|i| {
                let time = Time(day * DAY_NS + (start + i) * 1_000_000_000);
                let value = match self.below(8) {
                    0 => None,
                    1 => Some(Value::String(format!("text {}", self.below(9)).into())),
                    _ => Some(Value::F64(self.below(1000) as f64 / 4.0)),
                };
                let quality = if value.is_none() { Quality::BAD_NO_COMMUNICATION } else { Quality::GOOD };
                (PointId(self.below(3) as u32), time, value, quality)
            })
            .collect()
    }
}

/// What the disk will do to the workload.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    PowerCut,
    PowerCutTwice,
    FailedSync,
    FullDisk,
    FlippedBit,
}

const FAULTS: [Fault; 5] =
    [Fault::PowerCut, Fault::PowerCutTwice, Fault::FailedSync, Fault::FullDisk, Fault::FlippedBit];

/// The change that was under way when the work ended: nobody was told how it went.
enum Pending {
    Nothing,
    Append(types::SampleBatch),
    Delete(Scope),
}

fn small(disk: &SimDisk) -> Options {
    Options { chunk_rows: 16, memory_bytes: 60_000, ..options(disk) }
}

/// Works until it is done or the power is off.
fn work(disk: &SimDisk, draw: &mut Draw, fault: Fault, model: &mut Model) -> Pending {
    let Ok((mut historian, _)) = Historian::open(small(disk)) else { return Pending::Nothing };
    let mut sequence = 0;
    for step in 0..6 + draw.below(20) {
        if fault == Fault::FullDisk && step % 5 == 2 {
            disk.set_budget(Some(disk.used() + draw.below(60_000) as usize));
        }
        match draw.below(12) {
            0 | 1 => drop(wait(historian.flush())),
            2 | 3 => drop(wait(historian.compact())),
            4 => {
                let from = seconds(draw.below(400) as i64);
                let to = Time(from.0 + 1 + draw.below(100) as i64 * 1_000_000_000);
                let scope = Scope { points: vec![PointId(draw.below(3) as u32)], from, to };
                match wait(historian.delete(scope.clone(), "test", "drawn")) {
                    Ok(()) => model.delete(&scope, Time(0)),
                    Err(_) if fault == Fault::FullDisk => {}
                    Err(_) if fault == Fault::FailedSync => {
                        // Told that it failed; asked again, it is done.
                        disk.set_budget(None);
                        wait(historian.delete(scope.clone(), "test", "again")).unwrap();
                        model.delete(&scope, Time(0));
                    }
                    Err(_) => return Pending::Delete(scope),
                }
            }
            5 => {
                drop(historian);
                match Historian::open(small(disk)) {
                    Ok((again, _)) => historian = again,
                    Err(_) if fault == Fault::FullDisk => {
                        disk.set_budget(None);
                        historian = Historian::open(small(disk)).unwrap().0;
                    }
                    Err(_) if fault == Fault::FailedSync => {
                        historian = Historian::open(small(disk)).unwrap().0
                    }
                    Err(_) => return Pending::Nothing,
                }
            }
            _ => {
                let next = batch(1, 1, sequence, draw.rows());
                if wait(historian.append(next.clone())).is_err() {
                    if matches!(fault, Fault::PowerCut | Fault::PowerCutTwice) {
                        return Pending::Append(next);
                    }
                    disk.set_budget(None);
                    wait(historian.append(next.clone())).unwrap();
                }
                sequence += next.rows() as u64;
                model.push(&next);
            }
        }
    }
    disk.set_budget(None);
    if draw.below(2) == 0 {
        let _ = wait(historian.close());
    }
    Pending::Nothing
}

/// The store says what the model says, or what it would say had the pending change been made.
fn verify(disk: &SimDisk, model: &mut Model, pending: Pending, what: &str) {
    let (historian, recovery) = Historian::open(small(disk)).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(recovery.damaged, [], "{what}");
    let found = read(&historian, all(0..3));
    let without = model.range(&all(0..3));
    match pending {
        Pending::Nothing => assert_eq!(found, without, "{what}"),
        Pending::Delete(scope) => {
            model.delete(&scope, Time(0));
            assert!(found == without || found == model.range(&all(0..3)), "{what}: half deleted");
            wait(historian.delete(scope, "test", "again")).unwrap();
        }
        Pending::Append(batch) => {
            model.push(&batch);
            let with = model.range(&all(0..3));
            assert!(found == without || found == with, "{what}: a batch is there in part");
            let repeated = wait(historian.append(batch)).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(!repeated.duplicate || found == with, "{what}");
        }
    }
    assert_eq!(read(&historian, all(0..3)), model.range(&all(0..3)), "{what}: after repeating");
    wait(historian.compact()).unwrap_or_else(|e| panic!("{what}: {e}"));
    wait(historian.close()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (historian, recovery) = Historian::open(small(disk)).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!((recovery.damaged, recovery.quarantined), (vec![], vec![]), "{what}");
    assert_eq!(read(&historian, all(0..3)), model.range(&all(0..3)), "{what}: another life");
    for point in (0..3).map(PointId) {
        model.check_latest(point, historian.latest(&[point]).remove(0));
    }
}

/// Flips a bit somewhere: what is read is true, what is missing was told.
fn flip(disk: &SimDisk, draw: &mut Draw, model: &Model, what: &str) {
    let files: Vec<_> = disk.files().into_iter().filter(|(_, len)| *len > 0).collect();
    let (path, len) = &files[draw.below(files.len() as u64) as usize];
    let mut bytes = disk.content(path).unwrap();
    let at = draw.below(*len as u64) as usize;
    bytes[at] ^= 1 << draw.below(8);
    disk.put(path, &bytes);
    let (historian, recovery) = Historian::open(small(disk)).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (found, truth) = (read(&historian, all(0..3)), model.range(&all(0..3)));
    let told = !recovery.damaged.is_empty() || !historian.damaged().is_empty() || recovery.torn_bytes > 0;
    let what = format!("{what}, {} byte {at} of {len}", path.display());
    assert!(told || found == truth, "{what}: nobody was told");
    // A damaged log record takes its deletions' and corrections' sense from nobody: what it replaced is current again.
    if !path.to_string_lossy().ends_with(".log") {
        for row in &found {
            assert!(truth.contains(row), "{what}: {row:?} is not true");
        }
    }
}

fn one(seed: u64) {
    let fault = FAULTS[(seed % FAULTS.len() as u64) as usize];
    let what = format!("seed {seed} {fault:?}");
    let mut draw = Draw(seed.wrapping_mul(0x5851_F42D_4C95_7F2D));
    let (disk, mut model) = (SimDisk::new(), Model::default());
    match fault {
        Fault::PowerCut | Fault::PowerCutTwice => disk.cut_power_after(draw.below(250)),
        Fault::FailedSync => disk.fail_sync(1 + draw.below(60)),
        Fault::FullDisk | Fault::FlippedBit => {}
    }
    let pending = work(&disk, &mut draw, fault, &mut model);
    disk.restart(draw.below(u64::MAX));
    if fault == Fault::PowerCutTwice {
        disk.cut_power_after(draw.below(20));
        if let Ok((historian, _)) = Historian::open(small(&disk)) {
            let _ = wait(historian.compact());
            let _ = wait(historian.close());
        }
        disk.restart(draw.below(u64::MAX));
    }
    match fault {
        Fault::FlippedBit => flip(&disk, &mut draw, &model, &what),
        _ => verify(&disk, &mut model, pending, &what),
    }
}

#[test]
fn no_seed_loses_anything() {
    (0..SEEDS).for_each(one);
}

#[test]
#[ignore = "soak: 20,000 drawn workloads with drawn faults"]
fn soak_historian_seeds() {
    let mut soak = Soak::long("historian-seeds", SEEDS_SOAK);
    while soak.more() {
        one(soak.cycle());
        soak.count(soak.cycle() + 1);
    }
    soak.end();
}
