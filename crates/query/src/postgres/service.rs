//! What a client sends, on its way to the wire's own service, and the answer on its way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{BufMut, BytesMut};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::DfSessionService;
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::{FieldFormat, FieldInfo, Response};
use datafusion_postgres::pgwire::api::stmt::QueryParser;
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::data::DataRow;
use futures_util::{Sink, StreamExt};

use super::wording::reworded;
use crate::{SCHEMA, TIME_MAX};

type Inner = <DfSessionService as ExtendedQueryHandler>::QueryParser;

/// One connection's requests.
pub(super) struct Service {
    inner: Arc<DfSessionService>,
    parser: Arc<Words>,
    settings: Arc<Settings>,
}

impl Service {
    pub(super) fn new(
        inner: DfSessionService,
        context: Arc<SessionContext>,
        limit_ms: Arc<AtomicU64>,
    ) -> Service {
        let inner = Arc::new(inner);
        let settings = Arc::new(Settings { context, limit_ms });
        let parser = Arc::new(Words { inner: inner.query_parser(), settings: settings.clone() });
        Service { inner, parser, settings }
    }
}

/// What `SET` has set, where the engine looks for it.
struct Settings {
    context: Arc<SessionContext>,
    limit_ms: Arc<AtomicU64>,
}

impl Settings {
    fn apply<C: ClientInfo + ?Sized>(&self, client: &C) {
        let said = client.metadata();
        let limit_ms = said.get("statement_timeout_ms").and_then(|limit| limit.parse().ok());
        let longest_ms = TIME_MAX.as_millis() as u64;
        self.limit_ms.store(limit_ms.unwrap_or(longest_ms).min(longest_ms), Ordering::Relaxed);
        let path = said.get("search_path").map_or(SCHEMA, String::as_str);
        let names = path.split(',').map(|name| name.trim().trim_matches(['"', '\'']));
        let catalog = self.context.catalog(crate::CATALOG);
        let known = catalog.map(|catalog| catalog.schema_names()).unwrap_or_default();
        let schema = names.into_iter().find(|name| known.iter().any(|known| known == name)).unwrap_or(SCHEMA);
        let state = self.context.state_ref();
        let is_other = state.read().config_options().catalog.default_schema != schema;
        if is_other {
            state.write().config_mut().options_mut().catalog.default_schema = schema.to_string();
        }
    }
}

#[async_trait]
impl SimpleQueryHandler for Service {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.settings.apply(client);
        let query = reworded(query, &[]);
        let answers = SimpleQueryHandler::do_query(self.inner.as_ref(), client, &query).await?;
        Ok(answers.into_iter().map(spelt).collect())
    }
}

#[async_trait]
impl ExtendedQueryHandler for Service {
    type Statement = (String, Option<(Statement, LogicalPlan)>);
    type QueryParser = Words;

    fn query_parser(&self) -> Arc<Words> {
        self.parser.clone()
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Self::Statement>,
        max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.settings.apply(client);
        ExtendedQueryHandler::do_query(self.inner.as_ref(), client, portal, max_rows).await.map(spelt)
    }
}

/// Reads statements in clients' words.
pub(super) struct Words {
    inner: Arc<Inner>,
    settings: Arc<Settings>,
}

#[async_trait]
impl QueryParser for Words {
    type Statement = (String, Option<(Statement, LogicalPlan)>);

    async fn parse_sql<C>(
        &self,
        client: &C,
        sql: &str,
        types: &[Option<Type>],
    ) -> PgWireResult<Option<Self::Statement>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        self.settings.apply(client);
        self.inner.parse_sql(client, &reworded(sql, types), types).await
    }
    fn get_parameter_types(&self, statement: &Self::Statement) -> PgWireResult<Vec<Type>> {
        self.inner.get_parameter_types(statement)
    }
    fn get_result_schema(
        &self,
        statement: &Self::Statement,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        self.inner.get_result_schema(statement, format)
    }
}

/// An answer with floats as PostgreSQL spells them: the wire sends `inf`, which pgjdbc cannot read.
fn spelt(response: Response) -> Response {
    let Response::Query(mut answer) = response else { return response };
    let columns = answer.row_schema();
    if columns.iter().any(is_float_text) {
        let rows = std::mem::replace(&mut answer.data_rows, futures_util::stream::empty().boxed());
        answer.data_rows = rows.map(move |row| row.map(|row| respelt(row, &columns))).boxed();
    }
    Response::Query(answer)
}

fn is_float_text(column: &FieldInfo) -> bool {
    column.format() == FieldFormat::Text && [&Type::FLOAT4, &Type::FLOAT8].contains(&column.datatype())
}

/// A row is, for each column, the length in an i32, -1 for null, and as many bytes.
fn respelt(row: DataRow, columns: &[FieldInfo]) -> DataRow {
    let mut out: Option<BytesMut> = None;
    let (mut rest, mut at) = (row.data.as_ref(), 0);
    for column in columns {
        let Some((head, tail)) = rest.split_first_chunk::<4>() else { return row };
        let length = usize::try_from(i32::from_be_bytes(*head)).unwrap_or(0);
        let Some((value, tail)) = tail.split_at_checked(length) else { return row };
        let other: Option<&[u8]> = match value {
            b"inf" if is_float_text(column) => Some(b"Infinity"),
            b"-inf" if is_float_text(column) => Some(b"-Infinity"),
            _ => None,
        };
        if let Some(other) = other {
            let out = out.get_or_insert_with(|| BytesMut::from(&row.data[..at]));
            out.put_i32(other.len() as i32);
            out.put_slice(other);
        } else if let Some(out) = &mut out {
            out.put_slice(&row.data[at..at + 4 + length]);
        }
        at += 4 + length;
        rest = tail;
    }
    match out {
        Some(data) => DataRow::new(data, row.field_count),
        None => row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinite_floats_are_spelt_out_and_nothing_else() {
        let column = |of| FieldInfo::new("x".into(), None, None, of, FieldFormat::Text);
        let columns = [column(Type::FLOAT8), column(Type::TEXT), column(Type::FLOAT4), column(Type::FLOAT8)];
        let row = |values: [Option<&str>; 4]| {
            let mut data = BytesMut::new();
            for value in values {
                data.put_i32(value.map_or(-1, |value| value.len() as i32));
                data.put_slice(value.unwrap_or_default().as_bytes());
            }
            DataRow::new(data, 4)
        };
        for (sent, expected) in [
            ([Some("1.5"), Some("inf"), None, Some("NaN")], [Some("1.5"), Some("inf"), None, Some("NaN")]),
            (
                [Some("-inf"), Some("inf"), None, Some("inf")],
                [Some("-Infinity"), Some("inf"), None, Some("Infinity")],
            ),
        ] {
            assert_eq!(respelt(row(sent), &columns).data, row(expected).data);
        }
    }
}
