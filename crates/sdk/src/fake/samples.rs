//! Samples in memory, scoped by the points of the fake plant.

use std::collections::BTreeMap;
use types::{
    Aggregate, BatchHeader, Bucket, Fault, Latest, OrgId, Origin, PointId, Quality, SampleBatch, Section,
    SourceId, Time, Value, codes,
};

use super::World;
use crate::{
    AggregateQuery, BoxFuture, Follower, LatestSample, RangeQuery, Samples, SamplesPort, Subscription,
};

/// The most buckets a point, as the historian has it.
const BUCKETS_MAX: u32 = 10_000;
/// The most buckets in one answer.
const BUCKETS_TOTAL_MAX: usize = 1 << 20;

/// Rows of all organisations.
#[derive(Default)]
pub(super) struct Rows {
    rows: BTreeMap<PointId, BTreeMap<Time, Row>>,
    watchers: Vec<Subscription>,
    followers: Vec<Follower>,
}

#[derive(Clone)]
struct Row {
    value: Option<Value>,
    quality: Quality,
    recorded: Time,
}

impl Rows {
    /// Takes rows in. Of equal times the later one is there alone.
    pub(super) fn push(&mut self, recorded: Time, sections: &[Section]) {
        let rows: Vec<LatestSample> = sections
            .iter()
            .flat_map(Section::rows)
            .map(|(point, time, value, quality)| LatestSample { point, time, value, quality })
            .collect();
        for LatestSample { point, time, value, quality } in rows.iter().cloned() {
            self.rows.entry(point).or_default().insert(time, Row { value, quality, recorded });
        }
        self.watchers.retain(|watcher| !watcher.is_abandoned());
        self.watchers.iter().for_each(|watcher| watcher.offer(&rows));
        self.followers.retain(|follower| !follower.is_abandoned());
        self.followers.iter().for_each(|follower| follower.offer(&rows));
    }

    /// The newest row, and the newest that has a value.
    pub(super) fn latest(&self, point: PointId) -> Option<Latest> {
        let rows = self.rows.get(&point)?;
        let (quality_time, newest) = rows.last_key_value()?;
        let with_value = rows.iter().rev().find(|(_, row)| row.value.is_some());
        Some(Latest {
            point,
            value: with_value.and_then(|(_, row)| row.value.clone()),
            value_time: with_value.map_or(*quality_time, |(time, _)| *time),
            quality: newest.quality,
            quality_time: *quality_time,
            recorded: newest.recorded,
        })
    }

    /// Rows of a point in time order, `from` included and `to` not.
    fn of(&self, point: PointId, from: Time, to: Time) -> Vec<(Time, Row)> {
        let Some(rows) = self.rows.get(&point).filter(|_| from < to) else { return Vec::new() };
        rows.range(from..to).map(|(time, row)| (*time, row.clone())).collect()
    }

    fn range(&self, query: &RangeQuery) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        let mut left = query.limit_rows.min(Samples::ROWS_MAX);
        for point in &query.points {
            let mut rows = self.of(*point, query.from, query.to);
            if query.newest_first {
                rows.reverse();
            }
            rows.truncate(left);
            left -= rows.len();
            for (time, Row { value, quality, .. }) in rows {
                let of = value.as_ref().map(Value::value_type);
                if sections.last().is_none_or(|last| last.values.value_type() != of) {
                    sections.push(Section::empty(of));
                }
                if let Some(section) = sections.last_mut() {
                    section.push(*point, time, value, quality);
                }
            }
        }
        sections
    }

    /// Bucket `i` of `n` starts `i * (to - from) / n` after `from`, rounded up to a nanosecond.
    fn aggregate(&self, point: PointId, query: &AggregateQuery) -> Aggregate {
        let (from, n) = (i128::from(query.from.0), i128::from(query.buckets));
        let span = (i128::from(query.to.0) - from).max(0);
        let start = |i: i128| Time((from + (i * span + n - 1) / n) as i64);
        let mut buckets: Vec<Bucket> = (0..n).map(|i| Bucket::empty(start(i))).collect();
        for (time, Row { value, quality, .. }) in self.of(point, query.from, query.to) {
            // Text and bytes are no figures: only that they were Bad counts.
            let counts = value.as_ref().is_none_or(|v| v.value_type().is_numeric()) || quality.is_bad();
            let place = buckets.partition_point(|bucket| bucket.start <= time).saturating_sub(1);
            if let Some(bucket) = buckets.get_mut(place).filter(|_| counts) {
                bucket.add(time, value.as_ref().and_then(Value::as_f64), quality);
            }
        }
        Aggregate { point, buckets }
    }
}

