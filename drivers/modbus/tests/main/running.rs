//! A driver at work, and points for it.

use sdk::{
    BoundPoint, DeviceCounters, Hall, Outage, Reach, WriteOrder, Written,
    contract::driver::{Recorder, device_task, host_reach},
};
use std::sync::Arc;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use types::{Fault, PointId, Scaling, Value, ValueType};

pub(crate) fn point(id: u32, address: &str, value_type: ValueType) -> BoundPoint {
    BoundPoint { id: PointId(id), address: address.into(), value_type, scaling: None, period_ms: 20 }
}

pub(crate) fn scaled(id: u32, address: &str, gain: f64, offset: f64) -> BoundPoint {
    let scaling = Some(Scaling { gain, offset });
    BoundPoint { scaling, ..point(id, address, ValueType::F64) }
}

/// A driver at work.
pub(crate) struct Running {
    pub(crate) outbox: Arc<Recorder>,
    pub(crate) counters: Arc<DeviceCounters>,
    pub(crate) writes: mpsc::Sender<WriteOrder>,
    pub(crate) task: JoinHandle<Outage>,
}

impl Running {
    pub(crate) fn start(config: serde_json::Value, points: Vec<BoundPoint>) -> Running {
        Running::start_on(host_reach(Hall::none()), config, points)
    }
    pub(crate) fn start_on(reach: Reach, config: serde_json::Value, points: Vec<BoundPoint>) -> Running {
        let outbox = Recorder::new();
        let (task, writes) = device_task(config, points, &outbox, reach);
        let counters = task.counters.clone();
        Running { outbox, counters, writes, task: tokio::spawn((driver_modbus::driver().run)(task)) }
    }
    pub(crate) async fn write(&self, point: u32, value: Value) -> Result<Written, Fault> {
        let (reply, answer) = oneshot::channel();
        self.writes.send(WriteOrder { point: PointId(point), value, reply }).await.unwrap();
        answer.await.unwrap()
    }
    pub(crate) async fn outage(&mut self) -> Outage {
        let wait = std::time::Duration::from_secs(3);
        tokio::time::timeout(wait, &mut self.task).await.expect("ends in time").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
