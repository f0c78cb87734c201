"""Asks a node over its PostgreSQL door as psycopg 3, pandas and SQLAlchemy do, and compares with what HTTP says.

    PGPASSWORD=TOKEN SINEW_API=http://127.0.0.1:8080/api/v1 ask.py HOST PORT USER [PART OF A CHECK'S NAME]

The last line is JSON: {"checked": n, "failed": [{"what", "why"}]}; the exit status is 1 when anything failed.
"""

import contextlib
import datetime
import decimal
import json
import math
import os
import sys
import time
import traceback
import warnings

import psycopg
from psycopg.pq import TransactionStatus

import peer

HOST, PORT, USER = sys.argv[1:4]
ONLY = sys.argv[4] if len(sys.argv) > 4 else ""
CHECKS = []
# What is cancelled ends within so many seconds; more on a machine that does much else.
LIMIT_S = float(os.environ.get("LIMIT_S", "2"))
LONG = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000) a, generate_series(1, 10000000000) b"
PYTHON = {1184: datetime.datetime, 25: str, 701: float, 20: int, 16: bool, 17: bytes, 1700: decimal.Decimal}
ROWS = "SELECT time, point, value, float, text, boolean, unsigned, quality FROM samples WHERE {window} ORDER BY time, point"


def check(what):
    def add(ask):
        CHECKS.append((what, ask))
        return ask

    return add


def connect(**more):
    more = {"autocommit": True, "connect_timeout": 10, "password": os.environ["PGPASSWORD"], **more}
    return psycopg.connect(host=HOST, port=PORT, user=USER, dbname="sinew", **more)


SHARED = []


def shared():
    """A connection that many checks use one after the other, as a pool's is used; another one when it was left in disorder."""
    if SHARED and (SHARED[0].closed or SHARED[0].info.transaction_status != TransactionStatus.IDLE):
        SHARED.pop().close()
    if not SHARED:
        SHARED.append(connect())
    return contextlib.nullcontext(SHARED[0])


def fails(state, ask):
    """`ask` fails with this SQLSTATE; gives the error."""
    try:
        found = ask()
    except psycopg.Error as error:
        assert error.sqlstate == state, f"SQLSTATE {error.sqlstate} in place of {state}: {error}"
        return error
    raise AssertionError(f"{found!r} in place of an error {state}")


def window(known, sql):
    return sql.replace("{window}", known.window())


@check("connect: what the server says of itself")
def _(known):
    with connect() as conn:
        info = conn.info
        assert 160000 <= info.server_version < 170000, info.server_version
        assert (info.encoding, info.dbname, info.user, info.timezone.key) == ("utf-8", "sinew", USER, "Etc/UTC"), (info.encoding, info.timezone)
        must = {"standard_conforming_strings": "on", "integer_datetimes": "on", "default_transaction_read_only": "on", "is_superuser": "off"}
        said = {name: info.parameter_status(name) for name in must}
        assert said == must, said
        said = conn.execute("SELECT current_database(), current_schema(), current_user").fetchone()
        assert said == ("sinew", "public", USER), said


@check("connect: a wrong password is refused")
def _(known):
    try:
        connect(password="0" * 64).close()
    except psycopg.OperationalError as error:
        assert "0" * 64 not in str(error), "the error repeats the password"
        return
    raise AssertionError("let in")


@check("simple query")
def _(known):
    with shared() as conn:
        sql = window(known, "SELECT count(*) FROM samples WHERE {window}")
        known.must_be(lambda: conn.execute(sql).fetchall(), sql)


@check("simple query: two statements at once")
def _(known):
    with shared() as conn:
        cursor = conn.execute("SELECT 1; SELECT 'two'")
        assert cursor.fetchall() == [(1,)] and cursor.nextset() and cursor.fetchall() == [("two",)]


