//! What clients send, and what is made of it.

use super::*;

#[test]
fn clients_words_become_the_engines() {
    for (sql, expected) in [
        ("select point from samples where point = 'a'", "select point from samples where point = 'a'"),
        (
            r#"SELECT a FROM t WHERE a = any('{"b, c",d,NULL}')"#,
            "SELECT a FROM t WHERE a IN ('b, c', 'd', NULL)",
        ),
        (r#"SELECT a FROM t WHERE a = any(('{"b","c"}'))"#, "SELECT a FROM t WHERE a IN ('b', 'c')"),
        ("SELECT a FROM t WHERE a <> all('{b}'::text[])", "SELECT a FROM t WHERE a NOT IN ('b'::TEXT)"),
        (
            "SELECT a FROM t WHERE a = any(('{1,2}'::int4[]))",
            "SELECT a FROM t WHERE a IN ('1'::INT4, '2'::INT4)",
        ),
        ("SELECT a FROM t WHERE a = any('{}')", "SELECT a FROM t WHERE false"),
        ("SELECT a FROM t WHERE a = any($1)", "SELECT a FROM t WHERE a = ANY($1::TEXT[])"),
        ("SELECT a FROM t WHERE a > $2", "SELECT a FROM t WHERE a > $2::SMALLINT"),
        ("select count(*), 1 from t", "SELECT count(*) AS count, 1 AS \"?column?\" FROM t"),
        ("select count(*), count(a) from t", "SELECT count(*) AS count, count(a) FROM t"),
        ("select lower(a) from t order by lower(a)", "select lower(a) from t order by lower(a)"),
        ("SET search_path TO alarms, \"$user\"", "SET search_path = 'alarms, $user'"),
        ("SET SESSION search_path TO 'alarms'", "SET search_path = 'alarms'"),
        (
            "SELECT typinput = 'pg_catalog.array_in'::regproc AS a FROM pg_type",
            "SELECT typinput = 'array_in' AS a FROM pg_type",
        ),
        ("SET timezone TO 'Asia/Shanghai'", "SET TIME ZONE 'Asia/Shanghai'"),
        (
            "SELECT a FROM t WHERE a NOT LIKE 'pg/_' || '%' ESCAPE '/'",
            r"SELECT a FROM t WHERE a NOT LIKE 'pg\_%'",
        ),
        (r"SELECT a FROM t WHERE a LIKE 'b//c\d' ESCAPE '/'", r"SELECT a FROM t WHERE a LIKE 'b\/c\\d'"),
        (
            "select a, (select b from pg_t where c = 1) as d from t",
            "SELECT a, (SELECT max(b) FROM pg_t WHERE c = 1) AS d FROM t",
        ),
        ("SELECT con.conkey[1] AS a FROM pg_constraint con", "SELECT NULL::TEXT AS \"a\" WHERE false"),
        ("show server_version", "SELECT current_setting('server_version') AS server_version"),
        ("SELEC 1", "SELEC 1"),
    ] {
        assert_eq!(reworded(sql, &[None, Some(Type::INT2)]), expected);
    }
}

#[test]
fn what_only_looks_like_asking_the_system_stays_as_it_is() {
    for sql in [
        "select a from t where b = 'conkey[1]' or b = '_pg_expandarray'",
        "select a from t where a in (select b from t where b = 'search_path')",
        "select a, (select b from t where b like 'pg_%') as d from t",
        "show datestyle",
        "show search_path",
    ] {
        assert_eq!(reworded(sql, &[]), sql);
    }
}

#[test]
fn arrays_are_read_as_postgresql_writes_them() {
    let some = |texts: &[&str]| Some(texts.iter().map(|text| Some(text.to_string())).collect::<Vec<_>>());
    assert_eq!(elements(r#"{a, "b\"c" ,"null", d e}"#), some(&["a", "b\"c", "null", "d e"]));
    assert_eq!(elements("{NULL,null}"), Some(vec![None, None]));
    assert_eq!(elements("{}"), some(&[]));
    for other in ["a", "{a", "{{a},{b}}", r#"{"a}"#] {
        assert_eq!(elements(other), None, "{other}");
    }
}
