//! From values to rows: which are live, which were true earlier, which were seen before. Pure.

use opcua::types::DataValue;
use sdk::BoundPoint;
use std::sync::Arc;
use types::{Quality, Section, Time, Value};

use crate::value;

/// Rows of one device on their way to its outbox.
pub(crate) struct Rows {
    points: Arc<[BoundPoint]>,
    /// Which element of an array each point is.
    elements: Vec<Option<u32>>,
    items: Vec<Seen>,
    /// Since when the server answers without a break, by its clock. Rows before were announced as lost.
    since: Time,
    live: Vec<Section>,
    earlier: Vec<Section>,
}

type Sight = (Time, Option<Value>, Quality);

/// How a value came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// By itself.
    Reported,
    /// Because we asked.
    Read,
}

/// What is known of one item.
#[derive(Default)]
struct Seen {
    /// The newest row as the server reported it, and as it was read: reports of older values may still be on their way.
    reported: Option<Sight>,
    read: Option<Sight>,
    /// A row of it went out since [`Rows::since`].
    confirmed: bool,
    /// What was stored before the break; a gap starts at its good row.
    before: Before,
    /// Source time of the first value after the break: where a gap ends.
    first: Option<Time>,
}

/// Source times of what is stored of an item when a break ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// The newest good row.
    pub(crate) good: Option<Time>,
    /// The newest row of any quality, usually the loss itself: only what is later than it counts as now.
    pub(crate) newest: Option<Time>,
}

impl Before {
    /// The first time that counts as now.
    fn end(self) -> Time {
        self.newest.map_or(Time::MIN, |newest| Time(newest.0.saturating_add(1)))
    }
}

