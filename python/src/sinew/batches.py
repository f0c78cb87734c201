"""Whatever holds rows, as Arrow batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from sinew.errors import InvalidData

ROWS_MAX = 10_000
"""Rows of a batch."""


@runtime_checkable
class ArrowStream(Protocol):
    """A table of pyarrow, pandas (from 2.2), polars (from 1.3), DuckDB and others: the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Its columns."""
        ...


def batches(data: ArrowStream | Iterable[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """The rows in order, as they are read from `data`.

    Raises:
        InvalidData: Values of a column that do not go together.
        TypeError: `data` is neither a table nor rows.
    """
    if isinstance(data, ArrowStream):
        with _reader(data) as reader:
            yield from _regrouped(reader)
    elif isinstance(data, Iterable) and not isinstance(data, (Mapping, str, bytes)):
        yield from _of_rows(iter(data))
    else:
        kind = type(data).__name__
        raise TypeError(f"{kind} is neither a table nor rows: pass a data frame, an Arrow table or a list of dicts")


def _reader(data: ArrowStream) -> pa.RecordBatchReader:
    # Not pyarrow's own tables: it crashes as it hands texts in views, all of them short, to itself (up to version 24).
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return data.to_reader()
    if isinstance(data, pa.RecordBatchReader):
        return data
    try:
        return pa.RecordBatchReader.from_stream(data)
    except pa.ArrowException as error:
        raise InvalidData(f"this {type(data).__name__} does not make an Arrow table: {error}") from error


def _regrouped(source: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """However finely or coarsely the source is cut."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in source:
        waiting.append(batch)
        count += batch.num_rows
        if count > ROWS_MAX:
            *whole, rest = _cut(waiting)
            yield from whole
            waiting, count = [rest], rest.num_rows
    if waiting:
        yield from _cut(waiting)


def _cut(waiting: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return pa.Table.from_batches(waiting).combine_chunks().to_batches(max_chunksize=ROWS_MAX)


def _of_rows(rows: Iterator[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    # A column that was there once is there in every later batch, if only as missing.
    names: dict[str, None] = {}
    first = 0
    while some := list(islice(rows, ROWS_MAX)):
        for at, row in enumerate(some, first):
            if not isinstance(row, Mapping):
                raise TypeError(f"row {at} is {type(row).__name__}: pass dicts, which name their columns")
            names |= dict.fromkeys(row)
        columns = [_column([row.get(name) for row in some], name, first) for name in names]
        yield pa.RecordBatch.from_arrays(columns, names=list(names))
        first += len(some)


def _column(values: list[Any], name: str, first: int) -> pa.Array[Any]:
    place = f"in rows {first} to {first + len(values) - 1}"
    # NaT is an instant that is not itself.
    instants = [value for value in values if isinstance(value, datetime) and value == value]
    zoned = {value.tzinfo is not None for value in instants}
    if len(zoned) > 1:
        raise InvalidData(f"{place} some times have a zone and some have none: give all of them one", column=name)
    # Left to itself, pyarrow would cut instants to microseconds.
    kind = pa.timestamp("ns", "UTC" if True in zoned else None) if instants else None
    try:
        try:
            return pa.array(values, kind, from_pandas=True)
        except OverflowError:
            return pa.array(values, pa.uint64(), from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InvalidData(f"{place} are values that do not make one column: {error}", column=name) from error
