//! SQL over history, plant and records. The only crate that names DataFusion.
//!
//! ```text
//! statement ─► read only? ─► plan ─► conditions on points and time go down to the historian, sums to its summaries
//!           ─► batches, one after the other, on threads of their own ─► the door that asked
//! ```
//!
//! What a caller may not see does not exist for it: the tables are made for its organisation, and of its own handles.

mod aggregates;
mod book;
mod describe;
mod exec;
mod fault;
pub mod format;
mod grid;
mod history;
mod made;
mod memory;
mod mend;
pub mod postgres;
mod push;
mod span;
mod stop;
mod sums;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures_util::{FutureExt, StreamExt};
use historian::Historian;
use plant::PlantModel;
use sdk::{Scope, View};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot};
use types::{Fault, codes};

use crate::book::{Books, Scene};
use crate::fault::{fault_of, too_long};
use crate::history::History;
use crate::stop::{Stop, Stoppable};

pub use crate::describe::{ColumnView, FunctionView, TableView, functions};
pub use crate::made::VIEW_ROWS_MAX;

/// Memory of one query for what it must hold: groups, sorts, the smaller side of a join. Beyond, it stops with an error.
pub const MEMORY_BYTES: usize = 128 << 20;
/// Memory of all queries, those of PostgreSQL clients among them.
pub const MEMORY_ALL_BYTES: usize = 512 << 20;
/// Queries at work; the next one waits.
pub const QUERIES_MAX: usize = 4;
/// A query may take so long.
pub const TIME_MAX: Duration = Duration::from_secs(120);
/// Batches that wait for a slow reader.
const BATCHES_AHEAD_MAX: usize = 4;
/// Functions whose one value may be as large as a caller likes, which no bound on memory sees in time.
const UNBOUNDED: [&str; 10] = [
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "range",
    "generate_series",
    "gen_series",
];
/// How far queries stand back behind everything else when processors are short: the nice value of their threads.
const NICE: i32 = 10;
/// As PostgreSQL shows it.
const CATALOG: &str = "sinew";
/// Where the kernel's tables are; each app's are in a schema of its own.
const SCHEMA: &str = "public";

/// SQL over a node; clones share it.
#[derive(Clone)]
pub struct Sql {
    inner: Arc<Inner>,
}

struct Inner {
    historian: Historian,
    plant: PlantModel,
    views: Vec<&'static View>,
    books: Arc<Books>,
    template: SessionState,
    memory: Arc<dyn MemoryPool>,
    /// Of their own, so that a query never holds up a device or a page. `None` only while being dropped.
    threads: Option<Runtime>,
    at_work: Arc<Semaphore>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// What a query gives: batches as they come.
pub struct Answer {
    /// Columns.
    pub schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch, Fault>>,
}

impl Answer {
    /// The next batch; `None` at the end. Dropping the answer ends the query.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Fault>> {
        self.batches.recv().await
    }
}

