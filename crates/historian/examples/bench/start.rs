//! What a start costs, each in a process of its own: after a clean stop, with many points, and with a log to read back.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    arguments::Arguments,
    data::{Kind, Table},
    feed::{self, Load, Range2, Until},
    figures::{Figures, bytes_of, memory_mb},
    store,
};

/// What a start leaves to do is done by then.
const SETTLES: Duration = Duration::from_secs(1);
/// Memory for the log that is read back: nothing of it may be in a segment.
const REPLAY_MEMORY_MB: &str = "2048";
const MIB: f64 = 1_048_576.0;

/// Starts of which the median counts.
const STARTS: usize = 5;
/// Samples of one point that are made; later ones repeat them.
const TICKS_MAX: usize = 1_000;

/// `--samples N` over 10,000 points, `--points N`, `--replay N` rows in the log.
pub(crate) async fn run(arguments: &Arguments) -> Result<Figures, Failure> {
    let (samples, points) =
        (arguments.or("samples", 10_000_000_usize)?, arguments.or("points", 1_000_000_usize)?);
    let replayed = arguments.or("replay", 10_000_000_usize)? / 10_000 * 10_000;
    let folder = arguments.folder()?;
    let mut figures = Figures::default().count("samples", samples as u64).count("points", points as u64);

    let place = folder.path.join("samples");
    fill(&place, arguments, Kind::Walk, 10_000, samples / 10_000, true).await?;
    let said = starts(&place, &[])?;
    let bytes = bytes_of(&place, ".seg") as f64 / samples as f64;
    figures = figures.with("open_samples_ms", said["open_ms"]).with("idle_rss_10k_points_mb", said["rss_mb"]);
    figures = figures.with("bytes_per_sample", bytes);

    let place = folder.path.join("points");
    fill(&place, arguments, Kind::Walk, points, 2, true).await?;
    let said = starts(&place, &[])?;
    figures = figures.with("open_points_ms", said["open_ms"]).with("idle_rss_points_mb", said["rss_mb"]);

    // Two logs: of numbers that the codes of records make small, and of some that they do not.
    let large = Arguments::parse(["--memory-mb", REPLAY_MEMORY_MB].map(str::to_string).into_iter())?;
    for (kind, suffix) in [(Kind::Walk, ""), (Kind::Noise, "_noise")] {
        let place = folder.path.join(format!("log{suffix}"));
        let log_bytes = fill(&place, &large, kind, 10_000, replayed / 10_000, false).await? as f64;
        let said = starts(&place, &["--memory-mb", REPLAY_MEMORY_MB])?;
        if said["rows_replayed"] != replayed as f64 {
            let found = said["rows_replayed"];
            return Err(format!("{replayed} rows were in the log, {found} came back").into());
        }
        let (mib, named) = (log_bytes / MIB, |name: &str| format!("{name}{suffix}"));
        figures = figures
            .with(&named("log_mib"), mib)
            .with(&named("replay_ms"), said["open_ms"])
            .with(&named("replay_s_per_100_mib"), said["open_ms"] / 1e3 / mib * 100.0)
            .with(&named("replay_ns_per_row"), said["open_ms"] * 1e6 / replayed as f64)
            .with(&named("replay_peak_rss_mb"), said["peak_rss_mb"]);
    }
    Ok(figures.count("replayed_rows", replayed as u64))
}

/// Makes a store of so many points and ticks; returns the bytes in its log.
async fn fill(
    folder: &Path,
    arguments: &Arguments,
    kind: Kind,
    points: usize,
    ticks: usize,
    clean: bool,
) -> Result<u64, Failure> {
    let table = Arc::new(Table::new(kind, arguments.seed()?, points, ticks.min(TICKS_MAX)));
    let (historian, _) = store::open(folder, arguments)?;
    let until = Until::Ticks(Range2 { start: 0, end: ticks });
    feed::feed(&historian, &table, Load { rows: 10_000, producers: 4, until }).await?;
    let log_bytes = historian.stats().log_bytes;
    if clean {
        store::settle(&historian).await?;
        historian.close().await?;
    }
    Ok(log_bytes)
}

/// Opens a store several times; of each figure the median.
fn starts(folder: &Path, more: &[&str]) -> Result<BTreeMap<String, f64>, Failure> {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..STARTS {
        for (name, figure) in child(folder, more)? {
            all.entry(name).or_default().push(figure);
        }
    }
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Ok(all.into_iter().map(|(name, figures)| (name, median(figures))).collect())
}

/// Opens a store in a process of its own and returns what that says.
fn child(folder: &Path, more: &[&str]) -> Result<BTreeMap<String, f64>, Failure> {
    let mut open = Command::new(std::env::current_exe()?);
    open.arg("open").arg("--store").arg(folder).args(more);
    let output = open.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("open failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let pairs = text.trim().trim_matches(['{', '}']).split(',').filter_map(|pair| {
        let (name, value) = pair.split_once(':')?;
        Some((name.trim_matches('"').to_string(), value.parse().ok()?))
    });
    Ok(pairs.collect())
}

/// `--store FOLDER`: opens what is there, waits, and tells.
pub(crate) async fn open(arguments: &Arguments) -> Result<Figures, Failure> {
    let folder = Path::new(arguments.text("store").ok_or("--store FOLDER is needed")?);
    let start = Instant::now();
    let (historian, recovery) = store::open(folder, arguments)?;
    let opened = start.elapsed();
    tokio::time::sleep(SETTLES).await;
    let figures = Figures::default()
        .with("open_ms", opened.as_secs_f64() * 1e3)
        .count("rows_replayed", recovery.rows_replayed)
        .with("rss_mb", memory_mb("VmRSS:"))
        .with("peak_rss_mb", memory_mb("VmHWM:"));
    drop(historian);
    Ok(figures)
}
