//! Rows of several points out of the history, in the order of their times, in pieces that fit in memory.

use sdk::{LatestSample, RangeQuery, Samples};
use std::{collections::HashMap, time::Duration};
use types::{Fault, PointId, Section, Time};

/// Rows in memory at a time.
const PIECE_ROWS_MAX: usize = 200_000;
/// The first and the shortest span that is read at once.
const SPAN: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_millis(1));

/// A walk through the history.
pub struct History {
    samples: Samples,
    from: HashMap<PointId, Time>,
    at: Time,
    end: Time,
    span: Duration,
}

impl History {
    /// Of each point from its own time on, up to `end`.
    pub fn new(samples: Samples, from: impl IntoIterator<Item = (PointId, Time)>, end: Time) -> History {
        let from: HashMap<PointId, Time> = from.into_iter().collect();
        let at = from.values().min().copied().unwrap_or(end);
        History { samples, from, at, end, span: SPAN.0 }
    }

    /// The next piece: how far it reaches, and its rows. `None` at the end.
    ///
    /// # Errors
    /// What the historian says.
    pub async fn next(&mut self) -> Result<Option<(Time, Vec<LatestSample>)>, Fault> {
        while self.at < self.end {
            let to = self.at.plus(self.span).min(self.end);
            // A point that is wanted from later on is not read before.
            let mut points: Vec<PointId> =
                self.from.iter().filter(|(_, from)| **from < to).map(|(point, _)| *point).collect();
            points.sort_unstable();
            let limit_rows = PIECE_ROWS_MAX;
            let query = RangeQuery { points, from: self.at, to, limit_rows, newest_first: false };
            let sections = self.samples.range(query).await?;
            let full = sections.iter().map(Section::len).sum::<usize>() >= limit_rows;
            if full && self.span > SPAN.1 {
                self.span = (self.span / 2).max(SPAN.1);
                continue;
            }
            (self.at, self.span) = (to, self.span * 2);
            return Ok(Some((to, self.in_order(&sections))));
        }
        Ok(None)
    }

    fn in_order(&self, sections: &[Section]) -> Vec<LatestSample> {
        let rows = sections.iter().flat_map(Section::rows);
        let rows = rows.map(|(point, time, value, quality)| LatestSample { point, time, value, quality });
        let wanted = |row: &LatestSample| self.from.get(&row.point).is_some_and(|from| row.time >= *from);
        let mut rows: Vec<LatestSample> = rows.filter(wanted).collect();
        rows.sort_by_key(|row| row.time);
        rows
    }
}
