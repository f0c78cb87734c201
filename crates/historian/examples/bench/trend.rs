//! How long a chart of years takes.

use std::{sync::Arc, time::Instant};

use historian::{Historian, TrendQuery};
use types::{PointId, Time};

use crate::{
    Failure,
    arguments::Arguments,
    data::{Kind, Table},
    feed::{self, Load, Range2, Until},
    figures::{Figures, bytes_of, cpu_s, memory_mb},
    store,
};

const DAY: usize = 86_400;
const DAY_NS: i64 = DAY as i64 * 1_000_000_000;
const RUNS: usize = 50;

/// `--days N [--columns N]`: one point at 1 Hz.
pub(crate) async fn run(arguments: &Arguments) -> Result<Figures, Failure> {
    let (days, columns) = (arguments.or("days", 3_650_usize)?, arguments.or("columns", 2_000_u32)?);
    // Up to midnight today: what is past is compacted as such.
    let start_ns = (store::now().0 / DAY_NS - days as i64) * DAY_NS;
    let table = Arc::new(Table::new(Kind::Decimals, arguments.seed()?, 1, DAY).since(start_ns));
    let folder = arguments.folder()?;
    let (historian, _) = store::open(&folder.path, arguments)?;
    let start = Instant::now();
    let until = Until::Ticks(Range2 { start: 0, end: days * DAY });
    let fed = feed::feed(&historian, &table, Load { rows: 100_000, producers: 1, until }).await?;
    store::settle(&historian).await?;
    let cpu = cpu_s();
    let (from, to) = (Time(table.time(0)), Time(table.time(days * DAY)));
    let mut figures = Figures::default()
        .count("samples", fed.samples)
        .with("fill_s", start.elapsed().as_secs_f64())
        .with("fill_cpu_s", cpu)
        .count("segments", historian.stats().segments as u64)
        .with("bytes_per_sample", bytes_of(&folder.path, ".seg") as f64 / fed.samples as f64);
    for (name, exact) in [("trend", false), ("exact", true)] {
        let query = TrendQuery { points: vec![PointId(0)], from, to, columns, exact };
        let (mut waits, mut shift) = (Vec::new(), 0);
        for _ in 0..if exact { 5 } else { RUNS } {
            let start = Instant::now();
            shift = ask(&historian, &query, fed.samples, fed.sum).await?;
            waits.push(start.elapsed());
        }
        let width = (to.0 - from.0) as f64 / f64::from(columns);
        figures =
            figures.waits(name, &mut waits, 95).with(&format!("{name}_shift_columns"), shift as f64 / width);
    }
    historian.close().await?;
    Ok(figures.with("peak_rss_mb", memory_mb("VmHWM:")))
}

/// Asks once and gives the shift.
///
/// # Errors
/// The answer does not come to what was stored.
async fn ask(historian: &Historian, query: &TrendQuery, rows: u64, sum: f64) -> Result<i64, Failure> {
    let answer = historian.trend(query.clone()).await?;
    let [trend] = answer.as_slice() else { return Err("not one trend for one point".into()) };
    let found =
        trend.columns.iter().fold((0, 0, 0.0), |all, c| (all.0 + c.figures, all.1 + c.bad, all.2 + c.sum));
    store::equal(found, (rows, 0, sum))?;
    Ok(trend.shift_ns)
}
