//! Prints durable samples a second on this disk: batches of 100 from 32 producers, and of 10,000 from 4; then how long a
//! reopen takes. Usage: `cargo run -p historian --example ingest [directory] [seconds]`.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use historian::{AggregateQuery, Historian, Options, RangeQuery};
use types::{BatchHeader, Origin, PointId, QualityRuns, SampleBatch, Section, SourceId, Time, Values};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[allow(clippy::print_stdout, reason = "its figures are what it is for")]
fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(|| std::env::temp_dir().join("sinew-ingest"), PathBuf::from);
    let run = Duration::from_secs(arguments.next().map_or(Ok(3), |text| text.parse())?);
    if dir.exists() {
        return Err(format!("{} exists: name a directory that does not", dir.display()).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (rows, producers) in [(100, 32), (10_000, 4)] {
        let folder = dir.join(format!("{rows}x{producers}"));
        let (historian, _) = Historian::open(options(&folder))?;
        let figures = runtime.block_on(measure(&historian, rows, producers, run))?;
        println!("{rows:>6} rows x {producers:>2} producers: {figures}");
        let stats = historian.stats();
        println!(
            "        {} syncs, {} segments of {:.1} bytes a row, {} rows and {} log bytes left for the reopen",
            stats.syncs,
            stats.segments,
            stats.segment_bytes as f64 / stats.segment_rows.max(1) as f64,
            stats.memory_rows,
            stats.log_bytes,
        );
        drop(historian);
        let start = Instant::now();
        let (historian, recovery) = Historian::open(options(&folder))?;
        println!("        reopened in {:.0?}, {} rows replayed", start.elapsed(), recovery.rows_replayed);
        runtime.block_on(queries(&historian))?;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a binary makes the real clock once")]
fn options(dir: &std::path::Path) -> Options {
    let now = || Time(UNIX_EPOCH.elapsed().map_or(0, |at| at.as_nanos() as i64));
    Options::new(dir, Arc::new(now), [1; 16])
}

async fn measure(historian: &Historian, rows: u32, producers: u32, run: Duration) -> Result<String, Failure> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..producers)
        .map(|source| tokio::spawn(produce(historian.clone(), source, rows, start, run)))
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |share: usize| {
        waits.get((waits.len() * share / 100).min(waits.len() - 1)).copied().unwrap_or_default()
    };
    let samples = waits.len() as f64 * f64::from(rows);
    Ok(format!("{:.2} M samples/s, ack p50 {:.1?} p99 {:.1?}", samples / elapsed / 1e6, at(50), at(99)))
}

/// Sends batch after batch, one at a time: `rows` points of its own, one row each, 1 s apart.
async fn produce(
    historian: Historian,
    source: u32,
    rows: u32,
    start: Instant,
    run: Duration,
) -> Result<Vec<Duration>, historian::AppendError> {
    let mut waits = Vec::new();
    while start.elapsed() < run {
        let i = waits.len() as u64;
        let section = Section {
            points: (0..rows).map(|row| PointId(source * rows + row)).collect(),
            times: (0..rows).map(|row| Time(i as i64 * 1_000_000_000 + i64::from(row) * 1_000)).collect(),
            values: Values::F64((0..rows).map(|row| f64::from(row) + i as f64 / 8.0).collect()),
            quality: QualityRuns::default(),
        };
        let header = BatchHeader {
            source: SourceId(source),
            epoch: 1,
            first_sequence: i * u64::from(rows),
            recorded: Time(0),
            origin: Origin::Measured,
        };
        let sent = Instant::now();
        historian.append(SampleBatch { header, sections: vec![section] }).await?;
        waits.push(sent.elapsed());
    }
    Ok(waits)
}

#[allow(clippy::print_stdout, reason = "its figures are what it is for")]
async fn queries(historian: &Historian) -> Result<(), Failure> {
    let (points, to) = (vec![PointId(7)], Time(i64::MAX));
    let start = Instant::now();
    let newest = RangeQuery {
        points: points.clone(),
        from: Time(0),
        to,
        limit_rows: 1000,
        newest_first: true,
        known_at: None,
    };
    let sections = historian.range(newest).await?;
    let rows: usize = sections.iter().map(Section::len).sum();
    print!("        newest {rows} rows of a point in {:.2?}", start.elapsed());
    let start = Instant::now();
    let to = Time(600_000_000_000);
    let answer = historian.aggregate(AggregateQuery { points, from: Time(0), to, buckets: 1000 }).await?;
    let counted: u64 = answer.iter().flat_map(|a| &a.buckets).map(|b| b.count).sum();
    println!(", {counted} rows in 1000 buckets in {:.2?}", start.elapsed());
    Ok(())
}
