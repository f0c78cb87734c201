//! The app from outside: its contract, and what it keeps.

mod memory;

use app_@ident@::{Entry, store};
use memory::Memory;
use types::{ObjectId, Time, codes};

const ID: ObjectId = ObjectId::from_bytes([7; 16]);

fn entry(due: Option<Time>) -> Entry {
    Entry { name: "Inspect the gearbox".into(), due, expired: false }
}

#[test]
fn it_keeps_the_contract_of_apps() {
    sdk::contract::app::check(&app_@ident@::app(), env!("CARGO_MANIFEST_DIR").as_ref());
}

#[tokio::test]
async fn a_repeated_call_adds_nothing_twice() {
    let memory = Memory::default();
    let records = memory.handle();
    store::create(&records, ID, entry(None)).await.unwrap();
    store::create(&records, ID, entry(None)).await.unwrap();
    assert_eq!(memory.events(), [store::CREATED]);
    let other = Entry { name: "Another".into(), ..entry(None) };
    assert_eq!(store::create(&records, ID, other).await.unwrap_err().code, codes::EXISTS);
}

#[tokio::test]
async fn what_falls_due_is_marked_once() {
    let memory = Memory::default();
    let records = memory.handle();
    store::create(&records, ID, entry(Some(Time(10)))).await.unwrap();
    assert_eq!(store::expire(&records, Time(9)).await.unwrap(), 0);
    assert_eq!(store::expire(&records, Time(10)).await.unwrap(), 1);
    assert_eq!(store::expire(&records, Time(11)).await.unwrap(), 0);
    assert_eq!(memory.events(), [store::CREATED, store::EXPIRED]);
    assert!(store::list(&records, None).await.unwrap().items[0].body.expired);
}

#[tokio::test]
async fn a_removed_entry_is_gone() {
    let records = Memory::default().handle();
    store::create(&records, ID, entry(None)).await.unwrap();
    store::delete(&records, ID).await.unwrap();
    assert!(store::list(&records, None).await.unwrap().items.is_empty());
}

#[test]
fn the_examples_are_what_is_published() {
    for text in [
        include_str!("../events/@name@.created.v1.json"),
        include_str!("../events/@name@.expired.v1.json"),
    ] {
        let example: serde_json::Value = serde_json::from_str(text).unwrap();
        let fields: Vec<&String> = example.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 2);
        assert!(example["name"].is_string() && example["due"].as_str().unwrap().parse::<Time>().is_ok());
    }
}
