//! Statements as PostgreSQL's clients word them, in words that the engine knows. Pure.
//!
//! A statement that needs nothing stays as it was sent, to the letter: the wire knows some of them by heart.

mod system;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Ident, Query, Select, SelectItem, Set, SetExpr,
    Statement, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_postgres::pgwire::api::Type;

use super::functions::SETTINGS;
use system::{asks_for_keys, asks_for_path, nothing_of, single};

/// The schema that names without one are looked for in.
const ON_PATH: &str = "public";

/// The statements of `sql` in the engine's words. `declared` are the types of parameters that the client has named.
pub(super) fn reworded<'a>(sql: &'a str, declared: &[Option<Type>]) -> Cow<'a, str> {
    // What cannot be read is left to the wire, which says where.
    let Ok(mut statements) = Parser::parse_sql(&PostgreSqlDialect {}, sql) else { return Cow::Borrowed(sql) };
    // The wire knows what tools ask of system tables, if it comes as they send it.
    let asks_system = ["pg_catalog", "information_schema", "pg_class"].iter().any(|name| sql.contains(name));
    let mut wording = Wording { declared, is_changed: false };
    for statement in &mut statements {
        wording.statement(statement);
        if let (false, Statement::Query(query)) = (asks_system, &mut *statement) {
            wording.is_changed |= name_columns(query);
        }
        let _whole = statement.visit(&mut wording);
    }
    match wording.is_changed {
        true => statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").into(),
        false => Cow::Borrowed(sql),
    }
}

struct Wording<'a> {
    declared: &'a [Option<Type>],
    is_changed: bool,
}

