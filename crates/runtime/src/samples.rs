//! The samples handle over the historian, scoped by the catalogue: points of other organisations do not exist.

use historian::{AppendError, Historian};
use plant::PlantModel;
use sdk::{AggregateQuery, BoxFuture, Follower, RangeQuery, SamplesPort, Subscription};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use types::{
    Aggregate, BatchHeader, Fault, Latest, OrgId, Origin, PointId, SampleBatch, Section, SourceId, Time,
    codes,
};

use crate::live::Live;

/// What scoped handles share.
pub(crate) struct SampleStore {
    pub(crate) historian: Historian,
    pub(crate) plant: PlantModel,
    pub(crate) live: Arc<Live>,
    /// Sources of rows that come through the API or from apps, one an organisation, by its counter.
    writers: Mutex<HashMap<OrgId, Arc<Writer>>>,
}

/// The numbering of one organisation's written rows.
struct Writer {
    source: SourceId,
    epoch: u32,
    next_sequence: tokio::sync::Mutex<u64>,
}

impl SampleStore {
    pub(crate) fn new(historian: Historian, plant: PlantModel, live: Arc<Live>) -> SampleStore {
        SampleStore { historian, plant, live, writers: Mutex::default() }
    }

    async fn writer(&self, org: OrgId) -> Result<Arc<Writer>, Fault> {
        let known = self.writers.lock().unwrap_or_else(PoisonError::into_inner).get(&org).cloned();
        if let Some(writer) = known {
            return Ok(writer);
        }
        let source = self.plant.writer_source(org).await?;
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = writers.entry(org).or_insert_with(|| {
            let epoch = self.historian.source_state(source).map_or(1, |s| s.epoch.saturating_add(1));
            Arc::new(Writer { source, epoch, next_sequence: tokio::sync::Mutex::new(0) })
        });
        Ok(writer.clone())
    }
}

/// One organisation's view.
pub(crate) struct ScopedSamples {
    pub(crate) org: OrgId,
    pub(crate) store: Arc<SampleStore>,
}

impl ScopedSamples {
    fn owned(&self, points: &[PointId]) -> Vec<PointId> {
        points.iter().copied().filter(|p| self.store.plant.owner(*p) == Some(self.org)).collect()
    }

    /// Every row's point is ours and of the section's type.
    fn check(&self, sections: &[Section]) -> Result<(), Fault> {
        let mut row_before = 0;
        for section in sections {
            let of = section.values.value_type();
            let known = self.store.plant.value_types(self.org, section.points.iter().copied());
            for (row, known) in known.into_iter().enumerate() {
                let place = || format!("/rows/{}", row_before + row);
                match (known, of) {
                    (None, _) => {
                        return Err(Fault::new(codes::NOT_FOUND, "there is no such point: look up its id")
                            .at(place()));
                    }
                    (Some(wanted), Some(got)) if wanted != got => {
                        let detail =
                            format!("the point holds {wanted:?} values and not {got:?}: send that type");
                        return Err(Fault::new(codes::INVALID, detail).at(place()));
                    }
                    _ => {}
                }
            }
            row_before += section.len();
        }
        Ok(())
    }
}

impl SamplesPort for ScopedSamples {
    fn append(&self, origin: Origin, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.check(&sections)?;
            let writer = self.store.writer(self.org).await?;
            let live = sections.clone();
            let mut next_sequence = writer.next_sequence.lock().await;
            let header = BatchHeader {
                source: writer.source,
                epoch: writer.epoch,
                first_sequence: *next_sequence,
                recorded: Time(0),
                origin,
            };
            let batch = SampleBatch { header, sections };
            let rows = batch.rows() as u64;
            // Before the wait: a caller that goes away drops this future, and the rows are stored all the same. Numbers
            // that were handed out are never used again; a hole in them is allowed.
            *next_sequence += rows;
            self.store.historian.append(batch).await.map_err(|error| append_fault(&error))?;
            drop(next_sequence);
            self.store.live.publish(&live);
            Ok(())
        })
    }

    fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>> {
        let mut found = self.store.historian.latest(points);
        for (latest, point) in found.iter_mut().zip(points) {
            if self.store.plant.owner(*point) != Some(self.org) {
                *latest = None;
            }
        }
        found
    }

    fn range(&self, query: RangeQuery) -> BoxFuture<'_, Result<Vec<Section>, Fault>> {
        let query = historian::RangeQuery {
            points: self.owned(&query.points),
            from: query.from,
            to: query.to,
            limit_rows: query.limit_rows.min(sdk::Samples::ROWS_MAX),
            newest_first: query.newest_first,
            known_at: None,
        };
        Box::pin(async move { self.store.historian.range(query).await.map_err(|error| read_fault(&error)) })
    }

    fn aggregate(&self, query: AggregateQuery) -> BoxFuture<'_, Result<Vec<Aggregate>, Fault>> {
        let AggregateQuery { points, from, to, buckets, exact } = query;
        let points = self.owned(&points);
        Box::pin(async move {
            let historian = &self.store.historian;
            let answer = if exact {
                historian.aggregate(historian::AggregateQuery { points, from, to, buckets }).await
            } else {
                let query = historian::TrendQuery { points, from, to, columns: buckets, exact };
                historian
                    .trend(query)
                    .await
                    .map(|trends| trends.iter().map(|trend| trend.aggregate(from, to)).collect())
            };
            answer.map_err(|error| read_fault(&error))
        })
    }

    fn subscribe(&self, points: &[PointId]) -> Subscription {
        let mut owned = self.owned(points);
        owned.truncate(sdk::Samples::LIVE_POINTS_MAX);
        self.store.live.watch(&owned)
    }

    fn follow(&self, points: &[PointId]) -> Follower {
        self.store.live.follow(&self.owned(points))
    }
}

/// A refused append as a message.
pub(crate) fn append_fault(error: &AppendError) -> Fault {
    let code = match error {
        AppendError::DiskFull { .. }
        | AppendError::MemoryFull { .. }
        | AppendError::Refused { .. }
        | AppendError::SyncFailed { .. } => codes::STORAGE_REFUSED,
        AppendError::Columns(_) | AppendError::TooLarge { .. } => codes::INVALID,
        _ => codes::INTERNAL,
    };
    Fault::new(code, error.to_string()).arg("reason", error.to_string())
}

fn read_fault(error: &historian::ReadError) -> Fault {
    let code = match error {
        historian::ReadError::Buckets { .. } | historian::ReadError::Columns { .. } => codes::INVALID,
        _ => codes::INTERNAL,
    };
    Fault::new(code, error.to_string()).arg("reason", error.to_string())
}
