//! The only loop of this app: once a minute it marks what fell due.

use sdk::Scope;
use std::time::Duration;
use types::Fault;

use crate::store;

/// Nobody plans by the second.
const PERIOD: Duration = Duration::from_secs(60);

pub(crate) async fn run(scope: Scope) -> Result<(), Fault> {
    loop {
        // A full pass means that there may be more: go on at once.
        while store::expire(&scope.records, scope.clock.now()).await? == store::PASS_MAX {}
        scope.clock.sleep(PERIOD).await;
    }
}
