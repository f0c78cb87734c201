//! What to compact next: a pure judgement over what the manifest says.
//!
//! ```text
//! straight from memory ─► a file a window: a day, and 32 or 1,024 days where all of them are long past
//! files of one window  ─► one, when there are several of like size
//! days that are past   ─► one file of 32 days, and those one of 1,024, while it stays small enough
//! ```
//!
//! Files whose times meet keep their order: what is merged must not have a file of another order in between.

use types::Time;

use crate::{
    deletion::{Deletion, Hold},
    flush::DAY_NS,
    manifest::{SegmentEntry, Window},
};

/// Days after which no more rows are expected of a day, but late ones.
const OPEN_DAYS: i64 = 7;
/// Days of a window, the largest first.
const WINDOW_DAYS: [u32; 3] = [1024, 32, 1];
/// Files from memory that are compacted at once, at most and at least.
const FRESH_MAX: usize = 16;
const FRESH_MIN: usize = 4;
/// Files of one window: that many of like size become one; so many at all do.
const LIKE_MIN: usize = 4;
const FILES_MAX: usize = 8;
/// Bytes up to which files are joined into one of a larger window.
const FILE_BYTES_MAX: u64 = 1 << 30;

impl Window {
    fn of(day: i64, days: u32) -> Window {
        Window { first_day: day.div_euclid(i64::from(days)) * i64::from(days), days }
    }
    fn end_day(self) -> i64 {
        self.first_day + i64::from(self.days)
    }
    fn holds(self, other: Window) -> bool {
        self.first_day <= other.first_day && other.end_day() <= self.end_day()
    }
    /// The first instant after it; `None` when there is none.
    pub(crate) fn end(self) -> Option<Time> {
        self.end_day().checked_mul(DAY_NS).map(Time)
    }
}

/// The window that a row of a day belongs into.
pub(crate) fn window_of(day: i64, today: i64) -> Window {
    let is_settled = |w: &Window| w.end_day() <= today - OPEN_DAYS || w.first_day > today + 1;
    let windows = WINDOW_DAYS.map(|days| Window::of(day, days));
    windows.into_iter().find(is_settled).unwrap_or(Window::of(day, 1))
}

/// Which windows the rows of a job go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Each row to the one of its day.
    ByDay,
    /// All to the same.
    One(Window),
}

/// Segments to be replaced by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) inputs: Vec<u64>,
    /// `None`: they are dropped, for their age.
    pub(crate) into: Option<Target>,
}

/// What a judgement depends on.
pub(crate) struct Circumstances<'a> {
    /// By order.
    pub(crate) segments: &'a [SegmentEntry],
    pub(crate) deletions: &'a [Deletion],
    pub(crate) holds: &'a [Hold],
    pub(crate) today: i64,
    /// Order of the last segment that the snapshot of latest values knows: while there is no hurry, later ones wait, so
    /// that a start has little to read.
    pub(crate) latest_order: u64,
    /// Rows before this may be dropped.
    pub(crate) keep_from: Option<Time>,
    /// Rows that were replaced before this may be dropped.
    pub(crate) corrections_from: Time,
    /// Segments that are damaged: they stay as they are.
    pub(crate) spared: &'a [u64],
    /// Merge whatever can be merged, not only what is due.
    pub(crate) all: bool,
}

