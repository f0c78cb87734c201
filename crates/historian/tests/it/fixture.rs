//! A store written by format version 1, kept for good: every later release reads it and finds the same rows.

use std::{collections::BTreeSet, path::Path};

use historian::{CompactError, Historian, Options, Scope, UpkeepError, sim::SimDisk};
use types::{PointId, Quality, Time, Value};

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

/// How the fixture was made. Not run: its bytes are frozen.
#[test]
#[ignore = "writes a fixture; run by hand for a new format version"]
fn write_fixture() {
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
