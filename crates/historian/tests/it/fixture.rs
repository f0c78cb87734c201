//! Stores written by each format version, kept for good: every later release reads them and finds the same rows.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use historian::{CompactError, Historian, Options, Scope, TrendQuery, UpkeepError, sim::SimDisk};
use types::{PointId, Quality, SampleBatch, Time, Value};

use crate::support::*;

const FILES: [(&str, &[u8]); 5] = [
    ("MANIFEST", include_bytes!("../fixtures/v1/MANIFEST")),
    ("000000000002.seg", include_bytes!("../fixtures/v1/000000000002.seg")),
    ("000000000003.seg", include_bytes!("../fixtures/v1/000000000003.seg")),
    ("000000000004.latest", include_bytes!("../fixtures/v1/000000000004.latest")),
    ("000000000005.log", include_bytes!("../fixtures/v1/000000000005.log")),
];

fn first() -> Vec<Row> {
    let good = Quality::GOOD;
    vec![
        (PointId(1), seconds(1), Some(Value::F32(21.5)), good),
        (PointId(1), seconds(2), None, Quality::BAD_NO_COMMUNICATION),
        (PointId(1), seconds(3), Some(Value::F32(21.75)), Quality::UNCERTAIN),
        (PointId(2), seconds(1), Some(Value::Bool(true)), good),
        (PointId(2), seconds(2), Some(Value::Bool(false)), good),
        (PointId(3), Time(-5), Some(Value::I64(-7)), good),
        (PointId(4), seconds(1), Some(Value::U64(u64::MAX)), good),
        (PointId(5), seconds(1), Some(Value::F64(0.1)), good),
        (PointId(6), seconds(1), Some(Value::String("3 号泵".into())), good),
        (PointId(7), seconds(1), Some(Value::Bytes([1, 2, 3].as_slice().into())), good),
    ]
}

fn second() -> Vec<Row> {
    vec![
        (PointId(1), seconds(3), Some(Value::F32(22.0)), Quality::GOOD),
        (PointId(8), seconds(4), Some(Value::I64(8)), Quality::GOOD),
    ]
}

/// How the fixture was made, by the release of that version. Not run: its bytes are frozen.
#[test]
#[ignore = "writes a fixture; run by hand for a new format version"]
fn write_fixture_1() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    wait(historian.append(batch(3, 2, 0, first()))).unwrap();
    wait(historian.flush()).unwrap();
    wait(historian.append(batch(3, 2, 10, second()))).unwrap();
    drop(historian);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    std::fs::create_dir_all(&folder).unwrap();
    for (path, _) in disk.files() {
        std::fs::write(folder.join(path.file_name().unwrap()), disk.content(&path).unwrap()).unwrap();
    }
}

#[test]
fn version_1_reads_as_it_was_written() {
    let disk = SimDisk::new();
    for (name, bytes) in FILES {
        disk.put(&Path::new("/store").join(name), bytes);
    }
    let (historian, recovery) = Historian::open(options(&disk)).unwrap();
    assert_eq!((recovery.damaged, recovery.quarantined, recovery.rows_replayed), (vec![], vec![], 2));
    let mut wanted = first();
    wanted[2] = second()[0].clone();
    wanted.push(second()[1].clone());
    assert_eq!(read(&historian, all(1..9)), wanted);
    let state = historian.source_state(types::SourceId(3)).unwrap();
    assert_eq!((state.epoch, state.next_sequence), (2, 12));
    assert_eq!(historian.latest(&[PointId(1)])[0].as_ref().unwrap().value, Some(Value::F32(22.0)));
}

