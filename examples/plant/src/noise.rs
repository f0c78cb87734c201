//! Seeded noise and the two linear dynamics that every part of the plant uses.

/// A small seeded generator (SplitMix64: Steele, Lea and Flood, 2014). Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    state: u64,
}

impl Noise {
    /// A stream of its own for each `key`, so that a change in one machine never shifts the noise of another.
    pub(crate) fn new(seed: u64, key: &str) -> Noise {
        // FNV-1a over the key: any spread of the keys over the seeds will do.
        let spread = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Noise { state: seed ^ spread }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even over 0 (included) to 1 (excluded).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Even over `low` to `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Nearly normal, mean 0, standard deviation 1, never beyond ±3.47: the sum of four even draws
    /// (Irwin–Hall). Bounded on purpose, so that ranges can be tested.
    pub(crate) fn normal(&mut self) -> f64 {
        let bits = self.next();
        let sum: f64 = (0..4).map(|part| f64::from((bits >> (16 * part)) as u16) / 65_536.0).sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }

    /// Whether something that happens once in `mean_s` seconds on average happens within `dt_s` (Poisson).
    pub(crate) fn happens(&mut self, mean_s: f64, dt_s: f64) -> bool {
        self.unit() < -(-dt_s / mean_s).exp_m1()
    }
}

/// First-order lag, exact for a target that is constant over the step: `dx/dt = (target − x) / τ`.
pub(crate) fn lag(value: f64, target: f64, tau_s: f64, dt_s: f64) -> f64 {
    target + (value - target) * (-dt_s / tau_s).exp()
}

/// [`lag`] for what comes to rest: on its way to 0 it is 0 from `resolution` down, the least its instrument can tell.
/// Without this an exponential goes on falling for ever and shows figures such as 1e-17.
pub(crate) fn lag_to_rest(value: f64, target: f64, tau_s: f64, dt_s: f64, resolution: f64) -> f64 {
    let next = lag(value, target, tau_s, dt_s);
    if target.abs() < resolution && next.abs() < resolution { 0.0 } else { next }
}

/// A slow random wander around 0 (Ornstein–Uhlenbeck process, Euler step).
#[derive(Debug, Clone)]
pub(crate) struct Drift {
    value: f64,
    tau_s: f64,
    sigma: f64,
}

impl Drift {
    /// Forgets within about `tau_s`, spreads by `sigma`.
    pub(crate) fn new(tau_s: f64, sigma: f64) -> Drift {
        Drift { value: 0.0, tau_s, sigma }
    }

    /// Moves on and gives the new value, held within ±3σ.
    pub(crate) fn step(&mut self, noise: &mut Noise, dt_s: f64) -> f64 {
        let share = dt_s / self.tau_s;
        self.value += -self.value * share + self.sigma * (2.0 * share).sqrt() * noise.normal();
        self.value = self.value.clamp(-3.0 * self.sigma, 3.0 * self.sigma);
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_promised_moments() {
        let mut noise = Noise::new(7, "moments");
        let draws: Vec<f64> = (0..20_000).map(|_| noise.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        assert!(draws.iter().all(|x| x.abs() < 3.47));
        let hits = (0..20_000).filter(|_| noise.happens(10.0, 1.0)).count();
        assert!((1_700..2_100).contains(&hits), "{hits}: 1 − e^−0.1 of 20000 is 1903");
    }

    #[test]
    fn keys_give_different_streams() {
        assert_ne!(Noise::new(1, "a").unit(), Noise::new(1, "b").unit());
        assert_eq!(Noise::new(1, "a").unit(), Noise::new(1, "a").unit());
    }

    #[test]
    fn what_comes_to_rest_is_exactly_zero_and_can_start_again() {
        let fallen = (0..200).fold(1.0, |x, _| lag_to_rest(x, 0.0, 1.0, 0.1, 1e-4));
        assert_eq!(fallen, 0.0);
        assert!(lag_to_rest(1e-3, 0.0, 1.0, 0.1, 1e-4) > 0.0, "above the resolution it still falls");
        let started = lag_to_rest(0.0, 1.0, 100_000.0, 0.1, 1e-4);
        assert!(started > 0.0 && started < 1e-4, "a slow start is no rest");
    }

    #[test]
    fn a_lag_does_not_depend_on_how_the_time_is_cut() {
        let once = lag(0.0, 10.0, 60.0, 1.0);
        let often = (0..10).fold(0.0, |x, _| lag(x, 10.0, 60.0, 0.1));
        assert!((once - often).abs() < 1e-12);
    }
}
