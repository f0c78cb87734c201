//! SQL at its door: one question over history, plant and records, for who may ask it.

use access::Role;
use serde_json::{Value, json};

use crate::support::{client::Client, node::Node};

fn ask(client: &Client, sql: &str) -> Value {
    client.post("/query", json!({ "sql": sql }))["rows"].clone()
}

fn refused(client: &Client, sql: &str) -> Value {
    let (status, answer) = client.send("POST", "/query", Some(&json!({ "sql": sql })));
    assert_eq!(status, 422, "{sql}: {answer}");
    answer
}

/// A machine with two points and three values each, one of them Bad.
fn populate(client: &Client, name: &str, scale: f64) {
    let site =
        client.post("/assets", json!({ "kind": "site", "name": { "en": name }, "zone": "Asia/Shanghai" }));
    let machine =
        json!({ "kind": "asset", "name": { "en": "Pump 1", "zh": "1 号泵" }, "parent": site["id"] });
    let machine = client.post("/assets", machine);
    let points = json!({ "points": [
        { "name": "level", "value_type": "f64", "unit": "m", "asset": machine["id"] },
        { "name": "count", "value_type": "i64", "asset": machine["id"] },
        { "name": "note", "value_type": "string" },
    ] });
    let points = client.post("/points", points)["items"].clone();
    let mut rows = Vec::new();
    for (at, value) in [1.0, 2.0, 4.0].into_iter().enumerate() {
        let time = format!("2026-01-01T00:00:0{at}Z");
        rows.push(json!({ "point": points[0]["id"], "time": time, "value": value * scale }));
        rows.push(json!({ "point": points[1]["id"], "time": time, "value": format!("{}", (1_i64 << 53) + 1 + at as i64) }));
    }
    rows[2]["quality"] = json!(0x8000_0000_u32);
    rows.push(json!({ "point": points[2]["id"], "time": "2026-01-01T00:00:00Z", "value": "先停机" }));
    client.post("/samples", json!({ "rows": rows }));
}

#[test]
fn history_and_plant_in_one_statement() {
    let node = Node::start("sql");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Viewer);
    populate(&node.client(org, Role::Engineer), "One", 1.0);
    // A Bad value is there as it is stored, and does not count as a figure.
    assert_eq!(
        ask(
            &client,
            "select to_unixtime(time), value, float, quality from samples where point = 'level' order by time"
        ),
        json!([
            ["1767225600", 1.0, 1.0, 0],
            ["1767225601", null, 2.0, 2147483648_u32],
            ["1767225602", 4.0, 4.0, 0]
        ])
    );
    // Integers keep every digit.
    assert_eq!(
        ask(&client, "select max(integer) from samples where name = 'count'"),
        json!([["9007199254740995"]])
    );
    assert_eq!(
        ask(
            &client,
            "select s.path, s.unit, avg(s.value), min(a.kind) from samples s join assets a on a.path = s.path \
             where s.unit = 'm' group by 1, 2"
        ),
        json!([["One/Pump 1", "m", 2.5, "asset"]])
    );
    assert_eq!(
        ask(&client, "select point, value, text, quality from latest order by point"),
        json!([["count", 9007199254740996.0, null, 0], ["level", 4.0, null, 0], ["note", null, "先停机", 0]])
    );
    assert_eq!(ask(&client, "select count(*) from alarms.active"), json!([["0"]]));
    let tables = client.get("/query/tables");
    let names: Vec<&str> =
        tables["tables"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["samples", "latest", "points", "assets", "devices", "alarms.active", "alarms.journal"]
    );
}

#[test]
fn conditions_go_down_and_change_no_answer() {
    let node = Node::start("sql-push");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    populate(&client, "One", 1.0);
    let plan = ask(&client, "explain select value from samples where name like 'lev%' and unit = 'm' and time >= '2026-01-01T00:00:01Z' \
         and time < '2026-01-01T00:00:02Z'").to_string();
    assert!(
        plan.contains("reads 1 of 3 points, from 2026-01-01T00:00:01Z to 2026-01-01T00:00:02Z"),
        "{plan}"
    );
    assert!(!plan.contains("FilterExec"), "{plan}");
    let plan =
        ask(&client, "explain select time from samples where point = 'level' order by time").to_string();
    assert!(!plan.contains("SortExec"), "one point's rows come in order: {plan}");
    for condition in [
        "point = 'level'",
        "point <> 'level'",
        "name in ('level', 'note')",
        "unit = 'm' or type = 'string'",
        "asset is null",
        "point like '%o%' and label not like 'x'",
        "time > '2026-01-01T00:00:00Z'",
        "'2026-01-01T00:00:01Z' >= time",
        "time between '2026-01-01T00:00:00Z' and '2026-01-01T00:00:01Z'",
        "time = '2026-01-01T00:00:01Z'",
        "cast(time as date) = '2026-01-01'",
        "cast(time as date) < '2026-01-01'",
        "date '2025-12-31' < cast(time as date)",
        "time < '2026-01-01T00:00:01Z' or value > 3",
        "value > 1 and time <> '2026-01-01T00:00:02Z'",
        "false",
        "point = text",
        "upper(point) = 'LEVEL' and time >= '1969-01-01'",
        "point in (select point from latest where value = 4)",
    ] {
        let pushed =
            ask(&client, &format!("select point, time, value from samples where {condition} order by 1, 2"));
        // The same over rows that are already read, so that nothing can go down.
        let above = format!(
            "select point, time, value from (select * from samples limit 1000000) where {condition} order by 1, 2"
        );
        assert_eq!(pushed, ask(&client, &above), "{condition}");
    }
    assert_eq!(ask(&client, "select count(*) from (select 1 from samples limit 2)"), json!([["2"]]));
}

