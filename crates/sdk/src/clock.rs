//! Time for leaves: what o'clock it is, how long something took, waiting. Tests hand in [`crate::fake::FakeClock`].

use std::{sync::Arc, time::Duration};
use types::Time;

use crate::BoxFuture;

/// What stands behind a [`Clock`].
pub trait ClockPort: Send + Sync {
    /// Wall time; may step when the host's clock is set.
    fn now(&self) -> Time;
    /// Time since some start; never steps.
    fn monotonic(&self) -> Duration;
    /// Waits until [`ClockPort::monotonic`] has reached `at`.
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()>;
}

/// The clock handle.
#[derive(Clone)]
pub struct Clock(Arc<dyn ClockPort>);

/// A wait ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer in time")]
pub struct Elapsed;

impl Clock {
    /// Over a port.
    pub fn new(port: Arc<dyn ClockPort>) -> Clock {
        Clock(port)
    }
    /// Wall time, for stamping.
    pub fn now(&self) -> Time {
        self.0.now()
    }
    /// Steady time, for measuring and scheduling.
    pub fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
    /// Waits for a span.
    pub fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep_until(self.0.monotonic().saturating_add(span))
    }
    /// Waits until a steady time.
    pub fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep_until(at)
    }
    /// Gives `work` a span of time; it is dropped when the span runs out.
    pub async fn timeout<T>(&self, span: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        let limit = self.sleep(span);
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = limit => Err(Elapsed),
        }
    }
}
