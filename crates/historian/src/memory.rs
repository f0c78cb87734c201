//! Rows that no segment holds yet.
//!
//! Batches stay the columns that they came as; each row points to the one of its point that was written before it. An
//! append so costs one look-up a row and copies nothing; who reads a point follows its rows from the newest back.

mod latest;
mod paged;
mod part;
mod sorted;

pub(crate) use latest::{LatestEntry, LatestTable};
pub(crate) use paged::Paged;

use types::{Origin, PointId, Quality, SampleBatch, Section, Time};

use crate::{
    deletion::Deletion,
    rows::{Rows, StepCounter, is_known, push_mark, steps_after},
    versions::{Version, settle},
    writer::GROUP_BYTES_MAX,
};
pub(crate) use part::section_bytes;
use part::{PART_ROWS, Part};

/// What the log knows of a batch, for all of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) lsn: u64,
    pub(crate) recorded: Time,
    pub(crate) origin: Origin,
}

/// Place of a row: which part, and which row of it.
pub(crate) type Place = u32;
const NOWHERE: Place = u32::MAX;
/// Rows from which on a section is a part of its own; smaller ones share parts.
const OWN_PART_ROWS: usize = 256;
/// Parts that a place can name.
const PARTS_MAX: usize = 1 << 16;
/// Parts that one group of batches may need: each has rows of its own, and a batch beside the group's bytes comes alone.
const GROUP_PARTS_MAX: usize =
    GROUP_BYTES_MAX / (OWN_PART_ROWS * part::ROW_BYTES) + SampleBatch::ROWS_MAX / OWN_PART_ROWS + 2 * KINDS;
const _: () = assert!(GROUP_PARTS_MAX < PARTS_MAX / 2);
/// Value types, with the one of rows without a value.
const KINDS: usize = 8;
/// See [`part::kind_of`].
const VALUELESS: u8 = 0;

/// What is known of a point's rows.
#[derive(Clone, Copy)]
struct Head {
    /// Time of the newest row, and of the oldest.
    newest: Time,
    oldest: Time,
    /// Place of the row that was written last.
    last: Place,
    /// Place of the newest row; of equal times, the one written last.
    newest_at: Place,
    rows: u32,
    /// Type of the row that was written last.
    kind: u8,
    /// A row came that is not later than all before it.
    is_late: bool,
    /// Rows are of several types.
    is_mixed: bool,
    /// Some rows have no value.
    has_valueless: bool,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            newest: Time::MIN,
            oldest: Time::MAX,
            last: NOWHERE,
            newest_at: NOWHERE,
            rows: 0,
            kind: 0,
            is_late: false,
            is_mixed: false,
            has_valueless: false,
        }
    }
}

/// Rows of one point, in time order, one entry a type.
#[derive(Default)]
pub(crate) struct Split {
    pub(crate) current: Vec<Rows>,
    /// Rows that others took the place of, or that were deleted.
    pub(crate) history: Vec<Rows>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Table {
    parts: Vec<Part>,
    /// The part that small sections of each type go to.
    shared: [Option<u32>; KINDS],
    /// All sections share parts.
    shares_all: bool,
    heads: Paged<Head>,
    rows: u64,
    bytes: usize,
}

impl Table {
    /// For rows that are read back from the log, which may be more than [`Table::is_out_of_places`] lets in: they are
    /// copied into parts as large as can be.
    pub(crate) fn for_replay() -> Table {
        Table { shares_all: true, ..Table::default() }
    }
    /// From here on rows come as they are acknowledged.
    pub(crate) fn end_replay(&mut self) {
        self.shares_all = false;
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.heads.bytes() + self.parts.len() * size_of::<Part>()
    }
    /// Whether the next batch might not find a place.
    pub(crate) fn is_out_of_places(&self) -> bool {
        self.parts.len() + GROUP_PARTS_MAX >= PARTS_MAX
    }

