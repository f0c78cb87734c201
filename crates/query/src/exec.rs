//! Reading by points: the points of a query are dealt out to as many threads as there are, each of which reads its own.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

/// Batches of some points, a reading at a time.
pub(crate) type Batches = BoxStream<'static, Result<Vec<RecordBatch>>>;
/// Begins to read points, by their places in the book.
pub(crate) type Open = Box<dyn Fn(Arc<[u32]>) -> Batches + Send + Sync>;

/// See the top of the file.
pub(crate) struct PointsExec {
    name: &'static str,
    schema: SchemaRef,
    /// What it does, in words.
    words: String,
    /// Places in the book, of each partition.
    parts: Vec<Arc<[u32]>>,
    open: Open,
    properties: Arc<PlanProperties>,
}

impl PointsExec {
    pub(crate) fn new(
        name: &'static str,
        schema: SchemaRef,
        (chosen, all): (usize, usize),
        words: String,
        places: &[u32],
        threads: usize,
        open: Open,
    ) -> PointsExec {
        let mut parts: Vec<Arc<[u32]>> =
            places.chunks(places.len().div_ceil(threads).max(1)).map(Arc::from).collect();
        if parts.is_empty() {
            parts.push(Arc::from([]));
        }
        let words = format!("{name}: reads {chosen} of {all} points, {words}");
        let properties = properties(EquivalenceProperties::new(schema.clone()), parts.len());
        PointsExec { name, schema, words, parts, open, properties }
    }

    /// Its rows come in the order of this column of times.
    pub(crate) fn in_order_of(mut self, time: Option<usize>) -> PointsExec {
        if let Some(time) = time {
            let mut orders = EquivalenceProperties::new(self.schema.clone());
            let column = Arc::new(Column::new(self.schema.field(time).name(), time));
            orders.add_ordering([PhysicalSortExpr::new(column, SortOptions::new(false, false))]);
            self.properties = properties(orders, self.parts.len());
        }
        self
    }
}

fn properties(orders: EquivalenceProperties, parts: usize) -> Arc<PlanProperties> {
    let partitioning = Partitioning::UnknownPartitioning(parts);
    Arc::new(PlanProperties::new(orders, partitioning, EmissionType::Incremental, Boundedness::Bounded))
}

impl fmt::Debug for PointsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl DisplayAs for PointsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl ExecutionPlan for PointsExec {
    fn name(&self) -> &str {
        self.name
    }
    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }
    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }
    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let readings = (self.open)(self.parts[partition].clone());
        let batches = readings.flat_map(|reading| {
            let (batches, error) = match reading {
                Ok(batches) => (batches, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            futures_util::stream::iter(batches.into_iter().map(Ok).chain(error))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
    }
}
