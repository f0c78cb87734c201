//! Full and failing disks: refused clearly, nothing lost, and it heals by itself.

use historian::{AppendError, Historian, Options, sim::SimDisk};

use crate::support::*;

#[test]
fn a_full_disk_refuses_and_heals() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    wait(historian.append(batch(1, 1, 0, noise(1, 0, 100)))).unwrap();
    disk.set_budget(Some(disk.used() + 300));
    // More than the room that the log has made ahead; less still fits.
    let large = || batch(1, 1, 100, noise(1, 100, 10_000));
    let refused = wait(historian.append(large()));
    assert!(matches!(refused, Err(AppendError::DiskFull { .. })), "{refused:?}");
    assert!(historian.stats().refusing.is_some());
    assert_eq!(read(&historian, all([1])), noise(1, 0, 100), "reading goes on");
    assert!(wait(historian.flush()).is_err());
    assert_eq!(read(&historian, all([1])), noise(1, 0, 100), "a flush that failed changed nothing");
    wait(historian.append(batch(2, 1, 0, noise(2, 0, 3)))).unwrap();
    disk.set_budget(None);
    assert!(!wait(historian.append(large())).unwrap().duplicate);
    assert_eq!(historian.stats().refusing, None);
    drop(historian);
    disk.restart(1);
    let (historian, recovery) = open(&disk);
    assert_eq!((recovery.damaged, recovery.torn_bytes, recovery.rows_replayed), (vec![], 0, 10_103));
    assert_eq!(read(&historian, all([1])), noise(1, 0, 10_100));
}