    /// Takes in the rows of one batch.
    pub(crate) fn push(&mut self, stamp: Stamp, sections: Vec<Section>) {
        for mut section in sections {
            let (rows, kind) = (section.len(), part::kind_of(&section.values));
            self.bytes += part::section_bytes(&section);
            if rows > PART_ROWS {
                for start in (0..rows).step_by(PART_ROWS) {
                    self.parts.push(Part::cut(&section, start..rows.min(start + PART_ROWS)));
                    self.link(kind, self.parts.len() - 1, 0, stamp);
                }
            } else if rows >= OWN_PART_ROWS && !self.shares_all {
                self.parts.push(Part::whole(&mut section));
                self.link(kind, self.parts.len() - 1, 0, stamp);
            } else if rows > 0 {
                let at = self.shared_part(kind, &section);
                let start = self.parts[at].len();
                self.parts[at].extend(&section);
                self.link(kind, at, start, stamp);
            }
        }
    }

    /// The part that a small section goes to.
    fn shared_part(&mut self, kind: u8, section: &Section) -> usize {
        let has_room = |at: &u32| self.parts[*at as usize].len() + section.len() <= PART_ROWS;
        if let Some(at) = self.shared[usize::from(kind)].filter(has_room) {
            return at as usize;
        }
        // What is read back fills most parts: one that grew would touch its memory several times.
        let rows = if self.shares_all { PART_ROWS } else { 0 };
        self.parts.push(Part::with_room(section.values.value_type(), rows));
        self.shared[usize::from(kind)] = Some(self.parts.len() as u32 - 1);
        self.parts.len() - 1
    }

    /// Links the rows of a part from `start` on to those before them. The hot loop of the store.
    fn link(&mut self, kind: u8, at: usize, start: usize, stamp: Stamp) {
        let part = &mut self.parts[at];
        part.stamps.push((start as u32, stamp));
        part.before.reserve(part.times.len() - start);
        let (times, before) = (&part.times[start..], &mut part.before);
        self.heads.each(&part.points[start..], |row, head| {
            let (time, place) = (times[row], (at as u32) << 16 | (start + row) as u32);
            before.push(head.last);
            if head.rows == 0 {
                (head.newest, head.newest_at) = (time, place);
            } else {
                head.is_mixed |= head.kind != kind;
                head.is_late |= time <= head.newest;
                if time >= head.newest {
                    (head.newest, head.newest_at) = (time, place);
                }
            }
            (head.last, head.kind) = (place, kind);
            head.oldest = head.oldest.min(time);
            head.has_valueless |= kind == VALUELESS;
            head.rows += 1;
        });
        self.rows += (part.times.len() - start) as u64;
    }

    fn head(&self, point: PointId) -> Option<&Head> {
        self.heads.get(point).filter(|head| head.rows > 0)
    }
    fn part(&self, place: Place) -> (&Part, usize) {
        (&self.parts[(place >> 16) as usize], (place & 0xffff) as usize)
    }

    /// Points that have rows, in the order of ids.
    pub(crate) fn points(&self) -> impl Iterator<Item = PointId> {
        self.heads.iter().filter(|(_, head)| head.rows > 0).map(|(point, _)| point)
    }

