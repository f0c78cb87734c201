//! Rows that other people's tools send. Today: InfluxDB line protocol, so that Telegraf and anything else that writes to
//! InfluxDB 1 or 2 writes here unchanged.
//!
//! A series needs nothing beforehand: each field of it goes to a point of its own, which is made when the first value
//! comes. Such points have no device; a person may put them to an asset and give them a unit like any other.

pub mod line;
mod rows;
mod series;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use plant::PlantModel;
use sdk::Scope;
use types::{Fault, Label, OrgId, Origin, Point, Time, codes};

use crate::line::LineError;
use crate::rows::{Rows, Unknown};
use crate::series::{Book, Field};

/// Bad lines that an answer names; all are counted.
pub const FAULTS_MAX: usize = 20;
/// Bytes of a request once it is unpacked.
pub const LINES_BYTES_MAX: usize = 128 << 20;
/// How often a request is read anew because its points came, went or changed meanwhile.
const READINGS_MAX: usize = 4;

/// What the times of a request count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Precision {
    #[default]
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

impl Precision {
    /// By the names that version 1 (`n u ms s m h`) and version 2 (`ns us ms s`) of the API have.
    pub fn named(name: &str) -> Option<Precision> {
        Some(match name {
            "" | "n" | "ns" => Precision::Nanoseconds,
            "u" | "us" | "µ" | "µs" => Precision::Microseconds,
            "ms" => Precision::Milliseconds,
            "s" => Precision::Seconds,
            "m" => Precision::Minutes,
            "h" => Precision::Hours,
            _ => return None,
        })
    }

    /// `None` beyond what 64 bits of nanoseconds hold. The two ends are no times but "never".
    pub(crate) fn time(self, units: i64) -> Option<Time> {
        let ns = match self {
            Precision::Nanoseconds => 1,
            Precision::Microseconds => 1_000,
            Precision::Milliseconds => 1_000_000,
            Precision::Seconds => 1_000_000_000,
            Precision::Minutes => 60_000_000_000,
            Precision::Hours => 3_600_000_000_000,
        };
        units.checked_mul(ns).filter(|ns| !matches!(*ns, i64::MIN | i64::MAX)).map(Time)
    }
}

/// What became of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Values that are durable now.
    pub rows: usize,
    /// Points that were made for them.
    pub points_made: usize,
    /// Lines of which nothing was kept.
    pub refused: usize,
    /// The first [`FAULTS_MAX`] of them.
    pub faults: Vec<LineError>,
}

/// Takes rows in; clones share what they remember of series.
#[derive(Clone)]
pub struct Intake {
    plant: PlantModel,
    books: Arc<Mutex<HashMap<OrgId, Arc<RwLock<Book>>>>>,
    /// One at a time makes points, so that two requests never make the same one.
    making: Arc<tokio::sync::Mutex<()>>,
}

impl Intake {
    /// Makes points in this plant model.
    pub fn new(plant: PlantModel) -> Intake {
        Intake { plant, books: Arc::default(), making: Arc::default() }
    }

    /// Stores lines: each is kept whole or refused by its number. Durable when it resolves.
    ///
    /// # Errors
    /// When nothing could be stored: a full disk, a body that cannot be unpacked.
    pub async fn write(&self, scope: &Scope, lines: Lines, precision: Precision) -> Result<Written, Fault> {
        let (book, now) = (self.book(scope.org), scope.clock.now());
        let lines = Arc::new(lines.plain().await?);
        let mut points_made = 0;
        for reading in 1.. {
            let read = (book.clone(), lines.clone());
            let rows = blocking(move || {
                let book = read.0.read().unwrap_or_else(PoisonError::into_inner);
                rows::read(&book, &read.1, precision, now)
            });
            let Rows { sections, rows, unknown, faults, refused } = rows.await?;
            if !unknown.is_empty() && reading < READINGS_MAX {
                points_made += self.make_points(scope, &book, unknown).await?;
                continue;
            }
            match scope.samples.append(Origin::Measured, sections).await {
                Ok(()) => return Ok(Written { rows, points_made, refused, faults }),
                // A point went or has another type since it was remembered.
                Err(fault) if fault.path.is_some() && reading < READINGS_MAX => {
                    tracing::debug!(%fault, "series are looked up anew");
                    book.write().unwrap_or_else(PoisonError::into_inner).forget_all();
                }
                Err(fault) => return Err(fault),
            }
        }
        unreachable!("the last reading returns")
    }

