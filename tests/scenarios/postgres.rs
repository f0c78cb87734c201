//! The same product with its records in PostgreSQL: set up, work, kill, start again.

use serde_json::json;

use crate::support::{TempDir, binary::Process, client::id};

#[path = "../../crates/records/tests/postgres/cluster.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the record store's own tests, which use all of it"
)]
mod cluster;

#[test]
fn records_in_postgresql_survive_a_kill() {
    let Some(cluster) = cluster::Cluster::start() else { return };
    let dir = TempDir::new("postgres");
    let url = cluster.url();
    let environment = [("SINEW_RECORDS_URL", url.as_str())];
    let process = Process::serve(dir.path(), &environment);
    let admin = process.set_up();
    let site =
        admin.post("/assets", json!({ "kind": "site", "name": { "zh": "一厂" }, "zone": "Asia/Shanghai" }));
    let point = json!({ "name": "level", "value_type": "f64", "unit": "m", "asset": site["id"] });
    let point = id(&admin.post("/points", json!({ "points": [point] }))["items"][0]);
    admin.post(
        "/samples",
        json!({ "rows": [{ "point": point, "time": "2026-01-01T00:00:00Z", "value": 1.5 }] }),
    );
    process.kill();

    let process = Process::serve(dir.path(), &environment);
    let admin = process.sign_in();
    assert_eq!(admin.get(&format!("/assets/{}", id(&site)))["body"]["name"]["zh"], "一厂");
    assert_eq!(admin.get(&format!("/samples/latest?points={point}"))["items"][0]["value"], json!(1.5));
    let names = admin.get("/events?limit=500").to_string();
    assert!(names.contains("asset.created.v1") && names.contains("points.created.v1"), "{names}");
    assert!(!dir.path().join("records.sqlite").exists(), "nothing went to the embedded store");
}
