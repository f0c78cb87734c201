//! The PostgreSQL door, with a client that somebody else wrote: who may come in, and what may be asked.

use access::Role;
use serde_json::json;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, error::SqlState};

use crate::support::node::Node;

async fn connect(node: &Node, user: &str, password: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    let at = node.postgres();
    config.host(at.ip().to_string()).port(at.port()).user(user).password(password).dbname("sinew");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Rows of a simple query as texts.
async fn ask(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_string)).collect())
        }
        _ => None,
    };
    Ok(messages.iter().filter_map(row).collect())
}

fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code: &SqlState| code.code().to_string())
}

#[test]
fn by_token_or_password_and_only_at_home() {
    let node = Node::start("postgres-door");
    let (one, two) = (node.organisation("Works One"), node.organisation("Works Two"));
    for (org, value) in [(one, 1.0), (two, 2.0)] {
        let client = node.client(org, Role::Admin);
        let point = client.post("/points", json!({ "points": [{ "name": "level", "value_type": "f64" }] }));
        let row = json!({ "point": point["items"][0]["id"], "time": "2026-01-01T00:00:00Z", "value": value });
        client.post("/samples", json!({ "rows": [row] }));
        client.post(
            "/users",
            json!({ "name": "ben", "role": "viewer", "locale": "en", "enabled": true, "password": "a long enough phrase" }),
        );
    }
    let admin = node.client(one, Role::Admin);
    let made = admin.post("/tokens", json!({ "name": "bi", "role": "viewer" }));
    let token = made["token"].as_str().unwrap().to_string();
    node.block_on(async {
        for (user, password) in [("anybody", token.as_str()), ("ben@Works One", "a long enough phrase")] {
            let client = connect(&node, user, password).await.unwrap();
            assert_eq!(
                ask(&client, "select point, value from samples").await.unwrap(),
                [[Some("level".into()), Some("1.0".into())]]
            );
        }
        let other = connect(&node, "ben@Works Two", "a long enough phrase").await.unwrap();
        assert_eq!(ask(&other, "select value from latest").await.unwrap(), [[Some("2.0".into())]]);
        for (user, password) in
            [("ben@Works One", "wrong"), ("ben", "a long enough phrase"), ("x", "0123456789abcdef"), ("", "")]
        {
            let refused = connect(&node, user, password).await.err().map(|error| code(&error));
            assert_eq!(refused.as_deref(), Some("28P01"), "{user}");
        }
        // A token that is revoked ends what it opened.
        let client = connect(&node, "x", &token).await.unwrap();
        assert_eq!(ask(&client, "select 1").await.unwrap().len(), 1);
        admin.send("DELETE", &format!("/tokens/{}", made["id"].as_str().unwrap()), None);
        assert_eq!(code(&ask(&client, "select 1").await.unwrap_err()), "28000");
    });
}

#[test]
fn questions_in_both_forms_and_nothing_else() {
    let node = Node::start("postgres-door-asks");
    let org = node.organisation("Works One");
    let http = node.client(org, Role::Admin);
    let token = http.post("/tokens", json!({ "name": "bi", "role": "viewer" }))["token"]
        .as_str()
        .unwrap()
        .to_string();
    let lines = "m,t=a f=1.5,n=3i,b=true,s=\"x\" 1000000000\nm,t=a f=2.5 2000000000";
    http.at_root().try_send_bytes("POST", "/write", &[], lines.as_bytes().to_vec()).unwrap();
    node.block_on(async {
        let client = connect(&node, "x", &token).await.unwrap();
        // Prepared, with parameters, in the binary form.
        let sql = "select point, value from samples where point like $1 and value > $2 order by value";
        let rows = client.query(sql, &[&"m.t.a.%", &1.2_f64]).await.unwrap();
        let found: Vec<(String, f64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let at = |name: &str, value| (format!("m.t.a.{name}"), value);
        assert_eq!(found, [at("f", 1.5), at("f", 2.5), at("n", 3.0)]);
        // A point that came after the client did is there.
        http.at_root().try_send_bytes("POST", "/write", &[], b"late f=9 1".to_vec()).unwrap();
        assert_eq!(ask(&client, "select value from samples where point = 'late.f'").await.unwrap().len(), 1);
        for statement in [
            "create table t as select 1",
            "drop table samples",
            "insert into samples select * from samples",
            "delete from samples",
            "select 1 into t",
            "copy (select 1) to '/tmp/x'",
            "set datafusion.execution.batch_size = 1",
            "truncate samples",
            "explain analyze insert into samples select * from samples",
            "vacuum",
        ] {
            let refused = ask(&client, statement).await.map_err(|error| code(&error));
            assert_eq!(refused, Err("25006".into()), "{statement}");
            assert!(client.prepare(statement).await.is_err(), "{statement}");
        }
        let wrong = ask(&client, "select valeu from samples").await.unwrap_err();
        let wrong = wrong.as_db_error().unwrap();
        assert!(
            wrong.code() == &SqlState::UNDEFINED_COLUMN && wrong.message().contains("samples.value"),
            "{wrong}"
        );
        assert_eq!(code(&ask(&client, "selec 1").await.unwrap_err()), "42601");
        // What the sign-in and the transaction of a tool need.
        assert_eq!(
            ask(&client, "begin; set extra_float_digits = 3; select 1; commit").await.unwrap().len(),
            1
        );
        assert!(
            ask(&client, "select relname from pg_catalog.pg_class where relname = 'samples'")
                .await
                .unwrap()
                .len()
                == 1
        );
        // Cancelled from another connection, as psql does on Ctrl-C.
        let cancel = client.cancel_token();
        let long = client.simple_query("select count(*) from range(1000000000000) where value < 0");
        let later = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            cancel.cancel_query(NoTls).await.unwrap();
        };
        let (ended, ()) = tokio::join!(long, later);
        assert_eq!(code(&ended.unwrap_err()), "57014");
        assert_eq!(ask(&client, "select 1").await.unwrap().len(), 1);
    });
}

#[test]
fn memory_of_clients_that_left_is_given_back() {
    let node = Node::start("postgres-memory");
    let admin = node.client(node.organisation("Works One"), Role::Admin);
    let token = admin.post("/tokens", json!({ "name": "bi", "role": "viewer" }))["token"].clone();
    let clients = |count: usize| {
        node.block_on(async {
            for _ in 0..count {
                let client = connect(&node, "anybody", token.as_str().unwrap()).await.unwrap();
                let rows = ask(&client, "select count(*) from pg_catalog.pg_type").await.unwrap();
                assert_eq!(rows.len(), 1);
            }
        });
        resident_mb()
    };
    // What the first ones need stays for later ones.
    let (before, after) = (clients(10), clients(60));
    assert!(after < before + 100, "from {before} MB to {after} MB");
}

/// Memory of this process.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let kb =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kb.map(|kb: u64| kb / 1024).expect("a size")
}
