//! How a query on the PostgreSQL door ends before its time: somebody cancels it, or it takes too long. The wire's own
//! cancelling reaches no further than the planning.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use futures_util::StreamExt;
use tokio::sync::{Notify, mpsc};
use types::Fault;

use crate::TIME_MAX;
use crate::broken;
use crate::fault::{refusal, too_long};

/// What ends the queries of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) cancelled: Arc<Notify>,
    /// Milliseconds that a query may take.
    pub(crate) limit_ms: Arc<AtomicU64>,
}

impl Default for Stop {
    fn default() -> Stop {
        let limit_ms = Arc::new(AtomicU64::new(TIME_MAX.as_millis() as u64));
        Stop { cancelled: Arc::default(), limit_ms }
    }
}

/// Plans as usual, with a stop at the top.
#[derive(Debug)]
pub(crate) struct Stoppable(pub(crate) Stop);

#[async_trait]
impl QueryPlanner for Stoppable {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = DefaultPhysicalPlanner::default().create_physical_plan(plan, state).await?;
        Ok(Arc::new(StopExec { inner, stop: self.0.clone() }))
    }
}

/// Hands batches on until it is cancelled or its time is over.
struct StopExec {
    inner: Arc<dyn ExecutionPlan>,
    stop: Stop,
}

impl fmt::Debug for StopExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopExec")
    }
}

impl DisplayAs for StopExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StopExec: at most {} ms", self.stop.limit_ms.load(Ordering::Relaxed))
    }
}

impl ExecutionPlan for StopExec {
    fn name(&self) -> &str {
        "StopExec"
    }
    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.inner]
    }
    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = children.pop().unwrap_or_else(|| self.inner.clone());
        Ok(Arc::new(StopExec { inner, stop: self.stop.clone() }))
    }
    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut inner = self.inner.execute(partition, context)?;
        let (schema, cancelled) = (inner.schema(), self.stop.cancelled.clone());
        let limit = Duration::from_millis(self.stop.limit_ms.load(Ordering::Relaxed));
        let over = tokio::time::Instant::now() + limit;
        // In a task of its own: a step that takes long before it yields holds up nobody who waits for the end.
        let (batches, next) = mpsc::channel(1);
        let work = SpawnedTask::spawn(async move {
            while let Some(batch) = inner.next().await {
                if batches.send(batch).await.is_err() {
                    return;
                }
            }
        });
        let batches = futures_util::stream::unfold(Some((next, work)), move |state| {
            let cancelled = cancelled.clone();
            async move {
                let (mut next, work) = state?;
                let ended = tokio::select! {
                    batch = next.recv() => match batch {
                        Some(batch) => return Some((batch, Some((next, work)))),
                        // All is told, unless the work broke off.
                        None => match work.join().await {
                            Ok(()) => return None,
                            Err(_panic) => broken(),
                        },
                    },
                    () = cancelled.notified() => Fault::new("sql.cancelled", "the query was cancelled: ask again"),
                    () = tokio::time::sleep_until(over) => too_long(limit),
                };
                let ended: Result<RecordBatch> = Err(refusal(ended));
                Some((ended, None))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
