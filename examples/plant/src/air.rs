//! The compressor station 空压站: three fixed-speed screw compressors, a receiver, a dryer and the header.

use types::Value;

use crate::compressor::{Compressor, CompressorState};
use crate::noise::{Drift, Noise, lag, lag_to_rest};

/// Atmosphere, in bar and Pa.
pub(crate) const ATMOSPHERE_BAR: f64 = 1.013;
const ATMOSPHERE_PA: f64 = 101_325.0;
/// Density of free air at 20 °C and one atmosphere, in kg/m³.
const FREE_AIR_KG_M3: f64 = 1.204;
/// Specific gas constant of dry air, in J/(kg·K).
const R_AIR: f64 = 287.05;

/// Compressed air that the rest of the works draws, besides the line.
const OTHER_DEMAND_M3_MIN: f64 = 8.0;
/// Leaks that every old network has, at 7 bar, in m³/min of free air.
const LEAK_ALWAYS_M3_MIN: f64 = 0.8;
/// The leak malfunction at 7 bar, fully open: as much as the works draw on an ordinary day, so that it shows at any
/// hour, and not more than the third compressor can make up.
const LEAK_FAULT_M3_MIN: f64 = 12.0;
/// A joint less open than this is tight: 0.01 %.
const LEAK_RESOLUTION: f64 = 1e-4;

/// The station.
pub(crate) struct Air {
    compressors: Vec<Compressor>,
    noise: Noise,
    demand_drift: Drift,
    receiver: Receiver,
    /// What goes out of the receiver, in m³/min of free air.
    header_m3_min: f64,
    header_total_m3: f64,
    dew_point_c: f64,
    dryer_kw: f64,
    leaking: bool,
    /// Opening of the faulty joint, 0 to 1.
    leak: f64,
    /// Mass in and out since the start, for the balance, in kg.
    pub(crate) supplied_kg: f64,
    pub(crate) drawn_kg: f64,
}

/// A pressure vessel with the pipes behind it.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    volume_m3: f64,
    temperature_k: f64,
    pub(crate) mass_kg: f64,
}

impl Receiver {
    fn at(bar: f64) -> Receiver {
        let mut receiver = Receiver { volume_m3: 12.0, temperature_k: 305.0, mass_kg: 0.0 };
        let absolute_pa = (bar + ATMOSPHERE_BAR) * 1e5;
        receiver.mass_kg = absolute_pa * receiver.volume_m3 / (R_AIR * receiver.temperature_k);
        receiver
    }

    /// Gauge pressure by the ideal gas law `p V = m R T`, in bar.
    fn bar(&self) -> f64 {
        self.mass_kg * R_AIR * self.temperature_k / self.volume_m3 / 1e5 - ATMOSPHERE_BAR
    }
}

fn kg_per_s(m3_min: f64) -> f64 {
    m3_min / 60.0 * FREE_AIR_KG_M3
}

impl Air {
    pub(crate) fn new(seed: u64) -> Air {
        let bands = [("comp1", 7.3), ("comp2", 7.1), ("comp3", 6.9)];
        Air {
            compressors: bands.map(|(key, bar)| Compressor::new(key, bar, seed)).into(),
            noise: Noise::new(seed, "air"),
            demand_drift: Drift::new(900.0, 0.9),
            receiver: Receiver::at(7.0),
            header_m3_min: 10.0,
            header_total_m3: 1_843_200.0,
            dew_point_c: 4.0,
            dryer_kw: 2.4,
            leaking: false,
            leak: 0.0,
            supplied_kg: 0.0,
            drawn_kg: 0.0,
        }
    }

    /// One step with the line drawing `line_m3_min` of free air.
    pub(crate) fn step(&mut self, line_m3_min: f64, ambient_c: f64, volts: f64, dt_s: f64) {
        let bar = self.receiver.bar();
        for compressor in &mut self.compressors {
            compressor.step(bar, ambient_c, volts, dt_s);
        }
        let supply: f64 = self.compressors.iter().map(Compressor::flow_m3_min).sum();
        let other = OTHER_DEMAND_M3_MIN + self.demand_drift.step(&mut self.noise, dt_s);
        // A torn joint opens over about a minute.
        self.leak = lag_to_rest(self.leak, f64::from(u8::from(self.leaking)), 30.0, dt_s, LEAK_RESOLUTION);
        // Choked flow through a hole is proportional to absolute pressure (ISO 6358, p2/p1 below b).
        let choked = (bar + ATMOSPHERE_BAR) / (7.0 + ATMOSPHERE_BAR);
        let leaks = (LEAK_ALWAYS_M3_MIN + LEAK_FAULT_M3_MIN * self.leak) * choked;
        // Consumers behind regulators draw what they need until the pressure falls below them.
        let served = ((bar - 1.0) / 3.0).clamp(0.0, 1.0);
        self.header_m3_min = (line_m3_min + other) * served + leaks;
        // Mass balance of the receiver: dm/dt = m_in − m_out.
        let supplied_kg = kg_per_s(supply) * dt_s;
        let drawn_kg = (kg_per_s(self.header_m3_min) * dt_s).min(self.receiver.mass_kg);
        self.receiver.mass_kg += supplied_kg - drawn_kg;
        self.supplied_kg += supplied_kg;
        self.drawn_kg += drawn_kg;
        self.header_total_m3 += self.header_m3_min / 60.0 * dt_s;
        self.dry(ambient_c, dt_s);
    }

