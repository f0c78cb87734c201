//! The write path that apps are tested on refuses and records like the real one: the same steps on both.

use sdk::{
    AddressFacts, DeviceTask, Driver, Outage, Proposal, Scope, WriteOrder, Written,
    fake::{ORG, World, caller},
    http::Permission,
};
use std::time::Duration;
use types::{
    Command, CommandState, Device, Event, Fault, ObjectId, Origin, Point, PointId, Quality, Query, Section,
    Time, Value, ValueType, codes,
};

use crate::{fake_samples::node, support::TempDir};

/// What the device makes of a value: refuses 3, hides 4, turns 5 into 6.
fn machine(value: &Value) -> Result<Option<Value>, Fault> {
    match value {
        Value::F64(3.0) => Err(Fault::new("device.refused", "the device refused 3: write another value")),
        Value::F64(4.0) => Ok(None),
        Value::F64(5.0) => Ok(Some(Value::F64(6.0))),
        value => Ok(Some(value.clone())),
    }
}

async fn run(mut task: DeviceTask) -> Outage {
    task.outbox.online();
    while let Some(WriteOrder { value, reply, .. }) = task.writes.recv().await {
        let _gone = reply.send(machine(&value).map(|read_back| Written { read_back }));
    }
    Outage::connection(Fault::new(codes::INTERNAL, "nobody orders any more"))
}

/// A protocol without a wire.
fn driver() -> Driver {
    let facts = |address: &str| {
        Ok(AddressFacts { canonical: address.into(), value_type: ValueType::F64, writable: true })
    };
    Driver {
        id: "wireless",
        name: ("无线", "Wireless"),
        config_schema: || serde_json::json!({}),
        check_config: |_| Ok(()),
        check_address: facts,
        run: |task| Box::pin(run(task)),
        probe: |_| Box::pin(async { Err(Fault::new(codes::NOT_FOUND, "there is nothing to ask")) }),
        inspect: |_| Box::pin(async { Err(Fault::new(codes::NOT_FOUND, "there is nothing to ask")) }),
        browse: None,
    }
}

fn point(name: &str, device: ObjectId, write: bool) -> Point {
    let policy = serde_json::json!({ "min": 0.0, "max": 10.0, "step": 2.0, "per_minute": 7 });
    let json = serde_json::json!({
        "name": name, "value_type": "f64", "unit": "m", "device": device, "address": name,
        "write": write.then_some(policy),
    });
    serde_json::from_value(json).expect("a point")
}

/// What a caller sees of a command; ids differ from store to store.
fn seen(command: Command) -> String {
    let Command { by, proposed, expires, old, new, unit, state, changed, read_back, fault, .. } = command;
    let fault = fault.map(|fault| fault.code);
    format!("{by} {proposed} {expires} {old} {new} {unit} {state:?} {changed} {read_back:?} {fault:?}")
}

async fn propose(scope: &Scope, proposal: Proposal) -> Result<ObjectId, String> {
    scope.commands.propose(proposal).await.map(|stored| stored.id).map_err(|fault| fault.code.into_owned())
}

async fn confirm(scope: &Scope, command: ObjectId) -> Result<String, String> {
    let done = scope.commands.confirm(command).await;
    done.map(|stored| seen(stored.body)).map_err(|fault| fault.code.into_owned())
}

/// The commands on record and their events, without what names them.
async fn record(scope: &Scope) -> (Vec<String>, Vec<(String, String, Time)>) {
    let page = scope.records.list::<Command>(Query::default()).await.expect("it reads");
    let mut commands: Vec<String> = page.items.into_iter().map(|stored| seen(stored.body)).collect();
    // Ids of one millisecond have no order.
    commands.sort();
    let events = scope.events.after(0, 500).await.expect("it reads");
    let about = |event: Event| (event.name, event.actor, event.recorded);
    let events = events.into_iter().filter(|event| event.name.starts_with("command.")).map(about);
    (commands, events.collect())
}

/// The same caller of the fake world and of the node.
type Pair = [Scope; 2];

/// Proposes to both; the ids differ.
async fn both(pair: &Pair, point: PointId, value: f64) -> Result<[ObjectId; 2], String> {
    both_any(pair, point, Value::F64(value)).await
}

async fn both_any([fake, real]: &Pair, point: PointId, value: Value) -> Result<[ObjectId; 2], String> {
    let proposal = Proposal { point, value };
    let (fake, real) = (propose(fake, proposal.clone()).await, propose(real, proposal).await);
    assert_eq!(fake.as_ref().err(), real.as_ref().err());
    Ok([fake?, real?])
}

async fn finish(pair: &Pair, [fake, real]: [ObjectId; 2]) -> Result<String, String> {
    let (fake, real) = (confirm(&pair[0], fake).await, confirm(&pair[1], real).await);
    assert_eq!(fake, real);
    fake
}

struct Rig {
    _dir: TempDir,
    world: World,
    runtime: runtime::Runtime,
    /// May be written.
    level: PointId,
    /// May not.
    speed: PointId,
}

