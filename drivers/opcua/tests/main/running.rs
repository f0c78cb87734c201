//! A driver at work, as the runtime runs it: started again after an outage, with secrets and a trust list that last.

use sdk::{
    BoundPoint, DeviceCounters, Outage, Reach, WriteOrder, Written,
    contract::driver::{Recorder, device_task, host_reach},
    fake::TrustList,
};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use types::{Fault, PointId, Scaling, Value, ValueType};

/// Secrets of the one node that all tests are: its key is made once, which takes long without optimisation.
static NODE: LazyLock<sdk::Secrets> = LazyLock::new(sdk::fake::secrets);

/// What a driver reaches, with this trust list.
pub(crate) fn reach(trust: &TrustList) -> Reach {
    Reach { secrets: NODE.clone(), trust: trust.handle(), ..host_reach(sdk::Hall::none()) }
}

/// A driver at work.
pub(crate) struct Running {
    pub(crate) outbox: Arc<Recorder>,
    pub(crate) writes: mpsc::Sender<WriteOrder>,
    pub(crate) counters: Arc<DeviceCounters>,
    pub(crate) task: tokio::task::JoinHandle<Outage>,
}

impl Running {
    pub(crate) fn start(config: serde_json::Value, points: Vec<BoundPoint>, trust: &TrustList) -> Running {
        Running::start_into(config, points, trust, Recorder::new())
    }

    /// Into an outbox that has rows already.
    pub(crate) fn start_into(
        config: serde_json::Value,
        points: Vec<BoundPoint>,
        trust: &TrustList,
        outbox: Arc<Recorder>,
    ) -> Running {
        let (task, writes) = device_task(config, points, &outbox, reach(trust));
        let counters = task.counters.clone();
        let task = tokio::spawn((driver_opcua::driver().run)(task));
        Running { outbox, writes, counters, task }
    }

    pub(crate) async fn write(&self, point: u32, value: Value) -> Result<Written, Fault> {
        let (reply, answer) = oneshot::channel();
        let order = WriteOrder { point: PointId(point), value, reply };
        self.writes.send(order).await.expect("the driver takes orders");
        answer.await.expect("every order is answered")
    }

    pub(crate) async fn outage(&mut self, within: Duration) -> Outage {
        let outage = tokio::time::timeout(within, &mut self.task).await;
        outage.expect("the outage is noticed in time").expect("the driver does not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn point(id: u32, address: &str, value_type: ValueType) -> BoundPoint {
    BoundPoint { id: PointId(id), address: address.into(), value_type, scaling: None, period_ms: 100 }
}

pub(crate) fn scaled(id: u32, address: &str, gain: f64, offset: f64) -> BoundPoint {
    BoundPoint { scaling: Some(Scaling { gain, offset }), ..point(id, address, ValueType::F64) }
}
