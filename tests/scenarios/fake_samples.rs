//! The samples handle that apps are tested on answers like the one over the historian: the same random steps on both.

use sdk::{
    AggregateQuery, ClockPort, PointQuery, RangeQuery, Scope,
    fake::{World, caller, seeded_random},
    http::Permission,
};
use std::{sync::Arc, time::Duration};
use types::{
    Fault, OrgId, Origin, Point, PointId, Quality, Random, Section, Time, Value, ValueType, random_bytes,
};

use crate::support::TempDir;

const STEPS: usize = 600;
const ORGS: [OrgId; 2] = [OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16])];
/// One point a type in each organisation.
const TYPES: [ValueType; 5] =
    [ValueType::F64, ValueType::F32, ValueType::Bool, ValueType::U64, ValueType::String];
/// Numbers that no point has are asked for too.
const POINTS: usize = TYPES.len() * ORGS.len() + 2;

/// A node with the clock of the world, so that both stamp alike.
pub(crate) async fn node(
    dir: &TempDir,
    world: &World,
    drivers: Vec<sdk::Driver>,
) -> (runtime::Runtime, plant::PlantModel) {
    let (clock, random) = (world.clock().clone(), seeded_random(3));
    let now: types::Now = Arc::new(move || clock.now());
    let env = records::Env { now: now.clone(), random: random.clone() };
    let file = dir.path().join("records.sqlite");
    let records = records::Records::open_sqlite(&file, env).await.expect("a fresh store opens");
    let options = historian::Options::new(dir.path().join("historian"), now.clone(), [1; 16]);
    let (historian, _) = historian::Historian::open(options).expect("a fresh historian opens");
    let env = plant::Env { now, random: random.clone() };
    let checks = Arc::new(runtime::DriverChecks::new(drivers.clone(), crate::support::node::seal()));
    let plant = plant::PlantModel::open(records.clone(), env, checks).await.expect("a fresh plant opens");
    let parts = runtime::Parts {
        historian,
        records,
        plant: plant.clone(),
        drivers,
        doors: Vec::new(),
        apps: Vec::new(),
        seal: crate::support::node::seal(),
        clock: world.clock().handle(),
        net: runtime::host_net(),
        random,
    };
    (runtime::Runtime::start(parts).await.expect("it starts"), plant)
}

/// Draws steps.
struct Draw(Random);

impl Draw {
    fn below(&self, n: usize) -> usize {
        (u64::from_be_bytes(random_bytes(&self.0)) % n as u64) as usize
    }
    fn time(&self) -> Time {
        Time(self.below(40) as i64 - 5)
    }
    fn points(&self) -> Vec<PointId> {
        (0..self.below(4)).map(|_| PointId(self.below(POINTS) as u32)).collect()
    }
    fn value(&self, of: ValueType) -> Value {
        let n = self.below(9);
        match of {
            ValueType::Bool => Value::Bool(n > 4),
            ValueType::U64 => Value::U64(n as u64),
            ValueType::F32 => Value::F32(n as f32 / 2.0),
            ValueType::F64 if n == 0 => Value::F64(f64::INFINITY),
            ValueType::F64 => Value::F64(n as f64 / 4.0),
            _ => Value::String(n.to_string().into()),
        }
    }
    /// Some rows of some points of an organisation; now and then a foreign point or a wrong type is among them.
    fn sections(&self, org: usize) -> Vec<Section> {
        let mut sections = Vec::new();
        for _ in 0..1 + self.below(3) {
            let at = self.below(TYPES.len());
            let of = (self.below(4) > 0).then_some(TYPES[at]);
            let mut section = Section::empty(of);
            for _ in 0..self.below(5) {
                let owner = if self.below(40) == 0 { 1 - org } else { org };
                let at = if self.below(40) == 0 { self.below(TYPES.len()) } else { at };
                let point = PointId((owner * TYPES.len() + at + 1) as u32);
                let quality = [Quality::GOOD, Quality::GOOD, Quality::UNCERTAIN, Quality::BAD][self.below(4)];
                section.push(point, self.time(), of.map(|of| self.value(of)), quality);
            }
            sections.push(section);
        }
        sections
    }
}

/// What a caller may rely on of a fault.
fn told(fault: Fault) -> (String, Option<String>) {
    (fault.code.into_owned(), fault.path)
}

