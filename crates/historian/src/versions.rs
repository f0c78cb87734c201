//! Rows of a point that have the same source time: which of them is current, and until when the others were.

use types::Time;

use crate::{
    memory::Split,
    rows::{NEVER, Rows, same_value},
};

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    rows: &'a Rows,
    row: usize,
    learnt: i64,
    until: i64,
}

impl<'a> Version<'a> {
    /// A row of `rows`, whose learnt column is there; `gone` is when it was deleted, in steps after its source time.
    pub(crate) fn new(rows: &'a Rows, row: usize, gone: Option<i64>) -> Version<'a> {
        let until = rows.known.until(row).min(gone.unwrap_or(NEVER));
        Version { rows, row, learnt: rows.known.learnt.get(row).copied().unwrap_or(0), until }
    }

    pub(crate) fn time(&self) -> Time {
        self.rows.times[self.row]
    }
    pub(crate) fn is_current(&self) -> bool {
        self.until == NEVER
    }

    /// Whether both say the same.
    fn says_as(&self, other: &Version<'_>) -> bool {
        self.rows.quality(self.row) == other.rows.quality(other.row)
            && self.rows.known.origin(self.row) == other.rows.known.origin(other.row)
            && same_value(&self.rows.values, self.row, &other.rows.values, other.row)
    }

    /// Puts the row where it belongs.
    pub(crate) fn append_to(&self, split: &mut Split) {
        let to = if self.is_current() { &mut split.current } else { &mut split.history };
        let of = self.rows.values.value_type();
        let at = to.iter().position(|rows| rows.values.value_type() == of).unwrap_or_else(|| {
            to.push(Rows::empty(of));
            to.len() - 1
        });
        let rows = &mut to[at];
        let before = rows.len();
        rows.extend(self.rows, self.row..self.row + 1);
        rows.known.learnt.truncate(before);
        rows.known.learnt.push(self.learnt);
        if !self.is_current() || !rows.known.until.is_empty() {
            rows.known.until.resize(before, NEVER);
            rows.known.until.push(self.until);
        }
    }
}

/// Settles rows of one time, in the order they were written: what says the same again is one row, and each row is true
/// until a later one was learnt.
pub(crate) fn settle(versions: &mut Vec<Version<'_>>) {
    if versions.len() < 2 {
        return;
    }
    versions.dedup_by(|later, earlier| {
        let repeats = earlier.is_current() && later.says_as(earlier);
        if repeats {
            earlier.learnt = earlier.learnt.min(later.learnt);
            earlier.until = later.until;
        }
        repeats
    });
    let mut replaced = NEVER;
    for version in versions.iter_mut().rev() {
        version.until = version.until.min(replaced);
        replaced = replaced.min(version.learnt);
    }
}
