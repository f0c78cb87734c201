//! All rows by point, for a flush.

use types::{PointId, ValueType};

use super::{NOWHERE, Paged, Place, Table};
use crate::{deletion::Deletion, rows::Rows};

/// See [`Table::sorted`].
pub(crate) struct Sorted {
    /// Each point and where its places end.
    points: Vec<(PointId, u32)>,
    /// Of each point by part and row: in the order written, unless sections of it shared parts and others did not.
    places: Vec<Place>,
}

impl Sorted {
    /// Each point with the places of its rows, in the order of ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PointId, &[Place])> {
        let starts = std::iter::once(0).chain(self.points.iter().map(|(_, end)| *end));
        starts
            .zip(&self.points)
            .map(|(start, (point, end))| (*point, &self.places[start as usize..*end as usize]))
    }
}

impl Table {
    /// All rows by point, in one sweep: following each point's rows back would wait for memory at every step.
    pub(crate) fn sorted(&self) -> Sorted {
        let (mut next, mut points, mut end) = (Paged::<u32>::default(), Vec::new(), 0);
        for (point, head) in self.heads.iter().filter(|(_, head)| head.rows > 0) {
            *next.entry(point) = end;
            end += head.rows;
            points.push((point, end));
        }
        let mut places = vec![NOWHERE; end as usize];
        for (at, part) in self.parts.iter().enumerate() {
            next.each(&part.points, |row, next| {
                places[*next as usize] = (at as u32) << 16 | row as u32;
                *next += 1;
            });
        }
        Sorted { points, places }
    }

    /// The type of a point's rows when they are plain: all of one, each later than those before, none deleted, and as
    /// [`Table::append`] gives them.
    pub(crate) fn plain(&self, point: PointId, deletions: &[Deletion]) -> Option<Option<ValueType>> {
        let head = self.head(point)?;
        let is_plain =
            !head.is_late && !head.is_mixed && !deletions.iter().any(|deletion| deletion.names(point));
        is_plain.then(|| self.part(head.last).0.values.value_type())
    }

    /// Appends rows that are plain, with what is known of them.
    pub(crate) fn append(&self, places: &[Place], rows: &mut Rows) {
        self.gather(places, true, rows);
    }
}
