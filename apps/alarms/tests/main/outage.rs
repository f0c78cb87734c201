//! Records that cannot be written for a while: nothing is lost, and nothing is tried without end.

use app_alarms::{
    alarm::Alarm,
    app,
    engine::Kept,
    rule::Rule,
    store::{self, Progress},
};
use sdk::{BoxFuture, Records, RecordsPort, fake, http::Permission};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use types::{Change, Document, EventDraft, Fault, Index, ObjectId, Page, Query, Stored, codes};

use crate::node::Node;

/// Records whose next commits are refused, as on a full disk.
struct Refusing {
    inner: Records,
    left: Arc<AtomicU32>,
}

/// A collection as JSON.
macro_rules! untyped {
    ($($name:ident $of:expr, $indexes:expr;)*) => {
        $(#[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name(Json);
        impl Document for $name {
            const COLLECTION: &'static str = $of;
            const INDEXES: &'static [Index] = $indexes;
        })*
        impl Refusing {
            async fn one(&self, of: &str, id: ObjectId) -> Result<Option<Stored<Json>>, Fault> {
                $(if of == $of { return Ok(self.inner.get::<$name>(id).await?.map(|one| opened(one, |body| body.0))); })*
                panic!("{of} is not known to this test")
            }
            async fn page(&self, of: &str, query: Query) -> Result<Page<Stored<Json>>, Fault> {
                $(if of == $of {
                    let Page { items, next } = self.inner.list::<$name>(query).await?;
                    return Ok(Page { items: items.into_iter().map(|one| opened(one, |body| body.0)).collect(), next });
                })*
                panic!("{of} is not known to this test")
            }
        }
    };
}
untyped! {
    Rules Rule::COLLECTION, Rule::INDEXES;
    Alarms Alarm::COLLECTION, Alarm::INDEXES;
    Memories Kept::COLLECTION, Kept::INDEXES;
    Told Progress::COLLECTION, Progress::INDEXES;
    Pulses "alarms_pulse", &[];
}

fn opened<T>(Stored { id, revision, changed, body }: Stored<T>, open: impl Fn(T) -> Json) -> Stored<Json> {
    Stored { id, revision, changed, body: open(body) }
}

impl RecordsPort for Refusing {
    fn get(&self, of: &'static str, id: ObjectId) -> BoxFuture<'_, Result<Option<Stored<Json>>, Fault>> {
        Box::pin(self.one(of, id))
    }
    fn list(
        &self,
        of: &'static str,
        _: &'static [Index],
        query: Query,
    ) -> BoxFuture<'_, Result<Page<Stored<Json>>, Fault>> {
        Box::pin(self.page(of, query))
    }
    fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let refused =
                self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            match refused {
                Ok(_) => Err(Fault::new(codes::STORAGE_REFUSED, "the disk is full: make room")),
                Err(_) => self.inner.commit(changes, events).await,
            }
        })
    }
}

#[tokio::test]
async fn a_short_outage_of_records_loses_nothing_and_a_long_one_ends_the_task() {
    let node = Node::new();
    let id = node.rule(json!({})).await;
    let left = Arc::new(AtomicU32::new(0));
    let mut scope = node.world.scope(node.org, fake::caller("app:alarms", Permission::Read));
    let inner = scope.records.clone();
    scope.handles.records = Records::new(Arc::new(Refusing { inner, left: left.clone() }));
    let task = app().task.unwrap();
    let running = tokio::spawn(task(scope.clone()));
    node.wait_ms(1_000).await;

    left.store(3, Ordering::SeqCst);
    node.value(81.0).await;
    node.value(20.0).await;
    assert!(node.journal().await.is_empty());
    node.wait_ms(10_000).await;
    assert_eq!(node.journal().await.len(), 2, "raised and cleared, each once");
    assert_eq!(store::alarm(&node.engineer.records, id).await.unwrap().body.raises, 1);

    left.store(u32::MAX, Ordering::SeqCst);
    node.value(82.0).await;
    node.wait_ms(60_000).await;
    assert_eq!(running.await.unwrap().unwrap_err().code, codes::STORAGE_REFUSED);

    // Its supervisor starts it again: what happened meanwhile is there, once.
    left.store(0, Ordering::SeqCst);
    let running = tokio::spawn(task(scope));
    node.wait_ms(1_000).await;
    assert_eq!(node.journal().await.len(), 3);
    running.abort();
}
