//! One centrifugal pump on a frequency converter: curve, affinity laws, efficiency, bearing wear.

use types::Value;

use crate::noise::{Noise, lag};

/// Density of water times gravity, in N/m³.
const RHO_G: f64 = 998.0 * 9.81;

/// One pump: 22 kW, 200 m³/h at 28 m and 1480 r/min.
pub(crate) struct Pump {
    key: &'static str,
    noise: Noise,
    setpoint_rpm: f64,
    speed_rpm: f64,
    flow_m3_h: f64,
    head_m: f64,
    shaft_kw: f64,
    power_kw: f64,
    current_a: f64,
    bearing_c: f64,
    winding_c: f64,
    vibration_mm_s: f64,
    /// 0 a sound bearing, 1 one that should have been changed.
    wear: f64,
    wearing: bool,
    run_s: f64,
}

impl Pump {
    /// Rated speed, in r/min.
    const SPEED_RPM: f64 = 1_480.0;
    /// Shut-off head at rated speed, in m.
    const SHUT_OFF_M: f64 = 38.0;
    /// Fall of head with flow², in m/(m³/h)².
    const FALL: f64 = 10.0 / (200.0 * 200.0);
    /// Best efficiency and the flow it is at, at rated speed, in m³/h.
    const BEST: (f64, f64) = (0.80, 200.0);
    /// Motor and converter together.
    const DRIVE_EFFICIENCY: f64 = 0.91;
    /// Range of the speed set-point, in r/min.
    const SETPOINT_RPM: std::ops::RangeInclusive<f64> = 740.0..=1_480.0;
    /// Normal life of a bearing, in s, and how long one lives once the malfunction is on: months of a real bearing
    /// in eight minutes, so that vibration leaves its usual range while somebody watches.
    const LIFE_S: f64 = 40_000.0 * 3_600.0;
    const FAULTY_LIFE_S: f64 = 480.0;

    pub(crate) fn new(key: &'static str, setpoint_rpm: f64, seed: u64) -> Pump {
        let mut noise = Noise::new(seed, key);
        let wear = noise.between(0.02, 0.08);
        Pump {
            key,
            setpoint_rpm,
            speed_rpm: setpoint_rpm,
            flow_m3_h: 0.0,
            head_m: 0.0,
            shaft_kw: 0.0,
            power_kw: 0.0,
            current_a: 0.0,
            bearing_c: 42.0,
            winding_c: 55.0,
            vibration_mm_s: 1.2,
            wear,
            wearing: false,
            run_s: noise.between(11_000.0, 16_000.0) * 3_600.0,
            noise,
        }
    }

