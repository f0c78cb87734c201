//! The record store: typed documents, compact rows and events, changed together in one transaction.
//!
//! Two engines, one behaviour: SQLite in one file (the default) and PostgreSQL. Neither a driver type nor SQL text
//! leaves this crate. What the store does is written once, in `ops`, over the narrow waist in `session`.

mod documents;
mod error;
mod events;
mod key;
mod limits;
mod migrations;
mod ops;
mod plan;
mod postgres;
mod session;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use types::{Now, Random};

pub use error::RecordsError;
pub use limits::{
    BODY_BYTES_MAX, CHANGES_MAX, EVENTS_MAX, INDEX_VALUE_BYTES_MAX, PAYLOAD_BYTES_MAX, ROW_BYTES_MAX,
    ROWS_PAGE_MAX,
};
pub use ops::Committed;

use session::Operation;

/// What the store takes from outside.
#[derive(Clone)]
pub struct Env {
    /// Stamps documents and events.
    pub now: Now,
    /// Makes event ids.
    pub random: Random,
}

/// An open record store; clones share it.
///
/// A call whose future is dropped may still be carried out. Reading after a finished commit sees that commit.
#[derive(Clone)]
pub struct Records {
    engine: Engine,
    env: Env,
    newest_event: Arc<watch::Sender<u64>>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

impl Records {
    /// Opens the store in a SQLite file, which is made or brought up to this version's format first.
    pub async fn open_sqlite(path: &Path, env: Env) -> Result<Records, RecordsError> {
        let applied = (env.now)();
        let engine = sqlite::Sqlite::open(path.to_path_buf(), applied).await?;
        Records::over(Engine::Sqlite(Arc::new(engine)), env).await
    }

    /// Opens the store in the schema `sinew` of a PostgreSQL database (15 or newer), made when it is not there.
    ///
    /// `url` is `postgres://user:password@host:port/database` or libpq's `key=value` form. There is no TLS: use a Unix
    /// socket, the loopback or a tunnel.
    pub async fn open_postgres(url: &str, env: Env) -> Result<Records, RecordsError> {
        let applied = (env.now)();
        let engine = postgres::Postgres::open(url, applied).await?;
        Records::over(Engine::Postgres(Arc::new(engine)), env).await
    }

    async fn over(engine: Engine, env: Env) -> Result<Records, RecordsError> {
        let records = Records { engine, env, newest_event: Arc::new(watch::Sender::new(0)) };
        let newest = records.run(ops::NewestEvent).await?;
        records.newest_event.send_replace(newest);
        Ok(records)
    }

    /// Ends the threads or connections. Work already handed over is finished first; later calls fail with
    /// [`RecordsError::Closed`].
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close(),
        }
    }

    async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, RecordsError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.run(operation).await,
            Engine::Postgres(postgres) => postgres.run(&operation).await,
        }
    }
}
