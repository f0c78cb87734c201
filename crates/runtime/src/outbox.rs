//! From a driver to the disk: sequence numbers, one Bad row per loss, then live.

use historian::{AppendError, Historian};
use sdk::{BoundPoint, BoxFuture, Clock, OutboxPort};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use types::{BatchHeader, Fault, Origin, PointId, Quality, SampleBatch, Section, SourceId, Time};

use crate::{live::Live, samples::append_fault};

/// A point unread for so many of its periods was not watched.
const SILENT_PERIODS: u32 = 5;
/// Clocks that differ by less are taken as equal: devices stamp what they send before it arrives.
const CLOCK_TOLERANCE_NS: i64 = 2_000_000_000;
/// Nothing was seen of the device's clock.
const CLOCK_UNKNOWN: i64 = i64::MIN;

/// One device's way to the historian. Lives as long as its source's epoch; tasks of the device come and go.
pub(crate) struct DeviceOutbox {
    historian: Historian,
    live: Arc<Live>,
    source: SourceId,
    epoch: u32,
    /// Held over an append, so that batches of one source are in sequence.
    next_sequence: tokio::sync::Mutex<u64>,
    bad: Mutex<BadPoints>,
    clock: Clock,
    online_since: Mutex<Option<Time>>,
    counts: OutboxCounts,
    refusal: Mutex<Option<Fault>>,
    /// The device left by itself, and why, while its driver's run goes on.
    away: Mutex<Option<Fault>>,
    /// How far the times of its rows are ahead of our clock at most, in ns, since it came. A loss is marked by the same
    /// clock, else a device whose clock is wrong would stay Good when it is lost, or Bad when it is back.
    ahead_ns: AtomicI64,
}

/// What went through.
#[derive(Debug, Default)]
pub(crate) struct OutboxCounts {
    pub(crate) stored_rows: AtomicU64,
    /// Rows the historian refused (disk full): shown live, not kept.
    pub(crate) shed_rows: AtomicU64,
}

/// Which of the device's points are Bad now.
struct BadPoints {
    points: Vec<PointId>,
    bad: Vec<bool>,
    any: bool,
}

impl BadPoints {
    fn index(&self, point: PointId) -> Option<usize> {
        self.points.binary_search(&point).ok()
    }

    /// Takes rows out that only repeat that a point is Bad; remembers the rest.
    fn keep_transitions(&mut self, sections: Vec<Section>) -> Vec<Section> {
        sections.into_iter().filter_map(|section| self.keep_section(section)).collect()
    }

    fn keep_section(&mut self, section: Section) -> Option<Section> {
        let all_good = section.quality.0.is_empty();
        if all_good && !self.any {
            return Some(section);
        }
        let repeats = |this: &Self, point, quality: Quality| {
            quality.is_bad() && this.index(point).is_some_and(|i| this.bad[i])
        };
        let any_repeats = section.rows().any(|(point, _, _, quality)| repeats(self, point, quality));
        let kept = if any_repeats {
            let mut kept = Section::empty(section.values.value_type());
            for (point, time, value, quality) in section.rows() {
                if !repeats(self, point, quality) {
                    kept.push(point, time, value, quality);
                    self.remember(point, quality);
                }
            }
            kept
        } else {
            for (point, _, _, quality) in section.rows() {
                self.remember(point, quality);
            }
            section
        };
        self.any = self.bad.contains(&true);
        (!kept.is_empty()).then_some(kept)
    }

    fn remember(&mut self, point: PointId, quality: Quality) {
        if let Some(i) = self.index(point) {
            self.bad[i] = quality.is_bad();
            self.any |= quality.is_bad();
        }
    }
}

impl DeviceOutbox {
    /// For a source; a new epoch begins.
    pub(crate) fn new(historian: Historian, live: Arc<Live>, clock: Clock, source: SourceId) -> DeviceOutbox {
        let epoch = historian.source_state(source).map_or(1, |s| s.epoch.saturating_add(1));
        DeviceOutbox {
            historian,
            live,
            source,
            epoch,
            next_sequence: tokio::sync::Mutex::new(0),
            bad: Mutex::new(BadPoints { points: Vec::new(), bad: Vec::new(), any: false }),
            clock,
            online_since: Mutex::new(None),
            counts: OutboxCounts::default(),
            refusal: Mutex::new(None),
            away: Mutex::new(None),
            ahead_ns: AtomicI64::new(CLOCK_UNKNOWN),
        }
    }