impl Circumstances<'_> {
    /// What to do next, if anything.
    pub(crate) fn plan(&self) -> Option<Job> {
        self.drop_old()
            .or_else(|| self.spread_fresh())
            .or_else(|| self.join_like())
            .or_else(|| self.join_past())
            .or_else(|| self.settle())
    }

    fn usable(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.segments.iter().filter(|segment| !self.spared.contains(&segment.number))
    }

    /// A whole segment that is older than anyone wants.
    fn drop_old(&self) -> Option<Job> {
        let keep_from = self.keep_from?;
        let is_held = |s: &SegmentEntry| {
            self.holds.iter().any(|h| h.scope.meets(s.first, Time(s.last.0.saturating_add(1))))
        };
        let old = self.segments.iter().find(|s| s.window.is_some() && s.last < keep_from && !is_held(s))?;
        Some(Job { inputs: vec![old.number], into: None })
    }

    /// Files straight from memory, the oldest first.
    fn spread_fresh(&self) -> Option<Job> {
        let is_due = |segment: &&SegmentEntry| self.all || segment.order.1 <= self.latest_order;
        let fresh = || self.segments.iter().filter(|segment| segment.window.is_none()).filter(is_due);
        if fresh().count() < if self.all { 1 } else { FRESH_MIN } {
            return None;
        }
        let whole = fresh().take_while(|segment| !self.spared.contains(&segment.number));
        self.job(whole.take(FRESH_MAX).collect(), Target::ByDay)
    }

    /// Files of one window that are of like size, or too many.
    fn join_like(&self) -> Option<Job> {
        let mut windows: Vec<Window> = self.usable().filter_map(|segment| segment.window).collect();
        windows.sort_unstable();
        windows.dedup();
        windows.into_iter().find_map(|window| {
            let files: Vec<_> = self.usable().filter(|segment| segment.window == Some(window)).collect();
            let is_past = window.end_day() <= self.today - OPEN_DAYS;
            let least = if self.all || is_past { 2 } else { LIKE_MIN };
            let mut bytes = 0;
            // From the newest back, while what is next is not much larger than all before.
            let like = files.iter().rev().take_while(|file| {
                let is_like = bytes == 0 || file.bytes <= 2 * bytes || self.all || files.len() >= FILES_MAX;
                bytes += file.bytes;
                is_like
            });
            let count = like.count();
            let chosen = files[files.len() - count..].to_vec();
            if count < least { None } else { self.job(chosen, Target::One(window)) }
        })
    }

    /// Files of smaller windows that are past, into one of a larger window.
    fn join_past(&self) -> Option<Job> {
        let is_small =
            |segment: &&SegmentEntry| segment.window.is_some_and(|window| window.days < WINDOW_DAYS[0]);
        self.usable().filter(is_small).find_map(|small| {
            let window = small.window?;
            let larger = WINDOW_DAYS.into_iter().rev().find(|days| *days > window.days)?;
            let parent = Window::of(window.first_day, larger);
            if parent.end_day() > self.today - OPEN_DAYS {
                return None;
            }
            let inside = self.usable().filter(|segment| segment.window.is_some_and(|w| parent.holds(w)));
            let inside: Vec<_> = inside.collect();
            let bytes: u64 = inside.iter().map(|segment| segment.bytes).sum();
            if bytes > FILE_BYTES_MAX { None } else { self.job(inside, Target::One(parent)) }
        })
    }

    /// A segment with rows that are to go: deleted, or replaced long ago.
    fn settle(&self) -> Option<Job> {
        let is_due = |segment: &&SegmentEntry| {
            let end = Time(segment.last.0.saturating_add(1));
            let hidden = |d: &Deletion| segment.is_hidden_by(d) && d.scope.meets(segment.first, end);
            let is_held = self.holds.iter().any(|hold| hold.scope.meets(segment.first, end));
            let expired =
                segment.history_rows > 0 && segment.last_replaced < self.corrections_from && !is_held;
            segment.window.is_some() && (self.deletions.iter().any(hidden) || expired)
        };
        let due = self.usable().find(is_due)?;
        Some(Job { inputs: vec![due.number], into: Some(Target::One(due.window?)) })
    }

    /// A job of these files, unless another one lies between them.
    fn job(&self, chosen: Vec<&SegmentEntry>, into: Target) -> Option<Job> {
        let (from, to) = (chosen.iter().map(|s| s.order.0).min()?, chosen.iter().map(|s| s.order.1).max()?);
        let is_chosen = |other: &SegmentEntry| chosen.iter().any(|s| s.number == other.number);
        let lies_between = |other: &&SegmentEntry| {
            let is_between = other.order.1 >= from && other.order.0 <= to;
            is_between && !is_chosen(other) && chosen.iter().any(|s| s.meets(other))
        };
        if self.segments.iter().any(|other| lies_between(&other)) {
            return None;
        }
        Some(Job { inputs: chosen.iter().map(|s| s.number).collect(), into: Some(into) })
    }
}
