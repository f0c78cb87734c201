//! The cooling-water station 水泵房: two pumps in parallel, the plant's coolers, a tower and the cold tank.

use types::Value;

use crate::noise::{Drift, Noise, lag, lag_to_rest};
use crate::pump::Pump;

/// Heat capacity of water by volume, in kWh/(m³·K).
const HEAT_KWH_M3_K: f64 = 1.163;
/// Static head and friction of the network: `H = H_s + k Q²`, in m and m/(m³/h)².
const STATIC_M: f64 = 8.0;
const FRICTION: f64 = 16.0 / (330.0 * 330.0);
/// Heat from the gas-fired furnaces of the works, which the simulation does not model further, in kW.
const FURNACE_KW: f64 = 950.0;

/// The station.
pub(crate) struct Water {
    pumps: Vec<Pump>,
    noise: Noise,
    /// Consumers' valves open and close.
    valve_drift: Drift,
    furnace_drift: Drift,
    tank: Tank,
    head_m: f64,
    flow_m3_h: f64,
    return_m3_h: f64,
    makeup_open: bool,
    makeup_m3_h: f64,
    evaporation_m3_h: f64,
    tank_c: f64,
    return_c: f64,
    makeup_total_m3: f64,
    fan_kw: f64,
    /// Water in and out of the tank since the start, for the balance, in m³.
    pub(crate) in_m3: f64,
    pub(crate) out_m3: f64,
}

/// An open tank with upright walls.
struct Tank {
    area_m2: f64,
    level_m: f64,
}

impl Water {
    /// Make-up opens below and shuts above these levels, in m.
    const MAKEUP_M: (f64, f64) = (1.9, 2.2);
    const MAKEUP_M3_H: f64 = 14.0;
    /// Least make-up flow its meter can tell, in m³/h.
    const MAKEUP_RESOLUTION_M3_H: f64 = 0.01;
    /// Full height of the tank, in m.
    const FULL_M: f64 = 3.0;

    pub(crate) fn new(seed: u64) -> Water {
        Water {
            pumps: vec![Pump::new("pump1", 1_380.0, seed), Pump::new("pump2", 1_300.0, seed)],
            noise: Noise::new(seed, "water"),
            valve_drift: Drift::new(120.0, 0.025),
            furnace_drift: Drift::new(1_200.0, 120.0),
            tank: Tank { area_m2: 16.0, level_m: 2.05 },
            head_m: 24.0,
            flow_m3_h: 0.0,
            return_m3_h: 300.0,
            makeup_open: false,
            makeup_m3_h: 0.0,
            evaporation_m3_h: 0.0,
            tank_c: 24.0,
            return_c: 27.0,
            makeup_total_m3: 61_480.0,
            fan_kw: 4.0,
            in_m3: 0.0,
            out_m3: 0.0,
        }
    }

    /// One step with `heat_kw` coming from compressors and machines.
    pub(crate) fn step(&mut self, heat_kw: f64, ambient_c: f64, volts: f64, dt_s: f64) {
        for pump in &mut self.pumps {
            pump.turn(dt_s);
        }
        let friction = FRICTION * (1.0 + self.valve_drift.step(&mut self.noise, dt_s));
        self.head_m = self.duty_point(friction);
        let head_m = self.head_m;
        for pump in &mut self.pumps {
            pump.step(head_m, ambient_c, volts, dt_s);
        }
        self.flow_m3_h = self.pumps.iter().map(Pump::flow_m3_h).sum();
        self.exchange_heat(heat_kw, ambient_c, dt_s);
        self.balance(dt_s);
    }

    /// The head at which both pump curves together meet the system curve, in m. What the pumps deliver falls with
    /// head and what the network takes rises, so that halving an interval always finds it.
    fn duty_point(&self, friction: f64) -> f64 {
        let mut low = STATIC_M;
        let mut high = self.pumps.iter().map(Pump::shut_off_m).fold(STATIC_M, f64::max);
        // 28 halvings of at most 30 m: well under a micrometre of head.
        for _ in 0..28 {
            let middle = (low + high) / 2.0;
            let delivered: f64 = self.pumps.iter().map(|pump| pump.flow_at(middle)).sum();
            if delivered > ((middle - STATIC_M) / friction).sqrt() { low = middle } else { high = middle }
        }
        (low + high) / 2.0
    }