/// One organisation's view.
pub(super) struct ScopedSamples {
    pub(super) org: OrgId,
    pub(super) world: World,
}

impl ScopedSamples {
    fn owned(&self, points: &[PointId]) -> Vec<PointId> {
        let catalogue = self.world.catalogue();
        points.iter().copied().filter(|point| catalogue.by_id(self.org, *point).is_some()).collect()
    }

    /// Every row's point is ours and of the section's type.
    fn check(&self, sections: &[Section]) -> Result<(), Fault> {
        let catalogue = self.world.catalogue();
        let mut row = 0;
        for section in sections {
            let got = section.values.value_type();
            for point in &section.points {
                let place = format!("/rows/{row}");
                let Some(known) = catalogue.by_id(self.org, *point) else {
                    let detail = "there is no such point: look up its id";
                    return Err(Fault::new(codes::NOT_FOUND, detail).at(place));
                };
                let wanted = known.point.value_type;
                if let Some(got) = got.filter(|got| *got != wanted) {
                    let detail = format!("the point holds {wanted:?} values and not {got:?}: send that type");
                    return Err(Fault::new(codes::INVALID, detail).at(place));
                }
                row += 1;
            }
        }
        Ok(())
    }
}

impl SamplesPort for ScopedSamples {
    fn append(&self, origin: Origin, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.check(&sections)?;
            let recorded = self.world.clock().handle().now();
            let header = BatchHeader { source: SourceId(0), epoch: 1, first_sequence: 0, recorded, origin };
            let batch = SampleBatch { header, sections };
            batch.check().map_err(|error| refused(error.to_string()))?;
            self.world.rows().push(recorded, &batch.sections);
            Ok(())
        })
    }

    fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>> {
        let (catalogue, rows) = (self.world.catalogue(), self.world.rows());
        let find = |point| catalogue.by_id(self.org, point).and_then(|_| rows.latest(point));
        points.iter().copied().map(find).collect()
    }

    fn range(&self, mut query: RangeQuery) -> BoxFuture<'_, Result<Vec<Section>, Fault>> {
        query.points = self.owned(&query.points);
        Box::pin(async move { Ok(self.world.rows().range(&query)) })
    }

    fn aggregate(&self, query: AggregateQuery) -> BoxFuture<'_, Result<Vec<Aggregate>, Fault>> {
        let points = self.owned(&query.points);
        Box::pin(async move {
            let (count, buckets) = (points.len(), query.buckets);
            let total = count.saturating_mul(buckets as usize);
            if !(1..=BUCKETS_MAX).contains(&buckets) || total > BUCKETS_TOTAL_MAX {
                return Err(refused(format!(
                    "{count} points x {buckets} buckets: ask for 1 to {BUCKETS_MAX} buckets a point and \
                     {BUCKETS_TOTAL_MAX} in all"
                )));
            }
            let rows = self.world.rows();
            Ok(points.into_iter().map(|point| rows.aggregate(point, &query)).collect())
        })
    }

    fn subscribe(&self, points: &[PointId]) -> Subscription {
        let mut owned = self.owned(points);
        owned.truncate(Samples::LIVE_POINTS_MAX);
        let subscription = Subscription::to(&owned);
        self.world.rows().watchers.push(subscription.clone());
        subscription
    }

    fn follow(&self, points: &[PointId]) -> Follower {
        let follower = Follower::of(&self.owned(points));
        self.world.rows().followers.push(follower.clone());
        follower
    }
}

fn refused(reason: String) -> Fault {
    Fault::new(codes::INVALID, reason.clone()).arg("reason", reason)
}
