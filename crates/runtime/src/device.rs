//! One device: run its driver, and when it returns, mark the loss, wait, run it again.

use futures_util::FutureExt;
use sdk::{DeviceCounters, DeviceTask, Outage, OutageKind, Outbox};
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::sync::{Notify, mpsc};
use types::{Fault, Quality, codes, random_bytes};

use crate::{
    backoff::Backoff,
    devices::{DeviceParts, DeviceSpec, WriteSlot},
    health::{DeviceState, Status},
    outbox::DeviceOutbox,
};

/// All that one device's supervisor holds.
pub(crate) struct Supervised {
    pub(crate) spec: DeviceSpec,
    pub(crate) parts: DeviceParts,
    pub(crate) outbox: Arc<DeviceOutbox>,
    pub(crate) status: Status,
    pub(crate) counters: Arc<DeviceCounters>,
    pub(crate) writes: WriteSlot,
    /// Rung when waiting makes no sense any more.
    pub(crate) hurry: Arc<Notify>,
}

/// Runs until it is aborted.
pub(crate) async fn supervise(device: Supervised) {
    let clock = device.parts.reaches.clock.clone();
    let mut backoff = Backoff::default();
    loop {
        device.status.set(DeviceState::Connecting, clock.now(), None, None);
        let outage = device.run_once().await;
        device.writes.set(None);
        if device.outbox.is_online() {
            backoff.succeeded();
        }
        let (state, quality) = match outage.kind {
            OutageKind::Connection => (DeviceState::Waiting, Quality::BAD_NO_COMMUNICATION),
            OutageKind::Configuration => (DeviceState::Failed, Quality::BAD_CONFIGURATION),
        };
        let [share] = random_bytes(&device.parts.reaches.random);
        let wait = backoff.after_failure(outage.kind, share);
        tracing::warn!(device = %device.spec.name, fault = %outage.fault, retry_ms = wait.as_millis(), "device lost");
        let now = clock.now();
        device.status.set(state, now, Some(outage.fault), Some(now.plus(wait)));
        device.outbox.lost(now, quality).await;
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = device.hurry.notified() => backoff.succeeded(),
        }
    }
}

impl Supervised {
    /// One run of the driver. A panic ends only this run; stopping the supervisor drops the driver with it.
    async fn run_once(&self) -> Outage {
        let Some(driver) = self.parts.drivers.get(self.spec.driver.as_str()) else {
            let detail =
                format!("this node has no driver `{}`: choose another, or install it", self.spec.driver);
            return Outage::configuration(
                Fault::new("driver.unknown", detail).arg("driver", self.spec.driver.as_str()),
            );
        };
        let config = match self.parts.reaches.seal.open_config(self.spec.org, driver.id, &self.spec.config) {
            Ok(config) => config,
            Err(fault) => return Outage::configuration(fault),
        };
        let (sender, writes) = mpsc::channel(DeviceTask::WRITES_MAX);
        self.writes.set(Some(sender));
        let task = DeviceTask {
            config,
            points: self.spec.points.clone(),
            outbox: Outbox::new(self.outbox.clone()),
            writes,
            reach: self.parts.reaches.of(self.spec.org, driver.id),
            phase_seed: u64::from_be_bytes(std::array::from_fn(|i| self.spec.id.bytes()[8 + i])),
            counters: self.counters.clone(),
        };
        match AssertUnwindSafe((driver.run)(task)).catch_unwind().await {
            Ok(outage) => outage,
            Err(_panic) => {
                tracing::error!(device = %self.spec.name, "the driver panicked");
                Outage::configuration(Fault::new(
                    codes::INTERNAL,
                    "the driver stopped because of a fault of ours: see the log, and report it",
                ))
            }
        }
    }
}
