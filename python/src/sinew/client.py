"""A node, as a program sees it."""

from __future__ import annotations

import gzip
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from weakref import WeakSet

from sinew.batches import ArrowStream
from sinew.errors import InvalidData, PartialWrite, garbled
from sinew.lines import Layout, Precision, lines
from sinew.node import Answer, Node
from sinew.result import Result

URL = "http://127.0.0.1:8080"
"""Where a node listens if nothing else was said."""

TIMEOUT_S = 60.0
"""Seconds without a single byte after which a request is given up."""

GZIP_LEVEL = 1
"""The fastest: lines repeat themselves so much that more effort gains little."""

REQUEST_BYTES_MAX = 32 << 20
"""Bytes of a request, packed, that a node takes."""

REFUSALS_SHOWN_MAX = 5
"""Batches with refused lines that a message names; all are counted."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    """bool, i64, u64, f64, decimal, time, date, interval, string or bytes."""
    summary: str
    """What it means, English; may be empty."""


@dataclass(frozen=True)
class Table:
    """A table that SQL may name."""

    name: str
    summary: str
    """One line, English."""
    columns: tuple[Column, ...]


def connect(url: str | None = None, token: str | None = None, timeout_s: float = TIMEOUT_S) -> Client:
    """A client of the node at `url`. Nothing is sent yet.

    Args:
        url: Where the node listens; else ``SINEW_URL``, else ``http://127.0.0.1:8080``.
        token: From the console, page Access tokens (访问令牌); else ``SINEW_TOKEN``.
        timeout_s: Seconds without a single byte after which a request is given up. A query that must see everything
            before its first row says nothing until then; a node gives it 120 s.

    Raises:
        ValueError: `url` is not the URL of a node, or `token` no token.
    """
    url = url or os.environ.get("SINEW_URL") or URL
    token = token or os.environ.get("SINEW_TOKEN") or ""
    return Client(url, token.strip() or None, timeout_s)


class Client:
    """A node and who asks; made by `connect`. May be used from many threads.

    Leaving a ``with``, or `close`, ends the results that are still being read.

    Every method that asks the node raises `Unauthorized` when the token is not known, `Unavailable` when the node
    cannot be reached or says nothing for `timeout_s`, and `SinewError` with the node's code otherwise.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        self._node = Node(url, token, timeout_s)
        self._results: WeakSet[Result] = WeakSet()

    @property
    def url(self) -> str:
        """Where the node listens."""
        return self._node.url

    def __repr__(self) -> str:
        return f"<sinew.Client {self.url}>"

    def query(self, sql: str) -> Result:
        """Asks in SQL and gives the rows as the node finds them.

        Use ``with`` when not all of them may be read: leaving it ends the query on the node.

        Raises:
            SinewError: ``sql.…``, what is wrong with the statement and where.
        """
        result = Result(self._ask(sql, "arrow"))
        self._results.add(result)
        return result

    def download(self, sql: str, path: str | os.PathLike[str], format: Literal["parquet", "csv"] = "parquet") -> Path:
        """Asks in SQL and writes the answer to a file, however long it is.

        The file gets its name when it is whole: until then it has another one beside it, and on an error nothing stays.
        A file of that name is replaced.

        Returns:
            The path, for what comes next.

        Raises:
            SinewError: ``sql.…``, or ``answer.cut`` when the answer broke off.
            OSError: The file cannot be written.
        """
        path = Path(path)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        with self._ask(sql, format) as answer:
            try:
                with part.open("xb") as file:
                    file.writelines(answer.chunks())
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        return path

    def tables(self) -> list[Table]:
        """The tables that SQL may name, with their columns."""
        with self._node.send("GET", "/api/v1/query/tables") as answer:
            body = answer.read()
        try:
            return [_table(found) for found in json.loads(body)["tables"]]
        except (ValueError, KeyError, TypeError) as error:
            raise garbled(repr(error)) from error

    def write(
        self,
        data: ArrowStream | Iterable[Mapping[str, Any]],
        *,
        measurement: str,
        tags: Sequence[str] = (),
        time: str | None = "time",
        precision: Precision = "ns",
        zone: str | None = None,
    ) -> int:
        """Stores rows: every column that is neither tag nor time goes to the point ``measurement.tag.value.column``.

        Points are made as their first values come, in the type of the column. Missing values and NaN are left out.
        The data is read and sent in batches, each durable before the next. The same rows may be sent again: a row of
        the same point and time is kept once.

        Args:
            data: A data frame of pandas or polars, an Arrow table, or an iterable of dicts.
            measurement: What was measured, such as ``press``.
            tags: Columns that tell series apart, such as ``["line", "machine"]``.
            time: The column of instants: timestamps, or whole numbers that count `precision` since 1970 in UTC. `None`
                stores under the node's own time, one instant for a whole batch: for one row of each series.
            precision: What whole numbers in `time` count.
            zone: Where timestamps that have no zone were taken, such as ``Asia/Shanghai``.

        Returns:
            How many rows had a value and are stored.

        Raises:
            InvalidData: A name, a type or a value that cannot be stored, with its row and column. Nothing of its batch
                is stored, and all before it is.
            PartialWrite: The node refused some lines. All others, also of later batches, are stored.
            Unavailable: Also when the node cannot store for now, and not after retries.
        """
        rows, refusals = 0, []
        tags = (tags,) if isinstance(tags, str) else tuple(tags)
        for batch in lines(data, Layout(measurement, tags, time, precision, zone)):
            rows += batch.rows
            try:
                self._write(batch.body, "ns")
            except PartialWrite as refusal:
                refusals.append((f"rows {batch.first} to {batch.last}: {refusal.detail}", refusal.refused))
        if refusals:
            shown = "; ".join(detail for detail, _ in refusals[:REFUSALS_SHOWN_MAX])
            more = len(refusals) - REFUSALS_SHOWN_MAX
            detail = shown + (f"; and {more} batches more" if more > 0 else "")
            raise PartialWrite(detail, refused=sum(refused for _, refused in refusals), status=400)
        return rows

    def write_lines(self, lines: str | bytes, precision: Precision = "ns") -> None:
        """Stores InfluxDB line protocol as it is, in one request; durable when this returns.

        Args:
            lines: One a line: ``press,line=2 pressure=4.2 1760000000000000000``.
            precision: What times in it count.

        Raises:
            InvalidData: More than `REQUEST_BYTES_MAX` once packed: send it in parts.
            PartialWrite: The node refused some lines. All others are stored.
            Unavailable: Also when the node cannot store for now, and not after retries.
        """
        self._write(lines.encode() if isinstance(lines, str) else lines, precision)

    def close(self) -> None:
        """Ends the results that are still being read."""
        for result in list(self._results):
            result.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, sql: str, format: str) -> Answer:
        question = json.dumps({"sql": sql, "format": format}).encode()
        return self._node.send("POST", "/api/v1/query", question, {"Content-Type": "application/json"})

    def _write(self, body: bytes, precision: Precision) -> None:
        packed = gzip.compress(body, GZIP_LEVEL, mtime=0)
        if len(packed) > REQUEST_BYTES_MAX:
            raise InvalidData(f"{len(packed)} bytes, packed, are more than the {REQUEST_BYTES_MAX} that a node takes")
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
        with self._node.send("POST", f"/api/v2/write?precision={precision}", packed, headers) as answer:
            if answer.status != HTTPStatus.NO_CONTENT:
                raise garbled(f"{answer.status} {answer.reason}")


def _table(found: dict[str, Any]) -> Table:
    columns = (Column(column["name"], column["type"], column["summary"]) for column in found["columns"])
    return Table(found["name"], found["summary"], tuple(columns))
