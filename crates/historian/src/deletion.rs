//! Rows that someone took out, and rows that nobody may take out.

use types::{PointId, Time};

/// Rows of some points in a span of source time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Which points; none names all.
    pub points: Vec<PointId>,
    /// Start, inclusive.
    pub from: Time,
    /// End, exclusive.
    pub to: Time,
}

impl Scope {
    /// Whether it speaks of a point at all.
    pub(crate) fn names(&self, point: PointId) -> bool {
        self.points.is_empty() || self.points.binary_search(&point).is_ok()
    }
    /// Whether the span of another scope meets this one's.
    pub(crate) fn meets(&self, from: Time, to: Time) -> bool {
        self.from < to && from < self.to
    }
    pub(crate) fn meets_scope(&self, other: &Scope) -> bool {
        let shared = self.points.is_empty() || other.points.iter().any(|point| self.names(*point));
        self.meets(other.from, other.to) && (shared || other.points.is_empty())
    }
}

/// A deletion: it hides what had been written before it and nothing that comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// What was deleted; points are sorted.
    pub scope: Scope,
    /// When.
    pub recorded: Time,
    /// Who asked for it.
    pub who: String,
    /// What for.
    pub why: String,
    /// Its place among the files: those before it are older.
    pub(crate) order: u64,
    /// Log records before this one are older.
    pub(crate) before_lsn: u64,
}

impl Deletion {
    pub(crate) fn names(&self, point: PointId) -> bool {
        self.scope.names(point)
    }
    pub(crate) fn covers(&self, point: PointId, time: Time) -> bool {
        self.scope.from <= time && time < self.scope.to && self.names(point)
    }
    pub(crate) fn touches(&self, point: PointId, from: Time, to: Time) -> bool {
        self.scope.meets(from, to) && self.names(point)
    }
}

/// A legal hold: while it stands, nothing in its scope is deleted, by hand or by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Names it, to release it.
    pub number: u64,
    /// What is held; points are sorted.
    pub scope: Scope,
    /// Since when.
    pub since: Time,
    /// Who asked for it.
    pub who: String,
    /// What for.
    pub why: String,
}
