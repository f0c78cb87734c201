//! Supervises apps' tasks: a fault or a panic is logged and the task starts again, later and later.

use futures_util::FutureExt;
use sdk::{AppTask, OutageKind, Scope};

use std::panic::AssertUnwindSafe;

use crate::backoff::Backoff;

/// Runs until it is aborted or the app's task returns Ok.
pub(crate) async fn supervise(id: &'static str, task: AppTask, scope: Scope) {
    let mut backoff = Backoff::default();
    loop {
        let started = scope.clock.monotonic();
        match AssertUnwindSafe(task(scope.clone())).catch_unwind().await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => tracing::error!(app = id, %fault, "an app's task failed and starts again"),
            Err(_panic) => tracing::error!(app = id, "an app's task panicked and starts again"),
        }
        if scope.clock.monotonic().saturating_sub(started) > crate::backoff::CONFIGURATION_WAIT.1 {
            backoff.succeeded();
        }
        let wait = backoff.after_failure(OutageKind::Configuration, 0);
        scope.clock.sleep(wait).await;
    }
}
