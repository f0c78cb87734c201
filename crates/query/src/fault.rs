//! What goes wrong with a query, in words a person can act on.

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use std::time::Duration;
use types::{Fault, codes};

/// A fault inside a query, to be found again by [`fault_of`].
pub(crate) fn refusal(fault: Fault) -> DataFusionError {
    DataFusionError::External(Box::new(Refusal(fault)))
}

/// A query that took more time than it may.
pub(crate) fn too_long(limit: Duration) -> Fault {
    let limit_s = limit.as_secs_f64();
    let detail = format!("the query took more than {limit_s} s: ask for fewer points or a shorter time");
    Fault::new("sql.time", detail).arg("limit_s", limit_s)
}

#[derive(Debug)]
struct Refusal(Fault);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for Refusal {}

/// An error of the engine as a fault with its next action.
pub(crate) fn fault_of(error: &DataFusionError) -> Fault {
    let root = error.find_root();
    if let DataFusionError::External(inner) = root
        && let Some(Refusal(fault)) = inner.downcast_ref::<Refusal>()
    {
        return fault.clone();
    }
    let reason = first_line(&message(root));
    match root {
        DataFusionError::ResourcesExhausted(_) => {
            let detail = format!(
                "the query needs more memory than one query may have ({reason}): ask for fewer points or a shorter time, or \
                 sum up first"
            );
            Fault::new("sql.memory", detail).arg("reason", reason)
        }
        DataFusionError::SQL(..) => {
            let detail = format!("the statement cannot be read: {reason}; correct it there");
            Fault::new("sql.syntax", detail).arg("reason", reason.clone()).at(place(&reason))
        }
        DataFusionError::Plan(text) if text.contains("not supported: ") => {
            let detail = "only questions are answered here: change things through the API or the console";
            Fault::new("sql.read-only", detail)
        }
        DataFusionError::Plan(text) if text.starts_with("table '") => {
            let name = text.split('\'').nth(1).unwrap_or_default();
            let name = name.trim_start_matches("sinew.public.").trim_start_matches("sinew.");
            let reason = format!("there is no table `{name}`");
            let detail = format!("{reason}; see the tables in GET /api/v1/query/tables");
            Fault::new("sql.unknown", detail).arg("reason", reason)
        }
        DataFusionError::SchemaError(inner, _) if matches!(**inner, SchemaError::FieldNotFound { .. }) => {
            let detail = format!("{reason}; see the columns in GET /api/v1/query/tables");
            Fault::new("sql.unknown", detail).arg("reason", reason)
        }
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) | DataFusionError::Diagnostic(..) => {
            let detail = format!("the statement has no meaning: {reason}; see GET /api/v1/query/tables");
            Fault::new("sql.meaning", detail).arg("reason", reason)
        }
        DataFusionError::NotImplemented(_) => {
            let detail = format!("{reason}: ask in another way");
            Fault::new("sql.unsupported", detail).arg("reason", reason)
        }
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => {
            let detail =
                format!("the query stopped: {reason}; correct the statement or the values it works on");
            Fault::new("sql.stopped", detail).arg("reason", reason)
        }
        _ => Fault::new(codes::INTERNAL, format!("the query failed: {reason}; report this"))
            .arg("reason", reason),
    }
}

/// What the engine says, without its name for the kind of error.
fn message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::ResourcesExhausted(text) => text.clone(),
        DataFusionError::SQL(inner, _) => match inner.as_ref() {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.clone(),
            other => other.to_string(),
        },
        DataFusionError::SchemaError(inner, _) => inner.to_string(),
        DataFusionError::ArrowError(inner, _) => inner.to_string(),
        DataFusionError::Diagnostic(_, inner) => message(inner.find_root()),
        other => other.strip_backtrace(),
    }
}

fn first_line(text: &str) -> String {
    const CHARS_MAX: usize = 500;
    text.lines().next().unwrap_or_default().chars().take(CHARS_MAX).collect()
}

/// The parser says `… at Line: 1, Column: 8`.
fn place(reason: &str) -> String {
    let found = reason.split_once("Line: ").and_then(|(_, rest)| {
        let (line, rest) = rest.split_once(", Column: ")?;
        let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("line {line}, column {column}"))
    });
    found.unwrap_or_else(|| "sql".into())
}
