//! The machining line 机加工一线: six machines in series, a buffer before each, pallets of blanks at the start.

use std::collections::VecDeque;
use types::Value;

use crate::machine::{Around, Machine, machines};
use crate::noise::Noise;
use crate::tooling::{JOBS, Part};

/// Parts a buffer between two machines holds.
pub const BUFFER_PARTS_MAX: usize = 8;
/// Blanks on one pallet.
const PALLET_PARTS: usize = 40;
/// Pallets of one job before the next job's turn.
const PALLETS_PER_JOB: u64 = 3;
/// Parts in each buffer at the start: the line was running before.
const STARTED_PARTS: usize = 4;
/// The forklift brings the next pallet this long after the last blank was taken, in s.
const PALLET_LATE_S: [f64; 2] = [5.0, 240.0];

/// The line.
pub(crate) struct Line {
    machines: Vec<Machine>,
    /// `infeeds[i]` stands before `machines[i]`; the first one is the pallet.
    infeeds: Vec<VecDeque<Part>>,
    noise: Noise,
    pallets: u64,
    pallet_due_s: f64,
    loaded: u64,
    finished: u64,
}

impl Line {
    pub(crate) fn new(seed: u64) -> Line {
        let machines = machines(seed);
        let part = Part { job: 0, deviation_um: 0.0 };
        let started = |i| vec![part; if i == 0 { 0 } else { STARTED_PARTS }].into();
        let infeeds: Vec<VecDeque<Part>> = (0..machines.len()).map(started).collect();
        let loaded = infeeds.iter().map(VecDeque::len).sum::<usize>() as u64;
        let noise = Noise::new(seed, "line");
        Line { machines, infeeds, noise, pallets: 0, pallet_due_s: 0.0, loaded, finished: 0 }
    }

    /// One step. Downstream machines go first, so that a place that becomes free is free for the one before.
    pub(crate) fn step(&mut self, working: bool, header_bar: f64, ambient_c: f64, dt_s: f64) {
        self.feed(dt_s);
        for i in (0..self.machines.len()).rev() {
            let room = self.infeeds.get(i + 1).is_none_or(|next| next.len() < BUFFER_PARTS_MAX);
            let offered = self.infeeds[i].front().copied();
            let around = Around { offered, room, working, header_bar, ambient_c };
            let moved = self.machines[i].step(&around, dt_s);
            if moved.took {
                self.infeeds[i].pop_front();
            }
            if let Some(part) = moved.passed {
                match self.infeeds.get_mut(i + 1) {
                    Some(next) => next.push_back(part),
                    None => self.finished += 1,
                }
            }
        }
    }

    fn feed(&mut self, dt_s: f64) {
        if !self.infeeds[0].is_empty() {
            return;
        }
        self.pallet_due_s -= dt_s;
        if self.pallet_due_s > 0.0 {
            return;
        }
        let job = (self.pallets / PALLETS_PER_JOB) as usize % JOBS.len();
        self.infeeds[0].extend([Part { job, deviation_um: 0.0 }; PALLET_PARTS]);
        self.pallets += 1;
        self.loaded += PALLET_PARTS as u64;
        self.pallet_due_s = self.noise.between(PALLET_LATE_S[0], PALLET_LATE_S[1]);
    }

    pub(crate) fn power_kw(&self) -> f64 {
        self.machines.iter().map(Machine::power_kw).sum()
    }

    /// In m³/min of free air.
    pub(crate) fn air_m3_min(&self) -> f64 {
        self.machines.iter().map(Machine::air_m3_min).sum()
    }

    pub(crate) fn machine_mut(&mut self, key: &str) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.key() == key)
    }

    /// Parts that left the machines as scrap.
    pub(crate) fn scrapped(&self) -> u64 {
        self.machines.iter().map(Machine::scrapped).sum()
    }

    /// Parts in buffers and machines.
    pub(crate) fn in_work(&self) -> u64 {
        let waiting: usize = self.infeeds.iter().map(VecDeque::len).sum();
        (waiting + self.machines.iter().filter(|m| m.holds_part()).count()) as u64
    }

    /// `line.*` is the line itself, any other key one of its machines.
    pub(crate) fn read(&self, asset: &str, property: &str) -> Option<Value> {
        if asset == "line" {
            return Some(Value::U64(match property {
                "loaded_parts" => self.loaded,
                "finished_parts" => self.finished,
                "scrap_parts" => self.scrapped(),
                "parts_in_work" => self.in_work(),
                _ => return None,
            }));
        }
        let i = self.machines.iter().position(|machine| machine.key() == asset)?;
        match property {
            "infeed_parts" => Some(Value::U64(self.infeeds[i].len() as u64)),
            _ => self.machines[i].read(property),
        }
    }
}
