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
    /// The row of the value was replaced by one without a value: an older one counts, which only reading finds.
    pub(crate) is_replaced: bool,
}

impl LatestEntry {
    /// Takes in one row; `value` is asked for only when it is wanted. Of equal times the later call wins. Rows without a
    /// value must all pass, of others the newest is enough.
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
            is_replaced: false,
        });
        if time.0 >= entry.quality_time.0 {
            (entry.quality, entry.quality_time, entry.recorded) = (quality, time, recorded);
        }
        if entry.value.is_none() || time.0 >= entry.value_time.0 {
            match value() {
                Some(value) => {
                    (entry.value, entry.value_time, entry.is_replaced) = (Some(value), time, false)
                }
                None => entry.is_replaced |= entry.value.is_some() && time.0 == entry.value_time.0,
            }
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
