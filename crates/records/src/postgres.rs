//! The shared engine: PostgreSQL, one schema, a small pool of connections that heals after the server went away.
//!
//! Transactions run at READ COMMITTED: each change is one statement that checks what it expects, and the counter of
//! events is a row that stays locked until the commit.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Statement};
use types::Time;

use crate::RecordsError;
use crate::migrations::pending;
use crate::session::{Arg, Cell, Operation, Row, Session};

/// Connections; more callers wait for one.
const CONNECTIONS_MAX: usize = 8;
/// How often a transaction that collided with another is run again.
const RETRIES_MAX: u32 = 10;
/// The wait before the first of these; it doubles up to [`RETRY_WAIT_MAX`].
const RETRY_WAIT: Duration = Duration::from_millis(1);
/// The longest of these waits.
const RETRY_WAIT_MAX: Duration = Duration::from_millis(64);
/// How long to wait for the server to accept, and for a silent peer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;
/// What every connection starts with. A statement that takes longer than its time is broken off by the server.
///
/// The planner is held to what the statements of `ops` are written for, nested walks along indexes in the order of the
/// joins: fresh tables have no statistics, and one wrong guess reads a whole collection for a page of it.
const GREETING: &str = "SET search_path TO sinew; SET synchronous_commit TO on; \
     SET statement_timeout TO '30s'; SET lock_timeout TO '10s'; SET join_collapse_limit TO 1; \
     SET enable_seqscan TO off; SET enable_bitmapscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off";
/// Held while migrating, so that two nodes that start together do it one after the other. The number is ours for good.
const MIGRATION_LOCK: i64 = 0x5369_6e65_7701;

/// A database and the connections to it.
pub(crate) struct Postgres {
    config: Config,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Postgres {
    /// Connects and migrates.
    pub(crate) async fn open(url: &str, applied: Time) -> Result<Postgres, RecordsError> {
        let mut config: Config = url.parse().map_err(|error| {
            RecordsError::Invalid(format!(
                "the address of the database cannot be read ({}): write postgres://user:password@host:5432/database",
                chain(&error)
            ))
        })?;
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(CONNECT_TIMEOUT).application_name("sinew");
        let mut first = Connection::connect(&config).await?;
        migrate(&mut first.client, applied).await?;
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Postgres { config, free, idle: Mutex::new(vec![first]) })
    }

    pub(crate) async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output, RecordsError> {
        let mut tries = 0;
        loop {
            let mut lease = self.lease().await?;
            let outcome = transact(&mut lease.connection, operation).await;
            self.give_back(lease);
            match outcome {
                Err(RecordsError::Contended(_)) if tries < RETRIES_MAX => {
                    tokio::time::sleep((RETRY_WAIT * (1 << tries)).min(RETRY_WAIT_MAX)).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Closes idle connections now and busy ones when their work is done.
    pub(crate) fn close(&self) {
        self.free.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn lease(&self) -> Result<Lease, RecordsError> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| RecordsError::Closed)?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(connection) = idle() {
            if !connection.client.is_closed() {
                return Ok(Lease { connection, _permit: permit });
            }
        }
        Ok(Lease { connection: Connection::connect(&self.config).await?, _permit: permit })
    }

    /// Only work that came to its end gives its connection back. A caller that went away in the middle drops the lease,
    /// which closes the connection, and the server rolls back.
    fn give_back(&self, lease: Lease) {
        if !lease.connection.client.is_closed() && !lease.connection.spoilt && !self.free.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lease.connection);
        }
    }
}

struct Lease {
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

/// One connection and what it has prepared.
struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
    /// A transaction may still be open on it.
    spoilt: bool,
}

impl Connection {
    async fn connect(config: &Config) -> Result<Connection, RecordsError> {
        let (client, connection) = config.connect(NoTls).await.map_err(failure)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(
                    error = chain(&error),
                    "a connection to PostgreSQL ended; the next call opens another"
                );
            }
        });
        client.batch_execute(GREETING).await.map_err(failure)?;
        Ok(Connection { client, statements: HashMap::new(), spoilt: false })
    }
}