@check("simple query: columns are named as PostgreSQL names them")
def _(known):
    with shared() as conn:
        names = [column.name for column in conn.execute("SELECT count(*), max(value), value::text, 1 FROM latest GROUP BY value").description]
        assert names == ["count", "max", "value", "?column?"], names


def parameters(known):
    """By name: a condition, its parameters, and the same condition with literals."""
    let = known.let
    at = datetime.datetime.fromtimestamp(let["to_s"] - 20, datetime.timezone.utc)
    shanghai = at.astimezone(datetime.timezone(datetime.timedelta(hours=8)))
    then = f"time < timestamp '{at:%Y-%m-%dT%H:%M:%SZ}'"
    both = [let["point"], let["text"]]
    quoted = f"('{let['point']}', '{let['text']}')"
    return {
        "text": ("point = %s", [let["point"]], f"point = '{let['point']}'"),
        "text like": ("point LIKE %s", [let["device"] + "%"], f"starts_with(point, '{let['device']}')"),
        "text in": ("point IN (%s, %s)", both, f"point IN {quoted}"),
        "int": ("quality = %s", [0], "quality = 0"),
        "int against float": ("value > %s", [1], "value > 1"),
        "int beyond 32 bits": ("unsigned < %s", [2**40], "unsigned < 1099511627776"),
        "float": ("value > %s", [1.5], "value > 1.5"),
        "float against int": ("unsigned >= %s", [1.5], "unsigned >= 1.5"),
        "decimal": ("value > %s", [decimal.Decimal("1.5")], "value > 1.5"),
        "bool": ("boolean = %s", [True], "boolean"),
        "timestamptz": ("time < %s", [at], then),
        "timestamptz of another zone": ("time < %s", [shanghai], then),
        "time as text": ("time < %s", [f"{at:%Y-%m-%dT%H:%M:%SZ}"], then),
        "interval": ("time < %s::timestamptz - %s::interval", [at, datetime.timedelta(seconds=5)], f"{then} - interval '5 seconds'"),
        "null": ("(%s::text IS NULL OR point = %s)", [None, "x"], "true"),
        "text array": ("point = any(%s)", [both], f"point IN {quoted}"),
        "text array, none of": ("point <> all(%s)", [both], f"point NOT IN {quoted}"),
        "int array": ("quality = any(%s)", [[0, 1]], "quality IN (0, 1)"),
        "float array": ("value = any(%s)", [[1.0, 2.0]], "value IN (1.0, 2.0)"),
    }


def add_parameter(name, is_binary, is_prepared):
    how = f"{'binary' if is_binary else 'text'}, {'prepared' if is_prepared else 'unnamed'}"

    @check(f"parameter {name}, {how}")
    def _(known):
        condition, values, literal = parameters(known)[name]
        sql = window(known, "SELECT point, count(*) FROM samples WHERE {window} AND ")
        sql, want = sql.replace("%", "%%") + condition + " GROUP BY 1", sql + literal + " GROUP BY 1"
        if is_binary:
            sql = sql.replace("%s", "%b")
        with shared() as conn:
            for _ in range(2):
                known.must_be(lambda: conn.execute(sql, values, prepare=is_prepared, binary=is_binary).fetchall(), want)


