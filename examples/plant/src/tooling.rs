//! What a machine works with: a cutting spindle, a wash bath or a gauge, and the power each draws.

use crate::noise::{Noise, lag, lag_to_rest};

/// One part on its way through the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part {
    /// Which job (product) it belongs to: an index into [`JOBS`].
    pub(crate) job: usize,
    /// How far the bearing seat is from its nominal diameter so far, in µm. Hidden until the gauge measures it.
    pub(crate) deviation_um: f64,
}

/// A product: its programme name and what the spindles do for it.
pub(crate) struct Job {
    pub(crate) program: &'static str,
    /// Of the machine's top speed.
    pub(crate) speed: f64,
    /// Of the spindle's rated power while cutting.
    pub(crate) load: f64,
    /// Bearing seat, in mm.
    pub(crate) diameter_mm: f64,
}

/// What the line makes, in turns.
pub(crate) const JOBS: [Job; 3] = [
    Job { program: "O2107 SHAFT-A32", speed: 0.62, load: 0.48, diameter_mm: 32.0 },
    Job { program: "O2113 SHAFT-B28", speed: 0.74, load: 0.41, diameter_mm: 28.0 },
    Job { program: "O3120 FLANGE-C45", speed: 0.45, load: 0.60, diameter_mm: 45.0 },
];

/// A part further from nominal than this is scrap, in µm.
pub(crate) const TOLERANCE_UM: f64 = 20.0;

/// What the machine is doing this step, as its tooling sees it.
pub(crate) struct Duty {
    /// Switched on.
    pub(crate) powered: bool,
    /// The spindle drive has failed.
    pub(crate) drive_failed: bool,
    /// In the working part of the cycle.
    pub(crate) working: bool,
    /// Feed override, 1 = as programmed.
    pub(crate) feed: f64,
    pub(crate) job: usize,
    pub(crate) ambient_c: f64,
}

/// The part of a machine that differs by kind.
#[derive(Debug, Clone)]
pub(crate) enum Tooling {
    Spindle(Spindle),
    Bath(Bath),
    Gauge(Gauge),
}

impl Tooling {
    pub(crate) fn step(&mut self, duty: &Duty, noise: &mut Noise, dt_s: f64) {
        match self {
            Tooling::Spindle(spindle) => spindle.step(duty, noise, dt_s),
            Tooling::Bath(bath) => bath.step(duty, noise, dt_s),
            Tooling::Gauge(gauge) => gauge.power_kw = if duty.powered { 0.9 } else { 0.1 },
        }
    }

    /// Electric power, in kW.
    pub(crate) fn power_kw(&self) -> f64 {
        match self {
            Tooling::Spindle(spindle) => spindle.power_kw,
            Tooling::Bath(bath) => bath.power_kw,
            Tooling::Gauge(gauge) => gauge.power_kw,
        }
    }

    /// Works on a part; `false` when it turns out to be scrap.
    pub(crate) fn finish(&mut self, part: &mut Part, noise: &mut Noise) -> bool {
        match self {
            Tooling::Spindle(spindle) => {
                part.deviation_um += 3.0 * noise.normal() + 3.0 * spindle.wear;
                true
            }
            Tooling::Bath(_) => true,
            Tooling::Gauge(gauge) => gauge.measure(part, noise),
        }
    }
}

/// A cutting spindle with its tool and coolant.
#[derive(Debug, Clone)]
pub(crate) struct Spindle {
    top_speed_rpm: f64,
    rated_kw: f64,
    pub(crate) speed_rpm: f64,
    /// Of rated power.
    pub(crate) load: f64,
    pub(crate) temperature_c: f64,
    pub(crate) vibration_mm_s: f64,
    /// 0 new, 1 due for a change.
    pub(crate) wear: f64,
    pub(crate) coolant: f64,
    power_kw: f64,
}

impl Spindle {
    /// Cutting time of one tool, in s.
    const TOOL_LIFE_S: f64 = 3.0 * 3600.0;
    /// Coolant lasts this long while cutting, in s.
    const COOLANT_LIFE_S: f64 = 14.0 * 3600.0;
    /// Drawn from the mains: switched off for a break, and with the main contactor open, in kW.
    const OFF_KW: f64 = 0.4;
    const CONTACTOR_OPEN_KW: f64 = 0.15;
    /// Least load its drive can tell, as a share of rated power: 0.01 %.
    const LOAD_RESOLUTION: f64 = 1e-4;
    /// The operator tops up below this level.
    const COOLANT_LOW: f64 = 0.30;

    pub(crate) fn new(top_speed_rpm: f64, rated_kw: f64, noise: &mut Noise) -> Spindle {
        Spindle {
            top_speed_rpm,
            rated_kw,
            speed_rpm: 0.0,
            load: 0.0,
            temperature_c: 30.0,
            vibration_mm_s: 0.3,
            wear: noise.between(0.0, 0.6),
            coolant: noise.between(0.5, 0.95),
            power_kw: Self::OFF_KW,
        }
    }

    /// A fresh tool.
    pub(crate) fn change_tool(&mut self) {
        self.wear = 0.0;
    }

