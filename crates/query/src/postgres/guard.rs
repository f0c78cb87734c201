//! What may be asked on the PostgreSQL door: questions, and how their answers come.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::{DFSchema, ParamValues};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use datafusion_postgres::hooks::{HookClient, QueryHook};
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::api::results::{Response, Tag};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::response::TransactionStatus;

use crate::postgres::{Session, user_error};
use crate::questions_only;

/// Before anything else: the session is in force, and the statement is a question.
pub(super) struct Guard {
    session: Arc<Session>,
}

impl Guard {
    pub(super) fn new(session: Arc<Session>) -> Guard {
        Guard { session }
    }

    async fn check(&self, statement: &Statement) -> PgWireResult<()> {
        self.session.check().await?;
        // The wire's own says nothing of a cursor's columns, and some drivers do not survive that.
        if matches!(statement, Statement::Declare { .. }) {
            let detail = "named cursors are not there: fetch the answer in portions (a fetch size), or ask with limit and offset";
            return Err(user_error("0A000", detail));
        }
        if is_question(statement) {
            return Ok(());
        }
        let detail =
            "this door is for questions only: nothing is changed over SQL; use the API or the console";
        Err(user_error("25006", detail))
    }
}

/// Asks, or arranges how the answer comes.
fn is_question(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => !makes_a_table(&query.body),
        Statement::Explain { statement, .. } => is_question(statement),
        // The engine's own settings hold its bounds.
        Statement::Set(_) => !statement.to_string().to_lowercase().contains("datafusion"),
        Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ExplainTable { .. }
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Close { .. }
        | Statement::Deallocate { .. }
        | Statement::Discard { .. } => true,
        _ => false,
    }
}

/// `SELECT … INTO`.
fn makes_a_table(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_some(),
        SetExpr::Query(query) => makes_a_table(&query.body),
        SetExpr::SetOperation { left, right, .. } => makes_a_table(left) || makes_a_table(right),
        SetExpr::Values(_) | SetExpr::Table(_) => false,
        _ => true,
    }
}

#[async_trait]
impl QueryHook for Guard {
    async fn handle_simple_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        match self.check(statement).await {
            Ok(()) => savepoint(statement, client).map(Ok),
            Err(refused) => Some(Err(refused)),
        }
    }
    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        _: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        match self.check(statement).await {
            Ok(()) => is_about_savepoint(statement).then(|| {
                let schema = Arc::new(DFSchema::empty());
                Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }))
            }),
            Err(refused) => Some(Err(refused)),
        }
    }
    async fn handle_extended_query(
        &self,
        statement: &Statement,
        plan: &LogicalPlan,
        _: &ParamValues,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        let allowed = self.check(statement).await;
        let plan = allowed.and_then(|()| {
            let is_asked = matches!(statement, Statement::Query(_));
            let verified = if is_asked { questions_only().verify_plan(plan) } else { Ok(()) };
            verified.map_err(|error| PgWireError::ApiError(Box::new(error)))
        });
        match plan {
            Ok(()) => savepoint(statement, client).map(Ok),
            Err(refused) => Some(Err(refused)),
        }
    }
}

fn is_about_savepoint(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Rollback { savepoint: Some(_), .. }
    )
}

/// Nothing is changed, so there is nothing to go back to, except from an error to before it.
fn savepoint(statement: &Statement, client: &mut dyn HookClient) -> Option<Response> {
    let is_aborted = client.transaction_status() == TransactionStatus::Error;
    let tag = match statement {
        Statement::Savepoint { .. } if !is_aborted => "SAVEPOINT",
        Statement::ReleaseSavepoint { .. } if !is_aborted => "RELEASE",
        Statement::Rollback { savepoint: Some(_), .. } => {
            client.set_transaction_status(TransactionStatus::Transaction);
            return Some(Response::TransactionStart(Tag::new("ROLLBACK")));
        }
        _ => return None,
    };
    Some(Response::Execution(Tag::new(tag)))
}