def add_echo(is_binary):
    how = "binary" if is_binary else "text"
    now = datetime.datetime.now(datetime.timezone.utc)
    mark = "%b" if is_binary else "%s"
    numbers = {"int4": -7, "int8": 2**40, "float8": 0.1, "numeric": decimal.Decimal("12.5"), "int8[]": [1, 2]}
    cast = {**numbers, "text": "ä数", "bool": True, "timestamptz": now, "date": now.date(), "text[]": ["a", "b,c"], "bytea": b"\0\xff"}
    for kind, value in cast.items():

        @check(f"parameter with a cast comes back: {kind}, {how}")
        def _(known, kind=kind, value=value):
            with shared() as conn:
                got = conn.execute(f"SELECT {mark}::{kind}", [value], binary=is_binary).fetchone()[0]
                assert got == value and type(got) is type(value), f"{got!r} in place of {value!r}"

    for value in (7, 0.5, "a", True):

        @check(f"parameter of the client's type comes back: {type(value).__name__}, {how}")
        def _(known, value=value):
            with shared() as conn:
                got = conn.execute(f"SELECT {mark}", [value], binary=is_binary).fetchone()[0]
                assert got == value and type(got) is type(value), f"{got!r} in place of {value!r}"

    @check(f"parameter: LIMIT and OFFSET, {how}")
    def _(known):
        sql = window(known, "SELECT time, point FROM samples WHERE {window} ORDER BY time, point LIMIT ")
        with shared() as conn:
            asked = sql.replace("%", "%%") + f"{mark} OFFSET {mark}"
            known.must_be(lambda: conn.execute(asked, [5, 3], binary=is_binary).fetchall(), sql + "5 OFFSET 3")


for _binary in (False, True):
    add_echo(_binary)


@check("prepared: the threshold is passed, and old statements are closed")
def _(known):
    with connect(prepare_threshold=2) as conn:
        conn.prepared_max = 3
        for number in range(40):
            got = conn.execute(f"SELECT %s::int + {number % 8}", [number]).fetchone()
            assert got == (number + number % 8,), got


@check("pipeline of queries")
def _(known):
    with connect() as conn, conn.pipeline():
        cursors = [conn.cursor().execute("SELECT %s::int", [number]) for number in range(5)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(5)]


def add_table(table, is_binary):
    how = "binary" if is_binary else "text"

    @check(f"every column of {table}, {how}")
    def _(known):
        where = f" WHERE {known.window()} ORDER BY time, point" if table == "samples" else ""
        with shared() as conn:
            cursor = conn.execute(f"SELECT * FROM {table}{where}", binary=is_binary)
            got = [(column.name, column.type_code) for column in cursor.description]
            want = [(name, oid) for name, _, _, oid in known.columns(table)]
            assert got == want, f"{set(got) ^ set(want)}"
            rows = cursor.fetchall()
            for column, name in enumerate(name for name, _ in got):
                types = {type(row[column]) for row in rows} - {type(None)}
                assert types <= {PYTHON[got[column][1]]}, f"{name} is {types}"
                assert all(row[column] is None or row[column].tzinfo for row in rows if got[column][1] == 1184), f"{name} has no zone"
            if table != "alarms.active":
                assert rows, "no rows"
            known.must_be(lambda: conn.execute(f"SELECT * FROM {table}{where}", binary=is_binary).fetchall(), f"SELECT * FROM {table}{where}")


for _table in ("samples", "points", "assets", "devices", "alarms.active"):
    for _binary in (False, True):
        add_table(_table, _binary)


@check("NaN, infinities and null")
def _(known):
    sql = "SELECT 'NaN'::float8 AS a, 'Infinity'::float8 AS b, '-Infinity'::float8 AS c, null::float8 AS d, -0.0::float8 AS e"
    with shared() as conn:
        for is_binary in (False, True):
            a, b, c, d, _ = conn.execute(sql, binary=is_binary).fetchone()
            assert math.isnan(a) and b == math.inf and c == -math.inf and d is None, (a, b, c, d)


@check("times before 1970 and far ahead, finest digits")
def _(known):
    sql = "SELECT timestamp '1969-12-31T23:59:59.999999Z' AS a, timestamp '2261-01-01T00:00:00.000001Z' AS b"
    for is_binary in (False, True):
        with shared() as conn:
            known.must_be(lambda: conn.execute(sql, binary=is_binary).fetchall(), sql)


