//! Producers that append batch after batch, each waiting for its acknowledgement.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use historian::Historian;
use types::{BatchHeader, Origin, PointId, QualityRuns, SampleBatch, Section, SourceId, Time};

use crate::{Failure, data::Table};

#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// All producers begin no batch after it.
    Elapsed(Duration),
    /// So many ticks of every point from this one on.
    Ticks(Range2),
}

/// A range that can be copied.
#[derive(Clone, Copy)]
pub(crate) struct Range2 {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Rows of a batch.
    pub(crate) rows: usize,
    pub(crate) producers: usize,
    pub(crate) until: Until,
}

#[derive(Default)]
pub(crate) struct Fed {
    pub(crate) samples: u64,
    pub(crate) sum: f64,
    /// From the append to its acknowledgement.
    pub(crate) waits: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

/// The points of the table are shared out; each producer sends the rows of its own, tick by tick.
///
/// # Errors
/// A batch is refused.
pub(crate) async fn feed(historian: &Historian, table: &Arc<Table>, load: Load) -> Result<Fed, Failure> {
    let start = Instant::now();
    let share = |n: usize| table.points * n / load.producers;
    let tasks: Vec<_> = (0..load.producers)
        .map(|n| {
            let producer = Producer::new(table.clone(), share(n)..share(n + 1), n, load);
            tokio::spawn(producer.run(historian.clone(), start))
        })
        .collect();
    let (mut all, mut cells) = (Fed::default(), 0);
    for task in tasks {
        let (samples, sum, waits) = task.await??;
        all.samples += samples;
        cells += sum;
        all.waits.extend(waits);
    }
    all.elapsed = start.elapsed();
    all.sum = table.sum(cells);
    Ok(all)
}

struct Producer {
    table: Arc<Table>,
    own: Range<usize>,
    source: SourceId,
    load: Load,
    /// Where the next batch starts.
    tick: usize,
    at: usize,
    sequence: u64,
    cells: i64,
}

impl Producer {
    fn new(table: Arc<Table>, own: Range<usize>, n: usize, load: Load) -> Producer {
        let tick = if let Until::Ticks(ticks) = load.until { ticks.start } else { 0 };
        let sequence = (tick * own.len()) as u64;
        Producer { table, at: own.start, own, source: SourceId(n as u32), load, tick, sequence, cells: 0 }
    }

    async fn run(
        mut self,
        historian: Historian,
        start: Instant,
    ) -> Result<(u64, i64, Vec<Duration>), Failure> {
        let (mut samples, mut waits) = (0, Vec::new());
        while self.goes_on(start) {
            let batch = self.batch();
            samples += batch.rows() as u64;
            let sent = Instant::now();
            historian.append(batch).await?;
            waits.push(sent.elapsed());
        }
        Ok((samples, self.cells, waits))
    }

    fn goes_on(&self, start: Instant) -> bool {
        !self.own.is_empty()
            && match self.load.until {
                Until::Elapsed(run) => start.elapsed() < run,
                Until::Ticks(ticks) => self.tick < ticks.end,
            }
    }

    /// The next rows, of one tick or of several.
    fn batch(&mut self) -> SampleBatch {
        let (mut points, mut times, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        points.reserve_exact(self.load.rows);
        times.reserve_exact(self.load.rows);
        cells.reserve_exact(self.load.rows);
        let last = if let Until::Ticks(ticks) = self.load.until { ticks.end } else { usize::MAX };
        while points.len() < self.load.rows && self.tick < last {
            let end = self.own.end.min(self.at + self.load.rows - points.len());
            points.extend((self.at..end).map(|point| PointId(point as u32)));
            times.extend(std::iter::repeat_n(Time(self.table.time(self.tick)), end - self.at));
            cells.extend_from_slice(self.table.cells(self.tick, self.at..end));
            self.at = end;
            if end == self.own.end {
                (self.at, self.tick) = (self.own.start, self.tick + 1);
            }
        }
        self.cells += cells.iter().map(|cell| i64::from(*cell)).sum::<i64>();
        let values = self.table.values(&cells);
        let first_sequence = self.sequence;
        self.sequence += points.len() as u64;
        header(
            self.source,
            first_sequence,
            vec![Section { points, times, values, quality: QualityRuns::default() }],
        )
    }
}

pub(crate) fn header(source: SourceId, first_sequence: u64, sections: Vec<Section>) -> SampleBatch {
    let header =
        BatchHeader { source, epoch: 1, first_sequence, recorded: Time(0), origin: Origin::Measured };
    SampleBatch { header, sections }
}
