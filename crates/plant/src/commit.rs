//! The one way to change anything: check under the writer's lock, commit, then bring memory in line.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use records::{Committed, RecordsError};
use tokio::sync::OwnedMutexGuard;
use types::{Change, EventDraft, Fault, ObjectId, OrgId, PointId, codes};

use crate::catalogue::Catalogue;
use crate::row::Row;
use crate::{PlantChange, PlantModel};

/// The table of point rows. Part of the format on disk.
const POINTS: &str = "points";
/// Rows read at a time when the catalogue is loaded.
const LOAD_PAGE: usize = 10_000;

/// Nobody else writes while this lives.
#[derive(Clone)]
pub(crate) struct Writing {
    _guard: Arc<OwnedMutexGuard<()>>,
}

/// What happens to a point.
pub(crate) enum PointChange {
    Put(PointId, Row),
    Delete(PointId),
}

/// What goes into one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) documents: Vec<Change>,
    pub(crate) points: Vec<PointChange>,
    pub(crate) events: Vec<EventDraft>,
    /// Devices that must start again; `None` for points without a device.
    pub(crate) touched: Vec<Option<ObjectId>>,
}

impl PlantModel {
    pub(crate) async fn writing(&self) -> Result<Writing, Fault> {
        let guard = Arc::clone(&self.inner.writing).lock_owned().await;
        let writing = Writing { _guard: Arc::new(guard) };
        if self.is_doubtful() {
            self.load().await?;
        }
        Ok(writing)
    }

    async fn load(&self) -> Result<(), Fault> {
        let mut catalogue = Catalogue::default();
        let mut after = None;
        loop {
            let rows = self.inner.records.rows(POINTS, after, LOAD_PAGE).await.map_err(|e| e.fault())?;
            let Some((org, key, _)) = rows.last() else { break };
            after = Some((*org, *key));
            for (org, key, bytes) in rows {
                let row = Row::from_stored(bytes).map_err(|error| {
                    let detail = format!(
                        "point {key} cannot be read: {error}; restore the record store from a backup, or start the newer version"
                    );
                    Fault::new(codes::INTERNAL, detail).arg("point", key)
                })?;
                catalogue.put(org, PointId(key), row);
            }
        }
        *self.inner.catalogue.write().unwrap_or_else(PoisonError::into_inner) = catalogue;
        self.inner.doubtful.store(false, Ordering::Release);
        Ok(())
    }

    /// Commits and applies in a task of its own: a caller that goes away in between cannot leave memory behind disk.
    pub(crate) async fn commit(
        &self,
        writing: &Writing,
        org: OrgId,
        actor: &str,
        batch: Batch,
    ) -> Result<Committed, Fault> {
        let (model, writing, actor) = (self.clone(), writing.clone(), actor.to_string());
        let task = tokio::spawn(async move {
            let committed = model.commit_now(org, &actor, batch).await;
            drop(writing);
            committed
        });
        task.await.map_err(|error| {
            Fault::new(codes::INTERNAL, format!("a change of the plant model broke off ({error}): look at the log, then read before changing again"))
        })?
    }

    async fn commit_now(&self, org: OrgId, actor: &str, batch: Batch) -> Result<Committed, Fault> {
        let Batch { documents: mut changes, points, events, touched } = batch;
        changes.extend(points.iter().map(|change| match change {
            PointChange::Put(id, row) => {
                Change::PutRow { table: POINTS, key: id.0, bytes: row.bytes().to_vec() }
            }
            PointChange::Delete(id) => Change::DeleteRow { table: POINTS, key: id.0 },
        }));
        let committed = self.inner.records.commit(org, actor, changes, events).await.map_err(|error| {
            if matches!(error, RecordsError::Unavailable(_)) && !points.is_empty() {
                self.inner.doubtful.store(true, Ordering::Release);
            }
            error.fault()
        })?;
        if !points.is_empty() {
            let mut catalogue = self.inner.catalogue.write().unwrap_or_else(PoisonError::into_inner);
            for change in points {
                match change {
                    PointChange::Put(id, row) => catalogue.put(org, id, row),
                    PointChange::Delete(id) => catalogue.remove(id),
                }
            }
        }
        self.inner.revision.fetch_add(1, Ordering::AcqRel);
        for device in touched {
            // Nobody listening is no error: start-up and tests have no runtime yet.
            let _ = self.inner.changes.send(PlantChange { org, device });
        }
        Ok(committed)
    }
}
