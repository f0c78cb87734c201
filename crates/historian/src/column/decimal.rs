//! Floats that are decimal numbers, as their digits: what is known as ALP (adaptive lossless floating-point
//! compression), with one scale for a column.
//!
//! A float that was read from decimal text is digits / 10^p, correctly rounded; one that a device made of a raw count
//! is digits · 10^-p. Both are tried, the scale is found on a sample, and each value is checked bit by bit: what does not
//! come back exactly (NaN, -0.0, infinities, other fractions) is kept apart as it is.

use super::{bits::width_of, number::Float, part::Part};

/// 10^0 to 10^22, all of which a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// The doubles nearest to 10^0 to 10^-22.
const FRACTIONS: [f64; 23] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15,
    1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22,
];
/// 1.5 · 2^52: added to a double below 2^51, it leaves the nearest integer in the lowest bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// Digits are below this, so that [`ROUNDER`] holds and a double has them exactly.
const DIGITS_MAX: i64 = 1 << 51;
/// The highest power tried.
const POWER_MAX: u8 = 20;
/// Values looked at to find a scale.
const SAMPLE: usize = 48;
/// Of these, the first few decide whether a scale is worth the others.
const GLANCE: usize = 12;

/// 10^-p as a sum: 26 bits, and the rest. For digits below [`HALVES_MAX`] the first product is exact and the error of
/// the second is below 2^-79 of the quotient, while no quotient is nearer than 2^-54 · 10^-p to where rounding turns:
/// so the sum is the very double that the division gives, several times as fast.
const HALVES: [(f64, f64); 8] = {
    let (mut halves, mut p) = ([(1.0, 0.0); 8], 1);
    while p < 8 {
        let high = f64::from_bits((1.0 / POWERS[p]).to_bits() & !((1 << 27) - 1));
        halves[p] = (high, (1.0 - high * POWERS[p]) / POWERS[p]);
        p += 1;
    }
    halves
};
const HALVES_MAX: i64 = 1 << 27;

/// How digits become a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// digits / 10^power
    Over(u8),
    /// digits · 10^-power
    Times(u8),
}

impl Scale {
    /// Digits of a value; only [`Scale::value`] tells whether they are right.
    fn digits(power: u8, v: f64) -> i64 {
        let rounded = v * POWERS[usize::from(power)] + ROUNDER;
        (rounded.to_bits() as i64).wrapping_sub(ROUNDER.to_bits() as i64)
    }
    fn value(self, digits: i64) -> f64 {
        match self {
            Scale::Over(power) => whole(digits) / POWERS[usize::from(power)],
            Scale::Times(power) => whole(digits) * FRACTIONS[usize::from(power)],
        }
    }
    fn power(self) -> u8 {
        match self {
            Scale::Over(power) | Scale::Times(power) => power,
        }
    }
    /// As a byte: the power, and 128 when it is multiplied.
    pub(super) fn byte(self) -> u8 {
        match self {
            Scale::Over(power) => power,
            Scale::Times(power) => power | 0x80,
        }
    }
    /// The scale that a byte names.
    pub(super) fn from_byte(byte: u8) -> Option<Scale> {
        let power = byte & 0x7f;
        let scale = if byte & 0x80 == 0 { Scale::Over(power) } else { Scale::Times(power) };
        (usize::from(power) < POWERS.len()).then_some(scale)
    }
}

/// The digits of a value, if it comes back from them bit by bit.
fn exact<F: Float>(scale: Scale, v: F) -> Option<i64> {
    let digits = Scale::digits(scale.power(), v.widen());
    let back = F::narrow(scale.value(digits)).bits() == v.bits();
    (back && (-DIGITS_MAX..DIGITS_MAX).contains(&digits)).then_some(digits)
}

/// The scale that promises most for these values; none when digits would not pay.
pub(super) fn scale<F: Float>(values: &[F]) -> Option<Scale> {
    let step = values.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<F> = values.iter().step_by(step).copied().collect();
    let (raw, apart) = (F::BYTES * 8, F::BYTES * 8 + 16);
    let mut found = None;
    let mut best = sample.len() * raw;
    'powers: for power in 0..=POWER_MAX {
        for scale in [Scale::Over(power), Scale::Times(power)] {
            if power == 0 && scale == Scale::Times(0) {
                continue;
            }
            let glance = &sample[..sample.len().min(GLANCE)];
            let missed = glance.iter().filter(|v| exact(scale, **v).is_none()).count();
            if missed * apart * sample.len() > best.max(1) * glance.len() {
                continue;
            }
            let (mut missed, mut low, mut high) = (0, i64::MAX, i64::MIN);
            for v in &sample {
                match exact(scale, *v) {
                    Some(digits) => (low, high) = (low.min(digits), high.max(digits)),
                    None => missed += 1,
                }
            }
            let width = if low > high { 0 } else { width_of(high.wrapping_sub(low) as u64) as usize };
            let bits = missed * apart + (sample.len() - missed) * width;
            if bits < best {
                (best, found) = (bits, Some(scale));
            }
            if missed == 0 {
                // More digits can only cost more.
                break 'powers;
            }
        }
    }
    found
}