async fn transact<O: Operation>(on: &mut Connection, operation: &O) -> Result<O::Output, RecordsError> {
    if !O::WRITES {
        return operation.run(on).await;
    }
    on.client.batch_execute("BEGIN").await.map_err(failure)?;
    match operation.run(on).await {
        Ok(output) => {
            on.client.batch_execute("COMMIT").await.map_err(failure)?;
            Ok(output)
        }
        Err(error) => {
            on.spoilt = on.client.batch_execute("ROLLBACK").await.is_err();
            Err(error)
        }
    }
}

impl Session for Connection {
    async fn query(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, RecordsError> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                if self.statements.len() >= STATEMENTS_MAX {
                    self.statements.clear();
                }
                let statement = self.client.prepare(sql).await.map_err(failure)?;
                self.statements.insert(sql.to_string(), statement.clone());
                statement
            }
        };
        let parameters: Vec<&(dyn ToSql + Sync)> = args
            .iter()
            .map(|arg| match arg {
                Arg::Int(value) => value as &(dyn ToSql + Sync),
                Arg::Text(value) => value as &(dyn ToSql + Sync),
                Arg::Bytes(value) => value as &(dyn ToSql + Sync),
            })
            .collect();
        let rows = self.client.query(&statement, &parameters).await.map_err(failure)?;
        rows.iter().map(row).collect()
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, RecordsError> {
    let cell = |(at, column): (usize, &tokio_postgres::Column)| match *column.type_() {
        Type::INT8 => row.try_get(at).map(Cell::Int),
        Type::BYTEA => row.try_get(at).map(Cell::Bytes),
        _ => row.try_get(at).map(Cell::Text),
    };
    row.columns().iter().enumerate().map(cell).collect::<Result<_, _>>().map(Row::new).map_err(failure)
}

async fn migrate(client: &mut Client, applied: Time) -> Result<(), RecordsError> {
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await.map_err(failure)?.get(0);
    if encoding != "UTF8" {
        return Err(RecordsError::Invalid(format!(
            "the database keeps text as {encoding}: create it with ENCODING 'UTF8'"
        )));
    }
    let transaction = client.transaction().await.map_err(failure)?;
    transaction.query("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await.map_err(failure)?;
    // Asked first, because CREATE … IF NOT EXISTS wants a right that a prepared database need not give us.
    let known = "SELECT to_regnamespace('sinew') IS NOT NULL, to_regclass('sinew.migrations') IS NOT NULL";
    let known = transaction.query_one(known, &[]).await.map_err(failure)?;
    if !known.get::<_, bool>(0) {
        transaction.batch_execute("CREATE SCHEMA sinew").await.map_err(failure)?;
    }
    if !known.get::<_, bool>(1) {
        let ledger = "CREATE TABLE migrations (number BIGINT PRIMARY KEY, applied BIGINT NOT NULL)";
        transaction.batch_execute(ledger).await.map_err(failure)?;
    }
    let newest = "SELECT coalesce(max(number), 0) FROM migrations";
    let found: i64 = transaction.query_one(newest, &[]).await.map_err(failure)?.get(0);
    for (number, step) in pending(u64::try_from(found).unwrap_or(u64::MAX))? {
        transaction.batch_execute(step.postgres).await.map_err(failure)?;
        let done = "INSERT INTO migrations (number, applied) VALUES ($1, $2)";
        transaction.execute(done, &[&(number as i64), &applied.unix_ns()]).await.map_err(failure)?;
    }
    transaction.commit().await.map_err(failure)
}

fn failure(error: tokio_postgres::Error) -> RecordsError {
    let text = chain(&error);
    let collided =
        [&SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::T_R_DEADLOCK_DETECTED, &SqlState::UNIQUE_VIOLATION];
    match error.code() {
        Some(code) if collided.contains(&code) => RecordsError::Contended(text),
        Some(code) if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
            RecordsError::Corrupt { place: "the PostgreSQL database".into(), reason: text }
        }
        _ => RecordsError::Unavailable(text),
    }
}

/// An error with its causes: the driver's own text says only which step failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
