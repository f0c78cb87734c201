//! Line protocol, and loading it over HTTP.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::samples::Samples;
use crate::{harness::process::Memory, peers::servers::Server};

/// Lines of one request.
pub(super) const BATCH_LINES: usize = 5_000;
/// Requests under way at a time.
pub(super) const CONNECTIONS: usize = 2;
/// Fields of a line: those of one host share their time.
pub(super) const FIELDS: usize = 10;
/// After the last line was taken, everything is to be seen by then.
const VISIBLE_WITHIN: Duration = Duration::from_secs(60);

/// Requests, and how many values each holds.
pub(super) struct Lines {
    batches: Vec<(Vec<u8>, u64)>,
    /// A little after the last sample.
    until_s: i64,
}

/// What a load cost.
pub(super) struct Loaded {
    /// Values that the server took.
    pub(super) taken: u64,
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) memory: Memory,
    /// Values that came back, and their sum.
    pub(super) found: (u64, f64),
}

impl Lines {
    /// `cpu,host=h0 f0=1i,…,f9=7i TIME`, tick by tick; of points of one type and one clock.
    ///
    /// # Errors
    /// The columns cannot be read.
    pub(super) fn wide(samples: &Samples) -> Result<Lines, String> {
        let of_type = if samples.has("i64") { "i64" } else { "f64" };
        let times = samples.column::<8>(&format!("{of_type}.times"))?;
        let values = samples.column::<8>(&format!("{of_type}.values"))?;
        let rows = times.len() / samples.points;
        let mut lines = Builder::default();
        for tick in 0..rows {
            let time = i64::from_le_bytes(times[tick]);
            for host in 0..samples.points / FIELDS {
                lines.add(FIELDS as u64, time, |text| {
                    let _infallible = write!(text, "cpu,host=h{host} ");
                    for field in 0..FIELDS {
                        let comma = if field == 0 { "" } else { "," };
                        let value = values[(host * FIELDS + field) * rows + tick];
                        let _infallible = if of_type == "i64" {
                            write!(text, "{comma}f{field}={}i", i64::from_le_bytes(value))
                        } else {
                            write!(text, "{comma}f{field}={}", f64::from_le_bytes(value))
                        };
                    }
                });
            }
        }
        Ok(lines.done())
    }

    /// `TYPE,p=0 v=1.5 TIME`, with `,q=…i` where a row is not Good; any samples.
    ///
    /// # Errors
    /// The columns cannot be read.
    pub(super) fn narrow(samples: &Samples) -> Result<Lines, String> {
        let mut lines = Builder::default();
        for of_type in ["bool", "i64", "f32", "f64"].into_iter().filter(|of_type| samples.has(of_type)) {
            let points = samples.column::<4>(&format!("{of_type}.points"))?;
            let times = samples.column::<8>(&format!("{of_type}.times"))?;
            let quality = samples.column::<4>(&format!("{of_type}.quality"))?;
            let values: Vec<String> = match of_type {
                "bool" => {
                    samples.column::<1>("bool.values")?.iter().map(|v| (v[0] != 0).to_string()).collect()
                }
                "i64" => samples
                    .column("i64.values")?
                    .iter()
                    .map(|v| format!("{}i", i64::from_le_bytes(*v)))
                    .collect(),
                "f32" => {
                    samples.column("f32.values")?.iter().map(|v| f32::from_le_bytes(*v).to_string()).collect()
                }
                _ => {
                    samples.column("f64.values")?.iter().map(|v| f64::from_le_bytes(*v).to_string()).collect()
                }
            };
            for (row, value) in values.iter().enumerate() {
                let (point, quality) = (u32::from_le_bytes(points[row]), u32::from_le_bytes(quality[row]));
                lines.add(1, i64::from_le_bytes(times[row]), |text| {
                    let _infallible = write!(text, "{of_type},p={point} v={value}");
                    if quality != 0 {
                        let _infallible = write!(text, ",q={quality}i");
                    }
                });
            }
        }
        Ok(lines.done())
    }

    /// Hands everything over, by [`CONNECTIONS`] at a time, until the time is up; then waits until it can be seen.
    ///
    /// # Errors
    /// The server refuses a request.
    pub(super) fn load(
        &self,
        server: &Server,
        within: Duration,
        counted: impl Fn() -> Result<(u64, f64), String>,
    ) -> Result<Loaded, String> {
        let (cpu, start) = (server.process.cpu_s(), Instant::now());
        let (next, taken) = (AtomicUsize::new(0), AtomicU64::new(0));
        let hand_over = || {
            while start.elapsed() < within {
                let Some((text, values)) = self.batches.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                server.write(text)?;
                taken.fetch_add(*values, Ordering::Relaxed);
            }
            Ok::<(), String>(())
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(hand_over)).collect();
            all.into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a loader stopped".into())))
        })?;
        let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), server.process.cpu_s() - cpu);
        let taken = taken.into_inner();
        let last = Instant::now();
        let mut found = counted()?;
        let seen_at_once = found.0 >= taken;
        while found.0 < taken && last.elapsed() < VISIBLE_WITHIN {
            std::thread::sleep(Duration::from_millis(20));
            found = counted()?;
        }
        // A server that acknowledges first and works later is not done before it is.
        let cpu_s = if seen_at_once { cpu_s } else { server.process.cpu_s() - cpu };
        Ok(Loaded { taken, wall_s, cpu_s, memory: server.process.memory(), found })
    }

    pub(super) fn until_s(&self) -> i64 {
        self.until_s
    }
    /// Values in all.
    pub(super) fn values(&self) -> u64 {
        self.batches.iter().map(|(_, values)| values).sum()
    }
}

#[derive(Default)]
struct Builder {
    batches: Vec<(Vec<u8>, u64)>,
    text: String,
    lines: usize,
    values: u64,
    last_ns: i64,
}

impl Builder {
    fn add(&mut self, values: u64, time: i64, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        let _infallible = writeln!(self.text, " {time}");
        (self.lines, self.values) = (self.lines + 1, self.values + values);
        self.last_ns = self.last_ns.max(time);
        if self.lines == BATCH_LINES {
            self.cut();
        }
    }
    fn cut(&mut self) {
        let text = std::mem::take(&mut self.text).into_bytes();
        self.batches.push((text, std::mem::take(&mut self.values)));
        self.lines = 0;
    }
    fn done(mut self) -> Lines {
        if self.lines > 0 {
            self.cut();
        }
        Lines { batches: self.batches, until_s: self.last_ns / 1_000_000_000 + 60 }
    }
}
