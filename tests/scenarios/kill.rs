//! `kill -9` and power loss while rows come in: what was acknowledged is there, once, and the node starts.
//!
//! `cargo x soak kill` and `cargo x soak power` run the same code for longer.

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    ledger::{Damage, Ledger, Writers, make_points, verify},
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

/// ext4 on a loop device, its journal cut by the shutdown ioctl (no flush): what a power switch does.
struct PowerDisk {
    folder: TempDir,
}

const EXT4_IOC_SHUTDOWN: &str = "import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), \
                                 0x8004587D, struct.pack('I', 2))";

impl PowerDisk {
    /// `None` where loop mounts are not allowed: the historian's own simulated disk covers that case.
    fn make() -> Option<PowerDisk> {
        let folder = TempDir::new("power");
        let image = folder.path().join("disk.img");
        std::fs::create_dir(folder.path().join("mount")).expect("a folder");
        let size = std::fs::File::create(&image).and_then(|f| f.set_len(512 << 20));
        size.expect("an image");
        let made = run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let disk = PowerDisk { folder };
        (made && disk.mount()).then_some(disk)
    }
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("mount")
    }
    fn mount(&self) -> bool {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(self.folder.path().join("disk.img"))
            .arg(self.path()))
    }
    fn cut_power(&self) {
        assert!(
            run(Command::new("python3").args(["-c", EXT4_IOC_SHUTDOWN]).arg(self.path())),
            "the disk is cut"
        );
    }
    fn umount(&self) {
        assert!(run(Command::new("umount").arg(self.path())), "the disk is unmounted");
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|o| o.status.success())
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
    let Some(disk) = PowerDisk::make() else {
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
