//! One oil-flooded screw compressor at fixed speed, with load/unload control and stop after running unloaded.

use types::Value;

use crate::air::compression_kw;
use crate::noise::{Noise, lag, lag_to_rest};

/// What a compressor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressorState {
    /// 待机: stopped, starts again by itself when pressure falls.
    Standby = 0,
    /// 启动: star-delta start.
    Starting = 1,
    /// 加载.
    Loaded = 2,
    /// 卸载: turns, but the inlet is closed.
    Unloaded = 3,
}

impl CompressorState {
    /// Every state, by number.
    pub const ALL: [CompressorState; 4] = {
        use CompressorState as S;
        [S::Standby, S::Starting, S::Loaded, S::Unloaded]
    };

    /// Whether a compressor may go from here to `next` in one step.
    pub fn may_become(self, next: CompressorState) -> bool {
        use CompressorState as S;
        matches!(
            (self, next),
            (S::Standby, S::Starting)
                | (S::Starting, S::Unloaded)
                | (S::Unloaded, S::Loaded | S::Standby)
                | (S::Loaded, S::Unloaded)
        )
    }
}

/// One compressor: 55 kW class, 10 m³/min of free air.
pub(crate) struct Compressor {
    key: &'static str,
    noise: Noise,
    state: CompressorState,
    in_state_s: f64,
    setpoint_bar: f64,
    power_kw: f64,
    current_a: f64,
    discharge_c: f64,
    /// What the transmitter says, which is not the truth while it is stuck.
    shown_c: f64,
    stuck: bool,
    /// Of the oil in the separator vessel, which air and oil leave the screws for.
    oil_c: f64,
    oil_bar: f64,
    discharge_bar: f64,
    filter_kpa: f64,
    run_s: f64,
    load_s: f64,
    starts: u64,
}

impl Compressor {
    /// Delivery while loaded, in m³/min of free air.
    const FLOW_M3_MIN: f64 = 10.0;
    /// Isentropic, mechanical and motor efficiency together, fans included.
    const EFFICIENCY: f64 = 0.78;
    /// Loads this far below its set-point and unloads this far above, in bar.
    const HALF_BAND_BAR: f64 = 0.25;
    /// Runs unloaded at most this long, then stops, in s: a motor may not be started more than some ten times an hour.
    const RUN_ON_S: f64 = 300.0;
    const START_S: f64 = 8.0;
    /// What the vessel loses to the hall, in K, and how long its oil takes to follow the screws, in s.
    const OIL_LOSS_K: f64 = 0.5;
    const OIL_LAG_S: f64 = 2.0;
    /// Least oil pressure its transmitter can tell, in bar.
    const OIL_RESOLUTION_BAR: f64 = 0.001;
    /// Set-point range, in bar.
    const SETPOINT_BAR: std::ops::RangeInclusive<f64> = 5.5..=8.0;

    pub(crate) fn new(key: &'static str, setpoint_bar: f64, seed: u64) -> Compressor {
        let mut noise = Noise::new(seed, key);
        let run_s = noise.between(9_000.0, 21_000.0) * 3_600.0;
        Compressor {
            key,
            state: CompressorState::Standby,
            in_state_s: 0.0,
            setpoint_bar,
            power_kw: 0.1,
            current_a: 0.0,
            discharge_c: 45.0,
            shown_c: 45.0,
            stuck: false,
            oil_c: 44.0,
            oil_bar: 0.0,
            discharge_bar: 7.0,
            filter_kpa: noise.between(1.5, 4.0),
            load_s: run_s * noise.between(0.55, 0.8),
            starts: (run_s / 3_600.0 * 0.4) as u64,
            run_s,
            noise,
        }
    }

