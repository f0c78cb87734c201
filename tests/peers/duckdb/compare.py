"""Asks a node and DuckDB the same questions and compares the answers value by value.

    compare.py --base http://127.0.0.1:8080/api/v1 --token TOKEN --parquet FILE --seed 1 --count 200
               [--before TIME] [--fixed FILE.sql]... [--known FILE.sql] [--only NUMBER]

FILE holds all rows of the node's table `samples`; with --before, every question is about rows before that time, so that rows
which come meanwhile change nothing. Integers, texts, truths, times and bytes are equal or they are not; floats may differ by
TOLERANCE, because sums have no order. Rows without an order are compared as a set. What is known to differ must differ: what
is mended leaves that file. What is found is one line of JSON, and the exit status is 0 when all is as it should be.
"""

import argparse
import datetime
import decimal
import json
import math
import pathlib
import sys
import time
import urllib.error
import urllib.request

import duckdb
import pyarrow
import pyarrow.ipc

import queries

TOLERANCE = 1e-9
LIMIT_S = 130
SHOWN_MAX = 20
NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Failed(Exception):
    """A question that was not answered."""


class Node:
    def __init__(self, base, token):
        self.url, self.token = f"{base}/query", token

    def ask(self, sql):
        body = json.dumps({"sql": sql, "format": "arrow"}).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=LIMIT_S) as answer:
                return pyarrow.ipc.open_stream(answer.read()).read_all()
        except urllib.error.HTTPError as error:
            raise Failed(error.read().decode()) from error
        except Exception as error:
            raise Failed(repr(error)) from error


class DuckDb:
    def __init__(self, parquet):
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        name = str(parquet).replace("'", "''")
        self.connection.execute(f"create table samples as select * from read_parquet('{name}')")

    def ask(self, sql):
        try:
            return self.connection.sql(sql).to_arrow_table()
        except Exception as error:
            raise Failed(str(error)) from error

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()


def column(values):
    """Values of a column in one form for both engines."""
    of = values.type
    if pyarrow.types.is_timestamp(of):
        kind, unit = ("time" if of.tz else "wall clock"), NS[of.unit]
        return [None if v is None else (kind, v * unit) for v in values.cast(pyarrow.int64()).to_pylist()]
    if pyarrow.types.is_duration(of):
        return [None if v is None else ("span", v * NS[of.unit]) for v in values.cast(pyarrow.int64()).to_pylist()]
    if pyarrow.types.is_decimal(of) and of.scale == 0:
        return [None if v is None else int(v) for v in values.to_pylist()]
    return values.to_pylist()


def rows_of(table):
    return list(zip(*(column(values) for values in table.columns))) or [()] * table.num_rows


def place(row, floats):
    """Where a row stands among rows without an order: by what is exact, and by the columns of floats last."""
    exact = [(v is not None, type(v).__name__, v) for at, v in enumerate(row) if at not in floats]
    nothing = [v is None or math.isnan(v) for at, v in enumerate(row) if at in floats]
    numbers = [0.0 if v is None or math.isnan(v) else v for at, v in enumerate(row) if at in floats]
    return [(there, kind, v if there else 0) for there, kind, v in exact], nothing, numbers


def equal(a, b):
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(a) is type(b) and a == b


def differ(node, duck, is_ordered):
    """The first rows that differ, with their number; None when there are none."""
    if not is_ordered:
        floats = {at for row in [*node, *duck] for at, v in enumerate(row) if isinstance(v, float)}
        node, duck = (sorted(rows, key=lambda row: place(row, floats)) for rows in (node, duck))
    for at, (a, b) in enumerate(zip(node, duck)):
        if len(a) != len(b) or not all(map(equal, a, b)):
            return at, a, b
    if len(node) != len(duck):
        at = min(len(node), len(duck))
        return at, *(rows[at] if at < len(rows) else None for rows in (node, duck))
    return None


