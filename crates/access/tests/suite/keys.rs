//! Secrets of leaves and the list of certificates: sealed, bounded, and each organisation's own.

use access::{Certificates, LeafSecrets, LeafTrust, Seal, Standing};
use sdk::{Ids, Presented, Secrets, Trust, Verdict};
use std::sync::Arc;
use types::{OrgId, Query, Time, codes};

use crate::world::World;

fn ids() -> Ids {
    let clock = sdk::fake::FakeClock::at(Time::from_unix_ms(1_790_000_000_000));
    Ids::new(clock.handle(), sdk::fake::seeded_random(7))
}

fn secrets(world: &World, org: OrgId, leaf: &'static str, key: u8) -> Secrets {
    let seal = Seal::with_key(&[key; Seal::KEY_BYTES], sdk::fake::seeded_random(1)).unwrap();
    Secrets::new(Arc::new(LeafSecrets { org, leaf, records: world.records.clone(), seal, ids: ids() }))
}

#[tokio::test]
async fn a_secret_is_seen_by_its_leaf_and_organisation_only() {
    let (world, ours, theirs) = World::with_two().await;
    let mine = secrets(&world, ours, "opcua", 1);
    mine.put("key", b"first").await.unwrap();
    mine.put("key", b"second").await.unwrap();
    assert_eq!(mine.get("key").await.unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(secrets(&world, ours, "mqtt", 1).get("key").await.unwrap(), None);
    assert_eq!(secrets(&world, theirs, "opcua", 1).get("key").await.unwrap(), None);
    let stolen = secrets(&world, ours, "opcua", 2).get("key").await.unwrap_err();
    assert_eq!(stolen.code.as_ref(), "seal.foreign", "the records without the key give nothing away");
    let long = mine.put("key", &vec![0; Secrets::BLOB_BYTES_MAX + 1]).await.unwrap_err();
    assert_eq!(long.code.as_ref(), codes::LIMIT);
}

fn presented(number: usize) -> Presented {
    Presented {
        thumbprint: format!("{number:064x}"),
        subject: format!("CN=server {number}"),
        application_uri: "urn:server".into(),
        not_before: Time(0),
        not_after: Time::from_unix_ms(4_000_000_000_000),
        from: "opc.tcp://10.0.0.7:4840".into(),
        der: String::new(),
    }
}

#[tokio::test]
async fn a_certificate_is_refused_until_a_person_approves_it() {
    let (world, ours, theirs) = World::with_two().await;
    let certificates = Certificates::new(world.records.clone());
    let clock = sdk::fake::FakeClock::at(Time::from_unix_ms(1_790_000_000_000));
    let ids = Ids::new(clock.handle(), sdk::fake::seeded_random(8));
    let trust = |org| {
        let (certificates, clock, ids) = (certificates.clone(), clock.handle(), ids.clone());
        Trust::new(Arc::new(LeafTrust { org, leaf: "opcua", certificates, clock, ids }))
    };
    let (mine, others) = (trust(ours), trust(theirs));
    assert_eq!(mine.judge(presented(1)).await.unwrap(), Verdict::Rejected);
    assert_eq!(mine.judge(presented(1)).await.unwrap(), Verdict::Rejected);
    mine.own(presented(2)).await.unwrap();
    let listed = certificates.list(ours, Query::default()).await.unwrap().items;
    assert_eq!(listed.len(), 2, "each is listed once");
    let found = |standing| listed.iter().find(|one| one.body.standing == standing).unwrap();
    let (rejected, own) = (found(Standing::Rejected), found(Standing::Own));
    let approved = certificates.judge(ours, "user:anna", rejected.id, true).await.unwrap();
    assert_eq!(approved.body.judged_by.as_deref(), Some("user:anna"));
    assert_eq!(mine.judge(presented(1)).await.unwrap(), Verdict::Trusted);
    assert_eq!(others.judge(presented(1)).await.unwrap(), Verdict::Rejected, "each organisation decides");
    assert!(certificates.judge(ours, "user:anna", own.id, true).await.is_err(), "our own is not judged");
    assert!(certificates.judge(theirs, "user:zoe", rejected.id, true).await.is_err(), "foreign is unknown");
    certificates.judge(ours, "user:anna", rejected.id, false).await.unwrap();
    assert_eq!(mine.judge(presented(1)).await.unwrap(), Verdict::Rejected);
    certificates.forget(ours, "user:anna", rejected.id).await.unwrap();
    assert_eq!(certificates.list(ours, Query::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn strangers_do_not_fill_the_list() {
    let (world, ours, _) = World::with_two().await;
    let certificates = Certificates::new(world.records.clone());
    let clock = sdk::fake::FakeClock::at(Time::from_unix_ms(1_790_000_000_000));
    let ids = Ids::new(clock.handle(), sdk::fake::seeded_random(9));
    let leaf = LeafTrust {
        org: ours,
        leaf: "opcua",
        certificates: certificates.clone(),
        clock: clock.handle(),
        ids,
    };
    let trust = Trust::new(Arc::new(leaf));
    for number in 0..Certificates::REJECTED_MAX + 10 {
        clock.advance(std::time::Duration::from_secs(1)).await;
        trust.judge(presented(number)).await.unwrap();
    }
    let query = Query { limit: Query::LIMIT_MAX, ..Query::default() };
    let listed = certificates.list(ours, query).await.unwrap().items;
    assert_eq!(listed.len(), Certificates::REJECTED_MAX);
    assert!(
        listed.iter().all(|one| one.body.presented.thumbprint != presented(0).thumbprint),
        "the oldest went"
    );
}
