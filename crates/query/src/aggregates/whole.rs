//! Sums of 64-bit integers that are right or an error: counted in 128 bits, which no number of rows fills.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, AsArray, BooleanArray, Decimal128Array, Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// How sums go from one step of a plan to the next.
const STATE: DataType = DataType::Decimal128(38, 0);

pub(super) fn state_field(name: &str) -> FieldRef {
    Arc::new(Field::new(format!("{name}[sum]"), STATE, true))
}

fn beyond() -> DataFusionError {
    DataFusionError::Execution(
        "the sum does not fit in 64 bits: sum as double, such as sum(cast(x as double))".into(),
    )
}

/// Integers of 64 bits, and sums of them, as integers of 128.
fn widened(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Int64 => {
            Arc::new(values.as_primitive::<Int64Type>().unary::<_, Decimal128Type>(i128::from))
        }
        DataType::UInt64 => {
            Arc::new(values.as_primitive::<UInt64Type>().unary::<_, Decimal128Type>(i128::from))
        }
        _ => values.clone(),
    }
}

/// One sum.
#[derive(Debug)]
pub(super) struct Total {
    of: DataType,
    sum: i128,
    /// Values in it; of none the sum is null.
    values: u64,
}

impl Total {
    pub(super) fn of(of: &DataType) -> Total {
        Total { of: of.clone(), sum: 0, values: 0 }
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in widened(&values[0]).as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum += value;
            self.values += 1;
        }
        Ok(())
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in widened(&values[0]).as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum -= value;
            self.values -= 1;
        }
        Ok(())
    }
    fn supports_retract_batch(&self) -> bool {
        true
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128((self.values > 0).then_some(self.sum), 38, 0)])
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.values == 0 {
            return ScalarValue::try_from(&self.of);
        }
        Ok(match self.of {
            DataType::UInt64 => ScalarValue::UInt64(Some(u64::try_from(self.sum).map_err(|_| beyond())?)),
            _ => ScalarValue::Int64(Some(i64::try_from(self.sum).map_err(|_| beyond())?)),
        })
    }
    fn size(&self) -> usize {
        size_of_val(self)
    }
}

type Add = fn(&mut i128, i128);

/// A sum for each group.
pub(super) struct Totals {
    of: DataType,
    sums: PrimitiveGroupsAccumulator<Decimal128Type, Add>,
}

impl Totals {
    pub(super) fn of(of: &DataType) -> Totals {
        Totals {
            of: of.clone(),
            sums: PrimitiveGroupsAccumulator::new(&STATE, |sum, value| *sum = sum.add_wrapping(value)),
        }
    }
}

impl GroupsAccumulator for Totals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.sums.update_batch(&[widened(&values[0])], groups, filter, count)
    }
    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.sums.merge_batch(values, groups, count)
    }
    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(emit)
    }
    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(&[widened(&values[0])], filter)
    }
    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = self.sums.evaluate(emit)?;
        let sums: &Decimal128Array = sums.as_primitive();
        // Of a group without values there is a null, whatever stands behind it.
        Ok(match self.of {
            DataType::UInt64 => Arc::new(
                sums.iter()
                    .map(|sum| sum.map(u64::try_from).transpose())
                    .collect::<std::result::Result<UInt64Array, _>>()
                    .map_err(|_| beyond())?,
            ),
            _ => Arc::new(
                sums.iter()
                    .map(|sum| sum.map(i64::try_from).transpose())
                    .collect::<std::result::Result<Int64Array, _>>()
                    .map_err(|_| beyond())?,
            ),
        })
    }
    fn size(&self) -> usize {
        self.sums.size()
    }
}