    fn book(&self, org: OrgId) -> Arc<RwLock<Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).entry(org).or_default().clone()
    }

    /// Finds the points of these fields by name and makes those that are not there. Gives how many were made.
    async fn make_points(
        &self,
        scope: &Scope,
        book: &RwLock<Book>,
        unknown: Vec<Unknown>,
    ) -> Result<usize, Fault> {
        let _one_at_a_time = self.making.lock().await;
        let names: Vec<&str> = unknown.iter().map(|field| field.name.as_str()).collect();
        let found = self.plant.by_name(scope.org, None, &names);
        let mut taken = HashSet::new();
        let missing = unknown.iter().zip(&found).filter(|(_, found)| found.is_none());
        let points: Vec<Point> = missing
            .filter(|(field, _)| taken.insert(field.name.as_str()))
            .map(|(field, _)| point_of(field))
            .collect();
        let made = points.len();
        for some in points.chunks(plant::POINTS_PER_CALL_MAX) {
            let done = self.plant.create_points(scope.org, &scope.caller.name, some.to_vec()).await;
            done.map_err(|faults| {
                faults
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Fault::new(codes::INTERNAL, "points were not made: see the log"))
            })?;
        }
        let found = if made == 0 { found } else { self.plant.by_name(scope.org, None, &names) };
        let mut book = book.write().unwrap_or_else(PoisonError::into_inner);
        for (field, found) in unknown.iter().zip(found) {
            let Some(found) = found else { continue };
            let field_of =
                Field { name: field.field.clone(), point: found.id, value_type: found.point.value_type };
            book.learn(&field.key, field_of);
        }
        Ok(made)
    }
}

fn point_of(field: &Unknown) -> Point {
    Point {
        name: field.name.clone(),
        label: Label::plain(&field.label),
        device: None,
        address: String::new(),
        asset: None,
        value_type: field.value_type,
        unit: "1".into(),
        scaling: None,
        range: None,
        states: Default::default(),
        period_ms: 10_000,
        write: None,
    }
}

/// A request's body.
pub enum Lines {
    /// As it is.
    Plain(Bytes),
    /// Packed with gzip, as Telegraf does.
    Gzip(Bytes),
}

impl Lines {
    async fn plain(self) -> Result<Bytes, Fault> {
        match self {
            Lines::Plain(bytes) => Ok(bytes),
            Lines::Gzip(bytes) => blocking(move || unpack(&bytes)).await?,
        }
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, Fault> {
    let mut plain = Vec::with_capacity(packed.len().saturating_mul(4).min(LINES_BYTES_MAX));
    let mut unpacker = flate2::read::MultiGzDecoder::new(packed).take(LINES_BYTES_MAX as u64 + 1);
    unpacker.read_to_end(&mut plain).map_err(|error| {
        let detail = format!("the body is not gzip ({error}): send it again, or without Content-Encoding");
        Fault::new(codes::INVALID, detail).at("body")
    })?;
    if plain.len() > LINES_BYTES_MAX {
        let detail = format!("the body unpacks to more than {LINES_BYTES_MAX} bytes: send smaller batches");
        return Err(Fault::new("body.too-large", detail).at("body"));
    }
    Ok(plain.into())
}

/// On a thread that may take its time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Fault::new(
            codes::INTERNAL,
            format!("reading the lines broke off ({error}): see the log, and report it"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_of_both_versions() {
        for (name, ns) in [
            ("", 1),
            ("n", 1),
            ("ns", 1),
            ("u", 1_000),
            ("us", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ] {
            assert_eq!(Precision::named(name).unwrap().time(3), Some(Time(3 * ns)), "{name}");
        }
        assert_eq!(Precision::named("d"), None);
        assert_eq!(Precision::Hours.time(i64::MAX), None);
        assert_eq!(Precision::Nanoseconds.time(i64::MAX), None);
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(b'\n').take(LINES_BYTES_MAX as u64 + 1), &mut packer).unwrap();
        assert_eq!(unpack(&packer.finish().unwrap()).unwrap_err().code, "body.too-large");
        assert_eq!(unpack(b"m f=1").unwrap_err().code, codes::INVALID);
    }
}