    /// The points of the task that starts now. Whether each is Bad is taken from the historian, so neither a restart of
    /// the task nor of the process writes a second Bad row. A point that nobody read for longer than
    /// [`SILENT_PERIODS`] gets a Bad row where its silence began: the node itself was down, and that is a gap with a
    /// cause.
    pub(crate) async fn bind(&self, bound: &[BoundPoint]) {
        let mut bound: Vec<(PointId, u32)> = bound.iter().map(|p| (p.id, p.period_ms)).collect();
        bound.sort_unstable();
        let points: Vec<PointId> = bound.iter().map(|b| b.0).collect();
        self.settle().await;
        let latest = self.historian.latest(&points);
        let now = self.clock.now();
        let mut silence = Section::empty(None);
        for ((point, period_ms), latest) in bound.iter().zip(&latest) {
            let period = Duration::from_millis(u64::from(*period_ms));
            if let Some(latest) = latest
                && !latest.quality.is_bad()
                && now.since(latest.quality_time) > period * SILENT_PERIODS
            {
                silence.push(*point, latest.quality_time.plus(period), None, Quality::BAD_OUT_OF_SERVICE);
            }
        }
        let bad: Vec<bool> = latest.iter().map(|l| l.as_ref().is_some_and(|l| l.quality.is_bad())).collect();
        let any = bad.contains(&true);
        *self.lock_bad() = BadPoints { points, bad, any };
        self.set_online(None);
        self.set_away(None);
        // Refused ones are tried again with the next loss.
        let _stored = self.store(vec![silence]).await;
    }

    /// Waits until everything that an earlier, stopped task handed over is in the historian: an empty batch is answered
    /// after all that came before it.
    async fn settle(&self) {
        let next_sequence = *self.next_sequence.lock().await;
        let header = BatchHeader {
            source: self.source,
            epoch: self.epoch,
            first_sequence: next_sequence,
            recorded: Time(0),
            origin: Origin::Measured,
        };
        // Refused or not, it was its turn.
        let _turn = self.historian.append(SampleBatch { header, sections: Vec::new() }).await;
    }

    /// Takes from the historian which points are Bad.
    fn reread_bad(&self) {
        let mut bad = self.lock_bad();
        let latest = self.historian.latest(&bad.points);
        bad.bad = latest.iter().map(|l| l.as_ref().is_some_and(|l| l.quality.is_bad())).collect();
        bad.any = bad.bad.contains(&true);
    }

