//! Durable samples a second, and what one costs over many points.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use historian::Historian;

use crate::{
    Failure,
    arguments::Arguments,
    data::{Kind, Table},
    feed::{self, Fed, Load, Range2, Until},
    figures::{Figures, bytes_of, cpu_s, memory_mb},
    store,
};

/// Of one tick, unless asked otherwise.
const POINTS_MAX: usize = 10_000;
/// Samples of the table that is made beforehand: what comes after repeats them.
const TABLE_SAMPLES: usize = 10_000_000;

/// `--rows N --producers N [--points N] --seconds N | --samples N`.
pub(crate) async fn run(arguments: &Arguments) -> Result<Figures, Failure> {
    let (rows, producers) = (arguments.or("rows", 10_000_usize)?, arguments.or("producers", 4_usize)?);
    let points = arguments.or("points", (rows * producers).min(POINTS_MAX))?;
    let until = match arguments.maybe::<usize>("samples")? {
        Some(samples) => Until::Ticks(Range2 { start: 0, end: samples.div_ceil(points) }),
        None => Until::Elapsed(Duration::from_secs(arguments.or("seconds", 5)?)),
    };
    measure(arguments, points, Load { rows, producers, until }).await
}

/// `--points N --samples N`: as many samples over more and more points.
pub(crate) async fn series(arguments: &Arguments) -> Result<Figures, Failure> {
    let (points, samples) =
        (arguments.or("points", 10_000_usize)?, arguments.or("samples", 10_000_000_usize)?);
    let until = Until::Ticks(Range2 { start: 0, end: samples.div_ceil(points) });
    measure(arguments, points, Load { rows: 10_000, producers: 4, until }).await
}

async fn measure(arguments: &Arguments, points: usize, load: Load) -> Result<Figures, Failure> {
    let ticks = match load.until {
        Until::Ticks(ticks) => ticks.end,
        Until::Elapsed(_) => usize::MAX,
    };
    let ticks = ticks.min((TABLE_SAMPLES / points).max(2));
    let table = Arc::new(Table::new(Kind::Walk, arguments.seed()?, points, ticks));
    let folder = arguments.folder()?;
    let (historian, _) = store::open(&folder.path, arguments)?;

    let (before_mb, cpu, start) = (memory_mb("VmRSS:"), cpu_s(), Instant::now());
    let mut fed = feed::feed(&historian, &table, load).await?;
    let (appended_cpu_s, stats) = (cpu_s() - cpu, historian.stats());
    store::settle(&historian).await?;
    let (all_cpu_s, all_s) = (cpu_s() - cpu, start.elapsed().as_secs_f64());
    let peak_mb = memory_mb("VmHWM:");

    let verify = Instant::now();
    verified(&historian, &table, &fed).await?;
    let verify_s = verify.elapsed().as_secs_f64();
    historian.close().await?;
    let Fed { samples, sum, elapsed, waits } = &mut fed;
    let each = |seconds: f64| *samples as f64 / seconds;
    let seconds = elapsed.as_secs_f64();
    let figures =
        Figures::default().count("samples", *samples).with("sum", *sum).count("points", points as u64);
    let figures = figures
        .with("samples_per_s", each(seconds))
        .with("seconds", seconds)
        .waits("ack", waits, 99)
        .with("cpu_s", appended_cpu_s)
        .with("samples_per_cpu_s", each(appended_cpu_s))
        // With all that was left to do when the last batch was acknowledged.
        .with("all_seconds", all_s)
        .with("all_cpu_s", all_cpu_s)
        .with("all_samples_per_s", each(all_s))
        .with("all_samples_per_cpu_s", each(all_cpu_s))
        .with("cpu_ns_per_sample", all_cpu_s * 1e9 / *samples as f64)
        .count("syncs", stats.syncs);
    let bytes = bytes_of(&folder.path, ".seg");
    Ok(figures
        .with("verify_s", verify_s)
        .with("rss_before_mb", before_mb)
        .with("table_mb", table.bytes() as f64 / 1e6)
        .with("peak_rss_mb", peak_mb)
        .count("segment_bytes", bytes)
        .with("bytes_per_sample", bytes as f64 / *samples as f64))
}

/// Asks for the rows back, of very many points a part; and for the number of all.
///
/// # Errors
/// They are not those that were sent.
async fn verified(historian: &Historian, table: &Table, fed: &Fed) -> Result<(), Failure> {
    let stats = historian.stats();
    let stored = stats.segment_rows + stats.memory_rows;
    if stored != fed.samples {
        return Err(format!("{} rows were sent, the store counts {stored}", fed.samples).into());
    }
    let asked = store::asked(table.points as u32);
    let found = store::count_of(historian, &asked).await?;
    if asked.len() == 1 {
        return store::equal(found, (fed.samples, 0, fed.sum));
    }
    let ticks = fed.samples as usize / table.points;
    let (mut rows, mut cells) = (0, 0);
    for range in &asked {
        for tick in 0..ticks {
            let of_tick = table.cells(tick, range.start as usize..range.end as usize);
            rows += of_tick.len() as u64;
            cells += of_tick.iter().map(|cell| i64::from(*cell)).sum::<i64>();
        }
    }
    store::equal(found, (rows, 0, table.sum(cells)))
}
