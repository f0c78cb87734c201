//! Sum and mean of a window that moves on: each is the sum of what is in it, never of what was taken away again.
//!
//! ```text
//! arriving ─► new: 5 7 1, their sum      old: what is left of 2 4 3 from each on: 9 7 3 ─► leaving, one at a time
//! ```
//!
//! When `old` is empty, `new` becomes it, summed from its end: each value is added twice in its life.
//! Memory is 8 bytes a value of the window.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;

#[derive(Debug)]
pub(super) struct Moving {
    /// The mean of the window is asked for, not its sum.
    is_mean: bool,
    /// Sums of what is left of the older values, the last the sum of all of them.
    old: Vec<f64>,
    new: Vec<f64>,
    sum_of_new: f64,
}

impl Moving {
    pub(super) fn new(is_mean: bool) -> Moving {
        Moving { is_mean, old: Vec::new(), new: Vec::new(), sum_of_new: 0.0 }
    }

    fn leave(&mut self) {
        if self.old.is_empty() {
            let mut sum = 0.0;
            self.old.extend(self.new.drain(..).rev().map(|value| {
                sum += value;
                sum
            }));
            self.sum_of_new = 0.0;
        }
        self.old.pop();
    }
}

impl Accumulator for Moving {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.new.push(value);
            self.sum_of_new += value;
        }
        Ok(())
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for _ in 0..values[0].len() - values[0].null_count() {
            self.leave();
        }
        Ok(())
    }
    fn supports_retract_batch(&self) -> bool {
        true
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.old.last().copied().unwrap_or_default() + self.sum_of_new;
        Ok(ScalarValue::Float64(match self.old.len() + self.new.len() {
            0 => None,
            values if self.is_mean => Some(sum / values as f64),
            _ => Some(sum),
        }))
    }
    fn size(&self) -> usize {
        size_of_val(self) + (self.old.capacity() + self.new.capacity()) * size_of::<f64>()
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("a moving sum is not made of parts")
    }
    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        exec_err!("a moving sum is not made of parts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Float64Array;
    use std::sync::Arc;

    #[test]
    fn what_has_left_leaves_no_trace() {
        let values =
            [Some(1.0), None, Some(f64::INFINITY), Some(1e18), Some(0.25), Some(f64::NAN), Some(2.0), None];
        for width in 1..=values.len() {
            let mut moving = Moving::new(false);
            let column = |range: &[Option<f64>]| -> Vec<ArrayRef> {
                vec![Arc::new(Float64Array::from(range.to_vec()))]
            };
            for end in 1..=values.len() {
                moving.update_batch(&column(&values[end - 1..end])).unwrap();
                if end > width {
                    moving.retract_batch(&column(&values[end - width - 1..end - width])).unwrap();
                }
                let window: Vec<f64> =
                    values[end.saturating_sub(width)..end].iter().copied().flatten().collect();
                let sum = (!window.is_empty()).then(|| window.iter().rev().sum::<f64>());
                match (moving.evaluate().unwrap(), sum) {
                    (ScalarValue::Float64(Some(a)), Some(b)) => {
                        assert!(a == b || a.is_nan() && b.is_nan(), "{a} {b}")
                    }
                    (ScalarValue::Float64(None), None) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
