//! What the writer does beside appending: deletions, holds, and bringing into force what others have made.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc::SyncSender},
};

use types::PointId;

use crate::{
    UpkeepError,
    deletion::{Deletion, Hold, Scope},
    flush::sorted,
    manifest::{Manifest, NAME, StoreError},
    memory::LatestTable,
    segment::Segment,
    writer::Writer,
};

/// Deletions that may wait to be settled by compaction, and holds that may stand.
const MARKS_MAX: usize = 10_000;
/// Points that one of them may name.
const SCOPE_POINTS_MAX: usize = 1 << 20;
/// Bytes of who and why.
const REASON_BYTES_MAX: usize = 4096;

/// Segments that take the place of others.
pub(crate) struct Install {
    pub(crate) inputs: Vec<u64>,
    pub(crate) outputs: Vec<Segment>,
    /// Names of the outputs.
    pub(crate) made: Vec<PathBuf>,
    pub(crate) reply: SyncSender<Result<(), UpkeepError>>,
}

/// All files of a store at one instant; they stay while it is held.
pub(crate) struct Holding {
    pub(crate) manifest: Manifest,
    pub(crate) segments: Arc<[Arc<Segment>]>,
    pub(crate) latest: Arc<LatestTable>,
}

impl Writer {
    /// Brings compacted segments into force.
    pub(crate) fn install(&mut self, install: Install) {
        let Install { inputs, outputs, made, reply } = install;
        let is_input = |number: u64| inputs.contains(&number);
        let mut next = self.manifest.clone();
        let known = next.segments.iter().filter(|segment| is_input(segment.number)).count();
        if known != inputs.len() {
            self.remove(made);
            let _ = reply.send(Err(UpkeepError::Closed));
            return;
        }
        next.segments.retain(|segment| !is_input(segment.number));
        next.segments.extend(outputs.iter().map(|output| output.entry.clone()));
        next.obsolete.extend(&inputs);
        let marks = std::mem::take(&mut next.deletions);
        let known = self.shared.latest_order.load(Ordering::Relaxed);
        next.deletions = marks.into_iter().filter(|deletion| next.needs(deletion, known)).collect();
        let replaced = self.replace(next);
        if let Err((error, doubtful)) = replaced {
            if doubtful {
                self.doubtful.extend(made)
            } else {
                self.remove(made)
            }
            let _ = reply.send(Err(error));
            return;
        }
        let mut state = self.shared.state_mut();
        let (old, kept): (Vec<_>, Vec<_>) =
            state.segments.iter().cloned().partition(|segment| is_input(segment.entry.number));
        state.segments = sorted(kept.into_iter().chain(outputs.into_iter().map(Arc::new)));
        state.deletions = self.manifest.deletions.clone().into();
        drop(state);
        for segment in old {
            segment.set_obsolete();
            self.obsolete.push((segment.entry.number, Arc::downgrade(&segment)));
        }
        self.refresh_stats();
        let _ = reply.send(Ok(()));
    }

    fn replace(&mut self, next: Manifest) -> Result<(), (UpkeepError, bool)> {
        self.replace_manifest(next).map_err(|error| {
            let doubtful = matches!(error, StoreError::During(_));
            let error: io::Error = error.into_io();
            (UpkeepError::Io { file: self.dir.join(NAME), cause: error.to_string() }, doubtful)
        })
    }

    /// Hides all rows of a scope that have been written so far.
    pub(crate) fn delete(&mut self, scope: Scope, who: String, why: String) -> Result<(), UpkeepError> {
        let scope = self.check(scope, &who, &why, self.manifest.deletions.len())?;
        if let Some(hold) = self.manifest.holds.iter().find(|hold| hold.scope.meets_scope(&scope)) {
            return Err(UpkeepError::Held {
                number: hold.number,
                who: hold.who.clone(),
                why: hold.why.clone(),
            });
        }
        let mut next = self.manifest.clone();
        let (order, before_lsn, recorded) = (next.next_order, self.log.next_lsn(), (self.now)());
        next.next_order += 1;
        next.deletions.push(Deletion { scope, recorded, who, why, order, before_lsn });
        self.replace(next).map_err(|(error, _)| error)?;
        self.shared.state_mut().deletions = self.manifest.deletions.clone().into();
        // Latest values learn of it with a flush. The deletion stands whether or not that works: the next flush, or the
        // next start, makes up for it.
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "latest values that were deleted are shown until the next flush");
        }
        Ok(())
    }

    /// Places a hold.
    pub(crate) fn hold(&mut self, scope: Scope, who: String, why: String) -> Result<u64, UpkeepError> {
        let scope = self.check(scope, &who, &why, self.manifest.holds.len())?;
        let mut next = self.manifest.clone();
        let number = next.next_order;
        next.next_order += 1;
        next.holds.push(Hold { number, scope, since: (self.now)(), who, why });
        self.replace(next).map_err(|(error, _)| error)?;
        Ok(number)
    }

    /// Ends a hold.
    pub(crate) fn release(&mut self, number: u64) -> Result<(), UpkeepError> {
        let mut next = self.manifest.clone();
        let before = next.holds.len();
        next.holds.retain(|hold| hold.number != number);
        if next.holds.len() == before {
            return Err(UpkeepError::NoHold { number });
        }
        self.replace(next).map_err(|(error, _)| error)
    }

    /// The scope in order, when all of it is within bounds.
    fn check(&self, mut scope: Scope, who: &str, why: &str, marks: usize) -> Result<Scope, UpkeepError> {
        if self.manifest.format == 1 {
            return Err(UpkeepError::Format);
        }
        if scope.from >= scope.to {
            return Err(UpkeepError::NoSpan { from: scope.from, to: scope.to });
        }
        if who.trim().is_empty() || why.trim().is_empty() || who.len() + why.len() > REASON_BYTES_MAX {
            return Err(UpkeepError::Reason { max: REASON_BYTES_MAX });
        }
        scope.points.sort_unstable();
        scope.points.dedup();
        let points: &[PointId] = &scope.points;
        if marks >= MARKS_MAX || points.len() > SCOPE_POINTS_MAX {
            return Err(UpkeepError::TooMany { marks: MARKS_MAX, points: SCOPE_POINTS_MAX });
        }
        Ok(scope)
    }

    /// Flushes, and gives all that a backup copies.
    pub(crate) fn holding(&mut self) -> Result<Holding, UpkeepError> {
        self.flush().map_err(|error| UpkeepError::Flush { cause: error.to_string() })?;
        let state = self.shared.state();
        let (segments, latest) = (state.segments.clone(), state.latest.clone());
        Ok(Holding { manifest: self.manifest.clone(), segments, latest })
    }
}
