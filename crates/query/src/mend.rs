//! Rules about statements where the engine would draw a wrong conclusion from them without a word.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, Operator};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::prelude::lit;

/// The engine's rules of analysis, with ours before them.
pub(crate) fn analysis() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(UnsignedLiterals)];
    rules.extend(Analyzer::new().rules);
    rules
}

/// The engine's rules of optimization, with ours among them.
pub(crate) fn optimization() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = Vec::new();
    for rule in Optimizer::new().rules {
        if rule.name() == "push_down_filter" {
            rules.push(Arc::new(ConstantsRight));
        }
        rules.push(rule);
    }
    rules.push(Arc::new(LossyCasts));
    rules
}

/// `5 < x` as `x > 5`. The engine takes `x = 5 and 5 = x` for two demands that exclude each other.
#[derive(Debug)]
struct ConstantsRight;

impl OptimizerRule for ConstantsRight {
    fn name(&self) -> &str {
        "constants_right"
    }
    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }
    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        of_condition(plan, |condition| condition.transform_up(|side| Ok(turned(side))))
    }
}

fn turned(condition: Expr) -> Transformed<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if left.as_literal().is_some() && right.as_literal().is_none() && op.swap().is_some() =>
        {
            let op = op.swap().unwrap_or(op);
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: right, op, right: left }))
        }
        other => Transformed::no(other),
    }
}

/// `cast(x as integer) = 1` as `(cast(x as integer) = 1) is true`. From an equality the engine concludes that a column is the
/// same in all rows and needs no sorting, though a cast makes one of many.
#[derive(Debug)]
struct LossyCasts;

impl OptimizerRule for LossyCasts {
    fn name(&self) -> &str {
        "lossy_casts"
    }
    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }
    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        of_condition(plan, |condition| {
            let mut is_changed = false;
            let parts: Vec<Expr> = split_conjunction_owned(condition)
                .into_iter()
                .map(|part| match &part {
                    Expr::BinaryExpr(BinaryExpr { op: Operator::Eq, left, right })
                        if has_cast(left) || has_cast(right) =>
                    {
                        is_changed = true;
                        part.is_true()
                    }
                    _ => part,
                })
                .collect();
            let condition = conjunction(parts).unwrap_or(lit(true));
            Ok(if is_changed { Transformed::yes(condition) } else { Transformed::no(condition) })
        })
    }
}

fn has_cast(side: &Expr) -> bool {
    side.exists(|part| Ok(matches!(part, Expr::Cast(_) | Expr::TryCast(_)))).unwrap_or(true)
}

/// Changes the condition of a filter, which has no name that would change with it.
fn of_condition(
    plan: LogicalPlan,
    change: impl Fn(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
    let Filter { predicate, input, .. } = filter;
    change(predicate)?.map_data(|predicate| Ok(LogicalPlan::Filter(Filter::try_new(predicate, input)?)))
}

/// `unsigned % 1000` as `unsigned % 1000::bigint unsigned`. The engine takes such a pair to decimals, whose means and
/// quotients keep four digits.
#[derive(Debug)]
struct UnsignedLiterals;

impl AnalyzerRule for UnsignedLiterals {
    fn name(&self) -> &str {
        "unsigned_literals"
    }
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            let changed = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|expr| Ok(unsigned(expr, &schema)))?;
                Ok(changed.update_data(|expr| name.restore(expr)))
            })?;
            changed.map_data(LogicalPlan::recompute_schema)
        })
        .map(|done| done.data)
    }
}

fn unsigned(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    use Operator::{Divide, Modulo, Multiply, Plus};
    let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Plus | Multiply | Divide | Modulo), right }) = expr
    else {
        return Transformed::no(expr);
    };
    let is_unsigned = |side: &Expr| side.get_type(schema).is_ok_and(|of| of.is_unsigned_integer());
    let literal = |side: &Expr| match side.as_literal() {
        Some(ScalarValue::Int64(Some(number))) => u64::try_from(*number).ok().map(lit),
        _ => None,
    };
    let (left, right) = match (literal(&left), literal(&right)) {
        (Some(literal), None) if is_unsigned(&right) => (Box::new(literal), right),
        (None, Some(literal)) if is_unsigned(&left) => (left, Box::new(literal)),
        _ => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
    };
    Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
}
