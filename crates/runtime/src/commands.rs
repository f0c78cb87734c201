//! The write path (下发): the only way a value gets to a machine.
//!
//! propose (checks, nothing sent) → confirm (checks again) → driver → read-back → record. Every command is a document
//! from its proposal on and never changes owner; each step is an event in the same transaction. Nothing is queued for
//! a device that is away and nothing is sent twice: a command that was interrupted is `failed`, not repeated.

use sdk::{BoxFuture, Caller, CommandsPort, Proposal, WriteOrder, Written};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc::error::TrySendError, oneshot};
use types::{
    CataloguedPoint, Change, Command, CommandState, Device, EventDraft, Expected, Fault, Filter, IndexValue,
    ObjectId, OrgId, PointId, Query, Stored, Time, Value, WritePolicy, WriteRefusal, codes, random_bytes,
};

use crate::{devices::Devices, write_lock::WriteLock, write_rules};

/// A proposal is void after this.
pub const PROPOSAL_LIFE: Duration = Duration::from_secs(30);
/// A device must have taken the write and answered the read-back within this.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// Above so many points and devices, those without a command in the last minute are forgotten. What remains is bounded
/// by the commands of one minute.
const RATE_POINTS_MAX: usize = 100_000;

/// What all scopes share.
pub(crate) struct WritePath {
    pub(crate) records: records::Records,
    pub(crate) plant: plant::PlantModel,
    pub(crate) historian: historian::Historian,
    pub(crate) devices: Arc<Devices>,
    pub(crate) clock: sdk::Clock,
    pub(crate) random: types::Random,
    pub(crate) lock: WriteLock,
    /// When commands of a point or device were confirmed within the last minute.
    pub(crate) recent: Mutex<HashMap<ObjectId, Vec<Time>>>,
}

/// One caller's view.
#[derive(Clone)]
pub(crate) struct ScopedCommands {
    pub(crate) org: OrgId,
    pub(crate) caller: Caller,
    pub(crate) path: Arc<WritePath>,
}

/// A write that passed every check.
struct Cleared {
    point: CataloguedPoint,
    device: Stored<Device>,
    policy: WritePolicy,
    old: Option<Value>,
}

impl ScopedCommands {
    /// Every check of the path except the rate limit. Both steps make them: what changed in between counts.
    async fn clear(&self, point: PointId, value: &Value) -> Result<Cleared, Fault> {
        if !self.caller.may(sdk::http::Permission::Command) {
            return Err(Fault::new(
                codes::FORBIDDEN,
                "this role may not write to machines: ask an administrator",
            ));
        }
        let path = &self.path;
        let unknown = || Fault::new(codes::NOT_FOUND, "there is no such point: look up its id");
        let point = path.plant.by_id(self.org, &[point]).pop().flatten().ok_or_else(unknown)?;
        if path.lock.is_locked(self.org).await? {
            return Err(WriteRefusal::Locked.fault());
        }
        let name = point.point.name.clone();
        let read_only = || WriteRefusal::PointReadOnly { point: name.clone() }.fault();
        let device = point.point.device.ok_or_else(read_only)?;
        let device = path.plant.device(self.org, device).await?;
        if !device.body.writes_enabled {
            return Err(WriteRefusal::DeviceReadOnly { device: device.body.name }.fault());
        }
        let policy = point.point.write.ok_or_else(read_only)?;
        if value.value_type() != point.point.value_type {
            let detail = format!("the point takes {:?} values: send that type", point.point.value_type);
            return Err(Fault::new(codes::INVALID, detail).at("/value"));
        }
        let latest = path.historian.latest(&[point.id]).pop().flatten();
        let old = latest.filter(|l| !l.quality.is_bad()).and_then(|l| l.value);
        write_rules::check(&policy, value, old.as_ref()).map_err(|refusal| refusal.fault())?;
        if path.devices.writes(self.org, device.id).is_none() {
            return Err(WriteRefusal::NotConnected { device: device.body.name }.fault());
        }
        Ok(Cleared { point, device, policy, old })
    }

    async fn load(&self, id: ObjectId) -> Result<Stored<Command>, Fault> {
        let found = self.path.records.get::<Command>(self.org, id).await.map_err(|e| e.fault())?;
        found.ok_or_else(|| Fault::new(codes::NOT_FOUND, "there is no such command: propose it again"))
    }

    /// Writes the next state; the expected revision makes sure that no two confirm the same command.
    async fn step(&self, at: &mut Stored<Command>, change: impl FnOnce(&mut Command)) -> Result<(), Fault> {
        change(&mut at.body);
        at.body.changed = self.path.clock.now();
        let (put, event) = change_of(at)?;
        let actor = &self.caller.name;
        let done =
            self.path.records.commit(self.org, actor, vec![put], vec![event]).await.map_err(|e| e.fault())?;
        at.revision = done.revisions.first().copied().unwrap_or(at.revision + 1);
        at.changed = done.at;
        Ok(())
    }