/// A stretch that may be filled from history; neither end belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) item: u32,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Rows {
    pub(crate) fn new(points: Arc<[BoundPoint]>, elements: Vec<Option<u32>>) -> Rows {
        let items = points.iter().map(|_| Seen::default()).collect();
        Rows { points, elements, items, since: Time::MIN, live: Vec::new(), earlier: Vec::new() }
    }

    /// The server answers from `now` on, after a break that people were told of.
    pub(crate) fn begin(&mut self, now: Time, before: impl Fn(&BoundPoint) -> Before) {
        self.since = now;
        for (seen, point) in self.items.iter_mut().zip(self.points.iter()) {
            seen.confirmed = false;
            seen.before = before(point);
            seen.first = None;
        }
    }

    /// A value came.
    pub(crate) fn take(&mut self, item: u32, data: &DataValue, how: Came, now: Time) {
        let Some(point) = self.points.get(item as usize) else { return };
        let data = value::element_of(data, self.elements.get(item as usize).copied().flatten());
        let (value, quality) = value::shown(&data, point.scaling, point.value_type);
        let time = value::source_time(&data, now);
        self.row(item, (time, value, quality), value::server_time(&data, now), how);
    }

    /// A value that was looked up after a write: true as of now, whether it changed or not.
    pub(crate) fn check(&mut self, item: u32, data: &DataValue, now: Time) {
        let Some(point) = self.points.get(item as usize) else { return };
        let data = value::element_of(data, self.elements.get(item as usize).copied().flatten());
        let (value, quality) = value::shown(&data, point.scaling, point.value_type);
        let time = value::source_time(&data, now);
        if let Some(seen) = self.items.get_mut(item as usize) {
            seen.read = Some((time, value.clone(), quality));
            seen.confirmed = true;
        }
        self.push(item, time.max(value::server_time(&data, now)), value, quality, false);
    }

    /// There is no value, for a reason of ours or the server's.
    pub(crate) fn refuse(&mut self, item: u32, quality: Quality, now: Time) {
        self.row(item, (now, None, quality), now, Came::Reported);
    }

    /// Items of which nothing was seen since the last break.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.items).filter(|(_, seen)| !seen.confirmed).map(|(item, _)| item)
    }

    /// `looked` is when the server looked: the value was true from its time until then at least.
    fn row(&mut self, item: u32, sight: Sight, looked: Time, how: Came) {
        let Some(seen) = self.items.get_mut(item as usize) else { return };
        let known = seen.reported.as_ref() == Some(&sight) || seen.read.as_ref() == Some(&sight);
        let first = !seen.confirmed;
        if known && !first {
            return;
        }
        seen.confirmed = true;
        let (time, value, quality) = sight.clone();
        seen.first.get_or_insert(time);
        match how {
            Came::Reported => seen.reported = Some(sight),
            Came::Read => seen.read = Some(sight),
        }
        let Before { good, .. } = seen.before;
        let since = self.since.max(seen.before.end());
        let belongs_to_now = time >= since || (!first && good.is_none());
        if belongs_to_now {
            return self.push(item, time, value, quality, false);
        }
        // True since before the break ended: belongs to the past, and is confirmed as of now.
        if !known && good.is_some_and(|good| time > good) {
            self.push(item, time, value.clone(), quality, true);
        }
        if first {
            self.push(item, looked.max(since), value, quality, false);
        }
    }

    fn push(&mut self, item: u32, time: Time, value: Option<Value>, quality: Quality, earlier: bool) {
        let Some(point) = self.points.get(item as usize).map(|point| point.id) else { return };
        let sections = if earlier { &mut self.earlier } else { &mut self.live };
        let of = value.as_ref().map(Value::value_type);
        let at = sections.iter().position(|section| section.values.value_type() == of).unwrap_or_else(|| {
            sections.push(Section::empty(of));
            sections.len() - 1
        });
        sections[at].push(point, time, value, quality);
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.earlier.is_empty()
    }

    /// Live rows and earlier ones.
    pub(crate) fn hand_over(&mut self) -> (Vec<Section>, Vec<Section>) {
        (std::mem::take(&mut self.live), std::mem::take(&mut self.earlier))
    }

    /// What is missing of points that had rows before the break and have one after.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let gap = |(item, seen): (u32, &Seen)| match (seen.before.good, seen.first) {
            (Some(from), Some(to)) if from < to => Some(Gap { item, from, to }),
            _ => None,
        };
        (0..).zip(&self.items).filter_map(gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::StatusCode;
    use types::{PointId, ValueType};

    fn rows(good: Option<i64>, since: i64) -> Rows {
        let point = BoundPoint {
            id: PointId(7),
            address: String::new(),
            value_type: ValueType::I64,
            scaling: None,
            period_ms: 100,
        };
        let mut rows = Rows::new([point].into(), vec![None]);
        rows.begin(at(since), |_| before(good, None));
        rows
    }
    fn before(good: Option<i64>, newest: Option<i64>) -> Before {
        Before { good: good.map(at), newest: newest.map(at) }
    }
    fn at(ms: i64) -> Time {
        Time::from_unix_ms(1_000_000 + ms)
    }
    fn data(value: i32, source: i64, server: i64) -> DataValue {
        DataValue {
            source_timestamp: Some(value::date_time(at(source))),
            server_timestamp: Some(value::date_time(at(server))),
            ..DataValue::value_only(value)
        }
    }
    fn out(rows: &mut Rows) -> [Vec<(i64, Option<i64>)>; 2] {
        let (live, earlier) = rows.hand_over();
        [live, earlier].map(|sections| {
            let row = |(_, time, value, _): (PointId, Time, Option<Value>, Quality)| {
                let value = value.and_then(|v| v.as_f64()).map(|v| v as i64);
                (time.unix_ms() - 1_000_000, value)
            };
            sections.iter().flat_map(Section::rows).map(row).collect()
        })
    }

    #[test]
    fn a_value_from_before_is_stored_where_it_belongs_and_confirmed_now() {
        let mut rows = rows(Some(10), 100);
        rows.take(0, &data(5, 50, 110), Came::Reported, at(120));
        assert_eq!(out(&mut rows), [vec![(110, Some(5))], vec![(50, Some(5))]]);
        assert_eq!(rows.gaps(), [Gap { item: 0, from: at(10), to: at(50) }]);
        rows.take(0, &data(6, 130, 131), Came::Reported, at(140));
        rows.take(0, &data(6, 130, 150), Came::Reported, at(160));
        assert_eq!(out(&mut rows), [vec![(130, Some(6))], vec![]], "seen once");
        rows.take(0, &data(9, 170, 170), Came::Read, at(171));
        for (value, source) in [(7, 150), (8, 160), (9, 170)] {
            rows.take(0, &data(value, source, source), Came::Reported, at(172));
        }
        let late = vec![(170, Some(9)), (150, Some(7)), (160, Some(8))];
        assert_eq!(out(&mut rows)[0], late, "what was read is not stored again when its report comes");
    }

    #[test]
    fn what_is_older_than_what_we_have_is_only_confirmed() {
        let mut rows = rows(Some(60), 100);
        rows.take(0, &data(5, 50, 110), Came::Reported, at(120));
        assert_eq!(out(&mut rows), [vec![(110, Some(5))], vec![]]);
        assert!(rows.gaps().is_empty());
        let mut fresh = super::tests::rows(None, 100);
        fresh.take(0, &data(5, -900_000, 110), Came::Reported, at(120));
        assert_eq!(out(&mut fresh), [vec![(110, Some(5))], vec![]], "a new point starts when it is added");
    }

    #[test]
    fn rows_missed_in_an_announced_break_are_backfilled() {
        let mut rows = rows(Some(10), 100);
        rows.take(0, &data(1, 105, 105), Came::Reported, at(106));
        rows.begin(at(200), |_| before(Some(105), Some(190)));
        for (value, source) in [(2, 150), (3, 160), (4, 210)] {
            rows.take(0, &data(value, source, source), Came::Reported, at(220));
        }
        let [live, earlier] = out(&mut rows);
        assert_eq!(earlier, [(150, Some(2)), (160, Some(3))]);
        assert_eq!(live.last(), Some(&(210, Some(4))));
        rows.refuse(0, Quality(StatusCode::BadOutOfService.bits()), at(230));
        assert_eq!(out(&mut rows)[0], [(230, None)]);
    }

    #[test]
    fn what_is_back_is_never_hidden_behind_its_loss() {
        let mut rows = rows(Some(10), 100);
        // The server's clock is coarse, or a little behind: by it, the break ended before it began.
        rows.begin(at(150), |_| before(Some(60), Some(500)));
        rows.take(0, &data(5, 50, 160), Came::Reported, at(510));
        let (live, earlier) = rows.hand_over();
        assert!(earlier.is_empty());
        assert_eq!(live[0].times, [Time(at(500).0 + 1)]);
        rows.begin(at(700), |_| before(Some(510), Some(800)));
        rows.take(0, &data(6, 750, 750), Came::Reported, at(810));
        let (live, earlier) = rows.hand_over();
        assert_eq!((&live[0].times[..], &earlier[0].times[..]), (&[Time(at(800).0 + 1)][..], &[at(750)][..]));
    }
}
