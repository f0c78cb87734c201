//! The record store that apps are tested on answers like the real one: the same random steps on both, compared.

use records::{Env, Records, RecordsError};
use sdk::{
    ClockPort, Scope,
    fake::{World, caller, seeded_random},
    http::Permission,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};
use types::{
    Arg, Change, Cursor, Direction, Document, Event, EventDraft, Expected, Fault, Filter, Index, IndexValue,
    ObjectId, OrgId, Page, Query, Random, Stored, Time, random_bytes,
};

use crate::support::TempDir;

/// Steps of one run; a few documents under a few values, so that they keep meeting each other.
const STEPS: usize = 4_000;
const ORGS: [OrgId; 2] = [OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16])];
const ACTOR: &str = "app:parts";
const SUBSCRIBER: &str = "labels";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Part {
    code: Option<IndexValue>,
    size: Option<IndexValue>,
    note: u64,
}

impl Document for Part {
    const COLLECTION: &'static str = "parts";
    const INDEXES: &'static [Index] = &[Index::unique("code"), Index::on("size")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![self.code.clone(), self.size.clone()]
    }
}

/// What a caller may rely on of a fault: its code and its arguments. The English text may differ.
type Told = (String, BTreeMap<String, Arg>);

fn told(fault: Fault) -> Told {
    (fault.code.into_owned(), fault.args.into_iter().map(|(name, arg)| (name.into_owned(), arg)).collect())
}

/// Both stores, with one clock.
struct Pair {
    world: World,
    real: Records,
}

impl Pair {
    async fn open(dir: &TempDir) -> Pair {
        let world = World::at(Time::from_unix_ms(1_767_225_600_000));
        let clock = world.clock().clone();
        let env = Env { now: Arc::new(move || clock.now()), random: seeded_random(9) };
        let real =
            Records::open_sqlite(&dir.path().join("records.sqlite"), env).await.expect("a fresh store opens");
        Pair { world, real }
    }

    fn fake(&self, org: OrgId) -> Scope {
        self.world.scope(org, caller(ACTOR, Permission::Read))
    }

    /// Carries it out on both; says whether it was let through.
    async fn commit(&self, org: OrgId, actor: &str, changes: Vec<Change>, events: Vec<EventDraft>) -> bool {
        let shown = format!("{changes:?} {events:?}").chars().take(2_000).collect::<String>();
        let scope = self.world.scope(org, caller(actor, Permission::Read));
        let fake = scope.records.commit(changes.clone(), events.clone()).await.map_err(told);
        let real = self.real.commit(org, actor, changes, events).await.map(drop);
        assert_eq!(fake, real.map_err(of_real), "{shown}");
        fake.is_ok()
    }

    /// The pages of both; their cursors differ and are handed on in pairs.
    async fn list(
        &self,
        org: OrgId,
        query: Query,
        after: Option<Place>,
    ) -> Option<(Page<Stored<Part>>, Place)> {
        let (fake_after, real_after) = after.map_or((None, None), |(f, r)| (Some(f), Some(r)));
        let fake = Query { after: fake_after, ..query.clone() };
        let fake = self.fake(org).records.list::<Part>(fake).await.map_err(told);
        let real = Query { after: real_after, ..query.clone() };
        let real = self.real.list::<Part>(org, real).await.map_err(of_real);
        let rows = |page: &Result<Page<Stored<Part>>, Told>| page.clone().map(|page| page.items);
        assert_eq!(rows(&fake), rows(&real), "{query:?}");
        let (fake, real) = (fake.ok()?, real.ok()?);
        assert_eq!(fake.next.is_some(), real.next.is_some(), "{query:?}");
        let place = (fake.next.clone()?, real.next?);
        Some((fake, place))
    }

    async fn events(&self, org: OrgId, after: u64, limit: usize) {
        let fake = self.fake(org).events.after(after, limit).await.expect("both stores answer");
        let real = self.real.events_after(Some(org), after, limit).await.expect("both stores answer");
        assert_eq!(nameless(fake), nameless(real));
    }

    /// One subscriber takes some of what waits for it.
    async fn take(&self, org: OrgId, draw: &Draw) {
        let cursor = format!("{SUBSCRIBER}@{org}");
        let done = self.real.subscriber_cursor(&cursor).await.expect("both stores answer");
        let waiting = self.real.events_after(Some(org), done, 500).await.expect("both stores answer");
        if waiting.is_empty() {
            return;
        }
        let events = self.fake(org).events.clone();
        assert_eq!(
            nameless(events.next(SUBSCRIBER).await.expect("both stores answer")),
            nameless(waiting.clone())
        );
        let upto = waiting[draw.below(waiting.len())].sequence.saturating_sub(draw.below(3) as u64);
        events.taken(SUBSCRIBER, upto).await.expect("both stores answer");
        self.real.advance(&cursor, upto).await.expect("both stores answer");
    }
}

