//! All points of an organisation as columns: what every sample says of its point, and what a condition on points is
//! tried against before any sample is read.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::fault::refusal;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use historian::Historian;
use plant::PlantModel;
use types::{Asset, Fault, ObjectId, OrgId, PointId, Stored};

/// Names and meanings of the columns that say which point it is; the same in every table of samples.
pub(crate) const COLUMNS: [(&str, &str); 9] = [
    ("point", "device/name of the point, or its name without a device: unique"),
    ("point_id", "id of the point"),
    ("name", "name of the point within its device"),
    ("label", "shown name of the point"),
    ("device", "name of the device it is read from"),
    ("asset", "name of the machine or place it belongs to"),
    ("path", "names from the site down to the asset, joined by /"),
    ("unit", "UCUM code of its unit"),
    ("type", "type of its values"),
];

/// The columns as a schema.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields: Vec<Field> =
        COLUMNS.iter().map(|(name, _)| Field::new(*name, DataType::Utf8View, true)).collect();
    Arc::new(Schema::new(fields))
});

/// The points of an organisation, in the order of their numbers.
pub(crate) struct Book {
    pub(crate) points: Vec<PointId>,
    columns: RecordBatch,
    revision: u64,
}

/// What to say of places: name and path of each.
pub(crate) struct Places(HashMap<ObjectId, (String, String)>);

impl Places {
    pub(crate) fn of(tree: &[Stored<Asset>]) -> Places {
        let by_id: HashMap<ObjectId, &Asset> = tree.iter().map(|stored| (stored.id, &stored.body)).collect();
        let path_of = |id: ObjectId| {
            let (mut names, mut at) = (Vec::new(), Some(id));
            // The tree has no cycle; damaged records may have one.
            while let Some(asset) = at.and_then(|id| by_id.get(&id)).filter(|_| names.len() < 64) {
                names.push(asset.name.en());
                at = asset.parent;
            }
            names.reverse();
            names.join("/")
        };
        Places(by_id.iter().map(|(id, asset)| (*id, (asset.name.en().to_string(), path_of(*id)))).collect())
    }
    pub(crate) fn name(&self, id: ObjectId) -> Option<&str> {
        self.0.get(&id).map(|(name, _)| name.as_str())
    }
    pub(crate) fn path(&self, id: ObjectId) -> Option<&str> {
        self.0.get(&id).map(|(_, path)| path.as_str())
    }
}

impl Book {
    async fn read(plant: &PlantModel, org: OrgId) -> Result<Book, Fault> {
        let revision = plant.revision();
        let places = Places::of(&plant.asset_tree(org).await?);
        let devices: HashMap<ObjectId, String> =
            plant.all_devices(org).await?.into_iter().map(|device| (device.id, device.body.name)).collect();
        let points = plant.points(org, &plant::PointQuery { limit: usize::MAX, ..Default::default() });
        let device = |point: &types::Point| point.device.and_then(|id| devices.get(&id));
        let text = |of: &dyn Fn(&types::CataloguedPoint) -> Option<String>| -> ArrayRef {
            Arc::new(points.iter().map(of).collect::<StringViewArray>())
        };
        let columns: Vec<ArrayRef> = vec![
            text(&|p| {
                Some(match device(&p.point) {
                    Some(device) => format!("{device}/{}", p.point.name),
                    None => p.point.name.clone(),
                })
            }),
            text(&|p| Some(p.object.to_string())),
            text(&|p| Some(p.point.name.clone())),
            text(&|p| {
                let label = p.point.label.en();
                Some(if label.is_empty() { p.point.name.clone() } else { label.to_string() })
            }),
            text(&|p| device(&p.point).cloned()),
            text(&|p| p.point.asset.and_then(|id| places.name(id)).map(str::to_string)),
            text(&|p| p.point.asset.and_then(|id| places.path(id)).map(str::to_string)),
            text(&|p| Some(p.point.unit.clone())),
            text(&|p| Some(p.point.value_type.name().to_string())),
        ];
        let columns = RecordBatch::try_new(SCHEMA.clone(), columns).map_err(|error| {
            Fault::new(types::codes::INTERNAL, format!("points do not make columns ({error}): report this"))
        })?;
        Ok(Book { points: points.iter().map(|p| p.id).collect(), columns, revision })
    }

    /// A column of some points, by their places.
    pub(crate) fn column(&self, column: usize, places: &UInt32Array) -> Result<ArrayRef> {
        Ok(take(self.columns.column(column), places, None)?)
    }

    /// The place of a point.
    pub(crate) fn place(&self, point: PointId) -> Option<u32> {
        self.points.binary_search(&point).ok().map(|place| place as u32)
    }

    /// The places of all points for which every one of these conditions is true.
    pub(crate) fn select(&self, conditions: &[Expr]) -> Result<Vec<u32>> {
        let schema = DFSchema::try_from(SCHEMA.as_ref().clone())?;
        let mut wanted = vec![true; self.points.len()];
        for condition in conditions {
            let condition = create_physical_expr(
                &unqualified(condition)?,
                &schema,
                &ExecutionProps::new(),
                &PhysicalPlanningContext::default(),
            )?;
            let truth = condition.evaluate(&self.columns)?.into_array(self.points.len())?;
            for (wanted, truth) in wanted.iter_mut().zip(truth.as_boolean()) {
                *wanted &= truth == Some(true);
            }
        }
        Ok((0..).zip(wanted).filter_map(|(place, wanted)| wanted.then_some(place)).collect())
    }
}

/// The same condition with columns named without their table.
fn unqualified(condition: &Expr) -> Result<Expr> {
    let bare = condition.clone().transform(|part| {
        Ok(match part {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(datafusion::common::Column::from_name(column.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(bare.data)
}

/// Whether a condition is about the point alone, so that it is true for all of its samples or for none.
pub(crate) fn is_about_points(condition: &Expr) -> bool {
    let asks_others = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(..)
        ))
    };
    let columns = condition.column_refs();
    !columns.is_empty()
        && !condition.is_volatile()
        && !condition.exists(asks_others).unwrap_or(true)
        && columns.iter().all(|column| SCHEMA.column_with_name(&column.name).is_some())
}

/// What tables of points and samples stand on: the points are looked up when a table is read, not when it is made.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) historian: Historian,
    pub(crate) plant: PlantModel,
    pub(crate) books: Arc<Books>,
    pub(crate) org: OrgId,
}

impl Scene {
    pub(crate) async fn book(&self) -> Result<Arc<Book>> {
        self.books.of(&self.plant, self.org).await.map_err(refusal)
    }
}

/// Books of organisations, each as good as the plant model's revision that it was made at.
#[derive(Default)]
pub(crate) struct Books(Mutex<HashMap<OrgId, Arc<Book>>>);

impl Books {
    pub(crate) async fn of(&self, plant: &PlantModel, org: OrgId) -> Result<Arc<Book>, Fault> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&org).cloned();
        if let Some(book) = known.filter(|book| book.revision == plant.revision()) {
            return Ok(book);
        }
        let book = Arc::new(Book::read(plant, org).await?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(org, book.clone());
        Ok(book)
    }
}