impl Rig {
    /// The same device with the same points in both, connected.
    async fn start(name: &str) -> Rig {
        let dir = TempDir::new(name);
        let world = World::at(Time::from_unix_ms(1_767_225_600_000));
        let (runtime, plant) = node(&dir, &world, vec![driver()]).await;
        let json = serde_json::json!({
            "name": "press", "driver": "wireless", "config": {}, "writes_enabled": true,
        });
        let device: Device = serde_json::from_value(json).expect("a device");
        let device = plant.create_device(ORG, "user:anna", device).await.expect("it is sound").id;
        world.enable_writes(ORG, device, machine);
        let mut ids = Vec::new();
        for (name, write) in [("level", true), ("speed", false)] {
            let point = point(name, device, write);
            let real = plant.create_points(ORG, "user:anna", vec![point.clone()]).await.expect("it is sound");
            ids.push(world.add_point(ORG, point).id);
            assert_eq!(ids.last(), Some(&real[0].id), "both number points from 1");
        }
        let online = |runtime: &runtime::Runtime| {
            let health = runtime.device_health(ORG);
            health.get(&device).is_some_and(|health| health.state == runtime::DeviceState::Online)
        };
        while !online(&runtime) {
            world.clock().advance(Duration::from_millis(10)).await;
        }
        Rig { _dir: dir, world, runtime, level: ids[0], speed: ids[1] }
    }

    fn pair(&self, name: &str, permission: Permission) -> Pair {
        let caller = caller(name, permission);
        [self.world.scope(ORG, caller.clone()), self.runtime.scope(ORG, caller)]
    }

    fn now(&self) -> Time {
        self.world.clock().handle().now()
    }

    /// The level becomes known.
    async fn measure(&self, pair: &Pair, value: f64) {
        for scope in pair {
            let mut section = Section::empty(Some(ValueType::F64));
            section.push(self.level, self.now(), Some(Value::F64(value)), Quality::GOOD);
            scope.samples.append(Origin::Manual, vec![section]).await.expect("it is stored");
        }
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_alike() {
    let rig = Rig::start("fake-commands-refused").await;
    let (anna, ben) = (rig.pair("user:anna", Permission::Command), rig.pair("user:ben", Permission::Read));
    assert!(both(&anna, rig.level, 1.0).await.is_err(), "the old value is not known");
    rig.measure(&anna, 1.0).await;
    for (pair, point, value) in [
        (&ben, rig.level, Value::F64(1.0)),
        (&anna, rig.speed, Value::F64(1.0)),
        (&anna, PointId(9), Value::F64(1.0)),
        (&anna, rig.level, Value::Bool(true)),
        (&anna, rig.level, Value::F64(11.0)),
        (&anna, rig.level, Value::F64(f64::NAN)),
        (&anna, rig.level, Value::F64(3.5)),
    ] {
        assert!(both_any(pair, point, value).await.is_err());
    }
    for lock in [true, false] {
        rig.runtime.write_lock().set(ORG, lock, "user:anna", rig.now()).await.unwrap();
        rig.world.lock_writes(ORG, lock);
        assert_eq!(both(&anna, rig.level, 2.0).await.is_err(), lock);
    }
    rig.runtime.stop().await;
}

#[tokio::test]
async fn what_is_confirmed_ends_alike() {
    let rig = Rig::start("fake-commands").await;
    let (anna, ben) = (rig.pair("user:anna", Permission::Command), rig.pair("user:ben", Permission::Command));
    rig.measure(&anna, 1.0).await;
    // Each from where the last one left the value: a read-back counts, whatever was asked for.
    let mut sent = Vec::new();
    for value in [2.0, 3.0, 4.0, 3.5, 5.0, 7.5, 6.5, 8.0] {
        rig.world.clock().advance(Duration::from_millis(5)).await;
        let proposed = both(&anna, rig.level, value).await.unwrap();
        assert!(finish(&ben, proposed).await.is_err(), "not Ben's");
        sent.push(finish(&anna, proposed).await.is_ok());
        assert!(finish(&anna, proposed).await.is_err(), "never twice");
    }
    assert_eq!(sent, [true, true, true, true, true, true, true, false], "seven a minute and no more");
    rig.world.clock().advance(Duration::from_secs(61)).await;
    let late = both(&anna, rig.level, 6.0).await.unwrap();
    rig.world.clock().advance(Duration::from_secs(31)).await;
    assert!(finish(&anna, late).await.is_err());
    let (fake, real) = (record(&anna[0]).await, record(&anna[1]).await);
    assert_eq!(fake, real);
    for state in [
        CommandState::Verified,
        CommandState::Unverified,
        CommandState::Failed,
        CommandState::Refused,
        CommandState::Expired,
    ] {
        let state = format!("{state:?}");
        assert!(fake.0.iter().any(|line| line.contains(&state)), "{state} is missing in {:#?}", fake.0);
    }
    rig.runtime.stop().await;
}