/// The cursors of the fake and of the real store.
type Place = (Cursor, Cursor);

fn of_real(error: RecordsError) -> Told {
    told(error.fault())
}

/// Ids of events are drawn by each store for itself.
fn nameless(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().map(|event| Event { id: ObjectId::from_bytes([0; 16]), ..event }).collect()
}

/// Draws steps.
struct Draw(Random);

impl Draw {
    fn below(&self, n: usize) -> usize {
        (u64::from_be_bytes(random_bytes(&self.0)) % n as u64) as usize
    }
    fn one<T: Clone>(&self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
    fn id(&self) -> ObjectId {
        ObjectId::from_bytes([self.below(8) as u8; 16])
    }
    fn value(&self) -> IndexValue {
        self.one(&[
            IndexValue::Int(-1),
            IndexValue::Int(0),
            IndexValue::Int(7),
            IndexValue::Text(String::new()),
            IndexValue::Text("ab".into()),
            IndexValue::Text("abc".into()),
            IndexValue::Text("轴承".into()),
            IndexValue::Id(ObjectId::from_bytes([3; 16])),
            IndexValue::Time(Time(-5)),
            IndexValue::Time(Time(5)),
        ])
    }
    fn maybe(&self) -> Option<IndexValue> {
        (self.below(4) > 0).then(|| self.value())
    }
    /// An end of a range of numbers.
    fn end(&self) -> Option<IndexValue> {
        self.one(&[None, Some(-1), Some(0), Some(7), Some(8)]).map(IndexValue::Int)
    }
    fn change(&self) -> Change {
        let expected = match self.below(8) {
            0 => Expected::Absent,
            1 => Expected::At(self.below(5) as u64),
            _ => Expected::Any,
        };
        if self.below(8) == 0 {
            return Change::delete::<Part>(self.id(), expected);
        }
        let part = Part { code: self.maybe(), size: self.maybe(), note: self.below(1_000) as u64 };
        Change::put(self.id(), expected, &part).expect("a part is JSON")
    }
    fn event(&self) -> EventDraft {
        let name = self.one(&["parts.added.v1", "parts.removed.v1"]);
        EventDraft { name, object: self.id(), payload: serde_json::json!({ "n": self.below(9) }) }
    }
    fn filter(&self) -> Filter {
        let index = if self.below(20) == 0 { "weight" } else { self.one(&["code", "size"]) };
        match self.below(6) {
            0 => Filter::Equal(index, self.value()),
            1 => Filter::Between(index, self.maybe(), self.maybe()),
            2 | 3 => Filter::Between(index, self.end(), self.end()),
            _ => Filter::StartsWith(index, self.one(&["", "a", "ab", "abc", "轴"]).into()),
        }
    }
    fn query(&self) -> Query {
        let order = (self.one(&["code", "size"]), self.one(&[Direction::Ascending, Direction::Descending]));
        Query {
            filters: (0..self.below(3)).map(|_| self.filter()).collect(),
            order: (self.below(3) > 0).then_some(order),
            after: None,
            limit: self.below(4),
        }
    }
}

#[tokio::test]
async fn random_steps_end_alike() {
    let dir = TempDir::new("fake-records");
    let pair = Pair::open(&dir).await;
    let draw = Draw(seeded_random(0x5EED));
    let mut open: Option<(OrgId, Query, Place)> = None;
    let (mut done, mut refused, mut continued) = (0, 0, 0);
    for _ in 0..STEPS {
        pair.world.clock().advance(Duration::from_millis(draw.below(3) as u64)).await;
        let org = draw.one(&ORGS);
        match draw.below(9) {
            0 | 1 => {
                let changes = (0..draw.below(4)).map(|_| draw.change()).collect();
                let events = (0..draw.below(3)).map(|_| draw.event()).collect();
                let through = pair.commit(org, ACTOR, changes, events).await;
                *if through { &mut done } else { &mut refused } += 1;
            }
            2 => {
                let id = draw.id();
                let fake = pair.fake(org).records.get::<Part>(id).await.unwrap();
                assert_eq!(fake, pair.real.get::<Part>(org, id).await.unwrap());
            }
            3 => pair.events(org, draw.below(200) as u64, draw.below(20)).await,
            4 => pair.take(org, &draw).await,
            // Goes on where a page ended, though documents came and went; or, wrongly, in another query.
            _ => {
                let going = open.take();
                continued += usize::from(going.is_some());
                let (org, query, after) = match going {
                    None => (org, draw.query(), None),
                    Some((_, _, place)) if draw.below(5) == 0 => (org, draw.query(), Some(place)),
                    Some((org, query, place)) => (org, query, Some(place)),
                };
                open = pair.list(org, query.clone(), after).await.map(|(_, place)| (org, query, place));
            }
        }
    }
    println!("fake_records: {done} commits done, {refused} refused, {continued} pages continued");
    assert!(done > 300 && refused > 200 && continued > 300, "the steps no longer meet what they are for");
}

#[tokio::test]
async fn unique_values_change_hands_alike() {
    let dir = TempDir::new("fake-records-unique");
    let pair = Pair::open(&dir).await;
    let part = |id: u8, code: &str| {
        let part = Part { code: Some(IndexValue::Text(code.into())), size: None, note: 0 };
        Change::put(ObjectId::from_bytes([id; 16]), Expected::Any, &part).unwrap()
    };
    for (changes, through) in [
        (vec![part(1, "a"), part(2, "b")], true),
        // Two documents swap theirs.
        (vec![part(1, "b"), part(2, "a")], true),
        // Who keeps a value is its holder, whatever the order.
        (vec![part(2, "a"), part(1, "a")], false),
        (vec![part(3, "c"), part(4, "c")], false),
        (vec![Change::delete::<Part>(ObjectId::from_bytes([2; 16]), Expected::Any), part(1, "a")], true),
    ] {
        assert_eq!(pair.commit(ORGS[0], ACTOR, changes, Vec::new()).await, through);
    }
}

#[tokio::test]
async fn both_refuse_beyond_the_same_bounds() {
    let dir = TempDir::new("fake-records-bounds");
    let pair = Pair::open(&dir).await;
    let id = ObjectId::from_bytes([1; 16]);
    let put = |collection: &'static str, body: String, indexes: Vec<(Index, Option<IndexValue>)>| {
        Change::Put { collection, id, expected: Expected::Any, body, indexes }
    };
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes.saturating_sub(2)));
    let name = |index| (Index::on("name"), Some(IndexValue::Text("x".repeat(index))));
    let event = |name, bytes| EventDraft { name, object: id, payload: serde_json::json!("x".repeat(bytes)) };
    const LONG: &str = "a_name_of_64_bytes_a_name_of_64_bytes_a_name_of_64_bytes_a_name_";
    for (change, through) in [
        (put("parts", text(records::BODY_BYTES_MAX), vec![]), true),
        (put("parts", text(records::BODY_BYTES_MAX + 1), vec![]), false),
        (put("parts", text(4), vec![name(records::INDEX_VALUE_BYTES_MAX - 1)]), true),
        (put("parts", text(4), vec![name(records::INDEX_VALUE_BYTES_MAX)]), false),
        (put("parts", text(4), vec![name(1), name(2)]), false),
        (put("parts", "{".into(), vec![]), false),
        (put(&LONG[..63], text(4), vec![]), true),
        (put(LONG, text(4), vec![]), false),
        (put("parts-new", text(4), vec![]), false),
        (put("parts", text(4), vec![(Index::on(""), None)]), false),
        (Change::Delete { collection: "parts", id, expected: Expected::Absent }, false),
    ] {
        assert_eq!(pair.commit(ORGS[0], ACTOR, vec![change], Vec::new()).await, through);
    }
    let one = || put("parts", text(4), vec![]);
    for (count, through) in [(records::CHANGES_MAX, true), (records::CHANGES_MAX + 1, false)] {
        assert_eq!(pair.commit(ORGS[0], ACTOR, vec![one(); count], Vec::new()).await, through);
    }
    let fits = records::PAYLOAD_BYTES_MAX - 2;
    for (event, through) in
        [(event("a.b.v1", fits), true), (event("a.b.v1", fits + 1), false), (event("", 1), false)]
    {
        assert_eq!(pair.commit(ORGS[0], ACTOR, Vec::new(), vec![event]).await, through);
    }
    let long = "x".repeat(257);
    for (actor, through) in [(&long[..256], true), (&long, false), ("", false), ("a\nb", false)] {
        assert_eq!(pair.commit(ORGS[0], actor, vec![one()], Vec::new()).await, through);
    }
    let wide = IndexValue::Text("x".repeat(records::INDEX_VALUE_BYTES_MAX));
    for filters in [
        vec![Filter::Equal("size", IndexValue::Int(1)); 17],
        vec![Filter::Equal("size", wide)],
        vec![Filter::Between("size", Some(IndexValue::Int(1)), Some(IndexValue::Time(Time(1))))],
    ] {
        let query = Query { filters, ..Query::default() };
        assert!(pair.list(ORGS[0], query.clone(), None).await.is_none());
        assert!(pair.fake(ORGS[0]).records.list::<Part>(query).await.is_err());
    }
}
