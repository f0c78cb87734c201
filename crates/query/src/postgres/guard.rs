//! What may be asked on the PostgreSQL door: questions, and how their answers come.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use datafusion_postgres::hooks::{HookClient, QueryHook};
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::api::results::Response;
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};

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
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
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
        _: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        self.check(statement).await.err().map(Err)
    }
    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        _: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        self.check(statement).await.err().map(Err)
    }
    async fn handle_extended_query(
        &self,
        statement: &Statement,
        plan: &LogicalPlan,
        _: &ParamValues,
        _: &SessionContext,
        _: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        let allowed = self.check(statement).await;
        let plan = allowed.and_then(|()| {
            let is_asked = matches!(statement, Statement::Query(_));
            let verified = if is_asked { questions_only().verify_plan(plan) } else { Ok(()) };
            verified.map_err(|error| PgWireError::ApiError(Box::new(error)))
        });
        plan.err().map(Err)
    }
}
