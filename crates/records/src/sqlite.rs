//! The embedded engine: one writer thread with group commit, a few reader threads, one file in WAL mode.
//!
//! Nothing is acknowledged before its transaction is on disk (`synchronous = FULL`). Writes that wait in the queue share
//! one transaction and thereby one fsync, each behind its own savepoint.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};
use tokio::sync::{mpsc, oneshot};
use types::Time;

use crate::RecordsError;
use crate::migrations::pending;
use crate::session::{Arg, Cell, Operation, Row, Session};

/// Operations that wait for the writer; more callers wait outside.
const WRITE_QUEUE: usize = 1_024;
/// Operations that wait for a reader; more callers wait outside.
const READ_QUEUE: usize = 1_024;
/// Writes that share a transaction.
const GROUP_MAX: usize = 64;
/// Reader threads.
const READERS: usize = 3;
/// How long to wait for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;

/// An open file and its threads.
pub(crate) struct Sqlite {
    queues: Mutex<Option<Queues>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Queues {
    writes: mpsc::Sender<Box<dyn Job>>,
    reads: mpsc::Sender<Box<dyn Job>>,
}

/// Work for a connection, of any answer type.
trait Job: Send {
    /// Does the work; true when what it wrote may stay.
    fn run(&mut self, on: &mut Connection) -> bool;
    /// Answers the caller, once the transaction is on disk or lost.
    fn settle(self: Box<Self>, transaction: Result<(), RecordsError>);
}

struct Asked<O: Operation> {
    operation: O,
    outcome: Option<Result<O::Output, RecordsError>>,
    answer: oneshot::Sender<Result<O::Output, RecordsError>>,
}

impl<O: Operation> Job for Asked<O> {
    fn run(&mut self, on: &mut Connection) -> bool {
        let outcome = at_once(self.operation.run(&mut Lite(on)));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn settle(self: Box<Self>, transaction: Result<(), RecordsError>) {
        let answer = match (self.outcome, transaction) {
            (Some(Err(refused)), _) => Err(refused),
            (Some(Ok(output)), Ok(())) => Ok(output),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(RecordsError::Closed),
        };
        // A caller that went away no longer wants to know.
        let _ = self.answer.send(answer);
    }
}

impl Sqlite {
    /// Opens and migrates the file, then starts the threads.
    pub(crate) async fn open(path: PathBuf, applied: Time) -> Result<Sqlite, RecordsError> {
        let opening = tokio::task::spawn_blocking(move || Sqlite::start(&path, applied));
        opening.await.map_err(|error| RecordsError::Unavailable(error.to_string()))?
    }

    fn start(path: &Path, applied: Time) -> Result<Sqlite, RecordsError> {
        let mut writer = connect(path).map_err(|error| at(path, failure(error)))?;
        migrate(&mut writer, applied).map_err(|error| at(path, error))?;
        let (writes, write_queue) = mpsc::channel(WRITE_QUEUE);
        let (reads, read_queue) = mpsc::channel(READ_QUEUE);
        let read_queue = Arc::new(Mutex::new(read_queue));
        let mut threads = vec![spawn("records-writer", move || write(writer, write_queue))?];
        for _ in 0..READERS {
            let reader = connect(path).and_then(|on| on.pragma_update(None, "query_only", true).map(|()| on));
            let reader = reader.map_err(|error| at(path, failure(error)))?;
            let queue = Arc::clone(&read_queue);
            threads.push(spawn("records-reader", move || read(reader, &queue))?);
        }
        Ok(Sqlite { queues: Mutex::new(Some(Queues { writes, reads })), threads: Mutex::new(threads) })
    }

    pub(crate) async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, RecordsError> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queues = queues.ok_or(RecordsError::Closed)?;
        let queue = if O::WRITES { queues.writes } else { queues.reads };
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Asked { operation, outcome: None, answer });
        queue.send(job).await.map_err(|_| RecordsError::Closed)?;
        drop(queue);
        answered.await.map_err(|_| RecordsError::Closed)?
    }

