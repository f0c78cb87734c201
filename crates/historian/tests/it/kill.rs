//! A process that appends, flushes, compacts and queries at once is killed, or its disk loses power: what it acknowledged
//! is there, once, and the store opens. Stores are begun anew from time to time, and looked at whole before.
//!
//! The process is this test binary again. Row n of source s is of point 100 · s + n % 50, n ms after the start, with the
//! value n; of every batch the last row goes to point 100 · s + 99, where time runs backwards: always late.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, UNIX_EPOCH},
};

use historian::{AggregateQuery, Historian, Options, RangeQuery, ReadError};
use types::{PointId, Quality, SourceId, Time, Value};

use crate::{
    power::PowerDisk,
    soak::Soak,
    support::{Row, STORE, batch, rows, wait},
};

const SOURCES: u32 = 4;
/// Points of a source whose time runs on.
const POINTS: u64 = 50;
const LATE: u32 = 99;
const BATCH: u64 = 500;
/// So that flushes and compactions never end.
const MEMORY_BYTES: usize = 1 << 20;
/// Rows of a source behind the end that are looked at one by one after each cycle; all are counted and added up.
const NEAR: u64 = 20_000;
/// Cycles of one store.
const CYCLES: u64 = 50;
/// Where the process's store is.
const FOLDER: &str = "SINEW_KILL_FOLDER";
const START: i64 = 1_780_000_000_000_000_000;

fn time_of(row: u64) -> Time {
    Time(START + row as i64 * 1_000_000)
}

/// Row n of a source.
fn row(source: u32, n: u64) -> Row {
    let is_late = n % BATCH == BATCH - 1;
    let point = 100 * source + if is_late { LATE } else { (n % POINTS) as u32 };
    let time = if is_late { Time(START - n as i64 * 1_000_000) } else { time_of(n) };
    (PointId(point), time, Some(Value::F64(n as f64)), Quality::GOOD)
}

#[allow(clippy::disallowed_methods, reason = "a process of its own has the real clock")]
fn options(folder: &Path) -> Options {
    let last = AtomicI64::new(0);
    let now = move || {
        let now = UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
        Time(last.fetch_max(now, Ordering::Relaxed).max(now))
    };
    Options { memory_bytes: MEMORY_BYTES, ..Options::new(folder, Arc::new(now), STORE) }
}

#[test]
#[ignore = "run by the tests of this module in a process of its own"]
fn victim() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(std::io::stdout().lock(), "panicked {panic}");
    }));
    let (historian, _) = Historian::open(options(Path::new(&folder))).unwrap();
    let writers = (0..SOURCES).map(|source| {
        let historian = historian.clone();
        thread::spawn(move || append(&historian, source))
    });
    let writers: Vec<_> = writers.collect();
    let compacts = historian.clone();
    thread::spawn(move || while wait(compacts.compact()).is_ok() {});
    thread::spawn(move || query(&historian));
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

/// Appends until it is refused, and says what was acknowledged.
fn append(historian: &Historian, source: u32) {
    let mut next = historian.source_state(SourceId(source)).map_or(0, |state| state.next_sequence);
    loop {
        let rows = (next..next + BATCH).map(|n| row(source, n));
        if wait(historian.append(batch(source, 1, next, rows))).is_err() {
            return;
        }
        next += BATCH;
        // A parent that is gone needs no line.
        let _ = writeln!(std::io::stdout().lock(), "acknowledged {source} {next}");
    }
}

/// Reads what is there, again and again: never a value that is not its row's.
fn query(historian: &Historian) {
    for n in 0.. {
        let source = n % SOURCES;
        let end = historian.source_state(SourceId(source)).map_or(0, |state| state.next_sequence);
        // A disk without power answers nothing any more.
        if check_rows(historian, source, end.saturating_sub(NEAR), end).is_err() {
            return;
        }
    }
}

fn query_of(point: u32, from: Time, to: Time) -> RangeQuery {
    let points = vec![PointId(point)];
    RangeQuery { points, from, to, limit_rows: usize::MAX, newest_first: false, known_at: None }
}

/// Rows `from` to `to` of a source are there as they were sent, once, and nothing else.
fn check_rows(historian: &Historian, source: u32, from: u64, to: u64) -> Result<(), ReadError> {
    let wanted = |late: bool| (from..to).filter(move |n| (n % BATCH == BATCH - 1) == late);
    for point in 0..POINTS as u32 {
        let query = query_of(100 * source + point, time_of(from), time_of(to));
        let found = rows(&wait(historian.range(query))?);
        let mine = wanted(false).filter(|n| n % POINTS == u64::from(point)).map(|n| row(source, n));
        assert!(found == mine.collect::<Vec<_>>(), "source {source} point {point} rows {from} to {to}");
    }
    let late = Time(START - to as i64 * 1_000_000 + 1)..Time(START - from as i64 * 1_000_000 + 1);
    let found = rows(&wait(historian.range(query_of(100 * source + LATE, late.start, late.end)))?);
    assert!(
        found == wanted(true).rev().map(|n| row(source, n)).collect::<Vec<_>>(),
        "source {source}, late rows"
    );
    Ok(())
}