    /// A refrigerated dryer holds 3 °C up to its rated 22 m³/min, less well when overloaded or hot.
    fn dry(&mut self, ambient_c: f64, dt_s: f64) {
        let overload = (self.header_m3_min / 22.0 - 0.8).max(0.0);
        let target = 3.0 + 18.0 * overload + 0.15 * (ambient_c - 20.0).max(0.0) + 0.2 * self.noise.normal();
        self.dew_point_c = lag(self.dew_point_c, target, 240.0, dt_s);
        self.dryer_kw = lag(self.dryer_kw, 1.6 + 0.09 * self.header_m3_min, 60.0, dt_s);
    }

    /// Header pressure, in bar: the receiver less the friction of dryer and pipe, which grows with flow².
    pub(crate) fn header_bar(&self) -> f64 {
        self.receiver.bar() - 0.25 * (self.header_m3_min / 20.0).powi(2)
    }

    pub(crate) fn receiver_kg(&self) -> f64 {
        self.receiver.mass_kg
    }
    /// Electric power of compressors and dryer, in kW.
    pub(crate) fn power_kw(&self) -> f64 {
        self.compressors.iter().map(Compressor::power_kw).sum::<f64>() + self.dryer_kw
    }
    /// Heat that goes into the cooling water: oil and after-coolers take nine tenths of the shaft power.
    pub(crate) fn heat_kw(&self) -> f64 {
        0.9 * self.compressors.iter().map(Compressor::power_kw).sum::<f64>()
    }
    pub(crate) fn set_leak(&mut self, leaking: bool) {
        self.leaking = leaking;
    }
    pub(crate) fn compressor_mut(&mut self, key: &str) -> Option<&mut Compressor> {
        self.compressors.iter_mut().find(|compressor| compressor.key() == key)
    }

    /// `station.*` is receiver, dryer and header; any other key one of the compressors.
    pub(crate) fn read(&self, asset: &str, property: &str) -> Option<Value> {
        if asset != "station" {
            return self.compressors.iter().find(|c| c.key() == asset)?.read(property);
        }
        let loaded = self.compressors.iter().filter(|c| c.state() == CompressorState::Loaded).count();
        Some(Value::F64(match property {
            "receiver_pressure" => self.receiver.bar(),
            "header_pressure" => self.header_bar(),
            "header_flow" => self.header_m3_min,
            "receiver_temperature" => self.receiver.temperature_k - 273.15,
            "dew_point" => self.dew_point_c,
            "dryer_power" => self.dryer_kw,
            "header_volume" => return Some(Value::U64(self.header_total_m3 as u64)),
            "loaded_compressors" => return Some(Value::U64(loaded as u64)),
            "pressure_low" => return Some(Value::Bool(self.header_bar() < 5.8)),
            "dew_point_high" => return Some(Value::Bool(self.dew_point_c > 10.0)),
            _ => return None,
        }))
    }
}

/// Power to compress free air isentropically in one stage, in kW:
/// `P = p₁ V̇₁ κ/(κ−1) [(p₂/p₁)^((κ−1)/κ) − 1] / η`, with κ = 1.4 for air.
pub(crate) fn compression_kw(m3_min: f64, bar: f64, efficiency: f64) -> f64 {
    const EXPONENT: f64 = 0.4 / 1.4;
    let ratio = (bar + ATMOSPHERE_BAR) / ATMOSPHERE_BAR;
    ATMOSPHERE_PA * (m3_min / 60.0) / EXPONENT * (ratio.powf(EXPONENT) - 1.0) / efficiency / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressor_needs_about_six_kilowatt_per_cubic_metre() {
        let specific = compression_kw(10.0, 7.0, 0.78) / 10.0;
        assert!((5.8..6.4).contains(&specific), "{specific} kW/(m³/min) at 7 bar");
    }

    #[test]
    fn the_receiver_obeys_the_gas_law() {
        let receiver = Receiver::at(7.0);
        assert!((receiver.bar() - 7.0).abs() < 1e-9);
        // 12 m³ at 8.013 bar absolute and 305 K.
        assert!((receiver.mass_kg - 109.83).abs() < 0.05, "{}", receiver.mass_kg);
    }
}