/// A store keeps its version until its owner confirms a later one: the release before can still open it.
#[test]
fn version_1_is_written_on_until_version_2_is_confirmed() {
    let disk = SimDisk::new();
    for (name, bytes) in FILES {
        disk.put(&Path::new("/store").join(name), bytes);
    }
    let versions = || -> BTreeSet<u8> {
        let files = disk.files().into_iter().filter(|(path, _)| !path.ends_with("LOCK"));
        files.map(|(path, _)| disk.content(&path).unwrap()[8]).collect()
    };
    let third = ramp(9, 0, 500);
    let (historian, _) = open(&disk);
    wait(historian.append(batch(3, 2, 12, third.clone()))).unwrap();
    assert_eq!(versions(), BTreeSet::from([1]));
    wait(historian.flush()).unwrap();
    let scope = Scope { points: vec![], from: seconds(0), to: seconds(9) };
    assert_eq!(wait(historian.delete(scope, "test", "not yet")), Err(UpkeepError::Format));
    assert_eq!(wait(historian.compact()), Err(CompactError::Format { found: 1 }));
    wait(historian.close()).unwrap();
    assert_eq!(versions(), BTreeSet::from([1]));
    let all_rows = |historian: &Historian| read(historian, all(1..10));
    let before = all_rows(&open(&disk).0);
    assert_eq!(before.len(), 11 + 500);

    let confirmed = || Historian::open(Options { confirm_format: true, ..options(&disk) }).unwrap();
    let (historian, recovery) = confirmed();
    assert_eq!((recovery.damaged, recovery.quarantined), (vec![], vec![]));
    assert_eq!(all_rows(&historian), before);
    wait(historian.compact()).unwrap();
    wait(historian.append(batch(3, 2, 512, ramp(9, 500, 500)))).unwrap();
    wait(historian.close()).unwrap();
    assert_eq!(versions(), BTreeSet::from([2]));
    let (historian, recovery) = open(&disk);
    assert_eq!((recovery.damaged, recovery.quarantined), (vec![], vec![]));
    assert_eq!(all_rows(&historian), [before, ramp(9, 500, 500)].concat());
    assert_eq!(historian.stats().format, 2);
}

/// Where the store of version 2 is.
fn folder_2() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2")
}

/// What was done to the store of version 2, a day after the other: each kind of file, block and column is in it.
enum Act {
    Append(SampleBatch),
    Flush,
    Compact,
    Delete(Scope),
}

fn acts_2() -> Vec<Act> {
    let mut sequence = 0;
    let mut append = |rows: Vec<Row>| {
        let batch = batch(3, 2, sequence, rows);
        sequence += batch.rows() as u64;
        Act::Append(batch)
    };
    let numbered = |point: u32, rows: i64, value: &dyn Fn(i64) -> Value| -> Vec<Row> {
        (0..rows).map(|s| (PointId(point), seconds(s), Some(value(s)), Quality::GOOD)).collect()
    };
    let words = ["run", "stop", "fault", "手动"];
    let many = [
        // Few rows of many points, in shared chunks; each type.
        first(),
        (20..60).flat_map(|point| ramp(point, i64::from(point), 5)).collect(),
        // Chunks of their own: decimals, noise of each width, counts, states, texts alike and not, and gaps.
        numbered(60, 5_000, &|s| Value::F64((s * 37 % 1_000) as f64 / 100.0)),
        noise(61, 0, 2_000),
        numbered(62, 1_500, &|s| Value::F32((s as f32 * 0.37).sin())),
        numbered(63, 1_500, &|s| Value::F64((s as f64 * 0.37).sin())),
        numbered(64, 1_500, &|s| Value::Bool(s / 100 % 2 == 0)),
        numbered(65, 1_500, &|s| Value::I64(s * s - if s % 97 == 0 { 1 << 40 } else { 0 })),
        numbered(66, 1_500, &|s| Value::String(words[(s / 7 % 4) as usize].into())),
        numbered(67, 1_500, &|s| Value::Bytes(format!("frame {s} of many").into_bytes().into())),
        (0..40).flat_map(|part| ramp(68, part * part * 1_000, 40)).collect(),
    ];
    let scope = Scope { points: vec![PointId(60)], from: seconds(100), to: seconds(200) };
    vec![
        append(many.concat()),
        Act::Flush,
        // Late and corrected rows, one of another type.
        append([second(), ramp(60, 300, 50), ramp(61, 10, 5), ramp(68, 500, 10)].concat()),
        Act::Flush,
        Act::Delete(scope),
        Act::Compact,
        append(ramp(69, 0, 3)),
        append(ramp(60, 5_000, 1_200)),
        Act::Flush,
        // What stays in the log, plain and coded.
        append(ramp(70, 0, 3)),
        append([ramp(71, 0, 200), ramp(60, 0, 10)].concat()),
    ]
}

/// A clock for the store, and where it is set: a day later with each act.
fn options_2(disk: &SimDisk) -> (Options, Arc<AtomicI64>) {
    let at = Arc::new(AtomicI64::new(CLOCK_START));
    let clock = at.clone();
    let now = Arc::new(move || Time(clock.load(Ordering::Relaxed)));
    (Options { now, ..options(disk) }, at)
}

fn at_act(act: usize) -> Time {
    Time(CLOCK_START + act as i64 * DAY_NS)
}

