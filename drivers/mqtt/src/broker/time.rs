//! The broker's time: looked at in ticks, so that no message asks the clock; and what runs out with it.

use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    task::Waker,
    time::Duration,
};
use types::Time;

use super::{client::Client, desk::Desk, held, limits, shared::Shared};
use crate::wire::Reason;

impl Shared {
    /// The broker's time, in steps of [`limits::TICK`].
    pub(crate) fn now(&self) -> Duration {
        Duration::from_millis(self.now_ms.load(Relaxed))
    }

    /// Wall time, in steps of [`limits::TICK`].
    pub(crate) fn wall(&self) -> Time {
        Time(self.wall_ns.load(Relaxed))
    }

    pub(crate) fn look_at(&self, clock: &sdk::Clock) {
        let now_ms = u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.fetch_max(now_ms, Relaxed);
        self.wall_ns.store(clock.now().0, Relaxed);
    }

    pub(crate) async fn keep_time(&self, desk: &Desk) {
        let mut ticks = 0_u32;
        loop {
            self.look_at(&desk.clock);
            self.judge_stalled();
            if ticks.is_multiple_of(limits::TICKS_A_SWEEP) {
                self.sweep();
            }
            ticks = ticks.wrapping_add(1);
            desk.clock.sleep(limits::TICK).await;
        }
    }

    fn judge_stalled(&self) {
        let stalled = std::mem::take(&mut *held(&self.stalled));
        if stalled.is_empty() {
            return;
        }
        let (moment, mut wakers) = (self.moment(), Vec::new());
        let still = stalled
            .into_iter()
            .filter(|client| client.upgrade().is_some_and(|client| client.judge(moment, &mut wakers)));
        let still: Vec<Weak<Client>> = still.collect();
        held(&self.stalled).extend(still);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends what has run out: keep alives, sessions, delays of wills, retained messages.
    fn sweep(&self) {
        let now = self.now();
        let clients: Vec<Arc<Client>> = held(&self.clients).values().cloned().collect();
        for client in &clients {
            let mut state = client.lock();
            if let Some(keep_alive) = state.link.as_ref().and_then(|link| link.keep_alive) {
                let heard = Duration::from_millis(client.heard_ms.load(Relaxed));
                if now.saturating_sub(heard) > keep_alive {
                    drop(state);
                    client.cut(Reason::KEEP_ALIVE);
                    continue;
                }
            }
            let over = state.link.is_none() && state.ends.is_some_and(|at| at <= now);
            let due = state.will.as_ref().is_some_and(|(at, _)| *at <= now) || over;
            let will = if due { state.will.take() } else { None };
            if over {
                self.end(client, &mut state);
            }
            drop(state);
            if over {
                self.forget(client);
            }
            if let Some((_, will)) = will {
                self.execute(client, &will);
            }
        }
        held(&self.retained).sweep(now);
    }
}
