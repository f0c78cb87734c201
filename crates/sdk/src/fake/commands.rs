//! The write path in memory: propose, confirm, read-back, with the checks of the real one. A device is a function.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use types::{
    CataloguedPoint, Command, CommandState, Document, EventDraft, Expected, Fault, ObjectId, OrgId, PointId,
    Quality, Section, Stored, Time, Value, WritePolicy, WriteRefusal, codes,
};

use super::{World, records::put};
use crate::{BoxFuture, Caller, CommandsPort, Proposal, http::Permission};

/// A proposal is void after this.
const PROPOSAL_LIFE: Duration = Duration::from_secs(30);
/// Over which span commands are counted.
const RATE_WINDOW: Duration = Duration::from_secs(60);

/// From a written value to what is read back right after (`None` when it cannot be read), or why it was refused.
type Machine = Arc<dyn Fn(&Value) -> Result<Option<Value>, Fault> + Send + Sync>;

/// What the write path knows beside plant and records.
#[derive(Default)]
pub(super) struct Writes {
    machines: HashMap<(OrgId, ObjectId), Machine>,
    locked: BTreeSet<OrgId>,
    /// When commands of a point were confirmed.
    confirmed: HashMap<PointId, Vec<Time>>,
}

impl World {
    /// Allows writes to a device; `machine` answers them with what is read back, or with a refusal. Without it, as on a
    /// fresh node, every write is refused. A point also needs its own `write` policy.
    pub fn enable_writes(
        &self,
        org: OrgId,
        device: ObjectId,
        machine: impl Fn(&Value) -> Result<Option<Value>, Fault> + Send + Sync + 'static,
    ) {
        self.writes().machines.insert((org, device), Arc::new(machine));
    }

    /// 禁止下发: on or off.
    pub fn lock_writes(&self, org: OrgId, locked: bool) {
        let mut writes = self.writes();
        if locked {
            writes.locked.insert(org);
        } else {
            writes.locked.remove(&org);
        }
    }
}

/// A write that passed every check but the rate.
struct Cleared {
    point: CataloguedPoint,
    device: ObjectId,
    policy: WritePolicy,
    machine: Machine,
    old: Option<Value>,
}

/// One caller's view.
pub(super) struct ScopedCommands {
    pub(super) org: OrgId,
    pub(super) caller: Caller,
    pub(super) world: World,
}

impl ScopedCommands {
    fn clear(&self, id: PointId, value: &Value) -> Result<Cleared, Fault> {
        if !self.caller.may(Permission::Command) {
            let detail = "this role may not write to machines: ask an administrator";
            return Err(Fault::new(codes::FORBIDDEN, detail));
        }
        let unknown = || Fault::new(codes::NOT_FOUND, "there is no such point: look up its id");
        let point = self.world.catalogue().by_id(self.org, id).cloned().ok_or_else(unknown)?;
        let writes = self.world.writes();
        if writes.locked.contains(&self.org) {
            return Err(WriteRefusal::Locked.fault());
        }
        let read_only = || WriteRefusal::PointReadOnly { point: point.point.name.clone() }.fault();
        let device = point.point.device.ok_or_else(read_only)?;
        let machine = writes.machines.get(&(self.org, device)).cloned();
        drop(writes);
        let refused = || WriteRefusal::DeviceReadOnly { device: device.to_string() }.fault();
        let machine = machine.ok_or_else(refused)?;
        let policy = point.point.write.ok_or_else(read_only)?;
        if value.value_type() != point.point.value_type {
            let detail = format!("the point takes {:?} values: send that type", point.point.value_type);
            return Err(Fault::new(codes::INVALID, detail).at("/value"));
        }
        let latest = self.world.rows().latest(point.id);
        let old = latest.filter(|latest| !latest.quality.is_bad()).and_then(|latest| latest.value);
        check(&policy, value, old.as_ref()).map_err(|refusal| refusal.fault())?;
        Ok(Cleared { point, device, policy, machine, old })
    }

    /// Counts a confirmed command against the point's rate.
    fn count(&self, cleared: &Cleared) -> Result<(), Fault> {
        let now = self.now();
        let mut writes = self.world.writes();
        let times = writes.confirmed.entry(cleared.point.id).or_default();
        times.retain(|time| now.since(*time) < RATE_WINDOW);
        let limit = cleared.policy.per_minute;
        if times.len() >= limit as usize {
            let oldest = times.first().map_or(Duration::ZERO, |time| now.since(*time));
            let wait_s = RATE_WINDOW.saturating_sub(oldest).as_secs() + 1;
            return Err(WriteRefusal::TooOften { limit, wait_s }.fault());
        }
        times.push(now);
        Ok(())
    }

    fn now(&self) -> Time {
        self.world.clock().handle().now()
    }

    /// Keeps the next state, with its event.
    fn step(&self, id: ObjectId, command: &Command) -> Result<Stored<Command>, Fault> {
        let put = put(id, Expected::Any, command)?;
        let payload = serde_json::json!({
            "command": id, "point": command.point, "device": command.device, "old": command.old,
            "new": command.new, "unit": command.unit, "read_back": command.read_back, "fault": command.fault,
        });
        let event = EventDraft { name: event_name(command.state), object: command.point, payload };
        self.world.commit(self.org, &self.caller.name, vec![put], vec![event])?;
        self.load(id)
    }

