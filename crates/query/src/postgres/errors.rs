//! Errors as clients of PostgreSQL know them.

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion_postgres::pgwire::api::{ClientInfo, ErrorHandler};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};
use types::Fault;

use crate::fault::fault_of;

pub(crate) fn user_error(code: &str, detail: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".into(), code.into(), detail.into())))
}

/// Errors of the engine as the API words them, with PostgreSQL's codes.
pub(super) struct InWords;

impl ErrorHandler for InWords {
    fn on_error<C: ClientInfo>(&self, _: &C, error: &mut PgWireError) {
        if let PgWireError::UserError(told) = error
            && told.code == "25P01"
            && told.message.contains("is aborted")
        {
            told.code = "25P02".into();
        }
        let PgWireError::ApiError(inner) = error else { return };
        let fault = match inner.downcast_ref::<ParserError>() {
            Some(inner) => fault_of(&DataFusionError::SQL(Box::new(inner.clone()), None)),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => fault_of(inner),
                None => return,
            },
        };
        *error = user_error(sql_state(&fault), &fault.detail);
    }
}

/// Source: PostgreSQL 16, appendix A.
fn sql_state(fault: &Fault) -> &'static str {
    let said = |words: &str| fault.detail.contains(words);
    match fault.code.as_ref() {
        "sql.syntax" => "42601",
        "sql.unknown" if said("there is no table") => "42P01",
        "sql.unknown" => "42703",
        "sql.meaning" if said("Invalid function") => "42883",
        "sql.meaning" if said("GROUP BY") => "42803",
        "sql.stopped" if said("ivide by zero") => "22012",
        "sql.stopped" if said("timestamp") => "22007",
        "sql.stopped" if said("Cannot cast") || said("Cast error") => "22P02",
        "sql.meaning" => "42000",
        "sql.unsupported" => "0A000",
        "sql.memory" => "53200",
        "sql.time" | "sql.cancelled" => "57014",
        "sql.stopped" => "22000",
        _ => "XX000",
    }
}
