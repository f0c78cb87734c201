"""Against a node, of SINEW_URL and SINEW_TOKEN: what is written is found again, by SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_lines import FIELD_NAMES, NAMES, TEXTS

import sinew
from sinew import PartialWrite, SinewError, Unauthorized

NS = 1_760_000_000_123_456_789
MANY = "SELECT value FROM generate_series(1, 1000000000)"
"""Rows that nobody waits for to the end."""


def found(node: sinew.Client, measurement: str, columns: str = "time, point, value") -> pa.Table:
    return node.query(f"SELECT {columns} FROM samples WHERE point LIKE '{measurement}.%' ORDER BY point, time").arrow()


def test_every_type_is_found_again(node: sinew.Client, measurement: str) -> None:
    row = {"time": NS, "f": 0.1, "i": -(2**63), "u": 2**64 - 1, "b": True, "s": 'a "b"\n\\ 温度', "none": None}
    assert node.write([row], measurement=measurement) == 1
    rows = found(node, measurement, "name, type, float, integer, unsigned, boolean, text, quality, time").to_pylist()
    by_name = {row["name"].removeprefix(f"{measurement}."): row for row in rows}
    assert {name: row["type"] for name, row in by_name.items()} == {
        "f": "f64",
        "i": "i64",
        "u": "u64",
        "b": "bool",
        "s": "string",
    }
    kinds = {"f": "float", "i": "integer", "u": "unsigned", "b": "boolean", "s": "text"}
    assert {name: row[kinds[name]] for name, row in by_name.items()} == {name: row[name] for name in kinds}
    assert {pd.Timestamp(row["time"]).value for row in rows} == {NS}


@pytest.mark.parametrize(
    "of", [pl.DataFrame.to_pandas, pl.DataFrame.clone, pl.DataFrame.to_arrow, pl.DataFrame.to_dicts]
)
def test_frames(node: sinew.Client, measurement: str, of: Callable[[pl.DataFrame], Any]) -> None:
    count = 25_000
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    frame = pl.DataFrame(
        {
            "time": [start + timedelta(seconds=at) for at in range(count)],
            "line": ["ab"[at % 2] for at in range(count)],
            "value": [None if at % 5 == 0 else at / 7 for at in range(count)],
        }
    )
    assert node.write(of(frame), measurement=measurement, tags=["line"]) == count * 4 // 5
    again = node.query(
        f"SELECT time, substr(point, {len(measurement) + 7}, 1) AS line, value FROM samples "
        f"WHERE point LIKE '{measurement}.%' ORDER BY time"
    ).polars()
    assert again.equals(frame.drop_nulls().cast({"time": pl.Datetime("ns", "UTC")}))


def test_the_same_rows_again_are_kept_once(node: sinew.Client, measurement: str) -> None:
    rows = [{"time": NS + at, "f": at / 2} for at in range(100)]
    for _ in range(3):
        node.write(rows, measurement=measurement)
    assert found(node, measurement).num_rows == 100


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tags=st.lists(NAMES, min_size=1, max_size=20, unique=True),
    fields=st.lists(FIELD_NAMES, min_size=2, max_size=5, unique=True),
    text=TEXTS,
    figure=st.floats(allow_nan=False, allow_infinity=False),
)
def test_the_node_reads_what_is_written(
    node: sinew.Client, measurement: str, tags: list[str], fields: list[str], text: str, figure: float
) -> None:
    measurement = f"{measurement}{abs(hash((*tags, *fields, text, figure)))}"
    values: dict[str, Any] = dict.fromkeys(fields[1:], figure) | {fields[0]: text}
    rows = [{"time": NS, "tag": tag} | values for tag in tags]
    assert node.write(rows, measurement=measurement, tags="tag") == len(tags)
    # Every series has points of its own, whatever its names are.
    again = found(node, measurement, "text, float")
    assert again["text"].drop_null().to_pylist() == [text] * len(tags)
    assert again["float"].drop_null().to_pylist() == [figure] * len(tags) * (len(fields) - 1)


def test_single_precision_goes_to_a_point_of_doubles(node: sinew.Client, measurement: str) -> None:
    values = pa.array([0.1, 1e-45, 3.4e38], pa.float32())
    node.write(pa.table({"time": [1, 2, 3], "f": values}), measurement=measurement)
    assert found(node, measurement, "float")["float"].to_pylist() == values.cast(pa.float64()).to_pylist()


def test_refused_lines_are_named_and_all_others_kept(node: sinew.Client, measurement: str) -> None:
    rows: list[dict[str, Any]] = [{"time": at, "f": 1.5} for at in range(9_999)]
    node.write(rows, measurement=measurement)
    rows = [{"time": at, "f": "no figure"} for at in (1, 2)] + [{"time": 10_000, "g": 1.5}]
    with pytest.raises(PartialWrite, match=r"rows 0 to 2: .*line 1: .*field `f`.*line 2: ") as caught:
        node.write(rows, measurement=measurement)
    assert caught.value.refused == 2
    assert found(node, measurement).num_rows == 10_000


def test_lines(node: sinew.Client, measurement: str) -> None:
    node.write_lines(f"{measurement},a=x f=1.5 7\n{measurement},a=y f=2.5 8\n", precision="s")
    expected = [(datetime(1970, 1, 1, 0, 0, at, tzinfo=timezone.utc), value) for at, value in ((7, 1.5), (8, 2.5))]
    sql = f"SELECT time, value FROM samples WHERE point LIKE '{measurement}.%' ORDER BY time"
    assert node.query(sql).tuples() == expected
    assert node.query(sql).rows() == [{"time": at, "value": value} for at, value in expected]


def test_now_is_the_nodes(node: sinew.Client, measurement: str) -> None:
    node.write([{"f": 1.5}], measurement=measurement, time=None)
    (row,) = node.query(f"SELECT now() - time AS age FROM latest WHERE point = '{measurement}.f'").rows()
    assert abs(row["age"]) < timedelta(minutes=1)


def test_tables(node: sinew.Client) -> None:
    tables = {table.name: table for table in node.tables()}
    assert {"samples", "latest", "points", "assets", "devices", "alarms.active"} <= tables.keys()
    columns = {column.name: column.type for column in tables["samples"].columns}
    assert columns["time"] == "time"
    assert columns["value"] == "f64"
    for table in tables.values():
        schema = node.query(f"SELECT * FROM {table.name} LIMIT 0").arrow().schema
        assert schema.names == [column.name for column in table.columns]


def test_pandas_and_polars(node: sinew.Client) -> None:
    sql = "SELECT * FROM latest"
    frame, other = node.query(sql).pandas(), node.query(sql).polars()
    assert list(frame) == other.columns
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert other.schema["time"] == pl.Datetime("ns", "UTC")
    assert str(frame["unsigned"].dtype) == "UInt64"


def test_download(node: sinew.Client, measurement: str, tmp_path: Path) -> None:
    node.write([{"time": at, "f": at / 2} for at in range(1000)], measurement=measurement)
    sql = f"SELECT time, value FROM samples WHERE point LIKE '{measurement}.%' ORDER BY time"
    expected = node.query(sql).arrow()
    assert pq.read_table(node.download(sql, tmp_path / "a.parquet"))["value"].equals(expected["value"])
    assert pyarrow.csv.read_csv(node.download(sql, tmp_path / "a.csv", "csv"))["value"].equals(expected["value"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.parquet"]


def test_leaving_early_ends_the_query(node: sinew.Client) -> None:
    # More than a node has at work at a time: if they went on, the last ones would have to wait for minutes.
    for _ in range(12):
        with node.query(MANY) as result:
            assert next(result).num_rows > 0
    with sinew.connect() as other:
        next(other.query(MANY))
    assert node.query("SELECT 1 AS one").rows() == [{"one": 1}]


def test_what_is_wrong_with_a_statement(node: sinew.Client, tmp_path: Path) -> None:
    for sql, code in [
        ("SELEC 1", "sql.syntax"),
        ("SELECT nowhere FROM samples", "sql.unknown"),
        ("SELECT 1 FROM nowhere", "sql.unknown"),
        ("DROP TABLE samples", "sql.read-only"),
        ("SELECT 1 / 0", "sql.stopped"),
    ]:
        with pytest.raises(SinewError) as caught:
            node.query(sql)
        assert (caught.value.code, caught.value.status) == (code, 422), sql
    with pytest.raises(SinewError, match="line 1, column 1"):
        node.query("SELEC 1")
    with pytest.raises(SinewError):
        node.download("SELEC 1", tmp_path / "a.csv", "csv")
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_fails_on_its_way(node: sinew.Client, tmp_path: Path) -> None:
    sql = "SELECT 1 / (value - 100000) FROM generate_series(1, 200000)"
    result = node.query(sql)
    assert next(result).num_rows > 0
    with pytest.raises(SinewError) as caught:
        list(result)
    assert caught.value.code == "answer.cut"
    with pytest.raises(SinewError):
        node.download(sql, tmp_path / "a.csv", "csv")
    assert list(tmp_path.iterdir()) == []


def test_who_is_unknown(node: sinew.Client) -> None:
    for token in ("no such token", None):
        stranger = sinew.Client(node.url, token, 10)
        with pytest.raises(Unauthorized, match="make a token in the console"):
            stranger.query("SELECT 1")
        with pytest.raises(Unauthorized):
            stranger.write_lines("m f=1")