    fn load(&self, id: ObjectId) -> Result<Stored<Command>, Fault> {
        let found = self.world.store().get(self.org, Command::COLLECTION, id);
        let unknown = || Fault::new(codes::NOT_FOUND, "there is no such command: propose it again");
        crate::records::typed(found.ok_or_else(unknown)?)
    }

    fn propose(&self, proposal: &Proposal) -> Result<Stored<Command>, Fault> {
        let Cleared { point, device, old, .. } = self.clear(proposal.point, &proposal.value)?;
        let now = self.now();
        let command = Command {
            point: point.object,
            device,
            by: self.caller.name.clone(),
            proposed: now,
            expires: now.plus(PROPOSAL_LIFE),
            old: old.as_ref().map_or(serde_json::Value::Null, Value::to_json),
            new: proposal.value.to_json(),
            unit: point.point.unit,
            state: CommandState::Proposed,
            changed: now,
            read_back: None,
            fault: None,
        };
        self.step(self.world.born(), &command)
    }

    fn confirm(&self, id: ObjectId) -> Result<Stored<Command>, Fault> {
        let mut command = self.load(id)?.body;
        if command.state != CommandState::Proposed {
            return Err(WriteRefusal::NotProposed { state: command.state }.fault());
        }
        if command.by != self.caller.name {
            let detail = "somebody else proposed this command: propose your own";
            return Err(Fault::new(codes::FORBIDDEN, detail));
        }
        command.changed = self.now();
        if command.changed > command.expires {
            return Err(self.end(id, command, CommandState::Expired, WriteRefusal::Expired.fault()));
        }
        let point = self.world.catalogue().by_object(self.org, command.point).cloned();
        let gone = || Fault::new(codes::NOT_FOUND, "the point was deleted since: nothing was sent");
        let point = point.ok_or_else(gone)?;
        let value = Value::from_json(point.point.value_type, &command.new)
            .map_err(|e| Fault::new(codes::INVALID, format!("{e}: propose the command again")))?;
        let cleared = self.clear(point.id, &value).and_then(|cleared| self.count(&cleared).map(|()| cleared));
        let cleared = match cleared {
            Ok(cleared) => cleared,
            Err(fault) => return Err(self.end(id, command, CommandState::Refused, fault)),
        };
        command.state = CommandState::Sent;
        self.step(id, &command)?;
        let outcome = (cleared.machine)(&value);
        if let Ok(Some(got)) = &outcome {
            // The next step is measured from here.
            let mut section = Section::empty(Some(got.value_type()));
            section.push(cleared.point.id, self.now(), Some(got.clone()), Quality::GOOD);
            self.world.rows().push(self.now(), &[section]);
        }
        conclude(&mut command, &value, outcome);
        self.step(id, &command)
    }

    /// Keeps why it was not sent.
    fn end(&self, id: ObjectId, mut command: Command, state: CommandState, fault: Fault) -> Fault {
        (command.state, command.fault) = (state, Some(fault.clone()));
        self.step(id, &command).err().unwrap_or(fault)
    }
}

/// Range and step. Text has neither.
fn check(policy: &WritePolicy, new: &Value, old: Option<&Value>) -> Result<(), WriteRefusal> {
    let Some(value) = new.as_f64() else { return Ok(()) };
    let WritePolicy { min, max, step, .. } = *policy;
    // Written so that NaN is refused.
    if !(min <= value && value <= max) {
        return Err(WriteRefusal::OutOfRange { value, min, max });
    }
    let Some(step) = step else { return Ok(()) };
    let old = old.and_then(Value::as_f64).ok_or(WriteRefusal::OldValueUnknown)?;
    let change = (value - old).abs();
    // A step of 0.1 from 0.2 to 0.3 must not fail by the last bit.
    if change > step * (1.0 + 1e-9) {
        return Err(WriteRefusal::StepTooLarge { change, step });
    }
    Ok(())
}

/// The last state, from what the machine said. Its numbers have no rounding, so what is read back is the same or not.
fn conclude(command: &mut Command, value: &Value, outcome: Result<Option<Value>, Fault>) {
    match outcome {
        Err(fault) => (command.state, command.fault) = (CommandState::Failed, Some(fault)),
        Ok(read_back) if read_back.as_ref() == Some(value) => {
            (command.state, command.read_back) = (CommandState::Verified, Some(value.to_json()));
        }
        Ok(read_back) => {
            let got = read_back.as_ref().map_or_else(|| "nothing".to_string(), Value::to_string);
            let detail = format!("{value} was written and {got} was read back: look at the machine");
            let fault = Fault::new("write.read-back-differs", detail);
            command.state = CommandState::Unverified;
            command.read_back = read_back.as_ref().map(Value::to_json);
            command.fault = Some(fault.arg("new", value.to_string()).arg("read_back", got));
        }
    }
}

fn event_name(state: CommandState) -> &'static str {
    match state {
        CommandState::Proposed => "command.proposed.v1",
        CommandState::Sent => "command.sent.v1",
        CommandState::Verified => "command.verified.v1",
        CommandState::Unverified => "command.unverified.v1",
        CommandState::Failed => "command.failed.v1",
        CommandState::Expired => "command.expired.v1",
        CommandState::Refused => "command.refused.v1",
    }
}

impl CommandsPort for ScopedCommands {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Stored<Command>, Fault>> {
        Box::pin(async move { ScopedCommands::propose(self, &proposal) })
    }
    fn confirm(&self, command: ObjectId) -> BoxFuture<'_, Result<Stored<Command>, Fault>> {
        Box::pin(async move { ScopedCommands::confirm(self, command) })
    }
}