    fn step(&mut self, duty: &Duty, noise: &mut Noise, dt_s: f64) {
        let job = &JOBS[duty.job];
        let target_rpm = if duty.working { job.speed * self.top_speed_rpm } else { 0.0 };
        // Acceleration of the drive: τ = 1.2 s.
        self.speed_rpm = lag(self.speed_rpm, target_rpm, 1.2, dt_s);
        if self.speed_rpm < 0.5 {
            self.speed_rpm = 0.0;
        }
        // Cutting force grows with feed (Kienzle: nearly with h^0.75) and with a blunt tool.
        let cutting =
            if duty.working { job.load * duty.feed.powf(0.75) * (1.0 + 0.25 * self.wear) } else { 0.0 };
        let ratio = self.speed_rpm / self.top_speed_rpm;
        let wanted = cutting * (1.0 + 0.06 * noise.normal()) + 0.05 * ratio;
        self.load = lag_to_rest(self.load, wanted, 0.8, dt_s, Self::LOAD_RESOLUTION).max(0.0);
        // First-order thermal: friction with n², losses with load, τ = 10 min, 40 K at full duty.
        let rise_k = 40.0 * (0.35 * ratio * ratio + 0.65 * self.load);
        self.temperature_c = lag(self.temperature_c, duty.ambient_c + rise_k, 600.0, dt_s);
        // Unbalance grows with n²; cutting and a blunt tool add to it. RMS velocity, ISO 20816-1.
        let rms = 0.3 + 1.5 * ratio * ratio + self.load * (0.6 + 1.4 * self.wear);
        self.vibration_mm_s = (rms * (1.0 + 0.04 * noise.normal())).max(0.0);
        if duty.working {
            self.wear = (self.wear + duty.feed * dt_s / Self::TOOL_LIFE_S).min(1.5);
            self.coolant -= dt_s / Self::COOLANT_LIFE_S;
        }
        if self.coolant < Self::COOLANT_LOW {
            self.coolant = 0.95;
        }
        // Drive efficiency 0.85; controls, hydraulics and coolant pump on top.
        let auxiliary_kw = if duty.working { 2.6 } else { 1.3 };
        self.power_kw = match (duty.drive_failed, duty.powered) {
            // A drive that fails drops the main contactor: hydraulics and coolant stop, only the 24 V supply stays.
            (true, _) => Self::CONTACTOR_OPEN_KW,
            (false, true) => auxiliary_kw + self.load * self.rated_kw / 0.85,
            (false, false) => Self::OFF_KW,
        };
    }
}

/// A spray washer with a heated bath.
#[derive(Debug, Clone)]
pub(crate) struct Bath {
    pub(crate) temperature_c: f64,
    pub(crate) spray_bar: f64,
    /// Conductivity of the wash water; falls as drag-out is replaced by fresh water.
    pub(crate) conductivity_us_cm: f64,
    pub(crate) heating: bool,
    power_kw: f64,
}

impl Bath {
    const HEATER_KW: f64 = 12.0;
    /// Mass of water times its heat capacity: 400 kg · 4.19 kJ/(kg·K), in kJ/K.
    const HEAT_CAPACITY_KJ_K: f64 = 400.0 * 4.19;
    /// Heat lost to the hall, in kW/K.
    const LOSS_KW_K: f64 = 0.14;
    /// Least spray pressure its transmitter can tell, in bar.
    const SPRAY_RESOLUTION_BAR: f64 = 0.001;

    pub(crate) fn new() -> Bath {
        Bath {
            temperature_c: 58.0,
            spray_bar: 0.0,
            conductivity_us_cm: 4_200.0,
            heating: false,
            power_kw: 0.5,
        }
    }

    fn step(&mut self, duty: &Duty, noise: &mut Noise, dt_s: f64) {
        // Thermostat 58 to 61 °C.
        self.heating = duty.powered && self.temperature_c < if self.heating { 61.0 } else { 58.0 };
        let heat_kw = if self.heating { Self::HEATER_KW } else { 0.0 };
        // Heat balance: C dT/dt = P − k (T − T_ambient); a wet part carries heat out while it is sprayed.
        let carried_kw = if duty.working { 1.6 } else { 0.0 };
        let lost_kw = Self::LOSS_KW_K * (self.temperature_c - duty.ambient_c) + carried_kw;
        self.temperature_c += (heat_kw - lost_kw) * dt_s / Self::HEAT_CAPACITY_KJ_K;
        let target_bar = if duty.working { 3.2 + 0.05 * noise.normal() } else { 0.0 };
        self.spray_bar =
            lag_to_rest(self.spray_bar, target_bar, 1.0, dt_s, Self::SPRAY_RESOLUTION_BAR).max(0.0);
        if duty.working {
            self.conductivity_us_cm -= 600.0 * dt_s / 36_000.0;
        }
        if self.conductivity_us_cm < 3_300.0 {
            self.conductivity_us_cm = 4_200.0;
        }
        let pump_kw = 4.0 * self.spray_bar / 3.2;
        self.power_kw = if duty.powered { 0.8 + pump_kw + heat_kw } else { 0.2 };
    }
}

/// A measuring station for the bearing seat.
#[derive(Debug, Clone)]
pub(crate) struct Gauge {
    pub(crate) diameter_mm: f64,
    pub(crate) deviation_um: f64,
    power_kw: f64,
}

impl Gauge {
    pub(crate) fn new() -> Gauge {
        Gauge { diameter_mm: JOBS[0].diameter_mm, deviation_um: 0.0, power_kw: 0.1 }
    }

    /// Repeatability 0.5 µm.
    fn measure(&mut self, part: &Part, noise: &mut Noise) -> bool {
        self.deviation_um = part.deviation_um + 0.5 * noise.normal();
        self.diameter_mm = JOBS[part.job].diameter_mm + self.deviation_um / 1_000.0;
        self.deviation_um.abs() <= TOLERANCE_UM
    }
}
