//! Sums go down to summaries: `GROUP BY` over `samples`, by what belongs to a point and by one width of time, is answered
//! from what the historian has summed up already.
//!
//! ```text
//! avg(value) … group by point, date_bin('1 hour', time)  over  samples
//!   ─► sum(sum) / sum(figures) … group by point, span    over  summaries of samples, one row a point and hour
//! ```
//!
//! Anything else stays as it is: `DISTINCT`, `FILTER`, conditions on values, months.

use std::sync::Arc;

use datafusion::catalog::default_table_source::{provider_as_source, source_as_provider};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, TableReference};
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::prelude::lit;

use crate::aggregates::{max, min, sum};
use crate::book::is_about_points;
use crate::grid::Grid;
use crate::history::History;
use crate::span::Span;
use crate::sums::Sums;

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct SumsFromSummaries;

impl OptimizerRule for SumsFromSummaries {
    fn name(&self) -> &str {
        "sums_from_summaries"
    }
    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }
    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        match from_summaries(aggregate)? {
            Some(rewritten) => Ok(Transformed::yes(rewritten)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// `samples`, read with these conditions, and the name its columns have above.
fn scanned(plan: &LogicalPlan) -> Option<(&TableScan, TableReference)> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => Some((scan, scan.table_name.clone())),
        LogicalPlan::SubqueryAlias(named) => {
            scanned(&named.input).map(|(scan, _)| (scan, named.alias.clone()))
        }
        _ => None,
    }
}

fn from_summaries(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Some((scan, name)) = scanned(&aggregate.input) else { return Ok(None) };
    let provider = source_as_provider(&scan.source)?;
    let Some(History(scene)) = provider.downcast_ref::<History>() else { return Ok(None) };
    let of = |column: &str| Expr::Column(Column::new(Some(name.clone()), column));
    let mut grid = None;
    let mut groups = Vec::new();
    for group in &aggregate.group_expr {
        match Grid::of(group) {
            Some(found) if grid.is_none_or(|grid| grid == found) => {
                grid = Some(found);
                groups.push(of("span"));
            }
            None if is_about_points(group) => groups.push(group.clone()),
            _ => return Ok(None),
        }
    }
    let mut parts = Parts { of: &of, sums: Vec::new() };
    let Some(answers) = aggregate.aggr_expr.iter().map(|wanted| parts.answer(wanted)).collect() else {
        return Ok(None);
    };
    let answers: Vec<Expr> = answers;
    let span = scan.filters.iter().filter_map(Span::of).fold(Span::ALL, Span::and);
    let conditions = scan.filters.iter().filter(|c| is_about_points(c)).cloned().collect();
    let sums = Sums { scene: scene.clone(), conditions, span, grid };
    let input = LogicalPlanBuilder::scan(name.clone(), provider_as_source(Arc::new(sums)), None)?;
    let summed = input.aggregate(groups, parts.sums)?;
    // Under the names that the plan above knows.
    let inner: Vec<Column> = summed.schema().columns();
    let groups = inner.iter().take(aggregate.group_expr.len()).cloned().map(Expr::Column);
    let outer = aggregate.schema.iter();
    let named = groups
        .chain(answers)
        .zip(outer)
        .map(|(expression, (qualifier, field))| expression.alias_qualified(qualifier.cloned(), field.name()));
    summed.project(named.collect::<Vec<_>>())?.build().map(Some)
}

/// The sums that answers are made of.
struct Parts<'a> {
    of: &'a dyn Fn(&str) -> Expr,
    sums: Vec<Expr>,
}

impl Parts<'_> {
    /// An aggregate over rows, said with sums over summaries; `None` where that cannot be.
    fn answer(&mut self, wanted: &Expr) -> Option<Expr> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = wanted else { return None };
        if params.distinct
            || params.filter.is_some()
            || !params.order_by.is_empty()
            || params.null_treatment.is_some()
        {
            return None;
        }
        let column = match params.args.as_slice() {
            [Expr::Column(column)] => Some(column.name.as_str()),
            [Expr::Literal(value, _)] if !value.is_null() => None,
            _ => return None,
        };
        Some(match (func.name(), column) {
            ("count", None | Some("time" | "quality")) => self.count("rows"),
            ("count", Some("value")) => self.count("figures"),
            ("sum", Some("value")) => self.part(sum((self.of)("sum"))),
            ("avg", Some("value")) => {
                let (sum_of, count) =
                    (self.part(sum((self.of)("sum"))), self.part(sum((self.of)("figures"))));
                sum_of
                    / datafusion::logical_expr::cast(count, datafusion::arrow::datatypes::DataType::Float64)
            }
            ("min", Some("value")) => self.part(min((self.of)("min"))),
            ("max", Some("value")) => self.part(max((self.of)("max"))),
            ("min", Some("time")) => self.part(min((self.of)("first_time"))),
            ("max", Some("time")) => self.part(max((self.of)("last_time"))),
            _ => return None,
        })
    }

    fn count(&mut self, column: &str) -> Expr {
        let counted = self.part(sum((self.of)(column)));
        coalesce(vec![counted, lit(0_i64)])
    }

    /// The column that this sum has after the aggregation.
    fn part(&mut self, sum: Expr) -> Expr {
        if !self.sums.contains(&sum) {
            self.sums.push(sum.clone());
        }
        Expr::Column(Column::from_name(sum.schema_name().to_string()))
    }
}
