//! Operations that read documents. The index table drives a list whenever that bounds the work.

use types::{Direction, ObjectId, OrgId, Page, Stored, Time};

use crate::RecordsError;
use crate::plan::{Plan, Range};
use crate::session::{Arg, Operation, Row, Session};

/// A filter that leaves at most so many documents is read whole and sorted; a wider one is probed along the order.
const SORT_MAX: i64 = 250;

/// See [`crate::Records::get`]; the body stays text.
pub(crate) struct Get {
    pub(crate) org: OrgId,
    pub(crate) collection: String,
    pub(crate) id: ObjectId,
}

impl Operation for Get {
    type Output = Option<Stored<String>>;
    const WRITES: bool = false;

    async fn run<S: Session>(&self, on: &mut S) -> Result<Self::Output, RecordsError> {
        let sql = "SELECT id, revision, changed, body FROM documents WHERE org = $1 AND collection = $2 AND id = $3";
        let args = [Arg::Bytes(&self.org.bytes()), Arg::Text(&self.collection), Arg::Bytes(&self.id.bytes())];
        on.query(sql, &args).await?.into_iter().next().map(|mut row| stored(&mut row)).transpose()
    }
}

fn stored(row: &mut Row) -> Result<Stored<String>, RecordsError> {
    Ok(Stored { id: row.object()?, revision: row.count()?, changed: Time(row.int()?), body: row.text()? })
}

/// The first organisation, or the one after another, that has any document.
pub(crate) struct NextOrg {
    pub(crate) after: Option<OrgId>,
}

impl Operation for NextOrg {
    type Output = Option<OrgId>;
    const WRITES: bool = false;

    async fn run<S: Session>(&self, on: &mut S) -> Result<Self::Output, RecordsError> {
        let rows = match self.after {
            None => on.query("SELECT org FROM documents ORDER BY org LIMIT 1", &[]).await?,
            Some(org) => {
                let sql = "SELECT org FROM documents WHERE org > $1 ORDER BY org LIMIT 1";
                on.query(sql, &[Arg::Bytes(&org.bytes())]).await?
            }
        };
        rows.into_iter().next().map(|mut row| row.org()).transpose()
    }
}

/// See [`crate::Records::list`]; bodies stay text.
pub(crate) struct List {
    pub(crate) plan: Plan,
}

impl Operation for List {
    type Output = Page<Stored<String>>;
    const WRITES: bool = false;

    async fn run<S: Session>(&self, on: &mut S) -> Result<Self::Output, RecordsError> {
        let plan = &self.plan;
        let lead = leading_filter(on, plan).await?;
        let statement = select(plan, lead);
        let args: Vec<_> = statement.args.iter().map(Value::arg).collect();
        let mut rows = on.query(&statement.sql, &args).await?;
        let more = rows.len() > plan.limit;
        rows.truncate(plan.limit);
        let mut items = Vec::with_capacity(rows.len());
        let mut last = None;
        for mut row in rows {
            let item = stored(&mut row)?;
            last = Some((if plan.order.is_some() { row.bytes()? } else { Vec::new() }, item.id));
            items.push(item);
        }
        let next = last.filter(|_| more).map(|(value, id)| plan.cursor(&value, id));
        Ok(Page { items, next })
    }
}

/// The filter to read first: the one that leaves fewest documents, if that is few; for an order by id an equality is
/// good in any case, because its entries are in the order of ids.
async fn leading_filter<S: Session>(on: &mut S, plan: &Plan) -> Result<Option<usize>, RecordsError> {
    let mut best = None;
    for (at, range) in plan.ranges.iter().enumerate() {
        let mut counting = Statement::default();
        counting.push("SELECT count(*) FROM (SELECT 1 FROM entries k WHERE ");
        counting.entry_key("k", plan, &range.index);
        counting.bounds("k", range);
        counting.push(" LIMIT ");
        counting.param(Value::Int(SORT_MAX + 1));
        counting.push(") AS matches");
        let args: Vec<_> = counting.args.iter().map(Value::arg).collect();
        let rows = on.query(&counting.sql, &args).await?;
        let count = rows.into_iter().next().map_or(Ok(0), |mut row| row.int())?;
        let good = count <= SORT_MAX || (plan.order.is_none() && range.equal);
        if good && best.is_none_or(|(least, _)| count < least) {
            best = Some((count, at));
        }
    }
    Ok(best.map(|(_, at)| at))
}