impl Wording<'_> {
    fn statement(&mut self, statement: &mut Statement) {
        let other = match statement {
            // `SET timezone TO 'UTC'` has no effect in the wire, this has.
            Statement::Set(Set::SingleAssignment { variable, values, .. })
                if variable.to_string().eq_ignore_ascii_case("timezone") && values.len() == 1 =>
            {
                Statement::Set(Set::SetTimeZone { local: false, value: values[0].clone() })
            }
            // The wire takes a text for the path, and keeps it.
            Statement::Set(Set::SingleAssignment { scope, variable, values, .. })
                if variable.to_string().eq_ignore_ascii_case("search_path")
                    && (scope.is_some() || !matches!(values.as_slice(), [Expr::Value(_)])) =>
            {
                let path: Vec<String> =
                    values.iter().map(|name| name.to_string().replace(['"', '\''], "")).collect();
                read(&format!("SET search_path TO '{}'", path.join(", ")))
            }
            Statement::ShowVariable { variable } => {
                let words: Vec<String> = variable.iter().map(|word| word.value.to_lowercase()).collect();
                let name = match words.join(" ").as_str() {
                    "timezone" => return self.replace(statement, read("SHOW TIME ZONE")),
                    "transaction isolation level" => "transaction_isolation".into(),
                    name => name.to_string(),
                };
                let is_told = SETTINGS.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
                // What can be set the wire knows.
                if !is_told || ["search_path", "datestyle"].contains(&name.as_str()) {
                    return;
                }
                read(&format!("SELECT current_setting('{name}') AS {name}"))
            }
            Statement::ShowTables { .. } => {
                read("SELECT table_schema, table_name FROM information_schema.tables")
            }
            Statement::Query(query) if asks_for_keys(query) => nothing_of(query),
            _ => return,
        };
        self.replace(statement, other);
    }

    fn replace(&mut self, statement: &mut Statement, other: Statement) {
        *statement = other;
        self.is_changed = true;
    }

    fn cast(&self, placeholder: &str, is_array: bool) -> Option<&'static str> {
        let number: usize = placeholder.strip_prefix('$')?.parse().ok()?;
        let declared = self.declared.get(number.checked_sub(1)?).and_then(Option::as_ref);
        let of = match declared {
            Some(of) if *of == Type::INT2 => "SMALLINT",
            Some(of) if *of == Type::INT4 => "INTEGER",
            Some(of) if *of == Type::INT8 => "BIGINT",
            Some(of) if *of == Type::FLOAT4 => "REAL",
            Some(of) if *of == Type::FLOAT8 => "DOUBLE PRECISION",
            Some(of) if *of == Type::BOOL => "BOOLEAN",
            Some(of) if *of == Type::INT2_ARRAY => "SMALLINT[]",
            Some(of) if *of == Type::INT4_ARRAY => "INTEGER[]",
            Some(of) if *of == Type::INT8_ARRAY => "BIGINT[]",
            Some(of) if *of == Type::FLOAT8_ARRAY => "DOUBLE PRECISION[]",
            // Not named, or as text: what stands beside it says what it is.
            _ if is_array => "TEXT[]",
            _ => return None,
        };
        (of.ends_with("[]") == is_array).then_some(of)
    }

    fn expression(&self, expr: &Expr) -> Option<Expr> {
        match expr {
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                self.compared(left, right, false)
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
                self.compared(left, right, true)
            }
            // Where a table is looked for, as Grafana asks for it.
            Expr::InSubquery { expr, subquery, negated } if asks_for_path(subquery) => {
                let list = vec![text(ON_PATH)];
                Some(Expr::InList { expr: expr.clone(), list, negated: *negated })
            }
            // The system tables have the names of functions, not their numbers.
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let Expr::Cast { data_type, expr, .. } = right.as_ref() else { return None };
                let name = constant(expr).filter(|_| data_type.to_string().ends_with("regproc"))?;
                let name = text(name.rsplit('.').next().unwrap_or_default());
                Some(Expr::BinaryOp { left: left.clone(), op: BinaryOperator::Eq, right: Box::new(name) })
            }
            // Of system tables this gives one row; the engine wants to see that it does.
            Expr::Subquery(query) => single(query),
            Expr::Like { negated, any, expr, pattern, escape_char } => {
                let (escape, pattern) = (escape_char.as_ref()?, constant(pattern)?);
                let escape = match &escape.value {
                    Value::SingleQuotedString(escape) if escape != "\\" => escape.chars().next()?,
                    _ => return None,
                };
                let (expr, pattern) = (expr.clone(), Box::new(text(&with_backslashes(&pattern, escape)?)));
                Some(Expr::Like { negated: *negated, any: *any, expr, pattern, escape_char: None })
            }
            _ => None,
        }
    }

    /// `x = any(…)`, or `x <> all(…)`.
    fn compared(&self, left: &Expr, right: &Expr, negated: bool) -> Option<Expr> {
        match bare(right) {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(array) => {
                    let of = array_type(right);
                    let element = |element: &Option<String>| match (element, &of) {
                        (None, _) => Some(Expr::Value(Value::Null.with_empty_span())),
                        (Some(element), None) => Some(text(element)),
                        (Some(element), Some(of)) => read_expr(&format!("{}::{of}", text(element))),
                    };
                    let list = elements(array)?.iter().map(element).collect::<Option<Vec<Expr>>>()?;
                    if list.is_empty() {
                        return Some(Expr::Value(Value::Boolean(negated).with_empty_span()));
                    }
                    Some(Expr::InList { expr: Box::new(left.clone()), list, negated })
                }
                Value::Placeholder(name) => {
                    let array = read_expr(&format!("{name}::{}", self.cast(name, true)?))?;
                    let left = Box::new(left.clone());
                    Some(match negated {
                        false => Expr::AnyOp {
                            left,
                            compare_op: BinaryOperator::Eq,
                            right: Box::new(array),
                            is_some: false,
                        },
                        true => {
                            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right: Box::new(array) }
                        }
                    })
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl VisitorMut for Wording<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(other) = self.expression(expr) {
            *expr = other;
            self.is_changed = true;
        } else if let Expr::Value(value) = &*expr
            && let Value::Placeholder(name) = &value.value
            && let Some(of) = self.cast(name, false)
            && let Some(cast) = read_expr(&format!("{name}::{of}"))
        {
            *expr = cast;
            self.is_changed = true;
        }
        ControlFlow::Continue(())
    }
}