/// Why SQL does not start.
#[derive(Debug, thiserror::Error)]
#[error("no threads for queries: {0}")]
pub struct StartError(#[from] std::io::Error);

impl Sql {
    /// Over these stores and what apps publish.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(
        historian: Historian,
        plant: PlantModel,
        views: Vec<&'static View>,
    ) -> Result<Sql, StartError> {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = tokio::runtime::Builder::new_multi_thread()
            // Some steps of the engine take long before they yield: they must not hold up the other queries.
            .worker_threads(workers * QUERIES_MAX + 1)
            .thread_name("sql")
            .on_thread_start(stand_back)
            .enable_all()
            .build()?;
        let config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_information_schema(true)
            .with_target_partitions(workers)
            .set_str("datafusion.execution.time_zone", "+00:00");
        let mut template = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_analyzer_rules(mend::analysis())
            .with_optimizer_rules(mend::optimization())
            .with_optimizer_rule(Arc::new(push::SumsFromSummaries))
            .build();
        for name in UNBOUNDED {
            template.deregister_udf(name).map_err(std::io::Error::other)?;
        }
        for aggregate in aggregates::mended() {
            template.register_udaf(aggregate).map_err(std::io::Error::other)?;
        }
        let (books, at_work) = (Arc::default(), Arc::new(Semaphore::new(QUERIES_MAX)));
        let memory = memory::of_all();
        let inner =
            Inner { historian, plant, views, books, template, memory, threads: Some(threads), at_work };
        Ok(Sql { inner: Arc::new(inner) })
    }

    /// Starts a query. Only questions are answered: a statement that would change something is refused.
    ///
    /// # Errors
    /// What is wrong with the statement. What goes wrong later comes instead of a batch.
    pub async fn query(&self, scope: &Scope, sql: &str) -> Result<Answer, Fault> {
        let threads = self.inner.threads.as_ref().ok_or_else(stopped)?;
        let permit = self.inner.at_work.clone().acquire_owned().await.map_err(|_| stopped())?;
        let (begun, begins) = oneshot::channel();
        let (batches, mut answer) = mpsc::channel(BATCHES_AHEAD_MAX);
        let (this, scope, sql) = (self.clone(), scope.clone(), sql.to_string());
        threads.spawn(async move {
            let _at_work = permit;
            let work = this.run(scope, sql, begun, batches.clone());
            let work = AssertUnwindSafe(work).catch_unwind();
            let fault = tokio::select! {
                // Nobody waits for the answer any more: dropping the work ends it.
                () = batches.closed() => return,
                done = tokio::time::timeout(TIME_MAX, work) => match done {
                    Ok(Ok(())) => return,
                    Ok(Err(_panic)) => broken(),
                    Err(_elapsed) => too_long(TIME_MAX),
                },
            };
            // Waits for its place: an answer that ends early and does not say so would be taken as whole.
            let _nobody_waits = batches.send(Err(fault)).await;
        });
        let schema = match begins.await {
            Ok(begun) => begun?,
            // It ended before it began, and says why where batches come.
            Err(_) => match answer.recv().await {
                Some(Err(fault)) => return Err(fault),
                _ => return Err(stopped()),
            },
        };
        Ok(Answer { schema, batches: answer })
    }

    async fn run(
        self,
        scope: Scope,
        sql: String,
        begun: oneshot::Sender<Result<SchemaRef, Fault>>,
        batches: mpsc::Sender<Result<RecordBatch, Fault>>,
    ) {
        let started = self.start(&scope, &sql).await;
        let mut stream = match started {
            Ok(stream) => stream,
            Err(fault) => {
                let _nobody_waits = begun.send(Err(fault));
                return;
            }
        };
        if begun.send(Ok(stream.schema())).is_err() {
            return;
        }
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| fault_of(&error));
            let is_end = batch.is_err();
            if batches.send(batch).await.is_err() || is_end {
                return;
            }
        }
    }

    async fn start(&self, scope: &Scope, sql: &str) -> Result<SendableRecordBatchStream, Fault> {
        let context = self.context().map_err(|error| fault_of(&error))?;
        let started = async {
            self.show(&context, scope)?;
            let plan = context.state().create_logical_plan(sql).await?;
            questions_only().verify_plan(&plan)?;
            context.execute_logical_plan(plan).await?.execute_stream().await
        };
        // Boxed: the engine's futures are large.
        Box::pin(started).await.map_err(|error: DataFusionError| fault_of(&error))
    }

    /// The engine, with its bounds and without any table.
    fn context(&self) -> Result<SessionContext, DataFusionError> {
        Ok(SessionContext::new_with_state(self.bounded(&self.inner.template)?.build()))
    }

    /// As [`Sql::context`], from another template, with queries that end when they are told to, or take too long.
    pub(crate) fn stoppable(
        &self,
        template: &SessionState,
        stop: Stop,
    ) -> Result<SessionContext, DataFusionError> {
        let state = self.bounded(template)?.with_query_planner(Arc::new(Stoppable(stop)));
        Ok(SessionContext::new_with_state(state.build()))
    }

    /// The engine with bounds and a catalog of its own.
    fn bounded(&self, template: &SessionState) -> Result<SessionStateBuilder, DataFusionError> {
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(memory::Share::of(self.inner.memory.clone())))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()?;
        Ok(SessionStateBuilder::new_from_existing(template.clone())
            .with_runtime_env(environment)
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new())))
    }

    /// Puts the tables there, as this caller sees them.
    fn show(&self, context: &SessionContext, scope: &Scope) -> Result<(), DataFusionError> {
        let catalog = MemoryCatalogProvider::new();
        let mut schemas: BTreeMap<&str, Arc<MemorySchemaProvider>> = BTreeMap::new();
        for (schema, name, table) in self.tables(scope) {
            let schema = schemas.entry(schema).or_insert_with(|| Arc::new(MemorySchemaProvider::new()));
            schema.register_table(name.into(), table)?;
        }
        for (name, schema) in schemas {
            catalog.register_schema(name, schema)?;
        }
        context.register_catalog(CATALOG, Arc::new(catalog));
        Ok(())
    }

    /// Schema, name and table.
    fn tables(&self, scope: &Scope) -> Vec<(&'static str, &'static str, Arc<dyn TableProvider>)> {
        let Inner { historian, plant, views, books, .. } = self.inner.as_ref();
        let (historian, plant, books) = (historian.clone(), plant.clone(), books.clone());
        let scene = Scene { historian, plant: plant.clone(), books, org: scope.org };
        let mut tables: Vec<(_, _, Arc<dyn TableProvider>)> = vec![
            (SCHEMA, "samples", Arc::new(History(scene.clone()))),
            (SCHEMA, "latest", Arc::new(made::latest(scene.clone()))),
            (SCHEMA, "points", Arc::new(made::points(scene))),
            (SCHEMA, "assets", Arc::new(made::assets(plant.clone(), scope.org))),
            (SCHEMA, "devices", Arc::new(made::devices(plant, scope.org))),
        ];
        for view in views {
            let (schema, name) = view.name.split_once('.').unwrap_or((SCHEMA, view.name));
            tables.push((schema, name, Arc::new(made::published(scope.clone(), view))));
        }
        tables
    }
}

/// Consumers of memory that an error names.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::MIN;

/// No statement may change anything, read a file, or set what outlives it.
fn questions_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

fn broken() -> Fault {
    let detail =
        "the query broke off because of a fault of ours: ask in another way, see the log, and report it";
    Fault::new(codes::INTERNAL, detail)
}

fn stopped() -> Fault {
    Fault::new(codes::INTERNAL, "the query ended because the node stops: ask again when it is up")
}

/// Threads of queries get what others leave.
fn stand_back() {
    // Of the calling thread, on Linux. Not being allowed to is no reason to fail.
    let _as_before = rustix::process::setpriority_process(None, NICE);
}