    pub(crate) fn key(&self) -> &'static str {
        self.key
    }
    pub(crate) fn state(&self) -> CompressorState {
        self.state
    }
    pub(crate) fn power_kw(&self) -> f64 {
        self.power_kw
    }
    pub(crate) fn flow_m3_min(&self) -> f64 {
        if self.state == CompressorState::Loaded { Self::FLOW_M3_MIN } else { 0.0 }
    }
    /// The stuck-sensor malfunction: the shown temperature freezes.
    pub(crate) fn stick(&mut self, stuck: bool) {
        self.stuck = stuck;
    }
    /// Sets the pressure set-point, in bar; `false` when it is out of range.
    pub(crate) fn set_pressure(&mut self, bar: f64) -> bool {
        let fits = Self::SETPOINT_BAR.contains(&bar);
        if fits {
            self.setpoint_bar = bar;
        }
        fits
    }

    /// One step against a receiver at `bar`, on a line voltage of `volts`.
    pub(crate) fn step(&mut self, bar: f64, ambient_c: f64, volts: f64, dt_s: f64) {
        self.in_state_s += dt_s;
        self.control(bar);
        use CompressorState as S;
        let loaded = self.state == S::Loaded;
        let turning = self.state != S::Standby;
        let full_kw = compression_kw(Self::FLOW_M3_MIN, bar, Self::EFFICIENCY);
        let (wanted_kw, power_factor, settle_c) = match self.state {
            S::Standby => (0.1, 1.0, ambient_c + 4.0),
            S::Starting => (0.5 * full_kw, 0.5, ambient_c + 20.0),
            S::Loaded => (full_kw, 0.87, ambient_c + 58.0),
            // The screws still turn in oil and foam: a quarter of full power.
            S::Unloaded => (0.25 * full_kw, 0.62, ambient_c + 38.0),
        };
        self.power_kw = lag(self.power_kw, wanted_kw, 0.6, dt_s);
        // Three-phase current: I = P / (√3 U cos φ).
        self.current_a = self.power_kw * 1_000.0 / (3.0_f64.sqrt() * volts * power_factor);
        // First-order thermal: τ = 75 s turning, in the stream of oil, and 20 min standing.
        self.discharge_c = lag(self.discharge_c, settle_c, if turning { 75.0 } else { 1_200.0 }, dt_s);
        let vessel_c = self.discharge_c - Self::OIL_LOSS_K + 0.1 * self.noise.normal();
        self.oil_c = lag(self.oil_c, vessel_c, Self::OIL_LAG_S, dt_s);
        if !self.stuck {
            self.shown_c = self.discharge_c + 0.15 * self.noise.normal();
        }
        // Screws discharge above the receiver by the drop over separator and after-cooler.
        self.discharge_bar = bar + if loaded { 0.22 } else { 0.0 } + 0.008 * self.noise.normal();
        let oil_bar = if turning { 0.72 * (bar + 0.2) } else { 0.0 };
        self.oil_bar = lag_to_rest(self.oil_bar, oil_bar, 3.0, dt_s, Self::OIL_RESOLUTION_BAR);
        if turning {
            self.run_s += dt_s;
        }
        if loaded {
            self.load_s += dt_s;
            // The inlet filter clogs by 5 kPa in 3000 loaded hours and is changed at 6 kPa.
            self.filter_kpa += 5.0 * dt_s / (3_000.0 * 3_600.0);
            if self.filter_kpa > 6.0 {
                self.filter_kpa = 1.5;
            }
        }
    }

    fn control(&mut self, bar: f64) {
        use CompressorState as S;
        let low = bar < self.setpoint_bar - Self::HALF_BAND_BAR;
        let high = bar > self.setpoint_bar + Self::HALF_BAND_BAR;
        let next = match self.state {
            S::Standby if low => S::Starting,
            S::Starting if self.in_state_s >= Self::START_S => S::Unloaded,
            S::Unloaded if low => S::Loaded,
            S::Unloaded if self.in_state_s >= Self::RUN_ON_S => S::Standby,
            S::Loaded if high => S::Unloaded,
            same => same,
        };
        if next != self.state {
            if next == S::Starting {
                self.starts += 1;
            }
            self.state = next;
            self.in_state_s = 0.0;
        }
    }

    /// One of its quantities, in the units of the asset type.
    pub(crate) fn read(&self, property: &str) -> Option<Value> {
        Some(Value::F64(match property {
            "state" => return Some(Value::U64(self.state as u64)),
            "starts" => return Some(Value::U64(self.starts)),
            "running" => return Some(Value::Bool(self.state != CompressorState::Standby)),
            "discharge_pressure" => self.discharge_bar,
            "discharge_temperature" => self.shown_c,
            "oil_temperature" => self.oil_c,
            "oil_pressure" => self.oil_bar,
            "filter_pressure_drop" => self.filter_kpa,
            "motor_current" => self.current_a,
            "power" => self.power_kw,
            "pressure_setpoint" => self.setpoint_bar,
            "run_time" => self.run_s / 3_600.0,
            "load_time" => self.load_s / 3_600.0,
            _ => return None,
        }))
    }
}
