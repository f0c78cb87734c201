//! What a rule would have done on history: how often it would have called, and for how long. The figure that tells an
//! alarm from a nuisance before anybody has to live with it. Pure.

use serde::Serialize;
use types::Time;

use crate::evaluate::Turn;

/// What a rule would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Tally {
    /// Start of the history that was looked at.
    pub from: Time,
    /// Its end; earlier than asked when there were too many rows.
    pub to: Time,
    /// Rows that were looked at.
    pub rows: u64,
    /// How often it would have been raised.
    pub raised: u64,
    /// How long it would have been active in all, in ms.
    pub active_ms: u64,
    /// The longest time it would have been active, in ms.
    pub longest_ms: u64,
    /// Raised and cleared again within [`Tally::FLEETING_MS`]: an on-delay would have spared the operator these.
    pub fleeting: u64,
    /// It would be active now.
    pub active: bool,
    /// The newest raises, newest first; at most [`Tally::RECENT_MAX`].
    pub recent: Vec<Time>,
    #[serde(skip)]
    since: Option<Time>,
}

impl Tally {
    /// What is over sooner asks nobody for a response.
    pub const FLEETING_MS: u64 = 10_000;
    /// Raises that are listed one by one.
    pub const RECENT_MAX: usize = 20;

    /// Before the first row.
    pub fn begin(from: Time) -> Tally {
        Tally {
            from,
            to: from,
            rows: 0,
            raised: 0,
            active_ms: 0,
            longest_ms: 0,
            fleeting: 0,
            active: false,
            recent: Vec::new(),
            since: None,
        }
    }

    /// Counts a turn in; they come in order.
    pub fn add(&mut self, turn: &Turn) {
        self.active = turn.raised;
        if turn.raised {
            self.raised += 1;
            self.since = Some(turn.at);
            self.recent.insert(0, turn.at);
            self.recent.truncate(Tally::RECENT_MAX);
        } else if let Some(since) = self.since.take() {
            let span_ms = self.span(since, turn.at);
            self.fleeting += u64::from(span_ms < Tally::FLEETING_MS);
        }
    }

    /// The history ends here.
    #[must_use]
    pub fn end(mut self, to: Time) -> Tally {
        if let Some(since) = self.since.take() {
            self.span(since, to);
        }
        self.to = to;
        self
    }

    fn span(&mut self, since: Time, to: Time) -> u64 {
        let span_ms = u64::try_from(to.since(since).as_millis()).unwrap_or(u64::MAX);
        self.active_ms = self.active_ms.saturating_add(span_ms);
        self.longest_ms = self.longest_ms.max(span_ms);
        span_ms
    }
}
