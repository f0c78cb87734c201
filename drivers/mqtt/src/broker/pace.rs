//! Whether a receiver keeps pace: publishers wait for one that does, and lose messages of QoS 0 to one that does not.
//!
//! Pure. Waiting is counted in ticks in which the receiver's connection had its turn and got no further, never in time
//! that went by: a machine that was held up blames no client. A receiver that drains [`limits::OUT_BYTES_HIGH`] within
//! its patience keeps pace and loses nothing, however long publishers want to be faster. One that lagged has to keep up
//! without a loss for a while before anybody waits for it again, and is waited for half as long then.

use std::time::Duration;

use super::limits;

/// How one receiver keeps pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    lagging: bool,
    /// How often it fell behind.
    lags: u32,
    /// When it last lost something, in the broker's time.
    dropped_at: Duration,
    /// It was full, and somebody looks at it in every tick.
    watched: bool,
    /// Others get the same messages, and wait because of it.
    others: bool,
    /// Its connection had its turn since the last look, and got no further.
    blocked: bool,
    /// Ticks that count against it.
    ticks: u32,
    /// Bytes that left meanwhile.
    drained: usize,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Look again in the next tick.
    Watch,
    /// It lags from now on: whoever waits goes on.
    Lags,
    /// Nothing more to look at.
    Over,
}

impl Pace {
    /// Nobody waits for it.
    pub(super) fn is_lagging(&self) -> bool {
        self.lagging
    }

    /// It is full; true when somebody must begin to look at it.
    pub(super) fn filled(&mut self, others: bool) -> bool {
        self.others |= others;
        !self.lagging && !std::mem::replace(&mut self.watched, true)
    }

    /// Bytes left for the client.
    pub(super) fn drained(&mut self, bytes: usize) {
        self.drained = self.drained.saturating_add(bytes);
    }

    /// Its connection had its turn and could do nothing.
    pub(super) fn blocked(&mut self) {
        self.blocked = true;
    }

    /// It lost something.
    pub(super) fn dropped(&mut self, now: Duration) {
        self.dropped_at = now;
    }

    /// Everything has left.
    pub(super) fn caught_up(&mut self, now: Duration) {
        self.begin_anew();
        if self.lagging && now.saturating_sub(self.dropped_at) >= self.probation() {
            self.lagging = false;
        }
    }

    /// Looks at it, once a tick.
    pub(super) fn judge(&mut self, is_full: bool, now: Duration) -> Judged {
        if self.lagging || !is_full {
            self.begin_anew();
            self.watched = false;
            return Judged::Over;
        }
        let whole = if self.others { limits::STALL_TICKS } else { limits::STALL_TICKS_ALONE };
        let patience = (whole >> self.lags.min(u32::BITS - 1)).max(1);
        // The same pace is asked of all: a shorter patience asks for less.
        if self.drained >= limits::OUT_BYTES_HIGH / whole as usize * patience as usize {
            self.begin_anew();
            return Judged::Watch;
        }
        if !std::mem::take(&mut self.blocked) {
            return Judged::Watch;
        }
        self.ticks += 1;
        if self.ticks < patience {
            return Judged::Watch;
        }
        self.begin_anew();
        (self.lagging, self.watched, self.dropped_at) = (true, false, now);
        self.lags = self.lags.saturating_add(1);
        Judged::Lags
    }

    fn begin_anew(&mut self) {
        (self.ticks, self.drained, self.blocked, self.others) = (0, 0, false, false);
    }

    /// How long it has to keep up before anybody waits for it again.
    fn probation(&self) -> Duration {
        let doublings = self.lags.saturating_sub(1).min(limits::PROBATION_DOUBLINGS_MAX);
        limits::PROBATION * 2_u32.pow(doublings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    /// Full, with others that wait.
    fn full() -> Pace {
        let mut pace = Pace::default();
        assert!(pace.filled(true) && !pace.filled(true), "somebody looks, and only once");
        pace
    }

    /// Ticks until it lags.
    fn stall(pace: &mut Pace, others: bool, now: Duration) -> u32 {
        pace.filled(others);
        for tick in 1..=1_000 {
            pace.filled(others);
            pace.blocked();
            if pace.judge(true, now) == Judged::Lags {
                return tick;
            }
        }
        panic!("it never lags");
    }

    #[test]
    fn time_alone_blames_nobody() {
        let mut pace = full();
        for hour in 0..100 {
            assert_eq!(pace.judge(true, LONG * hour), Judged::Watch, "its connection had no turn");
        }
        pace.blocked();
        assert_eq!(pace.judge(true, LONG * 200), Judged::Watch, "one tick is one tick, however late");
    }

    #[test]
    fn who_drains_fast_enough_never_lags() {
        let mut pace = full();
        for _ in 0..1_000 {
            for _ in 0..limits::STALL_TICKS {
                pace.filled(true);
                pace.blocked();
                pace.drained(limits::OUT_BYTES_HIGH / limits::STALL_TICKS as usize);
                assert_eq!(pace.judge(true, LONG), Judged::Watch);
            }
        }
    }

    #[test]
    fn alone_there_is_more_time() {
        assert_eq!(stall(&mut Pace::default(), true, LONG), limits::STALL_TICKS);
        assert_eq!(stall(&mut Pace::default(), false, LONG), limits::STALL_TICKS_ALONE);
    }

    #[test]
    fn who_lagged_is_waited_for_again_when_it_kept_up_and_for_a_shorter_time() {
        let mut pace = Pace::default();
        let first = stall(&mut pace, true, LONG);
        let mut now = LONG + limits::PROBATION;
        pace.dropped(now);
        pace.caught_up(now);
        assert!(pace.is_lagging() && !pace.filled(true), "it lost something a moment ago");
        now += limits::PROBATION;
        pace.caught_up(now);
        assert!(!pace.is_lagging());
        assert!(stall(&mut pace, true, now) < first);
        pace.caught_up(now + limits::PROBATION);
        assert!(pace.is_lagging(), "the second time it takes longer");
        pace.caught_up(now + 2 * limits::PROBATION);
        assert!(!pace.is_lagging());
        for _ in 0..100 {
            stall(&mut pace, true, now);
            now += LONG;
            pace.caught_up(now);
            assert!(!pace.is_lagging(), "it is bounded");
        }
    }

    #[test]
    fn a_look_at_one_with_room_ends_the_watch() {
        let mut pace = full();
        assert_eq!(pace.judge(false, LONG), Judged::Over);
        assert!(pace.filled(true));
    }
}
