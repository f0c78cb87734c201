//! Spans of equal width that a query sums up by. Pure.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use types::Time;

use crate::span::DAY_NS;

/// The first Monday of 1970.
const MONDAY_NS: i64 = 4 * DAY_NS;

/// Spans `[origin + n * width, origin + (n + 1) * width)` for all n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) width_ns: i64,
    pub(crate) origin_ns: i64,
}

impl Grid {
    /// Of an expression that cuts `time` into such spans; `None` for any other. Months and years are no such spans.
    pub(crate) fn of(expression: &Expr) -> Option<Grid> {
        let call = match expression {
            Expr::Alias(named) => return Grid::of(&named.expr),
            Expr::ScalarFunction(call) => call,
            _ => return None,
        };
        match (call.name(), call.args.as_slice()) {
            ("date_trunc", [unit, time]) if is_time(time) => {
                let Expr::Literal(unit, _) = unit else { return None };
                let width_ns = match unit.try_as_str()??.to_lowercase().as_str() {
                    "second" => 1_000_000_000,
                    "minute" => 60_000_000_000,
                    "hour" => 3_600_000_000_000,
                    "day" => DAY_NS,
                    "week" => return Some(Grid { width_ns: 7 * DAY_NS, origin_ns: MONDAY_NS }),
                    _ => return None,
                };
                Some(Grid { width_ns, origin_ns: 0 })
            }
            ("date_bin", [width, time]) if is_time(time) => {
                Some(Grid { width_ns: interval_ns(width)?, origin_ns: 0 })
            }
            ("date_bin", [width, time, origin]) if is_time(time) => {
                Some(Grid { width_ns: interval_ns(width)?, origin_ns: instant_ns(origin)? })
            }
            _ => None,
        }
    }

    /// Start of the span that a time is in; `None` when it is before all times.
    pub(crate) fn start(self, time: Time) -> Option<i64> {
        let after = i128::from(time.0) - i128::from(self.origin_ns);
        let start = i128::from(time.0) - after.rem_euclid(i128::from(self.width_ns));
        i64::try_from(start).ok()
    }
}

fn is_time(side: &Expr) -> bool {
    matches!(side, Expr::Column(column) if column.name == "time")
}

fn interval_ns(expression: &Expr) -> Option<i64> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) = expression else { return None };
    let days = i64::from(interval.days).checked_mul(DAY_NS)?;
    let ns = days.checked_add(interval.nanoseconds)?;
    (interval.months == 0 && ns > 0).then_some(ns)
}

fn instant_ns(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(ScalarValue::TimestampNanosecond(Some(ns), _), _) => Some(*ns),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_start_where_the_calendar_has_them() {
        let week = Grid { width_ns: 7 * DAY_NS, origin_ns: MONDAY_NS };
        // 2026-11-30 is a Monday.
        let monday = 1_795_996_800_000_000_000;
        assert_eq!(week.start(Time(monday)), Some(monday));
        assert_eq!(week.start(Time(monday - 1)), Some(monday - 7 * DAY_NS));
        let hour = Grid { width_ns: 3_600_000_000_000, origin_ns: 0 };
        assert_eq!(hour.start(Time(-1)), Some(-3_600_000_000_000));
        assert_eq!(hour.start(Time::MIN), None);
    }
}
