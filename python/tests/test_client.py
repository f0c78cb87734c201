"""What is asked and sent, and what comes of the answers."""

from __future__ import annotations

import builtins
import json
import urllib.parse
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import FakeNode, Reply, chunked, reply

import sinew
from sinew import Column, PartialWrite, SinewError, Table, batches, client

NS = 1_760_000_000_123_456_789
TABLE = pa.table(
    {
        "time": pa.array([NS, NS + 1], pa.timestamp("ns", "+00:00")),
        "point": ["a", "b"],
        "value": [1.5, None],
        "integer": pa.array([None, 2**53 + 1], pa.int64()),
        "boolean": [True, None],
        "for": pa.array([NS, None], pa.duration("ns")),
    }
)


def stream(table: pa.Table = TABLE, batch_rows: int = 1) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue().to_pybytes()


def result(fake: FakeNode, table: pa.Table = TABLE) -> sinew.Result:
    data = stream(table)
    fake.replies = [chunked(data[:100], data[100:])]
    return fake.client().query("SELECT 1")


def test_what_is_asked(fake: FakeNode) -> None:
    result(fake).close()
    (request,) = fake.requests
    assert (request.method, request.path) == ("POST", "/api/v1/query")
    assert json.loads(request.body) == {"sql": "SELECT 1", "format": "arrow"}
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["content-type"] == "application/json"