#[test]
fn a_full_disk_bounds_memory_and_leaves_no_litter() {
    let disk = SimDisk::new();
    let (historian, _) = Historian::open(Options { memory_bytes: 200_000, ..options(&disk) }).unwrap();
    wait(historian.append(batch(1, 1, 0, noise(1, 0, 5_000)))).unwrap();
    // Room for the log, not for segments.
    disk.set_budget(Some(disk.used() + 80_000));
    let (mut kept, mut refused) = (5_000, 0);
    for _ in 0..40 {
        match wait(historian.append(batch(1, 1, kept, noise(1, kept as i64, 1000)))) {
            Ok(_) => kept += 1000,
            Err(AppendError::MemoryFull { .. } | AppendError::DiskFull { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0 && kept < 25_000, "{kept} rows where there is no room for them");
    assert!(historian.stats().memory_bytes < 600_000);
    // Whatever is under way ends, well or not.
    let _ = wait(historian.flush());
    assert_eq!(names(&disk, ".seg").len(), historian.stats().segments, "{:?}", disk.files());
    assert!(names(&disk, ".tmp").is_empty(), "{:?}", disk.files());
    disk.set_budget(None);
    wait(historian.flush()).unwrap();
    assert_eq!(read(&historian, all([1])), noise(1, 0, kept as i64));
}

#[test]
fn a_store_opens_and_reads_on_a_full_disk() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    wait(historian.append(batch(1, 1, 0, ramp(1, 0, 50)))).unwrap();
    wait(historian.flush()).unwrap();
    for i in 1..4 {
        wait(historian.append(batch(1, 1, i * 50, ramp(1, i as i64 * 50, 50)))).unwrap();
    }
    drop(historian);
    disk.set_budget(Some(0));
    // Even when a damaged log should be copied aside first.
    let log = names(&disk, ".log").remove(0);
    let mut bytes = disk.content(&log).unwrap();
    bytes[200] ^= 1;
    disk.put(&log, &bytes);
    let (historian, recovery) = open(&disk);
    assert_eq!((recovery.damaged.len(), recovery.quarantined.len()), (1, 0));
    let mut wanted = ramp(1, 0, 50);
    wanted.extend(ramp(1, 100, 100));
    assert_eq!(read(&historian, all([1])), wanted);
    let refused = wait(historian.append(batch(1, 1, 200, ramp(1, 200, 1))));
    assert!(matches!(refused, Err(AppendError::DiskFull { .. })), "{refused:?}");
    disk.set_budget(None);
    wait(historian.append(batch(1, 1, 200, ramp(1, 200, 1)))).unwrap();
}

#[test]
fn a_failed_sync_poisons_the_file_and_is_never_retried() {
    // What a failed sync leaves on the disk is drawn by the number of syncs before it: nothing, all, or parts.
    for (before, repeat) in (1..12).flat_map(|before| [(before, false), (before, true)]) {
        let disk = SimDisk::new();
        let (historian, _) = open(&disk);
        let append = |first: i64, n| wait(historian.append(batch(1, 1, first as u64, ramp(1, first, n))));
        for i in 0..before {
            append(i * 10, 10).unwrap();
        }
        let logs = names(&disk, ".log");
        let at = before * 10;
        disk.fail_sync(1);
        let failed = append(at, 10);
        assert!(matches!(failed, Err(AppendError::SyncFailed { .. })), "{failed:?}");
        assert_eq!(read(&historian, all([1])).len() as i64, at, "not visible");
        // The sender goes on, with the same batch or with one that is cut elsewhere.
        let n = if repeat { 10 } else { 4 };
        assert!(!append(at, n).unwrap().duplicate);
        append(at + n, 10).unwrap();
        assert_eq!(historian.stats().log_files_poisoned, 1);
        assert!(names(&disk, ".log").len() > logs.len(), "a fresh file");
        drop(historian);
        disk.restart(3);
        let (historian, recovery) = open(&disk);
        assert_eq!(recovery.damaged, []);
        assert_eq!(read(&historian, all([1])), ramp(1, 0, at + n + 10), "{before} syncs before");
    }
}

#[test]
fn what_a_killed_process_left_unsynced_is_durable_before_it_counts_as_stored() {
    let unsure = || batch(1, 1, 0, ramp(1, 0, 100));
    // What the failed sync leaves on the disk is drawn by the number of syncs before it.
    let killed = |before: i64| {
        let disk = SimDisk::new();
        let (historian, _) = open(&disk);
        for i in 0..before {
            wait(historian.append(batch(2, 1, i as u64, ramp(2, i, 1)))).unwrap();
        }
        disk.fail_sync(1);
        assert!(wait(historian.append(unsure())).is_err());
        disk
    };
    let mut lost = 0;
    for before in 1..12 {
        let disk = killed(before);
        disk.restart(0);
        lost += u32::from(read(&open(&disk).0, all([1])).is_empty());

        let disk = killed(before);
        // The next process reads what the kernel still has in memory.
        let (historian, recovery) = open(&disk);
        assert_eq!(recovery.rows_replayed, 100 + before as u64);
        assert!(wait(historian.append(unsure())).unwrap().duplicate);
        drop(historian);
        disk.restart(0);
        let (historian, recovery) = open(&disk);
        assert_eq!(recovery.damaged, []);
        assert_eq!(read(&historian, all([1, 2])), [ramp(1, 0, 100), ramp(2, 0, before)].concat());
    }
    assert!(lost > 0, "without the second process the rows were in danger");
}

#[test]
fn two_appends_of_one_batch_share_its_fate() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    wait(historian.append(batch(9, 1, 0, ramp(9, 0, 1)))).unwrap();
    disk.fail_sync(1);
    let pair = [0, 1].map(|_| historian.append(batch(1, 1, 0, ramp(1, 0, 5))));
    let answers = wait(async {
        let tasks = pair.map(tokio::spawn);
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    });
    // Whether both were in the group that failed or one came after it: an acknowledgement is true.
    drop(historian);
    disk.restart(0);
    let (historian, _) = open(&disk);
    if answers.iter().any(Result::is_ok) {
        assert_eq!(read(&historian, all([1])), ramp(1, 0, 5));
    }
    assert!(answers.iter().any(Result::is_err));
}

#[test]
fn what_was_under_way_behind_a_refused_batch_is_refused_with_it() {
    let disk = SimDisk::new();
    let (historian, _) = open(&disk);
    wait(historian.append(batch(9, 1, 0, ramp(9, 0, 1)))).unwrap();
    disk.fail_sync(1);
    let send = |i: u64| historian.append(batch(1, 1, i * 10, ramp(1, i as i64 * 10, 10)));
    let under_way: Vec<_> = (0..4).map(send).collect();
    let answers = wait(async {
        let tasks: Vec<_> = under_way.into_iter().map(tokio::spawn).collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    });
    assert!(answers.iter().all(|a| matches!(a, Err(AppendError::SyncFailed { .. }))), "{answers:?}");
    for i in 0..4 {
        assert!(!wait(send(i)).unwrap().duplicate, "batch {i} was never stored");
    }
    assert_eq!(read(&historian, all([1])), ramp(1, 0, 40));
    // Who knows of the refusal may go on without the refused rows.
    disk.fail_sync(1);
    assert!(wait(send(4)).is_err());
    assert!(wait(send(5)).is_ok());
    assert_eq!(historian.stats().sequence_gap_rows, 10);
}
