//! What tools ask of the system tables, in ways that the engine has not.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, SelectItem, SetExpr, Statement, TableFactor, visit_expressions,
};

use super::{read, read_expr};

/// A scalar subquery that asks a system table for what belongs to a row outside, as one that cannot give several rows.
pub(super) fn single(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let is_of_system =
        !select.from.is_empty() && select.from.iter().all(|table| is_of_system(&table.relation));
    let is_single = query.limit_clause.is_none() && query.order_by.is_none() && select.selection.is_some();
    let [SelectItem::UnnamedExpr(item)] = select.projection.as_slice() else { return None };
    if !is_of_system || !is_single || matches!(item, Expr::Function(_)) {
        return None;
    }
    let mut query = query.clone();
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(read_expr(&format!("max({item})"))?)];
    }
    Some(Expr::Subquery(Box::new(query)))
}

fn is_of_system(table: &TableFactor) -> bool {
    let TableFactor::Table { name, .. } = table else { return false };
    name.0.last().is_some_and(|part| part.to_string().starts_with("pg_"))
}

/// Whether it takes the keys of tables, of which there are none, from arrays in a way that the engine has not.
pub(super) fn asks_for_keys(query: &Query) -> bool {
    has(query, |expr| match expr {
        Expr::Function(function) => function.name.to_string().ends_with("_pg_expandarray"),
        Expr::CompoundFieldAccess { .. } => {
            expr.to_string().split('[').next().is_some_and(|array| array.ends_with("conkey"))
        }
        _ => false,
    })
}

/// Whether it takes the schemas from the setting that names them.
pub(super) fn asks_for_path(query: &Query) -> bool {
    has(
        query,
        |expr| matches!(expr, Expr::Function(function) if function.to_string() == "current_setting('search_path')"),
    )
}

fn has(query: &Query, is_it: impl Fn(&Expr) -> bool) -> bool {
    let look = |expr: &Expr| if is_it(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    visit_expressions(query, look).is_break()
}

/// A statement with the columns of another one and no rows.
pub(super) fn nothing_of(query: &Query) -> Statement {
    let mut body = query.body.as_ref();
    while let SetExpr::Query(inner) = body {
        body = inner.body.as_ref();
    }
    let items = match body {
        SetExpr::Select(select) => select.projection.as_slice(),
        _ => &[],
    };
    let columns: Vec<String> = items
        .iter()
        .map(|item| {
            let name = match item {
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                    parts.last().map(|part| part.value.clone()).unwrap_or_default()
                }
                other => other.to_string(),
            };
            format!("NULL::TEXT AS \"{}\"", name.replace('"', "\"\""))
        })
        .collect();
    let columns = if columns.is_empty() { "NULL::TEXT AS nothing".into() } else { columns.join(", ") };
    read(&format!("SELECT {columns} WHERE false"))
}
