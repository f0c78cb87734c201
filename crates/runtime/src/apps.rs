//! Supervises apps' tasks: a fault or a panic is logged and the task starts again, later and later.

use sdk::{AppTask, OutageKind, Scope};

use crate::backoff::Backoff;

/// Runs until it is aborted or the app's task returns Ok.
pub(crate) async fn supervise(id: &'static str, task: AppTask, scope: Scope) {
    let mut backoff = Backoff::default();
    loop {
        let started = scope.clock.monotonic();
        match tokio::spawn(task(scope.clone())).await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => tracing::error!(app = id, %fault, "an app's task failed and starts again"),
            Err(error) => tracing::error!(app = id, %error, "an app's task ended in a way it should not"),
        }
        if scope.clock.monotonic().saturating_sub(started) > crate::backoff::CONFIGURATION_WAIT.1 {
            backoff.succeeded();
        }
        let wait = backoff.after_failure(OutageKind::Configuration, 0);
        scope.clock.sleep(wait).await;
    }
}
