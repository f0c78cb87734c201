//! How a query on the PostgreSQL door ends before its time: somebody cancels it, or it takes too long. The wire's own
//! cancelling reaches no further than the planning.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use futures_util::StreamExt;
use tokio::sync::Notify;
use types::Fault;

use crate::TIME_MAX;
use crate::fault::{refusal, too_long};

/// Plans as usual, with a stop at the top.
#[derive(Debug)]
pub(crate) struct Stoppable(pub(crate) Arc<Notify>);

#[async_trait]
impl QueryPlanner for Stoppable {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = DefaultPhysicalPlanner::default().create_physical_plan(plan, state).await?;
        Ok(Arc::new(StopExec { inner, cancelled: self.0.clone() }))
    }
}

/// Hands batches on until it is cancelled or its time is over.
struct StopExec {
    inner: Arc<dyn ExecutionPlan>,
    cancelled: Arc<Notify>,
}

impl fmt::Debug for StopExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopExec")
    }
}

impl DisplayAs for StopExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StopExec: at most {} s", TIME_MAX.as_secs())
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
        Ok(Arc::new(StopExec { inner, cancelled: self.cancelled.clone() }))
    }
    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inner = self.inner.execute(partition, context)?;
        let (schema, cancelled) = (inner.schema(), self.cancelled.clone());
        let over = tokio::time::Instant::now() + TIME_MAX;
        let batches = futures_util::stream::unfold(Some(inner), move |inner| {
            let cancelled = cancelled.clone();
            async move {
                let mut inner = inner?;
                let ended = tokio::select! {
                    batch = inner.next() => return Some((batch?, Some(inner))),
                    () = cancelled.notified() => Fault::new("sql.cancelled", "the query was cancelled: ask again"),
                    () = tokio::time::sleep_until(over) => too_long(),
                };
                let ended: Result<RecordBatch> = Err(refusal(ended));
                Some((ended, None))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
