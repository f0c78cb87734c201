"""More checks of ask.py: pandas, SQLAlchemy, errors, transactions, refused writes, and cancelling."""

import datetime
import threading
import time
import urllib.parse
import os

import pandas
import psycopg
import sqlalchemy
from psycopg.pq import TransactionStatus

from ask import HOST, LIMIT_S, LONG, PORT, ROWS, USER, check, connect, fails, shared, window

UTC_DTYPES = ("datetime64[ns, UTC]", "datetime64[us, UTC]", "datetime64[ns, Etc/UTC]", "datetime64[us, Etc/UTC]")


def engine(**more):
    password = urllib.parse.quote(os.environ["PGPASSWORD"])
    return sqlalchemy.create_engine(f"postgresql+psycopg://{USER}:{password}@{HOST}:{PORT}/sinew", **more)


def rows_of(frame):
    """A frame as rows that peer.py compares."""
    cells = lambda row: [None if cell is None or cell is pandas.NaT or cell != cell else cell for cell in row]
    plain = lambda cell: cell.to_pydatetime() if isinstance(cell, pandas.Timestamp) else cell.item() if hasattr(cell, "item") else cell
    return [[plain(cell) for cell in cells(row)] for row in frame.astype(object).itertuples(index=False)]


def is_right(known, frame, sql):
    assert str(frame["time"].dtype) in UTC_DTYPES, f"time is {frame['time'].dtype}"
    assert frame["value"].dtype == "float64", f"value is {frame['value'].dtype}"
    assert list(frame.columns) == ["time", "point", "value", "quality"], list(frame.columns)
    known.must_be(lambda: rows_of(frame), sql)


FRAME = "SELECT time, point, value, quality FROM samples WHERE {window} ORDER BY time, point"


@check("pandas.read_sql_query through psycopg")
def _(known):
    sql = window(known, FRAME)
    with connect() as conn:
        is_right(known, pandas.read_sql_query(sql, conn), sql)


@check("pandas.read_sql_query through psycopg with parameters")
def _(known):
    sql = window(known, FRAME)
    asked = sql.replace("WHERE", "WHERE point = %(point)s AND")
    with connect() as conn:
        frame = pandas.read_sql_query(asked, conn, params={"point": known.let["point"]})
        is_right(known, frame, sql.replace("WHERE", f"WHERE point = '{known.let['point']}' AND"))


@check("pandas.read_sql_query through SQLAlchemy")
def _(known):
    sql = window(known, FRAME)
    is_right(known, pandas.read_sql_query(sqlalchemy.text(sql.replace(":", r"\:")), engine()), sql)


@check("pandas.read_sql_query through SQLAlchemy with a list and a time, in chunks")
def _(known):
    points = [known.let["point"], known.let["unsigned"]]
    at = datetime.datetime.fromtimestamp(known.let["from_s"], datetime.timezone.utc)
    asked = "SELECT time, point, value, quality FROM samples WHERE time >= :at AND time <= :till AND point = any(:points) ORDER BY time, point"
    values = {"at": at, "till": datetime.datetime.fromtimestamp(known.let["to_s"], datetime.timezone.utc), "points": points}
    frame = pandas.concat(pandas.read_sql_query(sqlalchemy.text(asked), engine(), params=values, chunksize=50))
    is_right(known, frame, window(known, FRAME).replace("WHERE", f"WHERE point IN ('{points[0]}', '{points[1]}') AND"))


@check("pandas.read_sql_table through SQLAlchemy")
def _(known):
    frame = pandas.read_sql_table("devices", engine())
    assert str(frame["added"].dtype) in UTC_DTYPES, f"added is {frame['added'].dtype}"
    assert frame["enabled"].dtype == bool, frame["enabled"].dtype
    known.must_be(lambda: rows_of(frame), "SELECT * FROM devices")


@check("SQLAlchemy connects and knows the version")
def _(known):
    of = engine()
    with of.connect() as conn:
        assert of.dialect.server_version_info[0] == 16, of.dialect.server_version_info
        assert of.dialect.default_schema_name == "public", of.dialect.default_schema_name
        assert conn.execute(sqlalchemy.select(1)).scalar() == 1
        assert conn.get_isolation_level() in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"), conn.get_isolation_level()


@check("SQLAlchemy inspector: get_schema_names")
def _(known):
    names = set(sqlalchemy.inspect(engine()).get_schema_names())
    assert names - {"information_schema", "pg_catalog"} == set(known.schemas()), names


