//! What the tests stand on: a broker of our own, a simulated device, a driver at work, and a wire that counts and cuts.

use driver_mqtt::sim::{Device, Machine, Style};
use sdk::{
    Arrivals, BoundPoint, BoxFuture, DeviceCounters, DeviceDraft, DoorStatus, DoorTask, Enrolment,
    EnrolmentPort, Hall, Outage, WriteOrder, Written,
    contract::driver::{Recorder, device_task, host_clock, host_net, host_reach},
};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle, JoinSet},
};
use types::{Fault, ObjectId, PointId, Time, Value, ValueType};

/// Ends a task with its owner.
pub(crate) struct Ended(pub(crate) AbortHandle);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The door of this crate at work.
pub(crate) struct OwnBroker {
    pub(crate) hall: Hall,
    pub(crate) address: SocketAddr,
    /// Whom nobody knows yet.
    pub(crate) arrivals: Arrivals,
    _running: Ended,
}

struct NobodyEnrols;

impl EnrolmentPort for NobodyEnrols {
    fn enrol(&self, draft: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        Box::pin(async move { Err(Fault::new("test.enrol", format!("{} was not expected", draft.name))) })
    }
}

impl OwnBroker {
    /// Listens on a free port; `more` is added to the door's config.
    pub(crate) async fn start(more: Json) -> OwnBroker {
        let door = driver_mqtt::door();
        let hall = (door.hall)();
        let mut config = json!({"listen": "127.0.0.1:0"});
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        (door.check_config)(&config).unwrap();
        let (arrivals, status) = (Arrivals::default(), DoorStatus::default());
        let task = DoorTask {
            config,
            reach: host_reach(hall.clone()),
            arrivals: arrivals.clone(),
            enrolment: Enrolment::new(Arc::new(NobodyEnrols)),
            status: status.clone(),
        };
        let running = tokio::spawn((door.run)(task));
        let address = loop {
            match status.addresses().first() {
                Some(address) => break *address,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            assert!(!running.is_finished(), "{:?}", running.await);
        };
        OwnBroker { hall, address, arrivals, _running: Ended(running.abort_handle()) }
    }

    /// Where anybody may say and hear everything.
    pub(crate) async fn open() -> OwnBroker {
        OwnBroker::start(json!({"anonymous": {"publish": ["#"], "subscribe": ["#"]}})).await
    }
}

/// A wire to a broker: counts connections and can be cut.
pub(crate) struct Wire {
    pub(crate) port: u16,
    open: Arc<AtomicUsize>,
    serving: AbortHandle,
}

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let counted = counted.clone();
                connections.spawn(async move {
                    let _open = Counted::one(&counted);
                    if let Ok(mut far) = TcpStream::connect(address).await {
                        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Wire { port, open, serving: serving.abort_handle() }
    }
    pub(crate) fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
    pub(crate) fn cut(&self) {
        self.serving.abort();
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A machine in memory. `locked` refuses everything.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<BTreeMap<String, Value>>>);

impl Memory {
    pub(crate) fn of(values: &[(&str, Value)]) -> Memory {
        let values = values.iter().map(|(name, value)| (name.to_string(), value.clone()));
        Memory(Arc::new(Mutex::new(values.collect())))
    }
}

impl Machine for Memory {
    fn values(&mut self, _: Time) -> Vec<(String, Value)> {
        self.0.lock().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
    fn take(&mut self, name: &str, raw: &str) -> Result<(), String> {
        let mut values = self.0.lock().unwrap();
        let value = values.get_mut(name).ok_or_else(|| format!("there is no {name}"))?;
        let raw: Json = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        *value = Value::from_json(value.value_type(), &raw).map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// Runs a simulated device and starts it again when its connection is lost.
pub(crate) fn simulate(device: Device, memory: Memory) -> Ended {
    let running = tokio::spawn(async move {
        let (clock, net) = (host_clock(), host_net());
        let mut memory = memory;
        loop {
            let _lost = device.run(&mut memory, &net, &clock).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Ended(running.abort_handle())
}

pub(crate) fn sim(address: SocketAddr, client_id: &str, style: Style) -> Device {
    Device {
        host: address.ip().to_string(),
        port: address.port(),
        client_id: client_id.into(),
        username: None,
        password: None,
        style,
        period: Duration::from_millis(50),
    }
}

pub(crate) fn point(id: u32, address: &str, value_type: ValueType) -> BoundPoint {
    BoundPoint { id: PointId(id), address: address.into(), value_type, scaling: None, period_ms: 50 }
}

/// The driver at work on a device.
pub(crate) struct Running {
    pub(crate) outbox: Arc<Recorder>,
    pub(crate) counters: Arc<DeviceCounters>,
    pub(crate) task: JoinHandle<Outage>,
    writes: mpsc::Sender<WriteOrder>,
}

impl Running {
    pub(crate) fn start(config: Json, points: Vec<BoundPoint>, hall: Hall) -> Running {
        let driver = driver_mqtt::driver();
        assert_eq!((driver.check_config)(&config), Ok(()));
        let outbox = Recorder::new();
        let (task, writes) = device_task(config, points, &outbox, host_reach(hall));
        let counters = task.counters.clone();
        Running { outbox, counters, task: tokio::spawn((driver.run)(task)), writes }
    }

    pub(crate) async fn write(&self, point: u32, value: Value) -> Result<Written, Fault> {
        let (reply, answer) = oneshot::channel();
        self.writes.send(WriteOrder { point: PointId(point), value, reply }).await.expect("it takes orders");
        tokio::time::timeout(Duration::from_secs(8), answer).await.expect("in time").expect("answered")
    }

    pub(crate) fn failures(&self) -> u64 {
        self.counters.failures.load(Ordering::Relaxed)
    }

    pub(crate) async fn until_good(&self, point: u32, value: &Value) {
        self.outbox
            .wait_for(&format!("point {point} to be {value:?}"), |rows| {
                rows.iter().any(|r| r.0 == PointId(point) && r.2.as_ref() == Some(value) && r.3.is_good())
            })
            .await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
