//! Integers on their way from bytes to values: a block of them at a time, in 32 bits where they are known to fit.

use super::bits::BLOCK;

/// Some integers, at most [`BLOCK`].
pub(super) enum Part<'a> {
    Narrow(Narrow<'a>),
    Wide(&'a mut [i64]),
}

/// Integers of which it is known, without a look at them, that they are within bounds.
pub(super) struct Narrow<'a> {
    pub(super) values: &'a mut [i32],
    pub(super) low: i32,
    pub(super) high: i32,
}

impl<'a> Part<'a> {
    /// Calls back with 64 bits for each.
    pub(super) fn widen<R>(self, call: impl FnOnce(&mut [i64]) -> R) -> R {
        match self {
            Part::Wide(values) => call(values),
            Part::Narrow(narrow) => {
                let mut wide = [0; BLOCK];
                let wide = &mut wide[..narrow.values.len()];
                wide.iter_mut().zip(narrow.values).for_each(|(to, v)| *to = i64::from(*v));
                call(wide)
            }
        }
    }
    /// Appends them.
    pub(super) fn append_to(self, out: &mut Vec<i64>) {
        match self {
            Part::Wide(values) => out.extend_from_slice(values),
            Part::Narrow(narrow) => out.extend(narrow.values.iter().map(|v| i64::from(*v))),
        }
    }
    /// Hands on the sums of all up to each one and of what was before; the last of these is given back.
    pub(super) fn add_up(self, sum: i64, sink: &mut impl FnMut(Part<'_>)) -> i64 {
        match self {
            Part::Narrow(narrow) => match narrow.bounds_of_sums(sum) {
                Some((low, high)) => {
                    let mut at = sum as i32;
                    for v in narrow.values.iter_mut() {
                        at = at.wrapping_add(*v);
                        *v = at;
                    }
                    sink(Part::Narrow(Narrow { values: narrow.values, low, high }));
                    i64::from(at)
                }
                None => Part::Narrow(narrow).widen(|wide| add_up_wide(wide, sum, sink)),
            },
            Part::Wide(values) => add_up_wide(values, sum, sink),
        }
    }
}

impl Narrow<'_> {
    fn bounds_of_sums(&self, sum: i64) -> Option<(i32, i32)> {
        let rows = self.values.len() as i64;
        let low = sum.checked_add(rows * i64::from(self.low.min(0)))?;
        let high = sum.checked_add(rows * i64::from(self.high.max(0)))?;
        Some((i32::try_from(low).ok()?, i32::try_from(high).ok()?))
    }
}

fn add_up_wide(values: &mut [i64], mut sum: i64, sink: &mut impl FnMut(Part<'_>)) -> i64 {
    for v in values.iter_mut() {
        sum = sum.wrapping_add(*v);
        *v = sum;
    }
    sink(Part::Wide(values));
    sum
}
