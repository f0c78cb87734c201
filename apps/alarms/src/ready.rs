//! A rule on this node's points: found by name, units worked out, ready to meet rows.

use sdk::Plant;
use types::{CataloguedPoint, Fault, ObjectId};

use crate::{
    check::{self, Surroundings},
    evaluate::Evaluator,
    rule::Rule,
};

/// What a rule needs.
pub struct Ready {
    /// The watched point.
    pub point: CataloguedPoint,
    /// The point that gives the setpoint.
    pub setpoint: Option<CataloguedPoint>,
    /// What the rule does with rows.
    pub evaluator: Evaluator,
}

impl Ready {
    /// Looks the points up and works the units out.
    ///
    /// # Errors
    /// A point that is gone, or is measured in something that the rule's figures are not.
    pub fn new(plant: &Plant, rule: &Rule) -> Result<Ready, Fault> {
        let point = find(plant, rule.point).ok_or_else(|| gone("/point"))?;
        let setpoint = match rule.setpoint_point() {
            Some(object) => Some(find(plant, object).ok_or_else(|| gone("/condition/setpoint/point"))?),
            None => None,
        };
        let around = Surroundings {
            point: &point.point,
            setpoint: setpoint.as_ref().map(|at| &at.point),
            others: &[],
        };
        let units = check::units(rule, &around)?;
        let evaluator = Evaluator::new(rule, units).ok_or_else(|| gone("/unit"))?;
        Ok(Ready { point, setpoint, evaluator })
    }
}

/// One point by its name everywhere.
pub fn find(plant: &Plant, object: ObjectId) -> Option<CataloguedPoint> {
    plant.points_by_object(&[object]).pop().flatten()
}

fn gone(path: &str) -> Fault {
    let detail = "there is no such point any more: point the rule at another one, or remove it";
    Fault::new("alarms.point-unknown", detail).at(path)
}