    /// Hands the write to the device's task and waits for the outcome. 禁止下发 ends the wait at once, and a driver
    /// drops an order whose sender is gone.
    async fn send(&self, cleared: &Cleared, value: Value) -> Result<Written, Fault> {
        let device = cleared.device.body.name.as_str();
        let not_connected = || WriteRefusal::NotConnected { device: device.to_string() }.fault();
        let queue = self.path.devices.writes(self.org, cleared.device.id).ok_or_else(not_connected)?;
        if self.path.lock.is_locked(self.org).await? {
            return Err(WriteRefusal::Locked.fault());
        }
        let (reply, outcome) = oneshot::channel();
        queue.try_send(WriteOrder { point: cleared.point.id, value, reply }).map_err(
            |error| match error {
                TrySendError::Full(_) => Fault::new(
                    codes::LIMIT,
                    format!(
                        "{} writes already wait for {device}: wait until they are done",
                        sdk::DeviceTask::WRITES_MAX
                    ),
                ),
                TrySendError::Closed(_) => not_connected(),
            },
        )?;
        tokio::select! {
            biased;
            () = self.path.lock.wait_locked(self.org) => Err(Fault::new(
                "write.stopped",
                "writing was switched off while the command was under way, so it is not known whether the device took it: \
                 look at the machine",
            )),
            outcome = outcome => outcome.unwrap_or_else(|_lost| Err(Fault::new(
                "write.interrupted",
                "the connection was lost during the write, so it is not known whether the device took it: look at the \
                 machine before trying again",
            ))),
            () = self.path.clock.sleep(WRITE_DEADLINE) => Err(Fault::new(
                "write.no-answer",
                "the device did not answer in time, so it is not known whether it took the write: look at the machine \
                 before trying again",
            )),
        }
    }

    async fn propose(&self, proposal: Proposal) -> Result<Stored<Command>, Fault> {
        let cleared = self.clear(proposal.point, &proposal.value).await?;
        let now = self.path.clock.now();
        let old = cleared.old.as_ref().map_or(serde_json::Value::Null, Value::to_json);
        let body = Command {
            point: cleared.point.object,
            device: cleared.device.id,
            by: self.caller.name.clone(),
            proposed: now,
            expires: now.plus(PROPOSAL_LIFE),
            old,
            new: proposal.value.to_json(),
            unit: cleared.point.point.unit,
            state: CommandState::Proposed,
            changed: now,
            read_back: None,
            fault: None,
        };
        let id = ObjectId::born(now, random_bytes(&self.path.random));
        let mut stored = Stored { id, revision: 0, changed: now, body };
        self.step(&mut stored, |_| {}).await?;
        Ok(stored)
    }

    async fn confirm(&self, id: ObjectId) -> Result<Stored<Command>, Fault> {
        let mut command = self.load(id).await?;
        if command.body.state != CommandState::Proposed {
            return Err(WriteRefusal::NotProposed { state: command.body.state }.fault());
        }
        if command.body.by != self.caller.name {
            return Err(Fault::new(
                codes::FORBIDDEN,
                "somebody else proposed this command: propose your own",
            ));
        }
        if self.path.clock.now() > command.body.expires {
            let fault = WriteRefusal::Expired.fault();
            self.step(&mut command, |c| (c.state, c.fault) = (CommandState::Expired, Some(fault.clone())))
                .await?;
            return Err(fault);
        }
        let cleared = match self.clear_again(&command.body).await {
            Ok(cleared) => cleared,
            Err(fault) => {
                self.step(&mut command, |c| {
                    (c.state, c.fault) = (CommandState::Refused, Some(fault.clone()))
                })
                .await?;
                return Err(fault);
            }
        };
        let (cleared, value) = cleared;
        // In a task of its own: a browser that is closed now must not leave the command half done.
        let this = self.clone();
        let carried_out = tokio::spawn(async move { this.carry_out(command, cleared, value).await });
        carried_out.await.map_err(|error| {
            Fault::new(
                codes::INTERNAL,
                format!("the command broke off ({error}): look at the machine and the log"),
            )
        })?
    }

    /// The checks of the second step.
    async fn clear_again(&self, command: &Command) -> Result<(Cleared, Value), Fault> {
        let point = self.path.plant.by_object(self.org, &[command.point]).pop().flatten();
        let point = point
            .ok_or_else(|| Fault::new(codes::NOT_FOUND, "the point was deleted since: nothing was sent"))?;
        let value = Value::from_json(point.point.value_type, &command.new)
            .map_err(|e| Fault::new(codes::INVALID, format!("{e}: propose the command again")))?;
        let cleared = self.clear(point.id, &value).await?;
        self.count(&cleared)?;
        Ok((cleared, value))
    }

