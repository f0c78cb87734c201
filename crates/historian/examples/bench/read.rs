//! How long a person waits: an hour of one point, warm and cold, before and after ten times the history; all latest values.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use historian::{Historian, RangeQuery};
use types::{PointId, Section, Time};

use crate::{
    Failure,
    arguments::Arguments,
    cold,
    data::{Kind, Random, Table, number},
    feed::{self, Load, Range2, Until},
    figures::{Figures, bytes_of, memory_mb},
    store,
};

const HOUR: usize = 3_600;
/// The history grows by so many times.
const LONGER: usize = 10;
const LATEST_RUNS: usize = 50;

/// `--points N --hours N [--tenfold false] [--latest N] [--warm N] [--cold N]`.
pub(crate) async fn run(arguments: &Arguments) -> Result<Figures, Failure> {
    let (points, hours) = (arguments.or("points", 100_usize)?, arguments.or("hours", 24_usize)?);
    let (warm, cold) = (arguments.or("warm", 2_000_usize)?, arguments.or("cold", 400_usize)?);
    let seed = arguments.seed()?;
    let folder = arguments.folder()?;
    let table = Arc::new(Table::new(Kind::Decimals, seed, points, hours * HOUR));
    let place = folder.path.join("hours");
    let (historian, _) = store::open(&place, arguments)?;
    let mut reader =
        Reader { historian, table, hours: 0, folder: &place, random: Random::new(seed, u32::MAX) };
    let mut figures = Figures::default().count("points", points as u64);
    reader.grow(hours).await?;
    figures = reader.figures(figures, "", warm, cold).await?;
    if arguments.or("tenfold", true)? {
        reader.grow(hours * LONGER).await?;
        figures = reader.figures(figures, "_tenfold", warm, cold).await?;
    }
    reader.historian.close().await?;
    figures = latest(&folder.path.join("latest"), arguments, figures).await?;
    Ok(figures.with("peak_rss_mb", memory_mb("VmHWM:")))
}

struct Reader<'a> {
    historian: Historian,
    table: Arc<Table>,
    /// Of history, so far.
    hours: usize,
    folder: &'a Path,
    random: Random,
}

impl Reader<'_> {
    async fn grow(&mut self, hours: usize) -> Result<(), Failure> {
        let until = Until::Ticks(Range2 { start: self.hours * HOUR, end: hours * HOUR });
        feed::feed(&self.historian, &self.table, Load { rows: 10_000, producers: 4, until }).await?;
        store::settle(&self.historian).await?;
        self.hours = hours;
        Ok(())
    }

    async fn figures(
        &mut self,
        figures: Figures,
        suffix: &str,
        warm: usize,
        cold: usize,
    ) -> Result<Figures, Failure> {
        let picks: Vec<(usize, usize)> = (0..warm).map(|_| self.pick()).collect();
        let mut waits = Vec::new();
        // The first pass warms.
        for _ in 0..2 {
            waits.clear();
            for pick in &picks {
                waits.push(self.hour(*pick).await?);
            }
        }
        let (mut cold_waits, mut resident) = (Vec::new(), 0.0_f64);
        for _ in 0..cold {
            resident = resident.max(cold::evict(self.folder)?);
            let pick = self.pick();
            cold_waits.push(self.hour(pick).await?);
        }
        let rows = (self.table.points * self.hours * HOUR) as u64;
        let bytes = bytes_of(self.folder, ".seg");
        let named = |name: &str| format!("{name}{suffix}");
        Ok(figures
            .count(&named("samples"), rows)
            .count(&named("segments"), self.historian.stats().segments as u64)
            .with(&named("bytes_per_sample"), bytes as f64 / rows as f64)
            .waits(&named("warm"), &mut waits, 99)
            .waits(&named("cold"), &mut cold_waits, 95)
            .with(&named("cold_resident_share"), resident))
    }

    /// A point and an hour.
    fn pick(&mut self) -> (usize, usize) {
        (self.random.below(self.table.points), self.random.below(self.hours))
    }

    /// Reads an hour of a point.
    ///
    /// # Errors
    /// The answer is not what was stored.
    async fn hour(&self, (point, hour): (usize, usize)) -> Result<Duration, Failure> {
        let ticks = hour * HOUR..(hour + 1) * HOUR;
        let query = RangeQuery {
            points: vec![PointId(point as u32)],
            from: Time(self.table.time(ticks.start)),
            to: Time(self.table.time(ticks.end)),
            limit_rows: 2 * HOUR,
            newest_first: false,
            known_at: None,
        };
        let start = Instant::now();
        let sections = self.historian.range(query).await?;
        let wait = start.elapsed();
        let sum = |section: &Section| (0..section.len()).map(|row| number(&section.values, row)).sum::<f64>();
        let found =
            (sections.iter().map(Section::len).sum::<usize>() as u64, 0, sections.iter().map(sum).sum());
        let cells = ticks.map(|tick| i64::from(self.table.cells(tick, point..point + 1)[0])).sum();
        store::equal(found, (HOUR as u64, 0, self.table.sum(cells)))?;
        Ok(wait)
    }
}

/// All latest values of many points.
async fn latest(folder: &Path, arguments: &Arguments, figures: Figures) -> Result<Figures, Failure> {
    let points = arguments.or("latest", 100_000_usize)?;
    let table = Arc::new(Table::new(Kind::Walk, arguments.seed()?, points, 2));
    let (historian, _) = store::open(folder, arguments)?;
    let until = Until::Ticks(Range2 { start: 0, end: 2 });
    feed::feed(&historian, &table, Load { rows: 10_000, producers: 4, until }).await?;
    store::settle(&historian).await?;
    let asked: Vec<PointId> = (0..points as u32).map(PointId).collect();
    let mut waits = Vec::new();
    for _ in 0..LATEST_RUNS {
        let start = Instant::now();
        let answer = historian.latest(&asked);
        waits.push(start.elapsed());
        let newest = Time(table.time(1));
        if !answer.iter().all(|latest| latest.as_ref().is_some_and(|latest| latest.value_time == newest)) {
            return Err("a latest value is missing or old".into());
        }
    }
    historian.close().await?;
    Ok(figures.count("latest_points", points as u64).waits("latest", &mut waits, 99))
}
