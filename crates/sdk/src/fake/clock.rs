//! A clock that only moves when told to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;
use types::Time;

use crate::{BoxFuture, Clock, ClockPort};

/// Time stands still until [`FakeClock::advance`].
#[derive(Clone)]
pub struct FakeClock(Arc<Shared>);

struct Shared {
    start: Time,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl FakeClock {
    /// Starts at a wall time.
    pub fn at(start: Time) -> FakeClock {
        FakeClock(Arc::new(Shared { start, state: Mutex::default() }))
    }
    /// As a handle.
    pub fn handle(&self) -> Clock {
        Clock::new(Arc::new(self.clone()))
    }
    /// Moves time on and wakes who waited for it, earliest first; lets woken tasks run in between, so a loop that
    /// sleeps again inside the span is woken again.
    pub async fn advance(&self, span: Duration) {
        let end = self.lock().elapsed + span;
        loop {
            settle().await;
            let due = {
                let mut state = self.lock();
                let next = state.sleepers.iter().map(|s| s.0).filter(|at| *at <= end).min();
                let Some(at) = next else {
                    state.elapsed = end;
                    break;
                };
                state.elapsed = state.elapsed.max(at);
                let (due, waiting) = std::mem::take(&mut state.sleepers).into_iter().partition(|s| s.0 <= at);
                state.sleepers = waiting;
                let due: Vec<(Duration, oneshot::Sender<()>)> = due;
                due
            };
            for (_, wake) in due {
                // A sleeper that was dropped needs no waking.
                let _gone = wake.send(());
            }
        }
        settle().await;
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets tasks of a current-thread runtime run until they wait again.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

impl ClockPort for FakeClock {
    fn now(&self) -> Time {
        self.0.start.plus(self.lock().elapsed)
    }
    fn monotonic(&self) -> Duration {
        self.lock().elapsed
    }
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.lock();
        if at <= state.elapsed {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = oneshot::channel();
        state.sleepers.push((at, wake));
        Box::pin(async move {
            if woken.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_sleeps_is_woken_each_time() {
        let fake = FakeClock::at(Time(0));
        let clock = fake.handle();
        let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            loop {
                clock.sleep(Duration::from_secs(1)).await;
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        fake.advance(Duration::from_millis(3_500)).await;
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 3);
        assert_eq!(fake.now(), Time(3_500_000_000));
    }

    #[tokio::test]
    async fn a_timeout_runs_out() {
        let fake = FakeClock::at(Time(0));
        let clock = fake.handle();
        let wait =
            tokio::spawn(
                async move { clock.timeout(Duration::from_secs(2), std::future::pending::<()>()).await },
            );
        fake.advance(Duration::from_secs(2)).await;
        assert!(wait.await.unwrap().is_err());
    }
}