#[test]
fn neither_organisation_sees_the_other() {
    let node = Node::start("sql-orgs");
    let (one, two) = (node.organisation("Works One"), node.organisation("Works Two"));
    let (a, b) = (node.client(one, Role::Engineer), node.client(two, Role::Engineer));
    populate(&a, "One", 1.0);
    populate(&b, "Two", 1000.0);
    for (client, own, foreign) in [(&a, "One", "Two"), (&b, "Two", "One")] {
        for table in [
            "samples",
            "latest",
            "points",
            "assets",
            "devices",
            "alarms.active",
            "alarms.journal",
            "information_schema.tables",
        ] {
            let found = ask(client, &format!("select * from {table}")).to_string();
            assert!(!found.contains(foreign), "{table}: {found}");
        }
        assert_eq!(ask(client, "select asset from assets where kind = 'site'"), json!([[own]]));
        assert_eq!(ask(client, "select count(*) from samples"), json!([["7"]]));
    }
    assert_eq!(ask(&b, "select max(value) from samples where name = 'level'"), json!([[4000.0]]));
}

#[test]
fn only_questions_are_answered_and_mistakes_have_a_place() {
    let node = Node::start("sql-refused");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Admin);
    for statement in [
        "create table t as select 1",
        "drop table samples",
        "insert into samples select * from samples",
        "delete from samples",
        "update samples set value = 1",
        "copy (select 1) to '/tmp/sinew-should-not-be.csv'",
        "set datafusion.execution.batch_size = 1",
        "create external table t stored as csv location '/etc/passwd'",
        "create function f() returns int return 1",
        "truncate table samples",
        "begin",
        "select 1; select 2",
    ] {
        let answer = refused(&client, statement);
        assert!(answer["code"].as_str().unwrap().starts_with("sql."), "{statement}: {answer}");
    }
    assert!(!std::path::Path::new("/tmp/sinew-should-not-be.csv").exists());
    assert_eq!(refused(&client, "select * from '/etc/passwd'")["code"], "sql.unknown");
    assert_eq!(refused(&client, "drop table samples")["code"], "sql.read-only");
    let syntax = refused(&client, "select value\nfrom samples whree 1");
    assert_eq!(
        (syntax["code"].as_str(), syntax["path"].as_str()),
        (Some("sql.syntax"), Some("line 2, column 20"))
    );
    let unknown = refused(&client, "select valeu from samples");
    assert!(unknown["detail"].as_str().unwrap().contains("samples.value"), "{unknown}");
    assert_eq!(refused(&client, "select 1/0")["code"], "sql.stopped");
    // Memory is bounded: an error, and the next question is answered.
    assert_eq!(
        refused(&client, "select value from range(40000000) order by value desc")["code"],
        "sql.memory"
    );
    // Functions that make much out of little, before anything counts it, are not there.
    for much in [
        "repeat('x', 1000000000)",
        "lpad('x', 1000000000)",
        "array_repeat(1, 1000000000)",
        "range(1000000000)",
    ] {
        assert_eq!(refused(&client, &format!("select {much}"))["code"], "sql.meaning", "{much}");
    }
    assert_eq!(ask(&client, "select 1"), json!([["1"]]));
}

#[test]
fn answers_come_in_every_format() {
    let node = Node::start("sql-formats");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    populate(&client, "One", 1.0);
    let sql = "select time, point, value, integer, text from samples order by point, time";
    let bytes = |format: &str, limit: Option<u32>| {
        let question = json!({ "sql": sql, "format": format, "limit": limit }).to_string();
        let headers = [("content-type", "application/json")];
        client.try_send_bytes("POST", "/query", &headers, question.into_bytes()).unwrap()
    };
    let (status, csv) = bytes("csv", Some(1));
    assert_eq!(status, 200);
    assert_eq!(
        String::from_utf8(csv).unwrap(),
        "time,point,value,integer,text\n2026-01-01T00:00:00Z,count,9007199254740992.0,9007199254740993,\n"
    );
    let (_, arrow) = bytes("arrow", None);
    assert_eq!(&arrow[..4], [0xff; 4]);
    let (_, parquet) = bytes("parquet", None);
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let cut = client.post("/query", json!({ "sql": sql, "limit": 3 }));
    assert_eq!((cut["rows"].as_array().map(Vec::len), &cut["truncated"]), (Some(3), &json!(true)));
    let whole = client.post("/query", json!({ "sql": sql, "limit": 7 }));
    assert_eq!((whole["rows"].as_array().map(Vec::len), &whole["truncated"]), (Some(7), &json!(false)));
}