    /// Lets the threads finish what is queued and waits for them.
    pub(crate) async fn close(&self) {
        drop(self.queues.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let ending =
            tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !matches!(ending.await, Ok(true)) {
            tracing::error!("a thread of the record store did not end in order");
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RecordsError> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map_err(|error| RecordsError::Unavailable(format!("no thread {name}: {error}")))
}

fn write(mut on: Connection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while queue.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let transaction = write_group(&mut on, &mut group);
        for job in group.drain(..) {
            job.settle(transaction.clone());
        }
    }
}

/// One transaction for all. A job that fails leaves no trace and disturbs no other.
fn write_group(on: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), RecordsError> {
    on.execute_batch("BEGIN IMMEDIATE").map_err(failure)?;
    let done = (|| {
        for job in group {
            on.execute_batch("SAVEPOINT job").map_err(failure)?;
            let keep = job.run(on);
            // On a full disk SQLite ends the whole transaction by itself: nothing of the group may be acknowledged.
            if on.is_autocommit() {
                return Err(RecordsError::Unavailable("the transaction was broken off by SQLite".into()));
            }
            on.execute_batch(if keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })
                .map_err(failure)?;
        }
        on.execute_batch("COMMIT").map_err(failure)
    })();
    if done.is_err() && !on.is_autocommit() {
        on.execute_batch("ROLLBACK").map_err(failure)?;
    }
    done
}

fn read(mut on: Connection, queue: &Mutex<mpsc::Receiver<Box<dyn Job>>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(mut job) = job else { return };
        job.run(&mut on);
        job.settle(Ok(()));
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let on = Connection::open(path)?;
    on.busy_timeout(BUSY_TIMEOUT)?;
    on.pragma_update(None, "journal_mode", "wal")?;
    on.pragma_update(None, "synchronous", "full")?;
    on.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(on)
}

fn migrate(on: &mut Connection, applied: Time) -> Result<(), RecordsError> {
    let transaction =
        on.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failure)?;
    let ledger =
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, applied INTEGER NOT NULL) STRICT";
    transaction.execute_batch(ledger).map_err(failure)?;
    let newest = "SELECT coalesce(max(number), 0) FROM migrations";
    let found: i64 = transaction.query_row(newest, (), |row| row.get(0)).map_err(failure)?;
    for (number, step) in pending(u64::try_from(found).unwrap_or(u64::MAX))? {
        transaction.execute_batch(step.sqlite).map_err(failure)?;
        let done = "INSERT INTO migrations (number, applied) VALUES (?1, ?2)";
        transaction.execute(done, (number as i64, applied.unix_ns())).map_err(failure)?;
    }
    transaction.commit().map_err(failure)
}

/// A connection as the operations see it.
struct Lite<'a>(&'a mut Connection);

impl Session for Lite<'_> {
    async fn query(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, RecordsError> {
        // `$1` would be a name to SQLite, numbered by first use; `?1` is a number.
        let sql = sql.replace('$', "?");
        let asked = || {
            let mut statement = self.0.prepare_cached(&sql)?;
            let width = statement.column_count();
            let rows = statement.query_map(rusqlite::params_from_iter(args), |row| {
                let cells = (0..width).map(|column| cell(row.get_ref(column)?)).collect::<Result<_, _>>()?;
                Ok(Row::new(cells))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        asked().map_err(failure)
    }
}

impl ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Arg::Int(value) => ValueRef::Integer(*value),
            Arg::Text(value) => ValueRef::Text(value.as_bytes()),
            Arg::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Text(_) => Cell::Text(value.as_str()?.to_string()),
        ValueRef::Blob(value) => Cell::Bytes(value.to_vec()),
        // No column of the store is empty or a fraction.
        ValueRef::Null | ValueRef::Real(_) => return Err(rusqlite::Error::InvalidQuery),
    })
}

/// The answer of a future that never waits.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("an operation awaits its session only, and SQLite answers at once"),
    }
}

fn failure(error: rusqlite::Error) -> RecordsError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => RecordsError::Contended(text),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            RecordsError::Corrupt { place: "the SQLite file".into(), reason: text }
        }
        _ => RecordsError::Unavailable(text),
    }
}

/// Names the file in errors of opening.
fn at(path: &Path, error: RecordsError) -> RecordsError {
    match error {
        RecordsError::Unavailable(text) => RecordsError::Unavailable(format!("{}: {text}", path.display())),
        RecordsError::Corrupt { reason, .. } => {
            RecordsError::Corrupt { place: path.display().to_string(), reason }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