    /// Brings what is known of a point's latest up to date.
    pub(crate) fn latest(&self, point: PointId, entry: &mut Option<LatestEntry>) {
        let Some(head) = self.head(point) else { return };
        let known = entry.as_ref().filter(|e| e.value.is_some() && head.has_valueless).map(|e| e.value_time);
        if let Some(time) = known.filter(|time| head.oldest <= *time && *time <= head.newest) {
            // One without a value may have taken the place of the row whose value is known.
            for rows in self.rows_of(point, time, Time(time.0.saturating_add(1)), None, &[]) {
                LatestEntry::row(entry, time, rows.quality(0), Time::MIN, || rows.values.get(0));
            }
        }
        let (part, row) = self.part(head.newest_at);
        let (quality, recorded) = (part.quality(row), part.stamp(row).recorded);
        LatestEntry::row(entry, head.newest, quality, recorded, || part.values.get(row));
        if part.values.value_type().is_some() {
            return;
        }
        // The newest row has no value: the newest that has one is further back.
        let (time, value) = if head.is_late {
            let split = self.split(point, &[]);
            let last_of = |rows: &Rows| Some((*rows.times.last()?, rows.values.get(rows.len() - 1)?));
            let newest = split.current.iter().filter_map(last_of).max_by_key(|(time, _)| *time);
            let Some(newest) = newest else { return };
            newest
        } else {
            let has_value = |place: &Place| self.part(*place).0.values.value_type().is_some();
            let Some(place) = self.back_from(head.last).find(has_value) else { return };
            let (part, row) = self.part(place);
            let Some(value) = part.values.get(row) else { return };
            (part.times[row], value)
        };
        if let Some(entry) = entry
            && (entry.value.is_none() || time >= entry.value_time)
        {
            (entry.value, entry.value_time, entry.is_replaced) = (Some(value), time, false);
        }
    }

    /// Places of a point's rows, those written last first.
    fn back_from(&self, last: Place) -> impl Iterator<Item = Place> {
        let next = |place: &Place| {
            let (part, row) = self.part(*place);
            Some(part.before[row]).filter(|place| *place != NOWHERE)
        };
        std::iter::successors(Some(last).filter(|place| *place != NOWHERE), next)
    }

    /// Places of a point's rows in a span (start inclusive, end exclusive; `None` is endless), in the order written.
    fn places(&self, head: &Head, from: Time, to: Option<Time>) -> Vec<Place> {
        let mut places = Vec::with_capacity(if from == Time::MIN { head.rows as usize } else { 0 });
        for place in self.back_from(head.last) {
            let (part, row) = self.part(place);
            let time = part.times[row];
            if time < from && !head.is_late {
                break;
            }
            if time >= from && to.is_none_or(|to| time < to) {
                places.push(place);
            }
        }
        places.reverse();
        places
    }

    /// Rows of a point in a span that are current, or were so at an instant; one entry a type, in time order.
    pub(crate) fn rows_of(
        &self,
        point: PointId,
        from: Time,
        to: Time,
        known_at: Option<Time>,
        deletions: &[Deletion],
    ) -> Vec<Rows> {
        let Some(head) = self.head(point) else { return Vec::new() };
        let places = self.places(head, from, Some(to));
        if places.is_empty() {
            return Vec::new();
        }
        let is_deleted = deletions.iter().any(|deletion| deletion.touches(point, from, to));
        if known_at.is_none() && !head.is_late && !head.is_mixed && !is_deleted {
            return vec![self.gathered(&places, false)];
        }
        let split = self.settle(point, &places, deletions);
        let Some(at) = known_at else { return split.current };
        let rows = split.current.into_iter().chain(split.history).map(|rows| {
            let known: Vec<bool> = (0..rows.len())
                .map(|row| is_known(rows.times[row], rows.known.learnt[row], rows.known.until(row), at))
                .collect();
            rows.retain(|row| known[row])
        });
        rows.filter(|rows| rows.len() > 0).collect()
    }

    /// All rows of a point.
    pub(crate) fn split(&self, point: PointId, deletions: &[Deletion]) -> Split {
        let Some(head) = self.head(point) else { return Split::default() };
        let places = self.places(head, Time::MIN, None);
        if !head.is_late && !head.is_mixed && !deletions.iter().any(|deletion| deletion.names(point)) {
            return Split { current: vec![self.gathered(&places, true)], history: Vec::new() };
        }
        self.settle(point, &places, deletions)
    }

    /// Rows of one type in the order of places.
    fn gathered(&self, places: &[Place], with_known: bool) -> Rows {
        let of = places.first().and_then(|place| self.part(*place).0.values.value_type());
        let mut rows = Rows::empty(of);
        self.gather(places, with_known, &mut rows);
        rows
    }

