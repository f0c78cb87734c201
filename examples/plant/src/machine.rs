//! One machine of the line: a state machine that takes a part, works on it and passes it on.

use types::Value;

use crate::noise::Noise;
use crate::tooling::{Bath, Duty, Gauge, JOBS, Part, Spindle, Tooling};

/// What a machine is doing. The numbers are the ones its controller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineState {
    /// 停机: switched off for a break.
    Stopped = 0,
    /// 调整: warm-up, change of job or tool, restart after a fault.
    Setup = 1,
    /// 运行.
    Running = 2,
    /// 待料.
    Waiting = 3,
    /// 堵料: done, but there is no room downstream.
    Blocked = 4,
    /// 故障.
    Fault = 5,
}

impl MachineState {
    /// Every state, by number.
    pub const ALL: [MachineState; 6] = {
        use MachineState as S;
        [S::Stopped, S::Setup, S::Running, S::Waiting, S::Blocked, S::Fault]
    };

    /// Whether a machine may go from here to `next` in one step.
    pub fn may_become(self, next: MachineState) -> bool {
        use MachineState as S;
        matches!(
            (self, next),
            (S::Stopped, S::Setup)
                | (S::Setup, S::Waiting | S::Fault)
                | (S::Waiting, S::Running | S::Setup | S::Stopped | S::Fault)
                | (S::Running, S::Waiting | S::Blocked | S::Fault)
                | (S::Blocked, S::Waiting)
                | (S::Fault, S::Setup)
        )
    }
}

/// Bits of the alarm word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    SpindleDrive = 1,
    ToolBroken = 1 << 2,
    AxisServo = 1 << 3,
    AirLow = 1 << 5,
}

/// What a machine sees of the world in one step.
pub(crate) struct Around {
    /// The part that waits at its infeed.
    pub(crate) offered: Option<Part>,
    /// Whether the outfeed has room.
    pub(crate) room: bool,
    /// Whether people work now.
    pub(crate) working: bool,
    pub(crate) header_bar: f64,
    pub(crate) ambient_c: f64,
}

/// What a machine did in one step.
#[derive(Default)]
pub(crate) struct Moved {
    /// It took the part that was offered.
    pub(crate) took: bool,
    /// It put this part out.
    pub(crate) passed: Option<Part>,
}

/// What is fixed about a machine.
pub(crate) struct Build {
    pub(crate) key: &'static str,
    pub(crate) cycle_s: f64,
    /// Mean working time between failures, in s.
    pub(crate) between_failures_s: f64,
    /// Compressed air while running, in m³/min of free air.
    pub(crate) air_m3_min: f64,
}

/// One machine.
pub(crate) struct Machine {
    build: Build,
    noise: Noise,
    state: MachineState,
    in_state_s: f64,
    /// How long the present setup or repair takes.
    needs_s: f64,
    part: Option<Part>,
    /// Share of the cycle done.
    progress: f64,
    cycle_s: f64,
    last_cycle_s: f64,
    job: usize,
    feed: f64,
    alarms: u16,
    spindle_held: bool,
    good: u64,
    scrap: u64,
    run_s: f64,
    tooling: Tooling,
}

impl Machine {
    /// Below this a machine cannot clamp, in bar.
    const AIR_LOW_BAR: f64 = 5.0;
    /// And does not start again before it is back at this, in bar.
    const AIR_BACK_BAR: f64 = 5.6;
    /// Feed override range of the set-point, as a share.
    const FEED: std::ops::RangeInclusive<f64> = 0.5..=1.2;
    /// Tool wear at which the operator changes the tool before the next part.
    const WEAR_DUE: f64 = 0.9;

    pub(crate) fn new(build: Build, tooling: Tooling, noise: Noise) -> Machine {
        Machine {
            noise,
            state: MachineState::Waiting,
            in_state_s: 0.0,
            needs_s: 0.0,
            part: None,
            progress: 0.0,
            cycle_s: build.cycle_s,
            last_cycle_s: build.cycle_s,
            build,
            job: 0,
            feed: 1.0,
            alarms: 0,
            spindle_held: false,
            good: 0,
            scrap: 0,
            run_s: 0.0,
            tooling,
        }
    }