    pub(crate) fn key(&self) -> &'static str {
        self.key
    }
    pub(crate) fn flow_m3_h(&self) -> f64 {
        self.flow_m3_h
    }
    pub(crate) fn power_kw(&self) -> f64 {
        self.power_kw
    }
    fn ratio(&self) -> f64 {
        self.speed_rpm / Self::SPEED_RPM
    }
    /// The bearing-wear malfunction; switching it off is a new bearing.
    pub(crate) fn wear_out(&mut self, wearing: bool) {
        if self.wearing && !wearing {
            self.wear = 0.0;
        }
        self.wearing = wearing;
    }
    /// Sets the speed set-point, in r/min; `false` when it is out of range.
    pub(crate) fn set_speed(&mut self, rpm: f64) -> bool {
        let fits = Self::SETPOINT_RPM.contains(&rpm);
        if fits {
            self.setpoint_rpm = rpm;
        }
        fits
    }

    /// Flow against a head, in m³/h: the pump curve `H = r² H₀ − a Q²` with the affinity laws
    /// (flow with r, head with r², r = n/n₀) solved for Q; 0 when the check valve shuts.
    pub(crate) fn flow_at(&self, head_m: f64) -> f64 {
        let left_m = self.ratio().powi(2) * Self::SHUT_OFF_M - head_m;
        (left_m.max(0.0) / Self::FALL).sqrt()
    }

    /// Head at no flow, in m.
    pub(crate) fn shut_off_m(&self) -> f64 {
        self.ratio().powi(2) * Self::SHUT_OFF_M
    }

    /// Efficiency as a parabola through zero flow and the best point, which moves with speed.
    fn efficiency(&self) -> f64 {
        let share = self.flow_m3_h / (Self::BEST.1 * self.ratio());
        (Self::BEST.0 * share * (2.0 - share)).max(0.15)
    }

    /// The converter's ramp: 60 r/min each second.
    pub(crate) fn turn(&mut self, dt_s: f64) {
        let change = (self.setpoint_rpm - self.speed_rpm).clamp(-60.0 * dt_s, 60.0 * dt_s);
        self.speed_rpm += change;
    }

    /// One step at the head the system settled at.
    pub(crate) fn step(&mut self, head_m: f64, ambient_c: f64, volts: f64, dt_s: f64) {
        self.head_m = head_m;
        self.flow_m3_h = self.flow_at(head_m);
        let ratio = self.ratio();
        let life_s = if self.wearing { Self::FAULTY_LIFE_S } else { Self::LIFE_S };
        self.wear = (self.wear + dt_s / life_s).min(1.0);
        // P = ρ g Q H / η, and a worn bearing drags: up to 6 % of rated power.
        let hydraulic_kw = RHO_G * self.flow_m3_h / 3_600.0 * head_m / 1_000.0;
        let drag_kw = 22.0 * (0.01 + 0.06 * self.wear) * ratio;
        self.shaft_kw = hydraulic_kw / self.efficiency() + drag_kw;
        self.power_kw = self.shaft_kw / Self::DRIVE_EFFICIENCY;
        self.current_a = self.power_kw * 1_000.0 / (3.0_f64.sqrt() * volts * 0.93);
        // First-order thermal, friction with speed: bearings τ = 8 min, winding τ = 15 min.
        let bearing_c = ambient_c + 18.0 * ratio * ratio + 45.0 * self.wear * ratio;
        self.bearing_c = lag(self.bearing_c, bearing_c, 480.0, dt_s);
        let winding_c = ambient_c + 45.0 * (self.shaft_kw / 22.0).powi(2);
        self.winding_c = lag(self.winding_c, winding_c, 900.0, dt_s);
        // RMS velocity at the bearing housing (ISO 20816-1): about 1 sound, above 7.1 not permissible.
        let rms = 0.3 + 0.9 * ratio * ratio + 7.5 * self.wear.powf(1.5) * ratio;
        self.vibration_mm_s = rms * (1.0 + 0.05 * self.noise.normal());
        self.run_s += dt_s;
    }

    /// One of its quantities, in the units of the asset type.
    pub(crate) fn read(&self, property: &str) -> Option<Value> {
        Some(Value::F64(match property {
            "running" => return Some(Value::Bool(self.speed_rpm > 1.0)),
            "speed_setpoint" => self.setpoint_rpm,
            "speed" => self.speed_rpm,
            "frequency" => self.speed_rpm / Self::SPEED_RPM * 50.0,
            "flow" => self.flow_m3_h,
            "head" => self.head_m,
            "power" => self.power_kw,
            "motor_current" => self.current_a,
            "bearing_temperature" => self.bearing_c,
            "winding_temperature" => self.winding_c,
            "vibration" => self.vibration_mm_s,
            "run_time" => self.run_s / 3_600.0,
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_speed(rpm: f64) -> Pump {
        let mut pump = Pump::new("p", rpm, 1);
        pump.step(28.0 * (rpm / 1_480.0).powi(2), 25.0, 400.0, 0.1);
        pump
    }

    #[test]
    fn the_affinity_laws_hold() {
        let (full, half) = (at_speed(1_480.0), at_speed(740.0));
        assert!((full.flow_m3_h - 200.0).abs() < 1e-9, "rated point");
        assert!((half.flow_m3_h / full.flow_m3_h - 0.5).abs() < 1e-9, "flow with n");
        assert!((half.shut_off_m() / full.shut_off_m() - 0.25).abs() < 1e-9, "head with n²");
        let hydraulic = |p: &Pump| p.flow_m3_h * p.head_m / p.efficiency();
        assert!((hydraulic(&half) / hydraulic(&full) - 0.125).abs() < 1e-9, "power with n³");
        assert!((18.0..22.0).contains(&full.power_kw), "{} kW at the rated point", full.power_kw);
    }

    #[test]
    fn a_check_valve_never_lets_water_back() {
        assert_eq!(at_speed(740.0).flow_at(30.0), 0.0);
    }
}