    /// Appends rows of one type in the order of places.
    fn gather(&self, places: &[Place], with_known: bool, rows: &mut Rows) {
        let start = rows.len();
        rows.times.extend(places.iter().map(|place| {
            let (part, row) = self.part(*place);
            part.times[row]
        }));
        part::gather_values(&self.parts, places, &mut rows.values);
        let mut steps = StepCounter::default();
        for (at, place) in (start..).zip(places) {
            let (part, row) = self.part(*place);
            if !part.qualities.is_empty() {
                push_mark(&mut rows.qualities, at, part.quality(row), Quality::GOOD);
            }
            if with_known {
                let stamp = part.stamp(row);
                rows.known.learnt.push(steps.steps_after(rows.times[at], stamp.recorded));
                push_mark(&mut rows.known.origins, at, stamp.origin, Origin::Measured);
            }
        }
        if !rows.qualities.is_empty() {
            rows.qualities.resize(rows.times.len(), Quality::GOOD);
        }
        if !rows.known.origins.is_empty() {
            rows.known.origins.resize(rows.times.len(), Origin::Measured);
        }
    }

    /// Sorts rows by time and tells those that are current from those that are not.
    fn settle(&self, point: PointId, places: &[Place], deletions: &[Deletion]) -> Split {
        let mut by_kind: [Vec<Place>; KINDS] = Default::default();
        let mut keys = Vec::with_capacity(places.len());
        for (written, place) in places.iter().enumerate() {
            let (part, row) = self.part(*place);
            let kind = usize::from(part::kind_of(&part.values));
            keys.push((part.times[row], written as u32, kind, by_kind[kind].len()));
            by_kind[kind].push(*place);
        }
        keys.sort_unstable();
        let columns = by_kind.each_ref().map(|places| self.gathered(places, true));
        let mut split = Split::default();
        let mut versions = Vec::new();
        for same_time in keys.chunk_by(|a, b| a.0 == b.0) {
            versions.clear();
            for (time, written, kind, row) in same_time {
                let (part, at) = self.part(places[*written as usize]);
                let lsn = part.stamp(at).lsn;
                let gone = deletions.iter().filter(|d| d.before_lsn > lsn && d.covers(point, *time));
                let until = gone.map(|d| steps_after(*time, d.recorded)).min();
                versions.push(Version::new(&columns[*kind], *row, until));
            }
            settle(&mut versions);
            versions.iter().for_each(|version| version.append_to(&mut split));
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{QualityRuns, Values};

    fn section(start: i64, rows: usize) -> Section {
        Section {
            points: vec![PointId(7); rows],
            times: (0..rows as i64).map(|row| Time(start + row)).collect(),
            values: Values::Bool(vec![true; rows]),
            quality: QualityRuns::default(),
        }
    }

    fn table(mut table: Table, sections: usize) -> Table {
        for at in 0..sections {
            let stamp = Stamp { lsn: at as u64, recorded: Time(0), origin: Origin::Measured };
            table.push(stamp, vec![section((at * OWN_PART_ROWS) as i64, OWN_PART_ROWS)]);
        }
        table
    }

    #[test]
    fn places_do_not_run_out_within_a_group() {
        let sections = PARTS_MAX - GROUP_PARTS_MAX;
        let full = table(Table::default(), sections);
        assert!(full.is_out_of_places());
        let rows = full.rows_of(PointId(7), Time(-1), Time::MAX, None, &[]);
        assert_eq!((rows.len(), rows[0].len()), (1, sections * OWN_PART_ROWS));
        assert!(rows[0].times.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_read_back_from_the_log_finds_a_place_however_much_it_is() {
        let replayed = table(Table::for_replay(), 1_000);
        assert_eq!(replayed.parts.len(), (1_000 * OWN_PART_ROWS).div_ceil(PART_ROWS));
        let rows = replayed.rows_of(PointId(7), Time(-1), Time::MAX, None, &[]);
        assert_eq!(rows[0].len(), 1_000 * OWN_PART_ROWS);
    }
}