/// Seven points over three days: dense, sparse, early, Bad between, texts, a single row, none.
fn populate_for_sums(client: &Client) {
    let mut lines = String::new();
    let start = 1_767_222_000_000_000_000_i64;
    for at in 0..800_i64 {
        let time = start + at * 29_000_000_000;
        lines += &format!(
            "m,t=dense f={},i={}i,b={} {time}\n",
            (at * 7919 % 1000) as f64 / 8.0,
            at % 17 - 8,
            at % 3 == 0
        );
        if at % 160 == 0 {
            lines += &format!("m,t=sparse f={at},s=\"x\" {}\n", time - 86_400_000_000_000 * 400);
        }
    }
    lines += "m,t=before f=1 -5000000000\nm,t=before f=2 -1\nm,t=before f=3 1\nm,t=single f=4 1767225600000000000\n";
    let (status, _) =
        client.at_root().try_send_bytes("POST", "/write", &[], lines.into_bytes()).expect("an answer");
    assert_eq!(status, 204);
    let point = client.get("/points?search=m.t.dense.f")["items"][0]["id"].clone();
    let rows: Vec<Value> = (0..50)
        .map(|at| {
            let time = format!("2026-01-01T{:02}:10:00.5Z", at % 24);
            let value = [json!(1e6), json!("NaN"), Value::Null][at % 3].clone();
            let quality = if at % 3 == 1 { 0 } else { 0x8000_0000_u32 };
            json!({ "point": point, "time": time, "value": value, "quality": quality })
        })
        .collect();
    client.post("/samples", json!({ "rows": rows }));
    client.post("/points", json!({ "points": [{ "name": "empty", "value_type": "f64" }] }));
}

#[test]
fn sums_from_summaries_are_the_sums_of_the_rows() {
    let node = Node::start("sql-sums");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    populate_for_sums(&client);
    let figures =
        "count(*), count(value), sum(value), avg(value), min(value), max(value), min(time), max(time)";
    let spans = [
        "",
        "where time >= '2026-01-01T00:10:30Z' and time < '2026-01-02T13:59:59.123456789Z'",
        "where time > '2030-01-01'",
        "where point like '%dense%' and time between '2026-01-01T05:00:00Z' and '2026-01-01T05:00:00Z'",
        "where point in ('m.t.before.f', 'm.t.sparse.f', 'empty') and time < '2026-01-01'",
        "where point = 'nobody'",
        "where cast(time as date) = '1969-12-31'",
        "where cast(time as date) >= '2026-01-02'",
    ];
    let groups = [
        "",
        "point",
        "name, unit",
        "date_bin(interval '1 hour', time)",
        "point, date_trunc('day', time)",
        "date_trunc('week', time), type",
        "date_bin(interval '7 seconds', time), point",
        "date_bin(interval '1 day', time, timestamp '2026-01-01T06:00:00Z')",
        "upper(point), date_trunc('minute', time)",
    ];
    let mut compared = 0;
    for span in spans {
        for group in groups {
            let (columns, by, order) = match group {
                "" => (String::new(), String::new(), String::new()),
                group => (format!("{group}, "), format!("group by {group}"), format!("order by {group}")),
            };
            let pushed = format!("select {columns}{figures} from samples {span} {by} {order}");
            let plan = ask(&client, &format!("explain {pushed}")).to_string();
            assert!(plan.contains("SummaryExec"), "{pushed}\n{plan}");
            // The same over rows that a limit holds back from going down.
            let plain = format!(
                "select {columns}{figures} from (select * from samples {span} limit 10000000) {by} {order}"
            );
            let (pushed_rows, plain_rows) = (ask(&client, &pushed), ask(&client, &plain));
            let (a, b) = (pushed_rows.as_array().unwrap(), plain_rows.as_array().unwrap());
            assert_eq!(a.len(), b.len(), "{pushed}");
            for (a, b) in a.iter().zip(b) {
                assert!(same(a, b), "{pushed}\n{a}\n{b}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
    for other in [
        "avg(value) filter (where value > 1)",
        "count(distinct value)",
        "stddev(value)",
        "avg(integer)",
        "count(text)",
    ] {
        let plan = ask(&client, &format!("explain select {other} from samples")).to_string();
        assert!(plan.contains("HistoryExec"), "{other}: {plan}");
    }
}

/// Equal, and floats to a part in 10^12: sums have no order.
fn same(a: &Value, b: &Value) -> bool {
    let cells = |row: &Value| row.as_array().cloned().unwrap_or_default();
    let (a, b) = (cells(a), cells(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
            _ => a == b,
        })
}
