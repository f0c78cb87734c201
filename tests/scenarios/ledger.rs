//! What a client was told is durable, and whether it is all there: the verifier of the kill and power-loss runs.
//!
//! Row n of point p is (time base + n ms, value n). Every row is new, so a lost row is a missing time, a row that is
//! visible twice is a time that comes twice, and a torn one is a value that is not its number.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use types::Time;

use crate::support::client::Client;

/// Start of the rows: 2026-01-01.
pub(crate) const BASE_MS: i64 = 1_767_225_600_000;
/// Rows in one request.
const ROWS: u64 = 50;

/// The rows of one point that were acknowledged, as spans of numbers from 0. A writer that gets no answer goes on after
/// the rows in doubt, so spans may have holes between them.
#[derive(Default, Clone)]
pub(crate) struct Ledger {
    acknowledged: Vec<(u64, u64)>,
    pub(crate) next: u64,
}

impl Ledger {
    pub(crate) fn rows(&self) -> u64 {
        self.acknowledged.iter().map(|(from, to)| to - from).sum()
    }
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }
    pub(crate) fn acknowledge(&mut self, row: u64) {
        match self.acknowledged.last_mut() {
            Some((_, to)) if *to == row => *to += 1,
            _ => self.acknowledged.push((row, row + 1)),
        }
    }
    fn owes(&self, row: u64) -> bool {
        self.acknowledged.iter().any(|(from, to)| (*from..*to).contains(&row))
    }
}

/// Writers, one a point, until told to stop or the node is gone.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    pub(crate) fn start(client: &Client, points: &[String], ledgers: &[Arc<Mutex<Ledger>>]) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |(point, ledger): (&String, &Arc<Mutex<Ledger>>)| {
            let (client, point, ledger, stop) = (client.clone(), point.clone(), ledger.clone(), stop.clone());
            std::thread::spawn(
                move || {
                    while !stop.load(Ordering::Relaxed) && write(&client, &point, &ledger) {}
                },
            )
        };
        let threads = points.iter().zip(ledgers).map(start).collect();
        Writers { stop, threads }
    }
    pub(crate) fn join(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a writer does not panic");
        }
    }
}

/// One request of a thread's ledger, which is not held while waiting.
fn write(client: &Client, point: &str, ledger: &Mutex<Ledger>) -> bool {
    let mut mine = ledger.lock().expect("no writer panicked").clone();
    let answered = post_rows(client, point, &mut mine);
    *ledger.lock().expect("no writer panicked") = mine;
    answered
}

/// One request; `false` when there was no answer. Its rows are in doubt then, and are never sent again.
pub(crate) fn post_rows(client: &Client, point: &str, ledger: &mut Ledger) -> bool {
    let from = ledger.next;
    let row = |n: u64| json!({ "point": point, "time": Time::from_unix_ms(BASE_MS + n as i64), "value": n.to_string() });
    let rows: Vec<Value> = (from..from + ROWS).map(row).collect();
    let answer = client.try_send("POST", "/samples", Some(&json!({ "rows": rows })));
    ledger.next = from + ROWS;
    match answer {
        Some((204, _)) => {
            ledger.acknowledged.push((from, from + ROWS));
            true
        }
        _ => false,
    }
}

/// What is wrong with the stored rows of a point.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) lost: u64,
    pub(crate) first_lost: Option<u64>,
    pub(crate) doubled: u64,
    pub(crate) wrong: u64,
}

/// Compares all stored rows of a point with its ledger.
pub(crate) fn verify(client: &Client, point: &str, ledger: &Ledger) -> Damage {
    let end = Time::from_unix_ms(BASE_MS + ledger.next as i64);
    let path = format!("/samples?point={point}&from={}&to={end}&limit=900000", Time::from_unix_ms(BASE_MS));
    let answer = client.get(&path);
    assert_eq!(answer["truncated"], json!(false));
    let mut seen = vec![0_u32; ledger.next as usize];
    let mut damage = Damage::default();
    // A device's losses are rows without a value.
    for row in answer["items"].as_array().expect("rows").iter().filter(|row| !row["value"].is_null()) {
        let time: Time = row["time"].as_str().expect("a time").parse().expect("a time");
        let number = (time.unix_ms() - BASE_MS) as u64;
        if row["value"] == json!(number.to_string()) {
            seen[number as usize] += 1;
        } else {
            damage.wrong += 1;
        }
    }
    for (row, times) in seen.iter().enumerate() {
        if *times == 0 && ledger.owes(row as u64) {
            damage.lost += 1;
            damage.first_lost.get_or_insert(row as u64);
        }
        damage.doubled += u64::from(*times > 1);
    }
    damage
}

/// Points to write to.
pub(crate) fn make_points(client: &Client, count: usize) -> Vec<String> {
    let points: Vec<Value> =
        (0..count).map(|n| json!({ "name": format!("row_{n}"), "value_type": "u64" })).collect();
    let made = client.post("/points", json!({ "points": points }));
    made["items"].as_array().expect("points").iter().map(crate::support::client::id).collect()
}