@check("SQLAlchemy inspector: get_table_names")
def _(known):
    inspector = sqlalchemy.inspect(engine())
    for schema in known.schemas():
        names = inspector.get_table_names(schema=schema)
        assert sorted(names) == known.table_names(schema), names
    assert sorted(inspector.get_table_names()) == known.table_names(), inspector.get_table_names()
    assert inspector.has_table("samples") and not inspector.has_table("nosuch")
    assert inspector.get_view_names() == [], inspector.get_view_names()


@check("SQLAlchemy inspector: get_columns")
def _(known):
    inspector = sqlalchemy.inspect(engine())
    words = {name.upper(): name for name in ("text", "bigint", "numeric", "boolean", "bytea")}
    words |= {"TIMESTAMP": "timestamp with time zone", "DOUBLE_PRECISION": "double precision"}
    for table in known.tables:
        schema, _, name = table.rpartition(".")
        columns = inspector.get_columns(name, schema=schema or None)
        got = [(column["name"], words.get(type(column["type"]).__name__, repr(column["type"]))) for column in columns]
        want = [(name, data_type) for name, data_type, _, _ in known.columns(table)]
        assert got == want, f"{table}: {sorted(set(got) ^ set(want))}"
        assert all(column["type"].timezone for column in columns if type(column["type"]).__name__ == "TIMESTAMP"), "a time without a zone"


@check("SQLAlchemy inspector: keys, indexes, comments")
def _(known):
    inspector = sqlalchemy.inspect(engine())
    assert not inspector.get_pk_constraint("samples")["constrained_columns"]
    assert inspector.get_foreign_keys("samples") == [] and inspector.get_indexes("samples") == []
    assert inspector.get_unique_constraints("samples") == [] and inspector.get_table_comment("samples") == {"text": None}


@check("SQLAlchemy: a reflected table is queried")
def _(known):
    table = sqlalchemy.Table("samples", sqlalchemy.MetaData(), autoload_with=engine())
    at, till = (datetime.datetime.fromtimestamp(known.let[name], datetime.timezone.utc) for name in ("from_s", "to_s"))
    where = table.c.time.between(at, till), table.c.point.in_([known.let["point"]])
    asked = sqlalchemy.select(table.c.time, table.c.point, table.c.value).where(*where).order_by(table.c.time).limit(20)
    with engine().connect() as conn:
        sql = f"SELECT time, point, value FROM samples WHERE {known.window()} AND point = '{known.let['point']}' ORDER BY time LIMIT 20"
        known.must_be(lambda: [list(row) for row in conn.execute(asked)], sql)


@check("SQLAlchemy: stream_results, in a transaction")
def _(known):
    sql = window(known, ROWS)
    with engine().connect() as conn:
        conn = conn.execution_options(stream_results=True, max_row_buffer=50)
        known.must_be(lambda: [list(row) for row in conn.execute(sqlalchemy.text(sql.replace(":", r"\:")))], sql)


def add_error(what, state, sql):
    @check(f"error: {what}")
    def _(known):
        with shared() as conn:
            for options in ({}, {"prepare": True}):
                error = fails(state, lambda: conn.execute(sql, **options).fetchall())
                assert error.diag.severity == "ERROR" and error.diag.message_primary, error.diag.severity
                assert conn.execute("SELECT 1").fetchone() == (1,), "unusable afterwards"


add_error("no such table", "42P01", "SELECT * FROM nosuch")
add_error("no such column", "42703", "SELECT nosuch FROM samples")
add_error("no such function", "42883", "SELECT nosuch(value) FROM samples")
add_error("syntax", "42601", "SELECT 1 FRM samples WHERE x")
add_error("not grouped", "42803", "SELECT point, max(value) FROM samples")
add_error("division by zero", "22012", "SELECT 1/(quality - quality) FROM samples")
add_error("no number", "22P02", "SELECT 'x'::int")
add_error("no time", "22007", "SELECT time FROM samples WHERE time > 'yesterday noon'")
add_error("a write", "25006", "INSERT INTO samples (time, value) VALUES (now(), 1)")


@check("error: the position or a hint says where to look")
def _(known):
    with connect() as conn:
        for sql, state, at in (("SELECT 1 FROM samples x y", "42601", 25), ("SELECT nosuch FROM samples", "42703", 8)):
            error = fails(state, lambda: conn.execute(sql)).diag
            assert error.statement_position == str(at) or error.message_hint, f"{sql}: neither a position nor a hint: {error.message_primary}"


