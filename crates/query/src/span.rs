//! Conditions on `time` that become the span that is read. Pure.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use types::Time;

/// Nanoseconds of a day.
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

/// From a time on, up to another without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Span {
    pub(crate) const ALL: Span = Span { from: Time::MIN, to: Time::MAX };

    pub(crate) fn and(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// Of a condition that says no more than this; `None` for any other.
    pub(crate) fn of(condition: &Expr) -> Option<Span> {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Some(Span::of(left)?.and(Span::of(right)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_day(left) => {
                Span::of_days(*op, day(right)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_day(right) => {
                Span::of_days(op.swap()?, day(left)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (is_time(left), is_time(right)) {
                (true, false) => Span::compared(*op, instant(right)?),
                (false, true) => Span::compared(op.swap()?, instant(left)?),
                _ => None,
            },
            Expr::Between(between) if !between.negated && is_time(&between.expr) => {
                let (low, high) = (instant(&between.low)?, instant(&between.high)?);
                Some(Span { from: Time(low), to: Time(high.checked_add(1)?) })
            }
            _ => None,
        }
    }

    /// Of a comparison of the day that a time is in.
    fn of_days(op: Operator, begins: i64) -> Option<Span> {
        let ends = Time(begins.checked_add(DAY_NS)?);
        let begins = Time(begins);
        Some(match op {
            Operator::Gt => Span { from: ends, ..Span::ALL },
            Operator::GtEq => Span { from: begins, ..Span::ALL },
            Operator::Lt => Span { to: begins, ..Span::ALL },
            Operator::LtEq => Span { to: ends, ..Span::ALL },
            Operator::Eq => Span { from: begins, to: ends },
            _ => return None,
        })
    }

    fn compared(op: Operator, ns: i64) -> Option<Span> {
        let after = || ns.checked_add(1).map(Time);
        Some(match op {
            Operator::Gt => Span { from: after()?, ..Span::ALL },
            Operator::GtEq => Span { from: Time(ns), ..Span::ALL },
            Operator::Lt => Span { to: Time(ns), ..Span::ALL },
            Operator::LtEq => Span { to: after()?, ..Span::ALL },
            Operator::Eq => Span { from: Time(ns), to: after()? },
            _ => return None,
        })
    }
}

/// `cast(time as date)`, in UTC.
fn is_day(side: &Expr) -> bool {
    matches!(side, Expr::Cast(cast) if cast.field.data_type() == &DataType::Date32 && is_time(&cast.expr))
}

/// A constant day: its first instant, in ns UTC.
fn day(side: &Expr) -> Option<i64> {
    match side {
        Expr::Literal(ScalarValue::Date32(Some(days)), _) => i64::from(*days).checked_mul(DAY_NS),
        _ => None,
    }
}

fn is_time(side: &Expr) -> bool {
    matches!(side, Expr::Column(column) if column.name == "time")
}

/// A constant time, in ns UTC.
fn instant(side: &Expr) -> Option<i64> {
    match side {
        Expr::Literal(ScalarValue::TimestampNanosecond(Some(ns), _), _) => Some(*ns),
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), _), _) => us.checked_mul(1_000),
        Expr::Literal(ScalarValue::TimestampMillisecond(Some(ms), _), _) => ms.checked_mul(1_000_000),
        Expr::Literal(ScalarValue::TimestampSecond(Some(s), _), _) => s.checked_mul(1_000_000_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::{col, lit};

    #[test]
    fn what_becomes_a_span_and_what_does_not() {
        let at = |ns| lit(ScalarValue::TimestampNanosecond(Some(ns), Some("+00:00".into())));
        let (time, span) = (|| col("time"), |from, to| Some(Span { from: Time(from), to: Time(to) }));
        for (condition, expected) in [
            (time().gt_eq(at(5)), span(5, i64::MAX)),
            (time().gt(at(5)), span(6, i64::MAX)),
            (at(5).lt_eq(time()), span(5, i64::MAX)),
            (at(5).gt(time()), span(i64::MIN, 5)),
            (time().lt_eq(at(5)), span(i64::MIN, 6)),
            (time().eq(at(5)), span(5, 6)),
            (time().between(at(5), at(9)), span(5, 10)),
            (time().gt(at(1)).and(time().lt(at(9))), span(2, 9)),
            (time().gt(at(i64::MAX)), None),
            (time().not_eq(at(5)), None),
            (time().gt(at(1)).or(time().lt(at(9))), None),
            (time().not_between(at(5), at(9)), None),
            (col("value").gt(lit(1.0)), None),
            (time().gt(time()), None),
        ] {
            assert_eq!(Span::of(&condition), expected, "{condition}");
        }
        assert_eq!(Span::ALL.and(Span { from: Time(1), to: Time(2) }), Span { from: Time(1), to: Time(2) });
    }
}
