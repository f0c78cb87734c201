//! What every engine must do. Each check is a function of a [`Place`] and works in organisations of its own, so all of
//! them may share one store.

mod changes;
mod isolation;
mod lists;
mod model;
mod sequences;

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use types::{Change, Document, EventDraft, Expected, Index, IndexValue, ObjectId, Time};

use crate::engine::Place;

/// A check by name.
pub(crate) type Check = (&'static str, for<'a> fn(&'a Place) -> Pin<Box<dyn Future<Output = ()> + 'a>>);

macro_rules! checks {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((stringify!($name), |place| Box::pin($module::$name(place)))),*]
    };
}

/// The suite.
pub(crate) const CHECKS: &[Check] = checks![
    changes::documents_are_written_read_and_removed,
    changes::expected_revisions_hold,
    changes::unique_indexes_hold,
    changes::unique_values_can_be_swapped_in_one_commit,
    changes::a_failing_change_leaves_no_trace,
    changes::odd_json_comes_back_as_it_was,
    changes::one_of_many_writers_wins_each_revision,
    changes::limits_are_told,
    lists::filters_select_and_orders_sort,
    lists::pages_are_stable_while_documents_come_and_go,
    lists::few_and_many_matches_give_the_same_answer,
    isolation::organisations_never_see_each_other,
    isolation::start_up_lists_every_organisation_once,
    sequences::events_keep_their_order_and_cursors_survive,
    sequences::readers_never_skip_an_event_of_concurrent_commits,
    sequences::the_signal_wakes_subscribers,
    sequences::numbers_are_never_given_twice,
    sequences::rows_come_in_the_order_of_their_keys,
    model::the_store_behaves_like_a_map,
];

/// The document of the suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thing {
    pub(crate) name: Option<String>,
    pub(crate) group: String,
    pub(crate) size: i64,
    pub(crate) parent: Option<ObjectId>,
    pub(crate) made: Option<Time>,
}

impl Thing {
    pub(crate) fn named(name: &str) -> Thing {
        Thing { name: Some(name.into()), group: "a".into(), size: 0, parent: None, made: None }
    }
    pub(crate) fn sized(group: &str, size: i64) -> Thing {
        Thing { name: None, group: group.into(), size, parent: None, made: None }
    }
}

impl Document for Thing {
    const COLLECTION: &'static str = "things";
    const INDEXES: &'static [Index] = &[
        Index::unique("name"),
        Index::on("group"),
        Index::on("size"),
        Index::on("parent"),
        Index::on("made"),
    ];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![
            self.name.clone().map(IndexValue::Text),
            Some(IndexValue::Text(self.group.clone())),
            Some(IndexValue::Int(self.size)),
            self.parent.map(IndexValue::Id),
            self.made.map(IndexValue::Time),
        ]
    }
}

pub(crate) fn put(id: ObjectId, expected: Expected, thing: &Thing) -> Change {
    Change::put(id, expected, thing).unwrap()
}

pub(crate) fn event(object: ObjectId, payload: serde_json::Value) -> EventDraft {
    EventDraft { name: "thing.changed.v1", object, payload }
}