/// Asks both and holds the answers against each other; says whether it was let through.
macro_rules! same {
    ($fake:expr, $real:expr, $call:expr) => {{
        let call = $call;
        let (fake, real) = (call(&$fake).await, call(&$real).await);
        // Through text, because not-a-number is not equal to itself and empty buckets hold it.
        assert_eq!(format!("{fake:?}"), format!("{real:?}"));
        let through = fake.is_ok();
        through
    }};
}

#[tokio::test]
async fn random_steps_end_alike() {
    let dir = TempDir::new("fake-samples");
    let world = World::at(Time::from_unix_ms(1_767_225_600_000));
    let (runtime, plant) = node(&dir, &world, Vec::new()).await;
    for org in ORGS {
        for (at, value_type) in TYPES.into_iter().enumerate() {
            let json = serde_json::json!({ "name": format!("point_{at}"), "value_type": value_type });
            let point: Point = serde_json::from_value(json).unwrap();
            let real = plant.create_points(org, "user:anna", vec![point.clone()]).await.unwrap();
            assert_eq!(world.add_point(org, point).id, real[0].id, "both number points from 1");
        }
    }
    let scopes = ORGS.map(|org| {
        let anna = caller("user:anna", Permission::Configure);
        (world.scope(org, anna.clone()), runtime.scope(org, anna))
    });
    let draw = Draw(seeded_random(0x5EED));
    let (mut stored, mut refused) = (0, 0);
    for _ in 0..STEPS {
        world.clock().advance(Duration::from_millis(draw.below(3) as u64)).await;
        let org = draw.below(ORGS.len());
        let (fake, real) = &scopes[org];
        match draw.below(5) {
            0 | 1 => {
                let sections = draw.sections(org);
                let through = same!(fake, real, async |scope: &Scope| {
                    scope.samples.append(Origin::Manual, sections.clone()).await.map_err(told)
                });
                *if through { &mut stored } else { &mut refused } += 1;
            }
            2 => {
                let points = draw.points();
                assert_eq!(fake.samples.latest(&points), real.samples.latest(&points));
                let found = |scope: &Scope| -> Vec<Option<Point>> {
                    scope.plant.points_by_id(&points).into_iter().map(|point| Some(point?.point)).collect()
                };
                assert_eq!(found(fake), found(real));
            }
            3 => {
                let (from, to, newest_first) = (draw.time(), draw.time(), draw.below(2) == 0);
                let limit_rows = draw.below(30);
                let query = RangeQuery { points: draw.points(), from, to, limit_rows, newest_first };
                same!(fake, real, async |scope: &Scope| rows(scope, query.clone()).await);
            }
            _ => {
                let (from, to, buckets) = (draw.time(), draw.time(), draw.below(8) as u32);
                let query = AggregateQuery { points: draw.points(), from, to, buckets, exact: true };
                same!(fake, real, async |scope: &Scope| scope
                    .samples
                    .aggregate(query.clone())
                    .await
                    .map_err(told));
            }
        }
    }
    for (fake, real) in &scopes {
        let query = PointQuery { search: Some("POINT_".into()), limit: 3, ..PointQuery::default() };
        let names = |scope: &Scope| -> Vec<String> {
            scope.plant.points(&query).into_iter().map(|point| point.point.name).collect()
        };
        assert_eq!(names(fake), names(real));
        // The first six bytes of an id are its time of birth, in ms (RFC 9562).
        assert_eq!(fake.ids.born().bytes()[..6], real.ids.born().bytes()[..6]);
        assert_ne!(real.ids.born(), real.ids.born());
    }
    runtime.stop().await;
    println!("fake_samples: {stored} appends stored, {refused} refused");
    assert!(stored > 100 && refused > 10, "the steps no longer meet what they are for");
}

/// Row by row: how rows are cut into runs of equal quality is nobody's business.
async fn rows(scope: &Scope, query: RangeQuery) -> Result<Vec<String>, (String, Option<String>)> {
    let sections = scope.samples.range(query).await.map_err(told)?;
    let shown = |section: &Section| section.rows().map(|row| format!("{row:?}")).collect::<Vec<_>>();
    Ok(sections.iter().map(|section| shown(section).join(" ")).collect())
}
