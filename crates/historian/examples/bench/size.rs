//! Bytes on disk of one sample, time, quality and index included.

use std::{ops::Range, path::Path, time::Instant};

use types::{PointId, QualityRuns, Section, SourceId, Time, Values};

use crate::{
    Failure,
    arguments::Arguments,
    data::{Kind, Series},
    feed,
    figures::{Figures, bytes_of, cpu_s, memory_mb},
    raw, store,
};

const POINTS: usize = 2_000;
const ROWS: usize = 10_000;
/// Of a batch, about.
const BATCH_ROWS: usize = 10_000;

/// `--data walk|decimals|plant|FOLDER [--points N] [--rows N]`.
pub(crate) async fn run(arguments: &Arguments) -> Result<Figures, Failure> {
    let all = read_or_make(arguments)?;
    let rows: u64 = all.iter().map(|series| series.times.len() as u64).sum();
    let counts = all.iter().map(Series::counts).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let sum: f64 = all.iter().map(Series::sum).sum();
    let points = all.iter().map(|series| series.point + 1).max().unwrap_or_default();
    let folder = arguments.folder()?;
    let (historian, _) = store::open(&folder.path, arguments)?;
    let (cpu, start) = (cpu_s(), Instant::now());
    let longest = all.iter().map(|series| series.times.len()).max().unwrap_or_default();
    let ticks = (BATCH_ROWS / all.len().max(1)).max(1);
    let mut sequence = 0;
    for first in (0..longest).step_by(ticks) {
        let sections = sections(&all, first..first + ticks);
        let length: usize = sections.iter().map(Section::len).sum();
        historian.append(feed::header(SourceId(1), sequence, sections)).await?;
        sequence += length as u64;
    }
    store::settle(&historian).await?;
    let (cpu, seconds) = (cpu_s() - cpu, start.elapsed().as_secs_f64());
    store::equal(store::count(&historian, points).await?, (counts.0, counts.1, sum))?;
    historian.close().await?;
    let bytes = bytes_of(&folder.path, ".seg");
    Ok(Figures::default()
        .count("samples", rows)
        .count("points", all.len() as u64)
        .with("sum", sum)
        .count("bad", counts.1)
        .with("bytes_per_sample", bytes as f64 / rows as f64)
        .count("segment_bytes", bytes)
        .count("folder_bytes", bytes_of(&folder.path, ""))
        .with("seconds", seconds)
        .with("cpu_s", cpu)
        .with("samples_per_cpu_s", rows as f64 / cpu)
        .with("peak_rss_mb", memory_mb("VmHWM:")))
}

/// `--data … --out FOLDER`: the same samples as plain columns, for other programs.
pub(crate) fn write(arguments: &Arguments) -> Result<Figures, Failure> {
    let all = read_or_make(arguments)?;
    let folder = Path::new(arguments.text("out").ok_or("--out FOLDER is needed")?);
    raw::write(folder, &all)?;
    let rows: u64 = all.iter().map(|series| series.times.len() as u64).sum();
    let sum: f64 = all.iter().map(Series::sum).sum();
    let counts = all.iter().map(Series::counts).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    Ok(Figures::default()
        .count("samples", rows)
        .count("points", all.len() as u64)
        .count("bad", counts.1)
        .with("sum", sum)
        .with("sum_with_bad", all.iter().map(Series::sum_with_bad).sum()))
}

fn read_or_make(arguments: &Arguments) -> Result<Vec<Series>, Failure> {
    let name = arguments.text("data").unwrap_or("walk");
    let (points, rows) = (arguments.or("points", POINTS)?, arguments.or("rows", ROWS)?);
    let seed = arguments.seed()?;
    if Path::new(name).is_dir() {
        return raw::read(Path::new(name));
    }
    let kind = Kind::parse(name)?;
    Ok((0..points).map(|point| kind.series(seed, point as u32, rows)).collect())
}

/// Some rows of every point, as they would come in: tick by tick, a section for each type.
fn sections(all: &[Series], rows: Range<usize>) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for row in rows {
        for series in all.iter().filter(|series| row < series.times.len()) {
            let of = series.values.value_type();
            let at = sections.iter().position(|s| s.values.value_type() == of).unwrap_or_else(|| {
                sections.push(Section {
                    points: Vec::new(),
                    times: Vec::new(),
                    values: Values::empty(of),
                    quality: QualityRuns::default(),
                });
                sections.len() - 1
            });
            let (point, time) = (PointId(series.point), Time(series.times[row]));
            sections[at].push(point, time, series.values.get(row), series.quality(row));
        }
    }
    sections
}
