//! One flipped bit anywhere: found, never a wrong value, never a panic, and little is lost.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use historian::{Historian, OpenError, Options, RangeQuery, sim::SimDisk};
use types::{PointId, Quality, Value};

use crate::{
    fixture::{instants_2, points_2, store_2},
    soak::Soak,
    support::*,
};

const POINTS: [u32; 4] = [1, 2, 3, 4];

/// Two segments, a snapshot and a log with several groups.
fn store() -> (SimDisk, Model) {
    let disk = SimDisk::new();
    let (historian, _) = Historian::open(Options { chunk_rows: 16, ..options(&disk) }).unwrap();
    let mut model = Model::default();
    let mut sequence = 0;
    for i in 0..9i64 {
        let mut rows: Vec<Row> = POINTS[..3].iter().flat_map(|p| ramp(*p, i * 20, 20)).collect();
        rows.push((PointId(4), seconds(i), Some(Value::String("text".into())), Quality::UNCERTAIN));
        let next = batch(1, 1, sequence, rows);
        sequence += next.rows() as u64;
        model.push(&next);
        wait(historian.append(next)).unwrap();
        if i == 2 || i == 5 {
            wait(historian.flush()).unwrap();
        }
    }
    drop(historian);
    (disk, model)
}

/// Opens a damaged copy; whatever is read must be true. Gives the rows that are missing and whether anyone was told.
fn examine(disk: &SimDisk, model: &Model, what: &str) -> Result<(usize, bool), OpenError> {
    let (historian, recovery) = Historian::open(options(disk))?;
    let found = read(&historian, all(POINTS));
    let truth = model.range(&all(POINTS));
    for row in &found {
        assert!(truth.contains(row), "{what}: {row:?} was never written");
    }
    let told = !recovery.damaged.is_empty() || !historian.damaged().is_empty() || recovery.torn_bytes > 0;
    Ok((truth.len() - found.len(), told))
}

fn flip(disk: &SimDisk, path: &Path, offset: usize, bit: u8) -> SimDisk {
    let copy = disk.copy();
    let mut bytes = copy.content(path).unwrap();
    bytes[offset] ^= 1 << bit;
    copy.put(path, &bytes);
    copy
}

/// Places in a file: every `step` bytes of what it holds, and a few of the zeros behind.
fn places(bytes: &[u8], step: usize) -> impl Iterator<Item = usize> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    (0..used).step_by(step).chain((used..bytes.len()).step_by(4_099))
}

fn each_flip(endings: &str, step: usize, check: impl Fn(&SimDisk, &Model, PathBuf, usize, &str)) {
    let (disk, model) = store();
    let files = names(&disk, endings);
    assert!(!files.is_empty());
    for path in files {
        let bytes = disk.content(&path).unwrap();
        let len = bytes.len();
        for offset in places(&bytes, step) {
            let what = format!("{} offset {offset} of {len}", path.display());
            check(&flip(&disk, &path, offset, (offset % 8) as u8), &model, path.clone(), offset, &what);
        }
    }
}

#[test]
fn in_a_segment_hides_one_chunk_at_most() {
    each_flip(".seg", 3, |disk, model, _, _, what| {
        let (missing, told) = examine(disk, model, what).unwrap();
        assert!(told, "{what}: nobody was told");
        assert!(missing <= 16, "{what}: {missing} rows are missing");
    });
}

#[test]
fn in_the_manifest_is_healed() {
    each_flip("MANIFEST", 1, |disk, model, _, _, what| {
        assert_eq!(examine(disk, model, what).unwrap(), (0, true), "{what}");
        let (_, recovery) = open(disk);
        assert_eq!(recovery.damaged, [], "{what}: healed for good");
    });
}

#[test]
fn in_the_log_loses_one_record_at_most() {
    each_flip(".log", 3, |disk, model, _, _, what| {
        let (missing, told) = examine(disk, model, what).unwrap();
        assert!(told, "{what}: nobody was told");
        assert!(missing <= 61, "{what}: {missing} rows are missing");
        let (_, recovery) = open(disk);
        assert_eq!(recovery.damaged, [], "{what}: met once only");
    });
}

#[test]
fn in_the_latest_values_is_worked_out_again() {
    each_flip(".latest", 1, |disk, model, _, _, what| {
        let (historian, recovery) = open(disk);
        assert_eq!(recovery.damaged.len(), 1, "{what}");
        for point in POINTS.map(PointId) {
            model.check_latest(point, historian.latest(&[point]).remove(0));
        }
    });
}