def shown(value):
    if isinstance(value, tuple) and len(value) == 2 and value[0] in ("time", "wall clock") and isinstance(value[1], int):
        second, rest = divmod(value[1], 10**9)
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{rest:09}{'Z' if value[0] == 'time' else ''}"
    if isinstance(value, (tuple, list)):
        return [shown(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, (bytes, datetime.date, decimal.Decimal)):
        return str(value)
    return value


class Comparison:
    def __init__(self, node, duck):
        self.node, self.duck = node, duck
        self.found = {"queries": 0, "equal": 0, "different": 0, "failed": 0, "mended": 0, "empty": 0, "rows": 0, "node_s": 0.0, "duckdb_s": 0.0}
        self.wrong = []

    def timed(self, engine, name, sql):
        begun = time.monotonic()
        try:
            return rows_of(engine.ask(sql)), None
        except Failed as error:
            return None, str(error)[:1000]
        finally:
            self.found[name] += time.monotonic() - begun

    def known(self, sql):
        """Counts what is no longer different."""
        before, wrong = dict(self.found), len(self.wrong)
        self.of(sql, " order by " in sql)
        is_mended = self.found["equal"] > before["equal"]
        is_asked = is_mended or not self.wrong[-1].get("duckdb_error")
        self.found = {**before, "mended": before["mended"] + is_mended, "failed": before["failed"] + (not is_asked)}
        if is_asked:
            self.wrong[wrong:] = [{"mended": sql}] if is_mended else []

    def of(self, sql, is_ordered, **what):
        self.found["queries"] += 1
        spelt = queries.for_node(sql), queries.for_duckdb(sql)
        node, node_error = self.timed(self.node, "node_s", spelt[0])
        duck, duck_error = self.timed(self.duck, "duckdb_s", spelt[1])
        wrong = {**what, "sql": spelt[0], **({"duckdb_sql": spelt[1]} if spelt[0] != spelt[1] else {})}
        if node_error or duck_error:
            self.found["failed"] += 1
            self.wrong.append({**wrong, "node_error": node_error, "duckdb_error": duck_error})
            return
        self.found["rows"] += len(duck)
        self.found["empty"] += not duck
        first = differ(node, duck, is_ordered)
        if first is None:
            self.found["equal"] += 1
            return
        self.found["different"] += 1
        at, a, b = first
        counts = {"node_rows": len(node), "duckdb_rows": len(duck)}
        self.wrong.append({**wrong, **counts, "row": at, "node": shown(a), "duckdb": shown(b)})


def statements(file):
    lines = file.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [sql for sql in map(str.strip, text.split(";")) if sql]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--base", required=True)
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--parquet", required=True, type=pathlib.Path)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=200)
    arguments.add_argument("--before", default="")
    arguments.add_argument("--fixed", type=pathlib.Path, action="append", default=[], help="statements that end with a semicolon")
    arguments.add_argument("--known", type=pathlib.Path, help="statements whose answers are known to differ")
    arguments.add_argument("--only", type=int, help="the question with this number")
    asked = arguments.parse_args()
    duck = DuckDb(asked.parquet)
    comparison = Comparison(Node(asked.base, asked.token), duck)
    for file in asked.fixed:
        for sql in statements(file):
            comparison.of(sql, " order by " in sql, file=file.name)
    if asked.known:
        for sql in statements(asked.known):
            comparison.known(sql)
    words = queries.Words(duck.rows, asked.before)
    for number in range(asked.count) if asked.only is None else [asked.only]:
        query = queries.Query(words, asked.seed, number)
        comparison.of(query.sql, query.ordered, number=number, shape=query.shape)
    found = {k: round(v, 2) if isinstance(v, float) else v for k, v in comparison.found.items()}
    print(json.dumps({"seed": asked.seed, **found, "wrong": comparison.wrong[:SHOWN_MAX]}, ensure_ascii=False))
    sys.exit(0 if found["equal"] == found["queries"] and not found["mended"] + found["failed"] else 1)


if __name__ == "__main__":
    main()
