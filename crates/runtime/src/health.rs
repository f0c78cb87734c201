//! How a device is doing, for people.

use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};
use types::{Fault, Time};

use crate::outbox::DeviceOutbox;

/// State of a device's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Switched off in its configuration.
    Disabled,
    /// Trying, no answer yet.
    Connecting,
    /// Answers.
    Online,
    /// Waits before it tries again: see `retry_at`.
    Waiting,
    /// A person must act: wrong configuration, refused credentials. Tries again, but rarely.
    Failed,
}

/// What the device page shows.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DeviceHealth {
    /// Now.
    pub state: DeviceState,
    /// Since when.
    pub since: Time,
    /// The last outage; stays until the device answers again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// Points it has.
    pub points: usize,
    /// Points that are not Bad.
    pub good: usize,
    /// Requests sent.
    pub requests: u64,
    /// Requests without a usable reply.
    pub failures: u64,
    /// Cycles skipped because the one before took too long.
    pub late_cycles: u64,
    /// Rows stored.
    pub stored_rows: u64,
    /// Rows the historian refused.
    pub shed_rows: u64,
    /// Why rows are not stored now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Fault>,
}

/// The part of the health that the supervisor sets.
#[derive(Clone)]
pub(crate) struct Status(Arc<Mutex<StatusNow>>);

#[derive(Clone)]
struct StatusNow {
    state: DeviceState,
    since: Time,
    fault: Option<Fault>,
    retry_at: Option<Time>,
}

impl Status {
    pub(crate) fn new(state: DeviceState, since: Time) -> Status {
        Status(Arc::new(Mutex::new(StatusNow { state, since, fault: None, retry_at: None })))
    }

    /// A new state; a fault of before stays visible while it is tried again.
    pub(crate) fn set(&self, state: DeviceState, since: Time, fault: Option<Fault>, retry_at: Option<Time>) {
        let mut now = self.lock();
        let fault = fault.or_else(|| (state == DeviceState::Connecting).then(|| now.fault.clone()).flatten());
        *now = StatusNow { state, since, fault, retry_at };
    }

    /// It is lost and waits before it is tried again.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.lock().state, DeviceState::Waiting | DeviceState::Failed)
    }

    /// All of it. A device is online as soon as its driver said so.
    pub(crate) fn health(&self, outbox: &DeviceOutbox, counters: &sdk::DeviceCounters) -> DeviceHealth {
        let now = self.lock().clone();
        let (good, points) = outbox.good_points();
        let runs = now.state == DeviceState::Connecting;
        let online_since = outbox.online_since().filter(|_| runs);
        let away = outbox.away().filter(|_| runs);
        let state = match (&online_since, &away) {
            (Some(_), _) => DeviceState::Online,
            (None, Some(_)) => DeviceState::Waiting,
            (None, None) => now.state,
        };
        DeviceHealth {
            state,
            since: online_since.unwrap_or(now.since),
            fault: away.or(now.fault).filter(|_| online_since.is_none()),
            retry_at: now.retry_at,
            points,
            good: if now.state == DeviceState::Disabled { 0 } else { good },
            requests: counters.requests.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            late_cycles: counters.late_cycles.load(Ordering::Relaxed),
            stored_rows: outbox.counts().stored_rows.load(Ordering::Relaxed),
            shed_rows: outbox.counts().shed_rows.load(Ordering::Relaxed),
            refusal: outbox.refusal(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StatusNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