@check("transaction: begin and rollback, commit")
def _(known):
    with connect(autocommit=False) as conn:
        conn.execute("SELECT 1")
        assert conn.info.transaction_status == TransactionStatus.INTRANS, conn.info.transaction_status
        conn.rollback()
        assert conn.info.transaction_status == TransactionStatus.IDLE, conn.info.transaction_status
        conn.execute("SELECT 1")
        conn.commit()
        assert conn.info.transaction_status == TransactionStatus.IDLE, conn.info.transaction_status


@check("transaction: an error aborts it, 25P02 until it ends")
def _(known):
    with connect(autocommit=False) as conn:
        fails("42703", lambda: conn.execute("SELECT nosuch FROM samples"))
        assert conn.info.transaction_status == TransactionStatus.INERROR, conn.info.transaction_status
        fails("25P02", lambda: conn.execute("SELECT 1"))
        conn.rollback()
        assert conn.execute("SELECT 1").fetchone() == (1,)


@check("transaction: read only, with an isolation level")
def _(known):
    with connect(autocommit=False) as conn:
        conn.read_only, conn.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
        assert conn.execute("SELECT 1").fetchone() == (1,)


@check("transaction: nested, by a savepoint")
def _(known):
    with connect() as conn, conn.transaction():
        try:
            with conn.transaction():
                conn.execute("SELECT nosuch FROM samples")
        except psycopg.errors.UndefinedColumn:
            pass
        assert conn.execute("SELECT 1").fetchone() == (1,)


for _write in (
    "INSERT INTO samples (time, value) VALUES (now(), 1)", "UPDATE samples SET value = 1", "DELETE FROM samples", "TRUNCATE samples",
    "CREATE TABLE x (a int)", "CREATE TEMP TABLE x (a int)", "CREATE VIEW x AS SELECT 1", "DROP TABLE samples", "SELECT * INTO x FROM samples",
    "ALTER TABLE samples ADD COLUMN a int", "COPY samples FROM STDIN", "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
):  # fmt: skip

    @check(f"write refused: {_write}")
    def _(known, sql=_write):
        with shared() as conn:
            for options in ({}, {"prepare": True}):
                try:
                    conn.execute(sql, **options)
                except psycopg.Error as error:
                    # The last is no statement of PostgreSQL's at all.
                    allowed = ("25006", "42501", "42601") if "EXTERNAL" in sql else ("25006", "42501")
                    assert error.sqlstate in allowed, f"{error.sqlstate}: {error}"
                else:
                    raise AssertionError("carried out")
            assert conn.execute("SELECT 1").fetchone() == (1,)


def ends(conn, stop, ask):
    """`ask` runs until `stop` is called, and ends by it within LIMIT_S."""
    stopped = []

    def later():
        time.sleep(0.5)
        stopped.append(time.monotonic())
        stop()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        fails("57014", ask)
    finally:
        thread.join()
    took = time.monotonic() - stopped[0]
    assert took > 0, "it ended by itself: nothing was cancelled"
    assert took < LIMIT_S, f"ended after {took:.1f} s"
    assert conn.execute("SELECT 1").fetchone() == (1,), "unusable afterwards"


for _how, _prepare in (("simple", False), ("prepared", True)):

    @check(f"cancel, {_how}")
    def _(known, prepare=_prepare):
        with connect() as conn:
            ends(conn, conn.cancel, lambda: conn.execute(LONG, prepare=prepare).fetchall())

    @check(f"cancel_safe, {_how}")
    def _(known, prepare=_prepare):
        with connect() as conn:
            ends(conn, conn.cancel_safe, lambda: conn.execute(LONG, prepare=prepare).fetchall())

    @check(f"statement_timeout, {_how}")
    def _(known, prepare=_prepare):
        with connect() as conn:
            conn.execute("SET statement_timeout TO '500ms'")
            begun, late = time.monotonic(), threading.Timer(LIMIT_S + 1, conn.cancel)
            late.start()
            try:
                fails("57014", lambda: conn.execute(LONG, prepare=prepare).fetchall())
            finally:
                late.cancel()
            assert time.monotonic() - begun < LIMIT_S, "it had to be cancelled"


@check("cancel when nothing runs harms nothing that comes after")
def _(known):
    with connect() as conn:
        conn.cancel()
        time.sleep(0.2)
        assert conn.execute("SELECT count(*) FROM generate_series(1, 1000)").fetchone() == (1000,)
