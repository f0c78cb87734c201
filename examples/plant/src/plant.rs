//! The whole plant: its areas coupled by air, water, heat and power, moved on in fixed steps.

use std::time::Duration;
use types::{Time, Value};

use crate::air::Air;
use crate::calendar::{Calendar, Moment};
use crate::line::Line;
use crate::malfunction::Malfunction;
use crate::power::{Loads, Power};
use crate::water::Water;

/// A plant in a known state. The same seed, steps, writes and malfunctions always give the same values.
pub struct Plant {
    calendar: Calendar,
    /// The calendar's answer and the minute it was asked for: zones are dear, minutes are rare.
    moment: Option<(i64, Moment)>,
    line: Line,
    air: Air,
    water: Water,
    power: Power,
    on: Vec<Malfunction>,
}

/// A set-point that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No such set-point.
    Unknown,
    /// Outside what the machine accepts.
    OutOfRange,
}

/// Totals for checking that nothing appears or is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Balances {
    pub receiver_kg: f64,
    pub air_in_kg: f64,
    pub air_out_kg: f64,
    pub tank_m3: f64,
    pub water_in_m3: f64,
    pub water_out_m3: f64,
}

impl Plant {
    /// The step the served plant takes. Steps of up to a second are stable too.
    pub const STEP: Duration = Duration::from_millis(100);

    /// A plant in the middle of an ordinary day.
    pub fn new(seed: u64) -> Plant {
        Plant {
            calendar: Calendar::parse(include_str!("../data/calendar.toml"))
                .expect("a test parses this very file"),
            moment: None,
            line: Line::new(seed),
            air: Air::new(seed),
            water: Water::new(seed),
            power: Power::new(seed),
            on: Vec::new(),
        }
    }

    /// Moves on by `dt` to the instant `at`.
    pub fn step(&mut self, dt: Duration, at: Time) {
        let dt_s = dt.as_secs_f64();
        let moment = self.moment(at);
        // Warmest at 15:00, coolest at 03:00.
        let ambient_c = 24.0 + 4.0 * (std::f64::consts::TAU * (moment.day - 0.375)).sin();
        let volts = self.power.volts();
        self.line.step(moment.working, self.air.header_bar(), ambient_c, dt_s);
        self.air.step(self.line.air_m3_min(), ambient_c, volts, dt_s);
        // Spindle and hydraulic coolers give half of what the machines draw to the cooling water.
        let heat_kw = self.air.heat_kw() + 0.5 * self.line.power_kw();
        self.water.step(heat_kw, ambient_c, volts, dt_s);
        let loads = Loads {
            line_kw: self.line.power_kw(),
            air_kw: self.air.power_kw(),
            water_kw: self.water.power_kw(),
        };
        self.power.step(&loads, moment.period, at, dt_s);
    }

    fn moment(&mut self, at: Time) -> Moment {
        let minute = at.unix_ms().div_euclid(60_000);
        match self.moment {
            Some((asked, moment)) if asked == minute => moment,
            _ => {
                let moment = self.calendar.at(at);
                self.moment = Some((minute, moment));
                moment
            }
        }
    }

    /// A quantity by asset key and property key, in the unit the asset type gives; `None` when there is none such.
    pub fn read(&self, asset: &str, property: &str) -> Option<Value> {
        self.line
            .read(asset, property)
            .or_else(|| self.air.read(asset, property))
            .or_else(|| self.water.read(asset, property))
            .or_else(|| self.power.read(asset, property))
    }

    /// Moves a set-point.
    ///
    /// # Errors
    /// [`Refused`] when there is no such set-point or the machine does not accept the value; nothing changes then.
    pub fn write(&mut self, asset: &str, property: &str, value: f64) -> Result<(), Refused> {
        let taken = match property {
            "feed_override" => self.line.machine_mut(asset).and_then(|machine| machine.set_feed(value)),
            "pressure_setpoint" => self.air.compressor_mut(asset).map(|c| c.set_pressure(value)),
            "speed_setpoint" => self.water.pump_mut(asset).map(|pump| pump.set_speed(value)),
            _ => None,
        };
        match taken {
            Some(true) => Ok(()),
            Some(false) => Err(Refused::OutOfRange),
            None => Err(Refused::Unknown),
        }
    }

    /// Switches a malfunction.
    pub fn set(&mut self, malfunction: Malfunction, on: bool) {
        self.on.retain(|other| *other != malfunction);
        if on {
            self.on.push(malfunction);
        }
        match malfunction {
            Malfunction::BearingWear => {
                if let Some(pump) = self.water.pump_mut("pump1") {
                    pump.wear_out(on);
                }
            }
            Malfunction::Leak => self.air.set_leak(on),
            Malfunction::StuckSensor => {
                if let Some(compressor) = self.air.compressor_mut("comp2") {
                    compressor.stick(on);
                }
            }
            Malfunction::SpindleStop => {
                if let Some(machine) = self.line.machine_mut("mill1") {
                    machine.hold_spindle(on);
                }
            }
        }
    }

    /// Which malfunctions are on.
    pub fn malfunctions(&self) -> &[Malfunction] {
        &self.on
    }

    /// What is in the receiver and the tank, and what went in and out since the start.
    pub fn balances(&self) -> Balances {
        Balances {
            receiver_kg: self.air.receiver_kg(),
            air_in_kg: self.air.supplied_kg,
            air_out_kg: self.air.drawn_kg,
            tank_m3: self.water.tank_m3(),
            water_in_m3: self.water.in_m3,
            water_out_m3: self.water.out_m3,
        }
    }
}