@check("SET TIME ZONE: the same instants, in that zone")
def _(known):
    sql = window(known, "SELECT time, point FROM samples WHERE {window} ORDER BY time, point")
    for ask in ("SET TIME ZONE 'Asia/Shanghai'", "SET timezone TO 'Asia/Shanghai'"):
        with connect() as conn:
            conn.execute(ask)
            known.must_be(lambda: conn.execute(sql).fetchall(), sql)
            at = conn.execute(sql).fetchone()[0]
            assert at.utcoffset() == datetime.timedelta(hours=8), f"{ask}: {at!r}"
            assert conn.execute("SHOW timezone").fetchone() == ("Asia/Shanghai",), conn.execute("SHOW timezone").fetchone()


@check("fetchmany")
def _(known):
    sql = window(known, ROWS)

    def ask():
        with shared() as conn:
            cursor, rows = conn.execute(sql), []
            while part := cursor.fetchmany(100):
                assert len(part) <= 100
                rows += part
            return rows

    known.must_be(ask, sql)


@check("stream: row by row from the wire")
def _(known):
    sql = window(known, ROWS)
    with shared() as conn:
        known.must_be(lambda: list(conn.cursor().stream(sql)), sql)


def add_named(what, is_binary, values):
    @check(f"named cursor in portions, {what}")
    def _(known):
        sql = window(known, ROWS)
        asked = sql.replace("%", "%%").replace("WHERE", "WHERE quality >= %s AND") if values else sql

        def ask():
            with connect(autocommit=False) as conn, conn.cursor(name="Some cursor", binary=is_binary) as cursor:
                cursor.itersize = 50
                cursor.execute(asked, values)
                # Without it psycopg 3.3.9 crashes on the first row: it reads them by what Describe said of the portal.
                assert cursor.description and len(cursor.description) == 8, f"Describe says of the cursor: {cursor.description}"
                return cursor.fetchmany(7) + [cursor.fetchone()] + list(cursor)

        known.must_be(ask, sql)


add_named("text", False, None)
add_named("binary", True, None)
add_named("with a parameter", False, [0])


@check("grafana.sql has its statements")
def _(known):
    assert len(peer.grafana({**known.let, "version": 0})) > 40


def add_grafana(number, block, is_extended):
    @check(f"grafana.sql {number}, {'extended, binary' if is_extended else 'simple'}: {block.origin}")
    def _(known):
        with shared() as conn:
            # What the driver knows, in place of what the server is asked.
            block = peer.grafana({**known.let, "version": conn.info.server_version // 100})[number - 1]

            def ask(sql, params):
                is_simple = not is_extended and not params
                cursor = conn.execute(sql) if is_simple else psycopg.RawCursor(conn).execute(sql, params or [], binary=is_extended)
                return ([column.name for column in cursor.description], cursor.fetchall()) if cursor.description else (None, [])

            block.check(known, ask)


def add_what_is_known(known):
    """The checks that take names from the node."""
    for name in parameters(known):
        for is_binary in (False, True):
            for is_prepared in (False, True):
                add_parameter(name, is_binary, is_prepared)
    for number, block in enumerate(peer.grafana({**known.let, "version": 0}), 1):
        for is_extended in (False, True):
            add_grafana(number, block, is_extended)


def main():
    import ask_more  # noqa: F401  Its checks come after these.

    known = peer.Known()
    add_what_is_known(known)
    failed, checked, begun = [], 0, time.monotonic()
    warnings.simplefilter("ignore")
    for what, ask in CHECKS:
        if ONLY not in what:
            continue
        checked += 1
        try:
            ask(known)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            state = getattr(error, "sqlstate", None)
            why = f"{type(error).__name__}{f' {state}' if state else ''}: {str(error).strip()[:600]}" or f"line {where.lineno}"
            failed.append({"what": what, "why": why})
            print(f"FAILED {what}: {why}", file=sys.stderr)
    print(f"{checked - len(failed)} of {checked} passed in {time.monotonic() - begun:.1f} s", file=sys.stderr)
    print(json.dumps({"checked": checked, "failed": failed}, ensure_ascii=False))
    sys.exit(1 if failed or not checked else 0)


if __name__ == "__main__":
    sys.modules["ask"] = sys.modules["__main__"]
    main()