    fn exchange_heat(&mut self, heat_kw: f64, ambient_c: f64, dt_s: f64) {
        let flow = self.flow_m3_h.max(1.0);
        // Heat balance of the coolers: T_return = T_supply + P / (ρ c Q).
        let heat_kw = heat_kw + FURNACE_KW + self.furnace_drift.step(&mut self.noise, dt_s);
        let return_c = self.tank_c + heat_kw / (HEAT_KWH_M3_K * flow);
        self.return_c = lag(self.return_c, return_c, 60.0, dt_s);
        // A tower brings the water part of the way to the wet-bulb temperature (Merkel effectiveness).
        let wet_bulb_c = ambient_c - 5.0;
        let tower_c = self.return_c - 0.35 * (self.return_c - wet_bulb_c);
        let stay_s = self.tank.area_m2 * self.tank.level_m / flow * 3_600.0;
        self.tank_c = lag(self.tank_c, tower_c, stay_s.max(60.0), dt_s);
        // Evaporating one kilogram takes 2430 kJ, 675 kWh/m³; a sixth again drifts off or is blown down.
        let rejected_kw = (self.return_c - tower_c) * HEAT_KWH_M3_K * flow;
        self.evaporation_m3_h = 7.0 / 6.0 * rejected_kw.max(0.0) / 675.0;
        self.fan_kw = lag(self.fan_kw, 1.5 + 4.0 * ((self.tank_c - 21.0) / 5.0).clamp(0.0, 1.0), 20.0, dt_s);
    }

    /// Volume balance of the tank: `A dh/dt = Q_return + Q_makeup − Q_pumps`.
    fn balance(&mut self, dt_s: f64) {
        // What is pumped comes back from the pipes with a lag, less what the tower loses.
        let back = (self.flow_m3_h - self.evaporation_m3_h).max(0.0);
        self.return_m3_h = lag(self.return_m3_h, back, 40.0, dt_s);
        self.makeup_open =
            self.tank.level_m < if self.makeup_open { Self::MAKEUP_M.1 } else { Self::MAKEUP_M.0 };
        let wanted =
            if self.makeup_open { Self::MAKEUP_M3_H * (1.0 + 0.02 * self.noise.normal()) } else { 0.0 };
        self.makeup_m3_h = lag_to_rest(self.makeup_m3_h, wanted, 4.0, dt_s, Self::MAKEUP_RESOLUTION_M3_H);
        let in_m3 = (self.return_m3_h + self.makeup_m3_h) * dt_s / 3_600.0;
        let out_m3 = self.flow_m3_h * dt_s / 3_600.0;
        self.tank.level_m += (in_m3 - out_m3) / self.tank.area_m2;
        self.makeup_total_m3 += self.makeup_m3_h * dt_s / 3_600.0;
        self.in_m3 += in_m3;
        self.out_m3 += out_m3;
    }

    pub(crate) fn tank_m3(&self) -> f64 {
        self.tank.area_m2 * self.tank.level_m
    }
    /// Electric power of pumps and tower fan, in kW.
    pub(crate) fn power_kw(&self) -> f64 {
        self.pumps.iter().map(Pump::power_kw).sum::<f64>() + self.fan_kw
    }
    pub(crate) fn pump_mut(&mut self, key: &str) -> Option<&mut Pump> {
        self.pumps.iter_mut().find(|pump| pump.key() == key)
    }

    /// `tank.*` is tank, tower and network; any other key one of the pumps.
    pub(crate) fn read(&self, asset: &str, property: &str) -> Option<Value> {
        if asset != "tank" {
            return self.pumps.iter().find(|pump| pump.key() == asset)?.read(property);
        }
        Some(Value::F64(match property {
            "level" => self.tank.level_m,
            "tank_temperature" => self.tank_c,
            "supply_flow" => self.flow_m3_h,
            // Gauge pressure at the outlet: ρ g H, less what is static.
            "supply_pressure" => self.head_m * 998.0 * 9.81 / 1e6,
            "return_flow" => self.return_m3_h,
            "return_temperature" => self.return_c,
            "makeup_flow" => self.makeup_m3_h,
            "evaporation" => self.evaporation_m3_h,
            "fan_power" => self.fan_kw,
            "makeup_volume" => return Some(Value::U64(self.makeup_total_m3 as u64)),
            "makeup_open" => return Some(Value::Bool(self.makeup_open)),
            "level_low" => return Some(Value::Bool(self.tank.level_m < 1.5)),
            "level_high" => return Some(Value::Bool(self.tank.level_m > 0.95 * Self::FULL_M)),
            _ => return None,
        }))
    }
}
