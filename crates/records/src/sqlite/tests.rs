//! The full disk, and query plans: every statement that a list, a page or a load runs must go through an index, in the
//! index's order.

use rusqlite::Connection;
use tokio::sync::oneshot;
use types::{Change, Cursor, Direction, Expected, Filter, Index, IndexValue, ObjectId, OrgId, Query, Time};

use super::{Asked, Job, Lite, at_once, migrate, write_group};
use crate::RecordsError;
use crate::ops::{Commit, Committed, EventsAfter, Get, List, NextOrg, Rows};
use crate::plan::Plan;
use crate::session::{Arg, Operation, Row, Session};

const ORG: OrgId = OrgId::from_bytes([7; 16]);
const INDEXES: &[Index] = &[Index::on("name"), Index::on("group")];

/// Writes down how SQLite goes about each statement. Counting finds "many" when asked to.
struct Explainer<'a> {
    on: Lite<'a>,
    many: bool,
    steps: Vec<String>,
}

impl Explainer<'_> {
    fn explain(&mut self, sql: &str, args: &[Arg<'_>]) {
        let explain = format!("EXPLAIN QUERY PLAN {}", sql.replace('$', "?"));
        let mut statement = self.on.0.prepare(&explain).unwrap();
        let detail = |row: &rusqlite::Row<'_>| row.get::<_, String>("detail");
        let steps = statement.query_map(rusqlite::params_from_iter(args), detail).unwrap();
        self.steps.extend(steps.map(Result::unwrap));
    }
}

impl Session for Explainer<'_> {
    async fn query(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, RecordsError> {
        self.explain(sql, args);
        if sql.starts_with("SELECT count(*)") && self.many {
            return Ok(vec![Row::new(vec![crate::session::Cell::Int(i64::MAX)])]);
        }
        self.on.query(sql, args).await
    }
}

fn steps<O: Operation>(many: bool, operation: O) -> Vec<String> {
    let mut on = Connection::open_in_memory().unwrap();
    migrate(&mut on, Time(0)).unwrap();
    let mut explainer = Explainer { on: Lite(&mut on), many, steps: vec![] };
    assert!(at_once(operation.run(&mut explainer)).is_ok());
    explainer.steps
}