    /// From here on the outcome is recorded, whoever waits for it.
    async fn carry_out(
        &self,
        mut command: Stored<Command>,
        cleared: Cleared,
        value: Value,
    ) -> Result<Stored<Command>, Fault> {
        self.step(&mut command, |c| c.state = CommandState::Sent).await?;
        let outcome = self.send(&cleared, value.clone()).await;
        if let Ok(Written { read_back: Some(got) }) = &outcome {
            // The next step is measured from here, however rarely the point is polled.
            self.path.devices.note(cleared.device.id, cleared.point.id, got.clone()).await;
        }
        self.step(&mut command, |c| conclude(c, &cleared, &value, outcome)).await?;
        Ok(command)
    }

    /// The rate limits of point and device; counts this command against both.
    fn count(&self, cleared: &Cleared) -> Result<(), Fault> {
        let now = self.path.clock.now();
        let mut recent = self.path.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut limits = vec![(cleared.point.object, cleared.policy.per_minute)];
        limits.extend(cleared.device.body.limits.writes_per_minute.map(|limit| (cleared.device.id, limit)));
        for (id, limit) in &limits {
            let times = recent.get(id).map_or(&[][..], Vec::as_slice);
            write_rules::check_rate(times, now, *limit).map_err(|refusal| refusal.fault())?;
        }
        if recent.len() >= RATE_POINTS_MAX {
            recent.retain(|_, times| times.last().is_some_and(|t| now.since(*t) < write_rules::RATE_WINDOW));
        }
        for (id, _) in limits {
            let times = recent.entry(id).or_default();
            times.retain(|t| now.since(*t) < write_rules::RATE_WINDOW);
            times.push(now);
        }
        Ok(())
    }
}

impl WritePath {
    /// Commands that were under way when the node ended: whether the device took them is unknown, and they are never
    /// sent again. Called once, before any device runs.
    pub(crate) async fn settle_interrupted(&self) -> Result<(), Fault> {
        let sent = IndexValue::Text(CommandState::Sent.name().into());
        let query = Query { filters: vec![Filter::Equal("state", sent)], ..Query::default() };
        loop {
            let page = self.records.list_all_orgs::<Command>(query.clone()).await.map_err(|e| e.fault())?;
            if page.items.is_empty() {
                return Ok(());
            }
            for (org, mut command) in page.items {
                command.body.state = CommandState::Failed;
                command.body.changed = self.clock.now();
                command.body.fault = Some(Fault::new(
                    "write.interrupted",
                    "the node ended during the write, so it is not known whether the device took it: look at the \
                     machine before trying again",
                ));
                let (change, event) = change_of(&command)?;
                self.records.commit(org, "node", vec![change], vec![event]).await.map_err(|e| e.fault())?;
            }
        }
    }
}

/// A command's next state as a change and its event.
fn change_of(command: &Stored<Command>) -> Result<(Change, EventDraft), Fault> {
    let expected = if command.revision == 0 { Expected::Absent } else { Expected::At(command.revision) };
    let body = &command.body;
    let put =
        Change::put(command.id, expected, body).map_err(|e| Fault::new(codes::INTERNAL, e.to_string()))?;
    let payload = serde_json::json!({
        "command": command.id, "point": body.point, "device": body.device, "old": body.old, "new": body.new,
        "unit": body.unit, "read_back": body.read_back, "fault": body.fault,
    });
    Ok((put, EventDraft { name: event_name(body.state), object: body.point, payload }))
}

/// The last state, from what the device said.
fn conclude(command: &mut Command, cleared: &Cleared, value: &Value, outcome: Result<Written, Fault>) {
    match outcome {
        Err(fault) => (command.state, command.fault) = (CommandState::Failed, Some(fault)),
        Ok(Written { read_back }) => {
            let same = read_back
                .as_ref()
                .is_some_and(|got| write_rules::reads_back(value, got, cleared.point.point.scaling));
            command.read_back = read_back.as_ref().map(Value::to_json);
            command.state = if same { CommandState::Verified } else { CommandState::Unverified };
            if !same {
                let got = read_back.map_or_else(|| "nothing".to_string(), |v| v.to_string());
                let detail = format!("{value} was written and {got} was read back: look at the machine");
                command.fault = Some(
                    Fault::new("write.read-back-differs", detail)
                        .arg("new", value.to_string())
                        .arg("read_back", got),
                );
            }
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
        Box::pin(ScopedCommands::propose(self, proposal))
    }
    fn confirm(&self, command: ObjectId) -> BoxFuture<'_, Result<Stored<Command>, Fault>> {
        Box::pin(ScopedCommands::confirm(self, command))
    }
}