def test_the_environment_says_where_and_who(fake: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.replies = [reply(200, b'{"tables": []}')]
    monkeypatch.setenv("SINEW_URL", fake.url + "/behind/a/proxy/")
    monkeypatch.setenv("SINEW_TOKEN", "from the environment\n")
    assert sinew.connect().tables() == []
    assert fake.requests[0].path == "/behind/a/proxy/api/v1/query/tables"
    assert fake.requests[0].headers["authorization"] == "Bearer from the environment"
    monkeypatch.delenv("SINEW_TOKEN")
    sinew.connect().tables()
    assert "authorization" not in fake.requests[1].headers


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(sinew.connect("http://host", "secret"))


# Results.


def test_arrow(fake: FakeNode) -> None:
    assert result(fake).arrow().equals(TABLE)
    assert result(fake, TABLE.slice(0, 0)).arrow().equals(TABLE.slice(0, 0))


def test_batches_come_one_by_one(fake: FakeNode) -> None:
    with result(fake) as found:
        assert found.schema == TABLE.schema
        assert [batch.num_rows for batch in found] == [1, 1]
        assert list(found) == []


def test_a_result_is_read_once(fake: FakeNode) -> None:
    found = result(fake)
    assert next(found).num_rows == 1
    assert found.arrow().num_rows == 1
    for again in (found.arrow, found.pandas, found.rows):
        with pytest.raises(SinewError, match="ask again") as caught:
            again()
        assert caught.value.code == "result.spent"


def test_leaving_ends_what_is_read(fake: FakeNode) -> None:
    with fake.client() as node:
        fake.replies = [chunked(stream())]
        one, other = node.query("SELECT 1"), node.query("SELECT 1")
        with one:
            next(one)
        assert list(one) == []
        next(other)
    assert list(other) == []


def test_pandas(fake: FakeNode) -> None:
    frame = result(fake).pandas()
    assert frame.dtypes.astype(str).to_dict() | {"point": ""} == {
        "time": "datetime64[ns, UTC]",
        "point": "",
        "value": "float64",
        "integer": "Int64",
        "boolean": "boolean",
        "for": "timedelta64[ns]",
    }
    assert frame["integer"][1] == 2**53 + 1
    assert frame["time"][0] == pd.Timestamp(NS, tz="UTC")


def test_polars(fake: FakeNode) -> None:
    frame = result(fake).polars()
    assert frame.schema["time"] == pl.Datetime("ns", "UTC")
    assert frame["integer"].to_list() == [None, 2**53 + 1]


def test_rows(fake: FakeNode) -> None:
    expected = {
        "time": datetime(2025, 10, 9, 8, 53, 20, 123456, tzinfo=timezone.utc),
        "point": "a",
        "value": 1.5,
        "integer": None,
        "boolean": True,
        "for": timedelta(microseconds=NS // 1000),
    }
    assert result(fake).rows()[0] == expected
    tuples = result(fake).tuples()
    assert tuples[0] == tuple(expected.values())
    # Whatever else is installed.
    assert type(tuples[0][0]) is datetime
    assert type(tuples[0][5]) is timedelta


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_missing_package_is_named(fake: FakeNode, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    plain = builtins.__import__

    def lacking(name: str, *rest: Any, **named: Any) -> Any:
        if name == package:
            raise ModuleNotFoundError(name)
        return plain(name, *rest, **named)

    found = result(fake)
    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        getattr(found, package)()
    # And nothing is lost.
    assert found.arrow().num_rows == 2


@pytest.mark.parametrize("bytes_kept", [0, 50, 1000, -8])
def test_an_answer_cut_short_is_no_answer(fake: FakeNode, bytes_kept: int) -> None:
    fake.replies = [chunked(stream()[:bytes_kept] or b"x", is_whole=False)]
    with pytest.raises(SinewError, match="broke off") as caught:
        fake.client().query("SELECT 1").arrow()
    assert caught.value.code == "answer.cut"


def test_what_is_no_arrow_stream(fake: FakeNode) -> None:
    fake.replies = [chunked(b"<html>Sign in to the guest network</html>")]
    with pytest.raises(SinewError, match=r"not a node's.*check the URL") as caught:
        fake.client().query("SELECT 1")
    assert caught.value.code == "answer.garbled"


# Files.


def test_download(fake: FakeNode, tmp_path: Path) -> None:
    fake.replies = [chunked(b"a,b\n", b"1,2\n")]
    path = tmp_path / "day.csv"
    path.write_text("of yesterday")
    assert fake.client().download("SELECT 1", path, "csv") == path
    assert path.read_text() == "a,b\n1,2\n"
    assert list(tmp_path.iterdir()) == [path]
    assert json.loads(fake.requests[0].body)["format"] == "csv"
    fake.client().download("SELECT 1", str(path))
    assert json.loads(fake.requests[1].body)["format"] == "parquet"


def test_a_file_is_whole_or_not_there(fake: FakeNode, tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("of yesterday")
    shortened = reply(200, b"a,b\n1")

    def short(handler: Any) -> None:
        plain = handler.send_header
        handler.send_header = lambda name, value: plain(name, "9999" if name == "Content-Length" else value)
        shortened(handler)

    for broken in (chunked(b"a,b\n", is_whole=False), short):
        fake.replies = [broken]
        with pytest.raises(SinewError, match="broke off"):
            fake.client().download("SELECT 1", path, "csv")
        assert path.read_text() == "of yesterday"
        assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        fake.client().download("SELECT 1", tmp_path / "no" / "folder.csv", "csv")


def test_tables(fake: FakeNode) -> None:
    column = {"name": "time", "type": "time", "summary": "when", "later": 1}
    answer = {"tables": [{"name": "samples", "summary": "rows", "columns": [column]}], "functions": []}
    fake.replies = [reply(200, json.dumps(answer).encode(), "application/json")]
    assert fake.client().tables() == [Table("samples", "rows", (Column("time", "time", "when"),))]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"tables": [{}]}', b"7"])
def test_what_is_no_list_of_tables(fake: FakeNode, body: bytes) -> None:
    fake.replies = [reply(200, body)]
    with pytest.raises(SinewError, match=r"not a node's.*check the URL"):
        fake.client().tables()


# Writing.


def test_what_is_sent(fake: FakeNode) -> None:
    fake.replies = [reply(204)]
    rows = [{"time": 5, "line": "a", "f": 1.5}, {"time": 6, "line": "b", "f": None}]
    assert fake.client().write(rows, measurement="m", tags="line", precision="ms") == 1
    (request,) = fake.requests
    assert request.path == "/api/v2/write?precision=ns"
    assert request.headers["content-encoding"] == "gzip"
    assert request.body == b"m,line=a f=1.5 5000000\n"


@pytest.mark.parametrize("answer", [reply(200, b"<html>"), reply(302, b"")])
def test_only_a_node_says_that_rows_are_stored(fake: FakeNode, answer: Reply) -> None:
    fake.replies = [answer]
    with pytest.raises(SinewError, match=r"not a node's.*check the URL"):
        fake.client().write_lines("m f=1")


def test_lines_are_sent_as_they_are(fake: FakeNode) -> None:
    fake.replies = [reply(204)]
    fake.client().write_lines("测量 温度=21.5 1\n", precision="s")
    fake.client().write_lines(b"m f=1")
    assert [request.body.decode() for request in fake.requests] == ["测量 温度=21.5 1\n", "m f=1"]
    assert [urllib.parse.urlsplit(request.path).query for request in fake.requests] == ["precision=s", "precision=ns"]


def test_nothing_is_sent_for_nothing(fake: FakeNode) -> None:
    assert fake.client().write([], measurement="m") == 0
    assert fake.requests == []


def test_a_request_has_a_bound(fake: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REQUEST_BYTES_MAX", 10)
    with pytest.raises(sinew.InvalidData, match="more than the 10"):
        fake.client().write_lines("m f=1 1")
    assert fake.requests == []


def test_refused_lines_do_not_hold_up_later_batches(fake: FakeNode) -> None:
    def refused(count: int) -> bytes:
        return json.dumps({"code": "lines.refused", "message": f"dropped={count} lines: line 7: no"}).encode()

    fake.replies = [reply(400, refused(2)), reply(204), reply(400, refused(3))]
    rows = ({"time": at, "f": 1.5} for at in range(3 * batches.ROWS_MAX))
    with pytest.raises(PartialWrite) as caught:
        fake.client().write(rows, measurement="m")
    assert caught.value.refused == 5
    assert caught.value.detail == (
        "rows 0 to 9999: dropped=2 lines: line 7: no; rows 20000 to 29999: dropped=3 lines: line 7: no"
    )
    assert len(fake.requests) == 3


def test_a_long_message_is_cut(fake: FakeNode) -> None:
    fake.replies = [reply(400, b'{"code": "lines.refused", "message": "dropped=1 lines"}')]
    rows = pa.table({"time": range(8 * batches.ROWS_MAX), "f": [True] * 8 * batches.ROWS_MAX})
    with pytest.raises(PartialWrite, match="and 3 batches more") as caught:
        fake.client().write(rows, measurement="m")
    assert caught.value.refused == 8


def test_what_came_before_a_mistake_is_sent(fake: FakeNode) -> None:
    fake.replies = [reply(204)]
    rows = [{"time": at, "f": 1.5 if at < batches.ROWS_MAX else float("inf")} for at in range(batches.ROWS_MAX + 1)]
    with pytest.raises(sinew.InvalidData):
        fake.client().write(rows, measurement="m")
    assert len(fake.requests) == 1
