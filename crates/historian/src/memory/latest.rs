//! What each point said last.

use types::{Latest, PointId, Quality, Time, Value};

use super::paged::Paged;

/// The latest of one point, without its id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LatestEntry {
    pub(crate) value: Option<Value>,
    /// Meaningless without a value.
    pub(crate) value_time: Time,
    pub(crate) quality: Quality,
    pub(crate) quality_time: Time,
    pub(crate) recorded: Time,
}

impl LatestEntry {
    /// Takes in one row; `value` is asked for only when it is wanted. Of equal times the later call wins.
    pub(crate) fn row(
        entry: &mut Option<LatestEntry>,
        time: Time,
        quality: Quality,
        recorded: Time,
        value: impl FnOnce() -> Option<Value>,
    ) {
        let entry = entry.get_or_insert(LatestEntry {
            value: None,
            value_time: Time::MIN,
            quality,
            quality_time: time,
            recorded,
        });
        if time.0 >= entry.quality_time.0 {
            (entry.quality, entry.quality_time, entry.recorded) = (quality, time, recorded);
        }
        if (entry.value.is_none() || time.0 >= entry.value_time.0)
            && let Some(value) = value()
        {
            (entry.value, entry.value_time) = (Some(value), time);
        }
    }

    pub(crate) fn of(self, point: PointId) -> Latest {
        Latest {
            point,
            value_time: if self.value.is_some() { self.value_time } else { self.quality_time },
            value: self.value,
            quality: self.quality,
            quality_time: self.quality_time,
            recorded: self.recorded,
        }
    }
}

/// The latest value and quality of every point, as far as segments hold its rows. A clone costs the pages that change.
#[derive(Default, Clone)]
pub(crate) struct LatestTable(pub(crate) Paged<Option<LatestEntry>>);

impl LatestTable {
    /// Takes in one row: see [`LatestEntry::row`].
    pub(crate) fn row(
        &mut self,
        point: PointId,
        time: Time,
        quality: Quality,
        recorded: Time,
        value: impl FnOnce() -> Option<Value>,
    ) {
        LatestEntry::row(self.0.entry(point), time, quality, recorded, value);
    }
}