/// All rows of a source, counted and added up.
fn check_sums(historian: &Historian, source: u32, rows: u64) {
    let points = (0..POINTS as u32).chain([LATE]).map(|point| PointId(100 * source + point)).collect();
    let query = AggregateQuery { points, from: Time::MIN, to: Time::MAX, buckets: 1 };
    let buckets = wait(historian.aggregate(query)).unwrap().into_iter().flat_map(|answer| answer.buckets);
    let (count, sum) =
        buckets.fold((0, 0.0), |(count, sum), bucket| (count + bucket.count, sum + bucket.sum));
    assert_eq!((count, sum), (rows, (0..rows).map(|n| n as f64).sum::<f64>()), "source {source}");
}

/// The process, and what it said.
struct Victim {
    child: Child,
    reader: Option<thread::JoinHandle<[u64; SOURCES as usize]>>,
}

impl Victim {
    /// Starts it and waits until it has acknowledged something.
    fn start(folder: &Path) -> Victim {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::victim", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged = [0; SOURCES as usize];
        let note = |line: &str, acknowledged: &mut [u64; SOURCES as usize]| {
            let mut words = line.split(' ').skip(1).map_while(|word| word.parse::<u64>().ok());
            let of = line.starts_with("acknowledged ").then(|| words.next().zip(words.next())).flatten();
            if let Some((source, next)) = of {
                acknowledged[source as usize] = next;
            }
            assert!(!line.starts_with("panicked "), "{line}");
            of.is_some()
        };
        assert!(lines.any(|line| note(&line, &mut acknowledged)), "the process acknowledges something");
        let reader = thread::spawn(move || {
            lines.for_each(|line| {
                note(&line, &mut acknowledged);
            });
            acknowledged
        });
        Victim { child, reader: Some(reader) }
    }
    /// Kills it with SIGKILL; gives what each source was told is stored.
    fn kill(mut self) -> [u64; SOURCES as usize] {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Whether the store has come of age: the next cycle begins a new one.
fn is_last(soak: &Soak) -> bool {
    !soak.is_long() || soak.cycle() % CYCLES == CYCLES - 1
}

/// After a stop: the store opens, undamaged, and holds what was acknowledged.
/// `earlier` rows were in stores before this one.
fn check(soak: &mut Soak, folder: &Path, acknowledged: [u64; SOURCES as usize], earlier: &mut u64) {
    let (historian, recovery) = Historian::open(options(folder)).unwrap();
    // A segment that was complete and not yet named is set aside: its rows are in the log, or in those it was made of.
    assert_eq!(recovery.damaged, [], "cycle {}", soak.cycle());
    let mut all = 0;
    for source in 0..SOURCES {
        let stored = historian.source_state(SourceId(source)).map_or(0, |state| state.next_sequence);
        let told = acknowledged[source as usize];
        assert!(
            stored >= told,
            "cycle {}: source {source} was told {told}, {stored} are there",
            soak.cycle()
        );
        check_rows(&historian, source, stored.saturating_sub(NEAR), stored).unwrap();
        if is_last(soak) {
            check_sums(&historian, source, stored);
        }
        all += stored;
    }
    assert_eq!(historian.damaged(), [], "cycle {}", soak.cycle());
    soak.count(*earlier + all);
    if soak.cycle().is_multiple_of(CYCLES) {
        drop(historian);
        *earlier += all;
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn kill(mut soak: Soak) {
    let folder = std::env::temp_dir().join(format!("sinew-{}-{}", soak.name(), std::process::id()));
    let _absent = std::fs::remove_dir_all(&folder);
    let mut earlier = 0;
    while soak.more() {
        let victim = Victim::start(&folder);
        thread::sleep(Duration::from_millis(soak.random(1, 600)));
        let acknowledged = victim.kill();
        check(&mut soak, &folder, acknowledged, &mut earlier);
    }
    soak.end();
    let _removed = std::fs::remove_dir_all(&folder);
}

fn lose_power(mut soak: Soak) {
    let folder = std::env::temp_dir().join(format!("sinew-{}-{}", soak.name(), std::process::id()));
    let _absent = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let Some(disk) = PowerDisk::make(&folder) else {
        println!("loop mounts are not allowed here; the simulated disk covers power loss");
        return;
    };
    let (store, mut earlier) = (disk.path().join("store"), 0);
    while soak.more() {
        let victim = Victim::start(&store);
        thread::sleep(Duration::from_millis(soak.random(1, 600)));
        disk.cut_power();
        thread::sleep(Duration::from_millis(20));
        let acknowledged = victim.kill();
        disk.umount();
        assert!(disk.mount(), "the disk mounts again");
        check(&mut soak, &store, acknowledged, &mut earlier);
    }
    soak.end();
    drop(disk);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn killed_at_work_nothing_acknowledged_is_lost() {
    kill(Soak::short("historian-kill", 4));
}

#[test]
#[ignore = "soak: kill -9 of a process that appends, flushes, compacts and queries, 500 cycles"]
fn soak_historian_kill() {
    kill(Soak::long("historian-kill", 500));
}

#[test]
fn power_lost_at_work_nothing_acknowledged_is_lost() {
    lose_power(Soak::short("historian-power", 2));
}

#[test]
#[ignore = "soak: power cut under a process that appends, flushes, compacts and queries, 200 cycles"]
fn soak_historian_power() {
    lose_power(Soak::long("historian-power", 200));
}
