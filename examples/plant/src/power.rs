//! Power 配电: the 10 kV incomer and the 400 V feeders, each with a meter that integrates what it measures.

use types::{Time, Value};

use crate::calendar::Period;
use crate::noise::{Drift, Noise};

/// What the meters see in one step.
pub(crate) struct Loads {
    pub(crate) line_kw: f64,
    pub(crate) air_kw: f64,
    pub(crate) water_kw: f64,
}

/// The grid, the transformer and the meters.
pub(crate) struct Power {
    noise: Noise,
    voltage_drift: Drift,
    frequency_drift: Drift,
    /// 400 V bar, line to line, in V.
    volts: f64,
    hertz: f64,
    incomer: Meter,
    line: Meter,
    air: Meter,
    water: Meter,
    period: Period,
}

impl Power {
    /// Light, offices and cranes behind the incomer only, in kW.
    const OTHER_KW: f64 = 14.0;
    /// Transformer, 500 kVA: iron losses, and copper losses at rated load, in kW.
    const IRON_KW: f64 = 0.68;
    const COPPER_KW: f64 = 5.1;
    const RATED_KVA: f64 = 500.0;
    /// Capacitors on the 400 V bar, in kvar.
    const CAPACITORS_KVAR: f64 = 55.0;

    pub(crate) fn new(seed: u64) -> Power {
        let mut noise = Noise::new(seed, "power");
        let mut meter = |nominal_volts| Meter::new(nominal_volts, &mut noise);
        Power {
            incomer: meter(10_000.0),
            line: meter(400.0),
            air: meter(400.0),
            water: meter(400.0),
            noise,
            voltage_drift: Drift::new(1_800.0, 0.008),
            frequency_drift: Drift::new(60.0, 0.012),
            volts: 400.0,
            hertz: 50.0,
            period: Period::Flat,
        }
    }

    /// The 400 V bar, in V.
    pub(crate) fn volts(&self) -> f64 {
        self.volts
    }

    /// One step under `loads`.
    pub(crate) fn step(&mut self, loads: &Loads, period: Period, at: Time, dt_s: f64) {
        self.period = period;
        let swing = self.voltage_drift.step(&mut self.noise, dt_s);
        self.hertz = 50.0 + self.frequency_drift.step(&mut self.noise, dt_s);
        let total_kw = loads.line_kw + loads.air_kw + loads.water_kw + Self::OTHER_KW;
        // The bar sags by the transformer's 4 % impedance at rated load.
        self.volts = 404.0 * (1.0 + swing) * (1.0 - 0.04 * total_kw / Self::RATED_KVA);
        let mut record = |meter: &mut Meter, kw: f64, kvar: f64, volts: f64| {
            meter.step(&Flow { kw, kvar, volts, period, at, dt_s }, &mut self.noise);
        };
        // Reactive power by the power factor each kind of load has, worse for motors that idle: Q = P tan φ.
        let line_factor = 0.62 + 0.22 * (loads.line_kw / 80.0).min(1.0);
        let air_factor = 0.66 + 0.20 * (loads.air_kw / 120.0).min(1.0);
        let (line_kvar, air_kvar, water_kvar) = (
            tan_of(line_factor) * loads.line_kw,
            tan_of(air_factor) * loads.air_kw,
            tan_of(0.95) * loads.water_kw,
        );
        record(&mut self.line, loads.line_kw, line_kvar, self.volts);
        record(&mut self.air, loads.air_kw, air_kvar, self.volts);
        record(&mut self.water, loads.water_kw, water_kvar, self.volts);
        let other_kvar = tan_of(0.92) * Self::OTHER_KW;
        let kvar = line_kvar + air_kvar + water_kvar + other_kvar - Self::CAPACITORS_KVAR;
        // Losses: iron always, copper with the square of apparent power.
        let share = total_kw.hypot(kvar) / Self::RATED_KVA;
        let losses_kw = Self::IRON_KW + Self::COPPER_KW * share * share;
        record(&mut self.incomer, total_kw + losses_kw, kvar + 8.0, 10_120.0 * (1.0 + swing));
    }

    /// `incomer`, `line_meter`, `air_meter` or `water_meter`.
    pub(crate) fn read(&self, asset: &str, property: &str) -> Option<Value> {
        let meter = match asset {
            "incomer" => &self.incomer,
            "line_meter" => &self.line,
            "air_meter" => &self.air,
            "water_meter" => &self.water,
            _ => return None,
        };
        match property {
            "frequency" => Some(Value::F64(self.hertz)),
            "tariff_period" => Some(Value::U64(self.period as u64)),
            _ => meter.read(property),
        }
    }
}