    pub(crate) fn key(&self) -> &'static str {
        self.build.key
    }
    pub(crate) fn holds_part(&self) -> bool {
        self.part.is_some()
    }
    pub(crate) fn scrapped(&self) -> u64 {
        self.scrap
    }
    pub(crate) fn power_kw(&self) -> f64 {
        self.tooling.power_kw()
    }
    /// Air it draws now, in m³/min of free air: a fifth of it leaks through valves and seals while it stands.
    pub(crate) fn air_m3_min(&self) -> f64 {
        match self.state {
            MachineState::Running => self.build.air_m3_min,
            MachineState::Stopped => 0.0,
            _ => 0.2 * self.build.air_m3_min,
        }
    }
    /// The spindle-stop malfunction.
    pub(crate) fn hold_spindle(&mut self, held: bool) {
        self.spindle_held = held;
    }

    /// One step of `dt_s`; at most one change of state.
    pub(crate) fn step(&mut self, around: &Around, dt_s: f64) -> Moved {
        self.in_state_s += dt_s;
        let moved = match self.trip(around, dt_s) {
            Some(alarm) => self.fail(alarm),
            None => self.advance(around, dt_s),
        };
        let duty = Duty {
            powered: self.state != MachineState::Stopped,
            drive_failed: self.spindle_held,
            // Loading and unloading take the first and the last twelfth of the cycle.
            working: self.state == MachineState::Running && (0.08..0.92).contains(&self.progress),
            feed: self.feed,
            job: self.job,
            ambient_c: around.ambient_c,
        };
        self.tooling.step(&duty, &mut self.noise, dt_s);
        moved
    }

    fn enter(&mut self, next: MachineState) {
        self.state = next;
        self.in_state_s = 0.0;
    }

    fn prepare(&mut self, takes_s: f64) {
        self.needs_s = takes_s * self.noise.between(0.8, 1.3);
        self.enter(MachineState::Setup);
    }

    /// Why it fails in this step, if it does.
    fn trip(&mut self, around: &Around, dt_s: f64) -> Option<Alarm> {
        use MachineState as S;
        if !matches!(self.state, S::Running | S::Waiting | S::Setup) {
            return None;
        }
        if self.spindle_held {
            return Some(Alarm::SpindleDrive);
        }
        if self.state != S::Running {
            return None;
        }
        if around.header_bar < Self::AIR_LOW_BAR {
            return Some(Alarm::AirLow);
        }
        let failed = self.noise.happens(self.build.between_failures_s, dt_s);
        failed.then(|| if self.noise.unit() < 0.6 { Alarm::ToolBroken } else { Alarm::AxisServo })
    }

    /// A part that is being worked on is lost.
    fn fail(&mut self, alarm: Alarm) -> Moved {
        self.alarms = alarm as u16;
        if self.part.take().is_some() {
            self.scrap += 1;
        }
        self.progress = 0.0;
        self.needs_s = self.noise.between(180.0, 540.0);
        self.enter(MachineState::Fault);
        Moved::default()
    }

    fn advance(&mut self, around: &Around, dt_s: f64) -> Moved {
        use MachineState as S;
        match self.state {
            S::Stopped if around.working => self.prepare(150.0),
            S::Setup if self.in_state_s >= self.needs_s => self.enter(S::Waiting),
            S::Waiting if !around.working => self.enter(S::Stopped),
            S::Waiting => return self.take(around.offered),
            S::Running => return self.run(around.room, dt_s),
            S::Blocked if around.room => return self.pass(),
            S::Fault if self.repaired(around) => {
                self.alarms = 0;
                self.prepare(60.0);
            }
            S::Stopped | S::Setup | S::Blocked | S::Fault => {}
        }
        Moved::default()
    }

    fn repaired(&self, around: &Around) -> bool {
        let air_back = self.alarms != Alarm::AirLow as u16 || around.header_bar > Self::AIR_BACK_BAR;
        !self.spindle_held && air_back && self.in_state_s >= self.needs_s
    }

    fn take(&mut self, offered: Option<Part>) -> Moved {
        let Some(part) = offered else { return Moved::default() };
        if let Tooling::Spindle(spindle) = &mut self.tooling
            && spindle.wear > Self::WEAR_DUE
        {
            spindle.change_tool();
            self.prepare(90.0);
            return Moved::default();
        }
        if part.job != self.job {
            self.job = part.job;
            self.prepare(120.0);
            return Moved::default();
        }
        self.part = Some(part);
        self.progress = 0.0;
        self.cycle_s = self.build.cycle_s * (1.0 + 0.03 * self.noise.normal());
        self.enter(MachineState::Running);
        Moved { took: true, passed: None }
    }

    fn run(&mut self, room: bool, dt_s: f64) -> Moved {
        self.run_s += dt_s;
        self.progress += self.feed * dt_s / self.cycle_s;
        if self.progress < 1.0 {
            return Moved::default();
        }
        self.last_cycle_s = self.in_state_s;
        let good = self.part.as_mut().is_some_and(|part| self.tooling.finish(part, &mut self.noise));
        if !good {
            self.scrap += 1;
            self.part = None;
            self.enter(MachineState::Waiting);
            return Moved::default();
        }
        self.good += 1;
        if room {
            return self.pass();
        }
        self.enter(MachineState::Blocked);
        Moved::default()
    }

    fn pass(&mut self) -> Moved {
        self.enter(MachineState::Waiting);
        Moved { took: false, passed: self.part.take() }
    }

    /// One of its quantities, in the units of the asset type.
    pub(crate) fn read(&self, property: &str) -> Option<Value> {
        Some(match property {
            "state" => Value::U64(self.state as u64),
            "alarm_word" => Value::U64(u64::from(self.alarms)),
            "door_open" => Value::Bool(matches!(
                self.state,
                MachineState::Setup | MachineState::Fault | MachineState::Stopped
            )),
            "cycle_time" => Value::F64(self.last_cycle_s),
            "cycle_progress" => Value::F64((self.progress * 100.0).min(100.0)),
            "good_parts" => Value::U64(self.good),
            "scrap_parts" => Value::U64(self.scrap),
            "run_time" => Value::F64(self.run_s / 3600.0),
            "program" => Value::String(JOBS[self.job].program.into()),
            "power" => Value::F64(self.power_kw()),
            _ => return self.read_tooling(property),
        })
    }

    fn read_tooling(&self, property: &str) -> Option<Value> {
        Some(Value::F64(match (&self.tooling, property) {
            (Tooling::Spindle(_), "feed_override") => self.feed * 100.0,
            (Tooling::Spindle(s), "spindle_speed") => s.speed_rpm,
            (Tooling::Spindle(s), "spindle_load") => s.load * 100.0,
            (Tooling::Spindle(s), "spindle_temperature") => s.temperature_c,
            (Tooling::Spindle(s), "vibration") => s.vibration_mm_s,
            (Tooling::Spindle(s), "tool_wear") => s.wear * 100.0,
            (Tooling::Spindle(s), "coolant_level") => s.coolant * 100.0,
            (Tooling::Bath(b), "bath_temperature") => b.temperature_c,
            (Tooling::Bath(b), "spray_pressure") => b.spray_bar,
            (Tooling::Bath(b), "conductivity") => b.conductivity_us_cm,
            (Tooling::Bath(b), "heating") => return Some(Value::Bool(b.heating)),
            (Tooling::Gauge(g), "diameter") => g.diameter_mm,
            (Tooling::Gauge(g), "deviation") => g.deviation_um,
            _ => return None,
        }))
    }

    /// Sets the feed override, in %; `None` when the machine has none, `false` when the value is out of range.
    pub(crate) fn set_feed(&mut self, percent: f64) -> Option<bool> {
        if !matches!(self.tooling, Tooling::Spindle(_)) {
            return None;
        }
        let fits = Self::FEED.contains(&(percent / 100.0));
        if fits {
            self.feed = percent / 100.0;
        }
        Some(fits)
    }
}

/// The six machines of the line, in the order parts pass them.
pub(crate) fn machines(seed: u64) -> Vec<Machine> {
    let cnc = |key, cycle_s, top_rpm, rated_kw| {
        let mut noise = Noise::new(seed, key);
        let tooling = Tooling::Spindle(Spindle::new(top_rpm, rated_kw, &mut noise));
        let build = Build { key, cycle_s, between_failures_s: 6.0 * 3600.0, air_m3_min: 0.6 };
        Machine::new(build, tooling, noise)
    };
    let station = |key, cycle_s, air_m3_min, tooling| {
        let build = Build { key, cycle_s, between_failures_s: 16.0 * 3600.0, air_m3_min };
        Machine::new(build, tooling, Noise::new(seed, key))
    };
    vec![
        cnc("lathe1", 46.0, 4_000.0, 15.0),
        cnc("lathe2", 45.0, 4_000.0, 15.0),
        cnc("mill1", 52.0, 8_000.0, 18.5),
        cnc("mill2", 50.0, 8_000.0, 18.5),
        station("washer", 38.0, 1.8, Tooling::Bath(Bath::new())),
        station("gauge", 32.0, 0.3, Tooling::Gauge(Gauge::new())),
    ]
}