/// `k` drives: a filter's entries, the order's entries, or the documents. `o` is the order's entry, `d` the document.
/// CROSS JOIN keeps SQLite to this sequence. PostgreSQL is kept to it by `coalesce`: were the organisation of `d` and `o`
/// known to its planner, it would take the whole collection for one row as long as there are no statistics.
fn select(plan: &Plan, lead: Option<usize>) -> Statement {
    let mut sql = Statement::default();
    let order_drives = lead.is_none() && plan.order.is_some();
    let (order, document) = match (&plan.order, lead) {
        (Some(_), Some(_)) => ("o", "d"),
        (Some(_), None) => ("k", "d"),
        (None, Some(_)) => ("k", "d"),
        (None, None) => ("k", "k"),
    };
    sql.push(&format!("SELECT {document}.id, {document}.revision, {document}.changed, {document}.body"));
    if plan.order.is_some() {
        sql.push(&format!(", {order}.value"));
    }
    match (lead.map(|at| &plan.ranges[at]), &plan.order) {
        (Some(range), order) => {
            sql.push(" FROM entries k");
            sql.push(if order.is_some() { " CROSS JOIN entries o" } else { "" });
            sql.push(" CROSS JOIN documents d WHERE ");
            sql.entry_key("k", plan, &range.index);
            sql.bounds("k", range);
            if let Some((index, _)) = order {
                sql.push(" AND o.org = coalesce(k.org, k.org) AND o.collection = k.collection AND o.id = k.id AND o.name = ");
                sql.param(Value::Text(index.clone()));
            }
        }
        (None, Some((index, _))) => {
            sql.push(" FROM entries k CROSS JOIN documents d WHERE ");
            sql.entry_key("k", plan, index);
        }
        (None, None) => {
            sql.push(" FROM documents k WHERE ");
            sql.key("k", plan);
        }
    }
    if document == "d" {
        sql.push(" AND d.org = coalesce(k.org, k.org) AND d.collection = k.collection AND d.id = k.id");
    }
    for (at, range) in plan.ranges.iter().enumerate().filter(|(at, _)| Some(*at) != lead) {
        // A filter on the driving order narrows the walk itself.
        if order_drives && plan.order.as_ref().is_some_and(|(index, _)| *index == range.index) {
            sql.walk_bounds(plan, range);
            continue;
        }
        let entry = format!("f{at}");
        sql.push(&format!(" AND EXISTS (SELECT 1 FROM entries {entry} WHERE "));
        sql.entry_key(&entry, plan, &range.index);
        sql.push(&format!(" AND {entry}.id = k.id"));
        if range.equal {
            sql.bounds(&entry, range);
        } else {
            // Hidden from the planners: PostgreSQL would else walk the whole range for each document.
            sql.bound(&format!("coalesce({entry}.value, {entry}.value)"), ">=", range.from.as_ref());
            sql.bound(&format!("coalesce({entry}.value, {entry}.value)"), "<", range.to.as_ref());
        }
        // The offset keeps PostgreSQL from turning the probe into a join that reads and sorts all matches.
        sql.push(" LIMIT 1 OFFSET 0)");
    }
    sql.place_and_order(plan, order);
    sql
}

/// SQL that grows together with its arguments.
#[derive(Default)]
struct Statement {
    sql: String,
    args: Vec<Value>,
}

enum Value {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    fn arg(&self) -> Arg<'_> {
        match self {
            Value::Int(value) => Arg::Int(*value),
            Value::Text(value) => Arg::Text(value),
            Value::Bytes(value) => Arg::Bytes(value),
        }
    }
}

impl Statement {
    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    fn param(&mut self, value: Value) {
        self.args.push(value);
        self.sql.push_str(&format!("${}", self.args.len()));
    }

    fn key(&mut self, table: &str, plan: &Plan) {
        self.push(&format!("{table}.org = "));
        self.param(Value::Bytes(plan.org.bytes().to_vec()));
        self.push(&format!(" AND {table}.collection = "));
        self.param(Value::Text(plan.collection.clone()));
    }

    fn entry_key(&mut self, table: &str, plan: &Plan, index: &str) {
        self.key(table, plan);
        self.push(&format!(" AND {table}.name = "));
        self.param(Value::Text(index.into()));
    }

    fn bounds(&mut self, table: &str, range: &Range) {
        let value = format!("{table}.value");
        self.bound(&value, if range.equal { "=" } else { ">=" }, range.from.as_ref());
        self.bound(&value, "<", range.to.as_ref());
    }

    fn bound(&mut self, value: &str, is: &str, end: Option<&Vec<u8>>) {
        if let Some(end) = end {
            self.push(&format!(" AND {value} {is} "));
            self.param(Value::Bytes(end.clone()));
        }
    }

    /// Bounds of the walk along the order. The place to go on lies within them, so on its side it replaces the bound:
    /// with both, SQLite would start at the bound and step over every page before.
    fn walk_bounds(&mut self, plan: &Plan, range: &Range) {
        let descending = matches!(plan.order, Some((_, Direction::Descending)));
        let going_on = plan.after.is_some();
        if range.equal {
            return self.bounds("k", range);
        }
        if !going_on || descending {
            self.bound("k.value", ">=", range.from.as_ref());
        }
        if !going_on || !descending {
            self.bound("k.value", "<", range.to.as_ref());
        }
    }

    fn place_and_order(&mut self, plan: &Plan, order: &str) {
        let direction = match &plan.order {
            Some((_, Direction::Descending)) => "DESC",
            _ => "ASC",
        };
        if let Some(place) = &plan.after {
            let beyond = if direction == "DESC" { "<" } else { ">" };
            match &plan.order {
                None => self.push(&format!(" AND {order}.id {beyond} ")),
                Some(_) => {
                    self.push(&format!(" AND ({order}.value, {order}.id) {beyond} ("));
                    self.param(Value::Bytes(place.value.clone()));
                    self.push(", ");
                }
            }
            self.param(Value::Bytes(place.id.bytes().to_vec()));
            self.push(if plan.order.is_some() { ")" } else { "" });
        }
        match &plan.order {
            None => self.push(&format!(" ORDER BY {order}.id ASC LIMIT ")),
            Some(_) => {
                self.push(&format!(" ORDER BY {order}.value {direction}, {order}.id {direction} LIMIT "))
            }
        }
        self.param(Value::Int(plan.limit as i64 + 1));
    }
}