/// tan φ of a power factor cos φ.
fn tan_of(power_factor: f64) -> f64 {
    (1.0 / (power_factor * power_factor) - 1.0).sqrt()
}

/// What passes a meter in one step.
struct Flow {
    kw: f64,
    kvar: f64,
    volts: f64,
    period: Period,
    at: Time,
    dt_s: f64,
}

/// One three-phase meter. It keeps no monthly reset of the maximum demand: a demo does not run that long.
struct Meter {
    /// Fixed unbalance of the phases, adding up to 0.
    unbalance: [f64; 3],
    volts: [f64; 3],
    amps: [f64; 3],
    kw: f64,
    kvar: f64,
    /// Forward active energy by period, in Wh.
    energy_wh: [f64; 4],
    reactive_varh: f64,
    demand: Demand,
}

impl Meter {
    fn new(nominal_volts: f64, noise: &mut Noise) -> Meter {
        let (a, b) = (noise.between(-0.02, 0.02), noise.between(-0.02, 0.02));
        let past_wh = noise.between(4e8, 9e8);
        Meter {
            unbalance: [a, b, -a - b],
            volts: [nominal_volts / 3.0_f64.sqrt(); 3],
            amps: [0.0; 3],
            kw: 0.0,
            kvar: 0.0,
            energy_wh: [0.08, 0.30, 0.34, 0.28].map(|share| (share * past_wh).floor()),
            reactive_varh: (0.4 * past_wh).floor(),
            demand: Demand::default(),
        }
    }

    fn step(&mut self, flow: &Flow, noise: &mut Noise) {
        (self.kw, self.kvar) = (flow.kw, flow.kvar);
        // I = S / (√3 U), spread over the phases.
        let amps = flow.kw.hypot(flow.kvar) * 1_000.0 / (3.0_f64.sqrt() * flow.volts);
        for phase in 0..3 {
            self.volts[phase] = flow.volts / 3.0_f64.sqrt() * (1.0 + 0.000_6 * noise.normal());
            self.amps[phase] = amps * (1.0 + self.unbalance[phase]);
        }
        // W = ∫ P dt: the step's power holds for the whole step.
        self.energy_wh[flow.period as usize] += flow.kw * 1_000.0 * flow.dt_s / 3_600.0;
        self.reactive_varh += flow.kvar.max(0.0) * 1_000.0 * flow.dt_s / 3_600.0;
        self.demand.step(flow.kw, flow.at, flow.dt_s);
    }

    fn read(&self, property: &str) -> Option<Value> {
        let apparent = self.kw.hypot(self.kvar);
        Some(Value::F64(match property {
            "voltage_a" => self.volts[0],
            "voltage_b" => self.volts[1],
            "voltage_c" => self.volts[2],
            "current_a" => self.amps[0],
            "current_b" => self.amps[1],
            "current_c" => self.amps[2],
            "active_power" => self.kw,
            "reactive_power" => self.kvar,
            "apparent_power" => apparent,
            "power_factor" => self.kw / apparent.max(1e-9),
            "demand" => self.demand.last_kw,
            "maximum_demand" => self.demand.highest_kw,
            "energy" => return Some(Value::U64(self.energy_wh.iter().sum::<f64>() as u64)),
            "energy_sharp" => return Some(Value::U64(self.energy_wh[Period::Sharp as usize] as u64)),
            "energy_peak" => return Some(Value::U64(self.energy_wh[Period::Peak as usize] as u64)),
            "energy_flat" => return Some(Value::U64(self.energy_wh[Period::Flat as usize] as u64)),
            "energy_valley" => return Some(Value::U64(self.energy_wh[Period::Valley as usize] as u64)),
            "reactive_energy" => return Some(Value::U64(self.reactive_varh as u64)),
            _ => return None,
        }))
    }
}

/// Mean power over fixed quarter hours, as the two-part tariff bills it.
#[derive(Default)]
struct Demand {
    block: i64,
    kws: f64,
    seconds: f64,
    last_kw: f64,
    highest_kw: f64,
}

impl Demand {
    const BLOCK_MS: i64 = 15 * 60 * 1_000;

    fn step(&mut self, kw: f64, at: Time, dt_s: f64) {
        let block = at.unix_ms().div_euclid(Self::BLOCK_MS);
        if block != self.block {
            // A block that was joined midway is no demand.
            if self.seconds > 0.99 * Self::BLOCK_MS as f64 / 1_000.0 {
                self.last_kw = self.kws / self.seconds;
                self.highest_kw = self.highest_kw.max(self.last_kw);
            }
            (self.block, self.kws, self.seconds) = (block, 0.0, 0.0);
        }
        self.kws += kw * dt_s;
        self.seconds += dt_s;
    }
}