    /// Since when the device answers; `None` when it does not.
    pub(crate) fn online_since(&self) -> Option<Time> {
        *self.online_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device answers.
    pub(crate) fn is_online(&self) -> bool {
        self.online_since().is_some()
    }

    /// Why the device is away while its driver waits for it.
    pub(crate) fn away(&self) -> Option<Fault> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_away(&self, why: Option<Fault>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn set_online(&self, since: Option<Time>) {
        *self.online_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// The connection is gone: one Bad row for each point that is not Bad already.
    pub(crate) async fn lost(&self, at: Time, quality: Quality) {
        self.set_away(None);
        self.mark_lost(at, quality).await;
    }

    /// By the device's clock, and after all that is known of a point.
    async fn mark_lost(&self, at: Time, quality: Quality) {
        self.set_online(None);
        let at = match self.ahead_ns.swap(CLOCK_UNKNOWN, Ordering::Relaxed) {
            CLOCK_UNKNOWN => at,
            ahead if ahead.saturating_abs() < CLOCK_TOLERANCE_NS => at,
            ahead => Time(at.0.saturating_add(ahead)),
        };
        let points = self.lock_bad().points.clone();
        let latest = self.historian.latest(&points);
        let mut section = Section::empty(None);
        for (point, latest) in points.into_iter().zip(latest) {
            let at = latest.map_or(at, |latest| at.max(Time(latest.quality_time.0.saturating_add(1))));
            section.push(point, at, None, quality);
        }
        // Refused or not: what was not stored is tried again with the next loss.
        let _stored = self.store(vec![section]).await;
    }

    /// Good rows tell how far the device's clock is ahead.
    fn note_clock(&self, sections: &[Section]) {
        let times = sections.iter().filter(|section| section.values.value_type().is_some());
        if let Some(newest) = times.flat_map(|section| section.times.iter()).max() {
            let ahead = newest.0.saturating_sub(self.clock.now().0).max(CLOCK_UNKNOWN + 1);
            self.ahead_ns.fetch_max(ahead, Ordering::Relaxed);
        }
    }

    /// How many points are not Bad, and how many there are.
    pub(crate) fn good_points(&self) -> (usize, usize) {
        let bad = self.lock_bad();
        (bad.bad.iter().filter(|b| !**b).count(), bad.points.len())
    }

    /// What went through.
    pub(crate) fn counts(&self) -> &OutboxCounts {
        &self.counts
    }

    /// Why rows are not stored now, if so.
    pub(crate) fn refusal(&self) -> Option<Fault> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn store(&self, sections: Vec<Section>) -> Result<(), Fault> {
        let sections = self.lock_bad().keep_transitions(sections);
        if sections.is_empty() {
            return Ok(());
        }
        let live = sections.clone();
        let done = self.number_and_append(Origin::Measured, sections).await;
        if done.is_err() {
            // A transition that was not stored must be tried again.
            self.reread_bad();
        }
        self.note_refusal(done.as_ref().err());
        self.live.publish(&live);
        done
    }

    async fn number_and_append(&self, origin: Origin, sections: Vec<Section>) -> Result<(), Fault> {
        let mut next_sequence = self.next_sequence.lock().await;
        let header = BatchHeader {
            source: self.source,
            epoch: self.epoch,
            first_sequence: *next_sequence,
            recorded: Time(0),
            origin,
        };
        let batch = SampleBatch { header, sections };
        let rows = batch.rows() as u64;
        // Before the wait: a task that is stopped drops this future, and the rows are stored all the same. Also when they
        // are refused: the hole in the numbering is how the historian knows that rows were lost.
        *next_sequence += rows;
        let done = self.append(batch).await;
        let counter = if done.is_ok() { &self.counts.stored_rows } else { &self.counts.shed_rows };
        counter.fetch_add(rows, Ordering::Relaxed);
        done
    }

    /// A sync that failed leaves it open whether the rows are durable: the same batch is sent once more, which is
    /// harmless if they are.
    async fn append(&self, batch: SampleBatch) -> Result<(), Fault> {
        let again = batch.clone();
        match self.historian.append(batch).await {
            Ok(_) => Ok(()),
            Err(AppendError::SyncFailed { .. }) => {
                self.historian.append(again).await.map(drop).map_err(|error| append_fault(&error))
            }
            Err(error) => Err(append_fault(&error)),
        }
    }

    /// Logs the first refusal and the recovery, not every batch between.
    fn note_refusal(&self, refused: Option<&Fault>) {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*refusal, refused) {
            (None, Some(fault)) => tracing::error!(source = self.source.0, %fault, "samples are not stored"),
            (Some(_), None) => tracing::info!(source = self.source.0, "samples are stored again"),
            _ => {}
        }
        *refusal = refused.cloned();
    }

    fn lock_bad(&self) -> std::sync::MutexGuard<'_, BadPoints> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboxPort for DeviceOutbox {
    fn publish(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        self.note_clock(&sections);
        Box::pin(self.store(sections))
    }
    fn online(&self) {
        if !self.is_online() {
            self.set_online(Some(self.clock.now()));
            self.set_away(None);
        }
    }
    fn offline(&self, fault: Fault) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.set_away(Some(fault));
            self.mark_lost(self.clock.now(), Quality::BAD_NO_COMMUNICATION).await;
        })
    }
    fn backfill(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            if sections.iter().all(Section::is_empty) {
                return Ok(());
            }
            self.number_and_append(Origin::Backfill, sections).await
        })
    }
    fn last_good(&self, point: PointId) -> Option<Time> {
        let latest = self.historian.latest(&[point]).pop().flatten()?;
        latest.value.is_some().then_some(latest.value_time)
    }
    fn newest(&self, point: PointId) -> Option<Time> {
        Some(self.historian.latest(&[point]).pop().flatten()?.quality_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Value;

    fn section(rows: &[(u32, Option<f32>, Quality)]) -> Section {
        let of = rows[0].1.map(|v| Value::F32(v).value_type());
        let mut section = Section::empty(of);
        for (i, (point, value, quality)) in rows.iter().enumerate() {
            assert!(section.push(PointId(*point), Time(i as i64), value.map(Value::F32), *quality));
        }
        section
    }

    #[test]
    fn a_loss_is_one_bad_row_a_point_until_it_is_good_again() {
        let points = vec![PointId(1), PointId(2)];
        let mut bad = BadPoints { points, bad: vec![false; 2], any: false };
        let lost = |p| (p, None, Quality::BAD_NO_COMMUNICATION);
        assert_eq!(bad.keep_transitions(vec![section(&[lost(1), lost(2)])])[0].len(), 2);
        assert!(bad.keep_transitions(vec![section(&[lost(1), lost(2)])]).is_empty());
        let good = section(&[(1, Some(1.0), Quality::GOOD)]);
        assert_eq!(bad.keep_transitions(vec![good.clone()]), vec![good.clone()]);
        let again = bad.keep_transitions(vec![section(&[lost(1), lost(2)])]);
        assert_eq!(again[0].points, vec![PointId(1)]);
    }

    /// An outbox of point 1 over a store in memory, online at second 1,000 of a clock that stands still.
    async fn outbox(clock: &sdk::fake::FakeClock) -> (DeviceOutbox, Historian) {
        let now = clock.handle();
        let options = historian::Options {
            disk: Arc::new(historian::sim::SimDisk::new()),
            ..historian::Options::new("store", Arc::new(move || now.now()), [7; 16])
        };
        let historian = Historian::open(options).unwrap().0;
        let outbox = DeviceOutbox::new(historian.clone(), Arc::default(), clock.handle(), SourceId(1));
        let address = String::new();
        let value_type = types::ValueType::F32;
        let point = BoundPoint { id: PointId(1), address, value_type, scaling: None, period_ms: 1_000 };
        outbox.bind(&[point]).await;
        outbox.online();
        (outbox, historian)
    }

    async fn read(outbox: &DeviceOutbox, second: i64) {
        let mut section = Section::empty(Some(types::ValueType::F32));
        section.push(PointId(1), Time::from_unix_ms(second * 1_000), Some(Value::F32(1.0)), Quality::GOOD);
        outbox.publish(vec![section]).await.unwrap();
    }

    #[tokio::test]
    async fn a_device_with_a_wrong_clock_is_bad_when_lost_and_good_when_back() {
        for ahead_s in [-300, -1, 0, 1, 300] {
            let clock = sdk::fake::FakeClock::at(Time::from_unix_ms(1_000_000));
            let (outbox, historian) = outbox(&clock).await;
            let quality = || historian.latest(&[PointId(1)])[0].as_ref().unwrap().quality;
            for loss in 0..3 {
                let now_s = 1_000 + loss * 20;
                read(&outbox, now_s + ahead_s).await;
                assert_eq!(quality(), Quality::GOOD, "ahead {ahead_s} s, loss {loss}");
                clock.advance(Duration::from_secs(10)).await;
                outbox.lost(clock.handle().now(), Quality::BAD_NO_COMMUNICATION).await;
                assert_eq!(quality(), Quality::BAD_NO_COMMUNICATION, "ahead {ahead_s} s, loss {loss}");
                assert_eq!(outbox.last_good(PointId(1)), Some(Time::from_unix_ms((now_s + ahead_s) * 1_000)));
                assert!(outbox.newest(PointId(1)) > outbox.last_good(PointId(1)));
                clock.advance(Duration::from_secs(10)).await;
                outbox.online();
            }
        }
    }

    #[test]
    fn good_rows_pass_untouched() {
        let mut bad = BadPoints { points: vec![PointId(1)], bad: vec![false], any: false };
        let good = section(&[(1, Some(1.0), Quality::GOOD), (1, Some(2.0), Quality::GOOD)]);
        assert_eq!(bad.keep_transitions(vec![good.clone()]), vec![good]);
    }
}