/// Of what an array is cast to, its elements: `int` of `'{1}'::int[]`.
fn array_type(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) => array_type(inner),
        Expr::Cast { data_type, .. } => data_type.to_string().strip_suffix("[]").map(str::to_string),
        _ => None,
    }
}

/// Without parentheses and casts around it.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        Expr::Cast { expr: inner, .. } if matches!(bare(inner), Expr::Value(v) if !matches!(v.value, Value::Placeholder(_))) => {
            bare(inner)
        }
        _ => expr,
    }
}

/// The texts of an array of one dimension, as PostgreSQL writes it: `{a,"b, c",NULL}`. `None` when it is something else.
fn elements(array: &str) -> Option<Vec<Option<String>>> {
    let inner = array.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut found, mut element, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut letters = inner.chars();
    loop {
        match letters.next() {
            Some('"') => (quoted, was_quoted) = (!quoted, true),
            Some('\\') => element.push(letters.next()?),
            Some('{' | '}') if !quoted => return None,
            letter @ (Some(',') | None) if !quoted => {
                let whole = if was_quoted { element.as_str() } else { element.trim() };
                let is_null = !was_quoted && whole.eq_ignore_ascii_case("null");
                found.push((!is_null).then(|| whole.to_string()));
                (element, was_quoted) = (String::new(), false);
                if letter.is_none() {
                    return Some(found);
                }
            }
            // Around quotes it means nothing.
            Some(letter) if !quoted && letter.is_whitespace() && (element.is_empty() || was_quoted) => {}
            Some(letter) => element.push(letter),
            None => return None,
        }
    }
}

/// A pattern of `LIKE` with a backslash in the place of its escape. `None` when it ends in one.
fn with_backslashes(pattern: &str, escape: char) -> Option<String> {
    let (mut out, mut letters) = (String::new(), pattern.chars());
    while let Some(letter) = letters.next() {
        let (is_escaped, letter) = if letter == escape { (true, letters.next()?) } else { (false, letter) };
        if is_escaped || letter == '\\' {
            out.push('\\');
        }
        out.push(letter);
    }
    Some(out)
}

/// A text that is put together from texts only.
fn constant(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Nested(inner) => constant(inner),
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            Some(constant(left)? + &constant(right)?)
        }
        _ => None,
    }
}

/// Gives columns of the outermost part the names that PostgreSQL would, as far as each stays the only one of its name.
fn name_columns(query: &mut Query) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let Select { projection, group_by, .. } = select.as_mut();
    let mut taken: Vec<String> = projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().map(|part| part.value.clone())
            }
            _ => None,
        })
        .collect();
    // A name that grouping or sorting means otherwise would change its meaning.
    let said = format!("{group_by} {}", query.order_by.as_ref().map(ToString::to_string).unwrap_or_default());
    let mut is_changed = false;
    for item in projection {
        let SelectItem::UnnamedExpr(expr) = &*item else { continue };
        let Some(name) = name_of(expr) else { continue };
        if taken.contains(&name) || said.contains(&name) {
            continue;
        }
        taken.push(name.clone());
        let alias = if name.starts_with('?') { Ident::with_quote('"', name) } else { Ident::new(name) };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        is_changed = true;
    }
    is_changed
}

fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Function(Function { name, args: FunctionArguments::List(_), .. }) => {
            name.0.last().map(|part| part.to_string().to_lowercase())
        }
        Expr::Case { .. } => Some("case".into()),
        Expr::Value(_) | Expr::BinaryOp { .. } | Expr::UnaryOp { .. } => Some("?column?".into()),
        Expr::Nested(inner) => name_of(inner),
        // The engine has its own way with names of columns, casts of them among them, which is PostgreSQL's.
        _ => None,
    }
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_string()).with_empty_span())
}

fn read_expr(sql: &str) -> Option<Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).ok()?.parse_expr().ok()
}

/// One of our own statements.
fn read(sql: &str) -> Statement {
    let read = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok().and_then(|mut statements| statements.pop());
    read.unwrap_or(Statement::Commit { chain: false, end: false, modifier: None })
}
