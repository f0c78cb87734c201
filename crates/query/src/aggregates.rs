//! `sum`, `avg`, `min` and `max` where the engine's own would give a wrong number without a word.
//!
//! | | the engine's | here |
//! |---|---|---|
//! | `min`, `max` of floats by group | NaN forgets what came before it; of infinities alone a finite number is made | NaN is above all else |
//! | `sum` of integers | runs over 64 bits | an error |
//! | moving `sum` and `avg` of floats | wrong for ever after an infinity, NaN or large number has left | as if begun afresh |
//!
//! All else about them is the engine's.

mod moving;
mod whole;

use std::sync::Arc;

use datafusion::arrow::array::ArrowNativeTypeOp;
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::{
    average::avg_udaf, min_max::max_udaf, min_max::min_udaf, sum::sum_udaf,
};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

use moving::Moving;

/// To be registered in place of the engine's.
pub(crate) fn mended() -> [Arc<AggregateUDF>; 4] {
    [Kind::Min, Kind::Max, Kind::Sum, Kind::Avg].map(Kind::function)
}

pub(crate) fn min(of: Expr) -> Expr {
    Kind::Min.function().call(vec![of])
}
pub(crate) fn max(of: Expr) -> Expr {
    Kind::Max.function().call(vec![of])
}
pub(crate) fn sum(of: Expr) -> Expr {
    Kind::Sum.function().call(vec![of])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Min,
    Max,
    Sum,
    Avg,
}

impl Kind {
    fn function(self) -> Arc<AggregateUDF> {
        let inner = match self {
            Kind::Min => min_udaf(),
            Kind::Max => max_udaf(),
            Kind::Sum => sum_udaf(),
            Kind::Avg => avg_udaf(),
        };
        Arc::new(AggregateUDF::from(Mended { kind: self, inner }))
    }
}

/// One of the engine's aggregates, with other accumulators where its own are wrong.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mended {
    kind: Kind,
    inner: Arc<AggregateUDF>,
}

impl Mended {
    fn sums_whole_numbers(&self, of: &DataType, is_distinct: bool) -> bool {
        self.kind == Kind::Sum && !is_distinct && matches!(of, DataType::Int64 | DataType::UInt64)
    }
}

impl AggregateUDFImpl for Mended {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }
    fn signature(&self) -> &Signature {
        self.inner.signature()
    }
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if self.sums_whole_numbers(args.return_field.data_type(), args.is_distinct) {
            return Ok(vec![whole::state_field(args.name)]);
        }
        self.inner.state_fields(args)
    }
    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if self.sums_whole_numbers(args.return_field.data_type(), args.is_distinct) {
            return Ok(Box::new(whole::Total::of(args.return_field.data_type())));
        }
        self.inner.accumulator(args)
    }
    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }
    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let of = args.return_field.data_type();
        Ok(match (self.kind, of) {
            (Kind::Min, DataType::Float64) => least::<Float64Type>(f64::NAN),
            (Kind::Min, DataType::Float32) => least::<Float32Type>(f32::NAN),
            (Kind::Max, DataType::Float64) => greatest::<Float64Type>(f64::NEG_INFINITY),
            (Kind::Max, DataType::Float32) => greatest::<Float32Type>(f32::NEG_INFINITY),
            _ if self.sums_whole_numbers(of, args.is_distinct) => Box::new(whole::Totals::of(of)),
            _ => return self.inner.create_groups_accumulator(args),
        })
    }
    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let of = args.return_field.data_type();
        match self.kind {
            Kind::Sum | Kind::Avg if of == &DataType::Float64 && !args.is_distinct => {
                Ok(Box::new(Moving::new(self.kind == Kind::Avg)))
            }
            _ if self.sums_whole_numbers(of, args.is_distinct) => Ok(Box::new(whole::Total::of(of))),
            _ => self.inner.inner().create_sliding_accumulator(args),
        }
    }
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }
    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }
    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }
    fn default_value(&self, of: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(of)
    }
    fn set_monotonicity(&self, of: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(of)
    }
    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// NaN, above all else, is where it begins.
fn least<T: ArrowPrimitiveType + Send>(nan: T::Native) -> Box<dyn GroupsAccumulator> {
    let step = |least: &mut T::Native, value: T::Native| {
        if is_nan(*least) || value.is_lt(*least) && !is_nan(value) {
            *least = value;
        }
    };
    Box::new(PrimitiveGroupsAccumulator::<T, _>::new(&T::DATA_TYPE, step).with_starting_value(nan))
}

fn greatest<T: ArrowPrimitiveType + Send>(lowest: T::Native) -> Box<dyn GroupsAccumulator> {
    let step = |greatest: &mut T::Native, value: T::Native| {
        if is_nan(value) || value.is_gt(*greatest) && !is_nan(*greatest) {
            *greatest = value;
        }
    };
    Box::new(PrimitiveGroupsAccumulator::<T, _>::new(&T::DATA_TYPE, step).with_starting_value(lowest))
}

/// The only numbers that are not themselves by arithmetic's order.
#[expect(clippy::eq_op, reason = "that is what NaN is")]
fn is_nan<N: PartialEq>(value: N) -> bool {
    value != value
}