/// How the fixture of version 2 was made, by the release of that version. Not run: its bytes are frozen.
#[test]
#[ignore = "writes a fixture; run by hand for a new format version"]
fn write_fixture_2() {
    let disk = SimDisk::new();
    let (options, clock) = options_2(&disk);
    let (historian, _) = Historian::open(options).unwrap();
    for (at, act) in acts_2().into_iter().enumerate() {
        clock.store(at_act(at).0, Ordering::Relaxed);
        match act {
            Act::Append(batch) => drop(wait(historian.append(batch)).unwrap()),
            Act::Flush => wait(historian.flush()).unwrap(),
            Act::Compact => drop(wait(historian.compact()).unwrap()),
            Act::Delete(scope) => wait(historian.delete(scope, "test", "wrong")).unwrap(),
        }
    }
    drop(historian);
    std::fs::create_dir_all(folder_2()).unwrap();
    for (path, _) in disk.files() {
        std::fs::write(folder_2().join(path.file_name().unwrap()), disk.content(&path).unwrap()).unwrap();
    }
}

/// The store of version 2 on a disk of its own, and what is in it.
pub(crate) fn store_2() -> (SimDisk, Model) {
    let (disk, mut model) = (SimDisk::new(), Model::default());
    for file in std::fs::read_dir(folder_2()).unwrap() {
        let file = file.unwrap();
        disk.put(&Path::new("/store").join(file.file_name()), &std::fs::read(file.path()).unwrap());
    }
    for (at, act) in acts_2().into_iter().enumerate() {
        match act {
            Act::Append(batch) => model.push_at(&batch, at_act(at)),
            Act::Delete(scope) => model.delete(&scope, at_act(at)),
            Act::Flush | Act::Compact => {}
        }
    }
    (disk, model)
}

/// Points of the store of version 2.
pub(crate) fn points_2() -> impl Iterator<Item = u32> {
    (1..9).chain(20..72)
}

/// An instant after each thing that was done to it.
pub(crate) fn instants_2() -> impl Iterator<Item = Time> {
    (0..acts_2().len()).map(|act| Time(at_act(act).0 + DAY_NS / 2))
}

#[test]
fn version_2_reads_as_it_was_written() {
    let (disk, model) = store_2();
    let (options, clock) = options_2(&disk);
    clock.store(at_act(20).0, Ordering::Relaxed);
    let (historian, recovery) = Historian::open(options).unwrap();
    assert_eq!((recovery.damaged, recovery.quarantined, recovery.rows_replayed), (vec![], vec![], 213));
    assert_eq!(read(&historian, all(points_2())), model.range(&all(points_2())));
    for (act, at) in instants_2().enumerate() {
        let query = historian::RangeQuery { known_at: Some(at), ..all(points_2()) };
        assert_eq!(read(&historian, query.clone()), model.range(&query), "as known after act {act}");
    }
    points_2().map(PointId).for_each(|point| model.check_latest(point, historian.latest(&[point]).remove(0)));
    let stats = historian.stats();
    assert!(stats.segments > 1 && stats.replaced_rows > 0, "{stats:?}");
    // Wide columns, which summaries answer.
    let (from, to) = (seconds(0), seconds(8_192));
    let query = TrendQuery { points: vec![PointId(60)], from, to, columns: 1, exact: false };
    let column = wait(historian.trend(query)).unwrap().remove(0).columns.remove(0);
    let rows = model.range(&historian::RangeQuery { from, to, ..all([60]) });
    let value = |row: &Row| match row.2 {
        Some(Value::F64(value)) => value,
        _ => panic!("{row:?}"),
    };
    assert_eq!(column.rows, rows.len() as u64);
    assert_eq!(column.max.value, rows.iter().map(value).fold(f64::MIN, f64::max));
    assert!((column.sum - rows.iter().map(value).sum::<f64>()).abs() < 1e-6);
}

#[test]
fn a_later_version_is_refused_with_its_number() {
    for (changed, _) in FILES.iter().filter(|(name, _)| !name.ends_with(".latest")) {
        let disk = SimDisk::new();
        for (name, bytes) in FILES {
            let mut bytes = bytes.to_vec();
            if name == *changed {
                let copies = if name == "MANIFEST" { vec![0, bytes.len() / 2] } else { vec![0] };
                for at in copies {
                    bytes[at + 8] = 9;
                    let crc = crc32c(&bytes[at..at + 40]);
                    bytes[at + 40..at + 44].copy_from_slice(&crc.to_le_bytes());
                }
            }
            disk.put(&Path::new("/store").join(name), &bytes);
        }
        let refused = Historian::open(options(&disk)).err().unwrap();
        assert!(matches!(refused, historian::OpenError::Newer { found: 9, .. }), "{changed}: {refused}");
    }
}

/// CRC-32C (Castagnoli) bit by bit: an oracle that shares no code with the store.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
    })
}