#[test]
fn truncated_and_missing_files_never_panic() {
    let (disk, model) = store();
    for (path, len) in disk.files() {
        let bytes = disk.content(&path).unwrap();
        for cut in places(&bytes, 7) {
            let copy = disk.copy();
            copy.put(&path, &bytes[..cut]);
            let what = format!("{} cut to {cut} of {len}", path.display());
            match examine(&copy, &model, &what) {
                Ok((missing, told)) => {
                    assert!(told || missing == 0 || path.to_str().unwrap().ends_with(".log"), "{what}")
                }
                Err(error) => assert!(matches!(error, OpenError::ManifestDamaged { .. }), "{what}: {error}"),
            }
        }
    }
    let gone = SimDisk::new();
    for (path, _) in disk.files().iter().filter(|(path, _)| !path.ends_with("MANIFEST")) {
        gone.put(path, &disk.content(path).unwrap());
    }
    assert!(matches!(Historian::open(options(&gone)), Err(OpenError::ManifestMissing { .. })));
}

#[test]
fn damage_in_the_middle_of_the_log_is_set_aside_and_what_follows_is_kept() {
    let (disk, model) = store();
    let log = names(&disk, ".log").remove(0);
    let broken = flip(&disk, &log, 200, 0);
    let (historian, recovery) = open(&broken);
    assert_eq!(recovery.quarantined, [log.file_name().unwrap().to_str().unwrap()]);
    assert_eq!((recovery.torn_bytes, recovery.damaged.len()), (0, 1));
    let lost = model.range(&all(POINTS)).len() - read(&historian, all(POINTS)).len();
    assert_eq!(lost, 61, "one record of three");
    assert!(broken.content(&Path::new("/store/quarantine").join(log.file_name().unwrap())).is_ok());
}

/// So many flipped bits, and as many files cut short, anywhere in a store of every kind of file, block and column: each
/// is found, or it took nothing.
fn harm(mut soak: Soak) {
    let (whole, model) = store_2();
    let files = whole.files();
    let rows_at = |known_at| {
        let rows = model.range(&RangeQuery { known_at, ..all(points_2()) });
        rows.iter().map(|row| format!("{row:?}")).collect::<BTreeSet<String>>()
    };
    let truth = rows_at(None);
    // A log that was cut short says what was true before its last rows came.
    let ever: BTreeSet<String> = instants_2().flat_map(|at| rows_at(Some(at))).collect();
    let mut gone = 0;
    while soak.more() {
        let (path, len) = &files[soak.random(0, files.len() as u64) as usize];
        let mut bytes = whole.content(path).unwrap();
        let at = soak.random(0, (*len).max(1) as u64) as usize;
        if bytes.is_empty() {
            continue;
        }
        let what = if soak.cycle().is_multiple_of(2) {
            let bit = soak.random(0, 8);
            bytes[at] ^= 1 << bit;
            format!("{} byte {at} bit {bit}", path.display())
        } else {
            bytes.truncate(at);
            format!("{} cut to {at} of {len}", path.display())
        };
        let disk = whole.copy();
        disk.put(path, &bytes);
        match Historian::open(options(&disk)) {
            Err(OpenError::ManifestDamaged { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
            Ok((historian, recovery)) => {
                let found = read(&historian, all(points_2()));
                let true_rows =
                    if path.extension().is_some_and(|kind| kind == "log") { &ever } else { &truth };
                for row in &found {
                    assert!(true_rows.contains(&format!("{row:?}")), "{what}: {row:?} is not true");
                }
                let told = !recovery.damaged.is_empty()
                    || !historian.damaged().is_empty()
                    || recovery.torn_bytes > 0;
                let found: BTreeSet<String> = found.iter().map(|row| format!("{row:?}")).collect();
                let missing = truth.difference(&found).count();
                assert!(told || missing == 0, "{what}: {missing} rows are missing and nobody was told");
                gone += missing as u64;
            }
        }
        soak.count(gone);
    }
    soak.end();
}

#[test]
fn harm_of_any_kind_is_found() {
    harm(Soak::short("historian-harm", 60));
}

#[test]
#[ignore = "soak: 1,000 flipped bits and 1,000 cuts in a store of all kinds of blocks; counts the rows they took"]
fn soak_historian_harm() {
    harm(Soak::long("historian-harm", 2_000));
}
