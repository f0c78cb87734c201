//! `kill -9` and power loss while rows come in: what was acknowledged is there, once, and the node starts.
//!
//! `cargo x soak kill` and `cargo x soak power` run the same code for longer.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    ledger::{Damage, Ledger, Writers, make_points, verify},
    power::PowerDisk,
    soak::Soak,
    support::{TempDir, binary::Process},
};

/// Writers at the same time, one a point.
const WRITERS: usize = 4;

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    kill(Soak::short("kill", 20));
}

#[test]
#[ignore = "soak: kill -9 at random moments of ingest, 50 cycles"]
fn soak_kill() {
    kill(Soak::long("kill", 50));
}

fn kill(mut soak: Soak) {
    let dir = TempDir::new("kill");
    let ledgers: Vec<Arc<Mutex<Ledger>>> = (0..WRITERS).map(|_| Arc::default()).collect();
    let process = Process::serve(dir.path(), &[("SINEW_STORAGE_MEMORY_MIB", "1")]);
    let points = make_points(&process.set_up(), WRITERS);
    let mut process = Some(process);
    while soak.more() {
        let running = process
            .take()
            .unwrap_or_else(|| Process::serve(dir.path(), &[("SINEW_STORAGE_MEMORY_MIB", "1")]));
        let client = running.sign_in();
        let writers = Writers::start(&client, &points, &ledgers);
        std::thread::sleep(Duration::from_millis(soak.random(20, 700)));
        running.kill();
        writers.join();
        let again = Process::serve(dir.path(), &[("SINEW_STORAGE_MEMORY_MIB", "1")]);
        let client = again.sign_in();
        check(&mut soak, &client, &points, &ledgers);
        process = Some(again);
    }
    soak.end();
}

fn check(
    soak: &mut Soak,
    client: &crate::support::client::Client,
    points: &[String],
    ledgers: &[Arc<Mutex<Ledger>>],
) {
    let mut acknowledged = 0;
    for (point, ledger) in points.iter().zip(ledgers) {
        let ledger = ledger.lock().expect("no writer panicked").clone();
        let damage = verify(client, point, &ledger);
        assert_eq!(
            damage,
            Damage::default(),
            "cycle {} point {point}, {} rows sent",
            soak.cycle(),
            ledger.sent()
        );
        acknowledged += ledger.rows();
    }
    assert!(acknowledged > 0, "the run stored something");
    soak.count(acknowledged);
}

#[test]
fn power_lost_at_any_moment_nothing_acknowledged_is_lost() {
    lose_power(Soak::short("power", 5));
}

#[test]
#[ignore = "soak: power cut at random moments of ingest, 40 cycles"]
fn soak_power() {
    lose_power(Soak::long("power", 40));
}

fn lose_power(mut soak: Soak) {
    let folder = TempDir::new("power");
    let Some(disk) = PowerDisk::make(folder.path()) else {
        println!("loop mounts are not allowed here; the historian's simulated disk covers power loss");
        return;
    };
    let ledgers: Vec<Arc<Mutex<Ledger>>> = (0..WRITERS).map(|_| Arc::default()).collect();
    let data: &Path = &disk.path().join("data");
    let small = [("SINEW_STORAGE_MEMORY_MIB", "1")];
    let process = Process::serve(data, &small);
    let points = make_points(&process.set_up(), WRITERS);
    process.kill();
    while soak.more() {
        let running = Process::serve(data, &small);
        let writers = Writers::start(&running.sign_in(), &points, &ledgers);
        std::thread::sleep(Duration::from_millis(soak.random(200, 1_500)));
        disk.cut_power();
        std::thread::sleep(Duration::from_millis(50));
        running.kill();
        writers.join();
        disk.umount();
        assert!(disk.mount(), "the disk mounts again");
        let again = Process::serve(data, &small);
        check(&mut soak, &again.sign_in(), &points, &ledgers);
        again.kill();
    }
    soak.end();
}