/// Values as digits, and the places of those that stay apart: their digits repeat those before them.
pub(super) fn split<F: Float>(values: &[F], scale: Scale) -> (Vec<i64>, Vec<i64>) {
    let mut digits = Vec::with_capacity(values.len());
    let mut apart = Vec::new();
    let power = scale.power();
    for (part, values) in values.chunks(64).enumerate() {
        // Without branches first: most parts are exact throughout.
        let began = digits.len();
        let mut wrong = false;
        digits.extend(values.iter().map(|v| Scale::digits(power, v.widen())));
        for (d, v) in digits[began..].iter().zip(values) {
            let back = F::narrow(scale.value(*d)).bits() == v.bits();
            wrong |= !back | ((d.wrapping_add(DIGITS_MAX) as u64) >= 2 * DIGITS_MAX as u64);
        }
        if wrong {
            let places = (0..values.len()).filter(|i| exact(scale, values[*i]).is_none());
            apart.extend(places.map(|i| (part * 64 + i) as i64));
        }
    }
    let first = apart.iter().enumerate().take_while(|(i, at)| *i as i64 == **at).count();
    let mut before = digits.get(first).copied().unwrap_or(0);
    let mut next = 0;
    for at in &apart {
        let at = *at as usize;
        if at > next {
            before = digits[at - 1];
        }
        digits[at] = before;
        next = at + 1;
    }
    (digits, apart)
}

/// Appends digits as values.
pub(super) fn join<F: Float>(out: &mut Vec<F>, digits: Part<'_>, scale: Scale) {
    match digits {
        Part::Narrow(part) => {
            let halved = i64::from(part.low) > -HALVES_MAX && i64::from(part.high) < HALVES_MAX;
            join_as(out, part.values, scale, halved, f64::from);
        }
        Part::Wide(digits) => {
            let halved = all_below_halves_max(digits);
            join_as(out, digits, scale, halved, whole);
        }
    }
}

fn join_as<F: Float, I: Copy>(
    out: &mut Vec<F>,
    digits: &[I],
    scale: Scale,
    halved: bool,
    whole: impl Fn(I) -> f64,
) {
    // One loop for each operation, or the choice would be made for every value.
    match scale {
        Scale::Over(0) | Scale::Times(0) => out.extend(digits.iter().map(|d| F::narrow(whole(*d)))),
        Scale::Over(power) if halved && usize::from(power) < HALVES.len() => {
            let (high, low) = HALVES[usize::from(power)];
            out.extend(digits.iter().map(|d| F::narrow(whole(*d) * high + whole(*d) * low)));
        }
        Scale::Over(power) => {
            let power = POWERS[usize::from(power)];
            out.extend(digits.iter().map(|d| F::narrow(whole(*d) / power)));
        }
        Scale::Times(power) => {
            let fraction = FRACTIONS[usize::from(power)];
            out.extend(digits.iter().map(|d| F::narrow(whole(*d) * fraction)));
        }
    }
}

/// Without a way out of the loop, so that several are looked at at once.
fn all_below_halves_max(digits: &[i64]) -> bool {
    digits.iter().fold(0, |all, d| all | d.wrapping_add(HALVES_MAX - 1) as u64) < 2 * HALVES_MAX as u64
}

/// The reverse of rounding; exact for all that a writer makes, and quicker than a conversion.
fn whole(digits: i64) -> f64 {
    f64::from_bits(digits.wrapping_add(ROUNDER.to_bits() as i64) as u64) - ROUNDER
}

#[cfg(test)]
mod tests {
    use super::{super::part::Narrow, *};

    #[test]
    fn halves_give_what_the_division_gives() {
        for power in 0..HALVES.len() as u8 {
            let near = (0..300_000).chain(HALVES_MAX - 300_000..HALVES_MAX);
            for digits in near.chain((0..2_000_000).map(|i| i * 67)).map(|d| [d, -d]) {
                let mut values: Vec<f64> = Vec::new();
                let mut narrow = digits.map(|d| d as i32);
                let part = Narrow { values: &mut narrow, low: 1 - (1 << 27), high: (1 << 27) - 1 };
                join(&mut values, Part::Narrow(part), Scale::Over(power));
                join(&mut values, Part::Wide(&mut digits.clone()), Scale::Over(power));
                for (v, d) in values.iter().zip(digits.iter().chain(&digits)) {
                    assert_eq!(
                        v.to_bits(),
                        (*d as f64 / POWERS[usize::from(power)]).to_bits(),
                        "{d} / 10^{power}"
                    );
                }
            }
        }
    }
}