fn list(
    many: bool,
    filters: Vec<Filter>,
    order: Option<(&'static str, Direction)>,
    go_on: bool,
) -> Vec<String> {
    let mut query = Query { filters, order, ..Query::default() };
    let plan = |query: &Query| Plan::new(ORG, "things", INDEXES, query).unwrap();
    if go_on {
        let Cursor(text) = plan(&query).cursor(b"\x02m", ObjectId::from_bytes([3; 16]));
        query.after = Some(Cursor(text));
    }
    let steps = steps(many, List { plan: plan(&query) });
    // `matches` is what counting has collected, bounded by its limit.
    let scans = |step: &&String| step.starts_with("SCAN") && *step != "SCAN matches";
    assert_eq!(steps.iter().find(scans), None, "{steps:#?}");
    steps
}

fn contains(steps: &[String], part: &str) -> bool {
    steps.iter().any(|step| step.contains(part))
}

#[test]
fn lists_walk_an_index_in_its_order() {
    let equal = || Filter::Equal("group", IndexValue::Text("a".into()));
    let between =
        || Filter::Between("name", Some(IndexValue::Text("b".into())), Some(IndexValue::Text("x".into())));
    let orders = [None, Some(("name", Direction::Ascending)), Some(("name", Direction::Descending))];
    for order in orders {
        for go_on in [false, true] {
            for filters in [vec![], vec![equal()], vec![between()], vec![equal(), between()]] {
                // Many matches: nothing may be sorted, whatever the filters.
                let steps = list(true, filters.clone(), order, go_on);
                assert!(!contains(&steps, "TEMP B-TREE"), "{order:?} {filters:?}: {steps:#?}");
                // Few matches: read whole, so a sort is right; still no scan, which `list` checks.
                list(false, filters, order, go_on);
            }
        }
    }
}

#[test]
fn a_page_starts_where_the_last_one_ended() {
    let order = Some(("name", Direction::Ascending));
    let between =
        Filter::Between("name", Some(IndexValue::Text("b".into())), Some(IndexValue::Text("x".into())));
    assert!(contains(&list(true, vec![between], order, true), "(value,id)>(?,?)"));
    assert!(contains(&list(true, vec![], Some(("name", Direction::Descending)), true), "(value,id)<(?,?)"));
    assert!(contains(&list(true, vec![], None, true), "(org=? AND collection=? AND id>?)"));
}

#[test]
fn the_rest_seeks_too() {
    let get = steps(false, Get { org: ORG, collection: "things".into(), id: ObjectId::from_bytes([3; 16]) });
    assert!(contains(&get, "(org=? AND collection=? AND id=?)"), "{get:?}");
    let rows = steps(false, Rows { table: "points", after: Some((ORG, 7)), limit: 10 });
    assert!(contains(&rows, "(org=? AND name=? AND key>?)") && !contains(&rows, "TEMP B-TREE"), "{rows:?}");
    let next = steps(false, NextOrg { after: Some(ORG) });
    assert!(contains(&next, "(org>?)"), "{next:?}");
    let own = steps(false, EventsAfter { org: Some(ORG), after: 5, limit: 10 });
    assert!(
        contains(&own, "events_of_org (org=? AND sequence>?)") || contains(&own, "(org=? AND rowid>?)"),
        "{own:?}"
    );
    let all = steps(false, EventsAfter { org: None, after: 5, limit: 10 });
    assert!(contains(&all, "INTEGER PRIMARY KEY (rowid>?)"), "{all:?}");
}

/// One write of a document with a body of so many bytes, and where its answer comes.
fn asked(id: u8, bytes: usize) -> (Box<dyn Job>, oneshot::Receiver<Result<Committed, RecordsError>>) {
    let body = format!("\"{}\"", "x".repeat(bytes));
    let id = ObjectId::from_bytes([id; 16]);
    let change = Change::Put { collection: "things", id, expected: Expected::Absent, body, indexes: vec![] };
    let operation =
        Commit { org: ORG, actor: "tester".into(), changes: vec![change], events: vec![], at: Time(0) };
    let (answer, answered) = oneshot::channel();
    (Box::new(Asked { operation, outcome: None, answer }), answered)
}

#[test]
fn on_a_full_disk_only_what_is_kept_is_acknowledged() {
    let mut on = Connection::open_in_memory().unwrap();
    migrate(&mut on, Time(0)).unwrap();
    let pages: i64 = on.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    on.pragma_update(None, "max_page_count", pages + 8).unwrap();
    let (mut group, answers): (Vec<_>, Vec<_>) =
        [asked(1, 10), asked(2, 1 << 20), asked(3, 10)].into_iter().unzip();
    let transaction = write_group(&mut on, &mut group);
    group.into_iter().for_each(|job| job.settle(transaction.clone()));
    let mut refused = 0;
    for (id, mut answer) in (1..).zip(answers) {
        let get = Get { org: ORG, collection: "things".into(), id: ObjectId::from_bytes([id; 16]) };
        let kept = at_once(get.run(&mut Lite(&mut on))).unwrap().is_some();
        let answer = answer.try_recv().unwrap();
        assert_eq!(answer.is_ok(), kept, "document {id}: {answer:?}");
        refused += usize::from(matches!(answer, Err(RecordsError::Unavailable(_))));
    }
    assert!(refused > 0, "the disk was never full");
    // With room again, the next write goes through.
    on.pragma_update(None, "max_page_count", pages + 1_000).unwrap();
    let (job, mut answer) = asked(4, 10);
    let mut group = vec![job];
    let transaction = write_group(&mut on, &mut group);
    group.into_iter().for_each(|job| job.settle(transaction.clone()));
    assert!(answer.try_recv().unwrap().is_ok());
}
