//! The host's clock: the only place that asks the operating system for the time.

use sdk::{BoxFuture, Clock, ClockPort};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use types::{Now, Time};

struct HostClock {
    started: Instant,
}

/// The host's clock as a handle.
pub fn host_clock() -> Clock {
    Clock::new(Arc::new(HostClock { started: Instant::now() }))
}

/// The host's wall time for parts that only stamp.
pub fn host_now() -> Now {
    Arc::new(wall_time)
}

#[allow(clippy::disallowed_methods, reason = "this is where the clock comes from")]
fn wall_time() -> Time {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
        // A host whose clock stands before 1970: the samples say so instead of the process ending.
        Err(_) => Time(0),
    }
}

impl ClockPort for HostClock {
    fn now(&self) -> Time {
        wall_time()
    }
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until((self.started + at).into()))
    }
}
