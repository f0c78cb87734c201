"""The answer to a query: Arrow batches as the node finds them."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from sinew.errors import SinewError, garbled
from sinew.node import Answer

if TYPE_CHECKING:
    import pandas
    import polars


class Result(Iterator[pa.RecordBatch]):
    """Rows on their way. They are read once: by iteration over batches, or all that are left by one of the methods.

    At most one batch is held here, however long the answer is. `close`, or leaving a ``with``, ends the query on the
    node. Times are UTC with nanoseconds.

    Everything that reads raises `SinewError`: ``answer.cut`` when the node stops the query or the connection is
    lost, ``result.spent`` when there is nothing left to read; and `Unavailable` when no byte came for `timeout_s`.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        try:
            self._reader = pa.ipc.open_stream(cast("Any", answer))
        except pa.ArrowException as error:
            answer.close()
            raise garbled(error) from error
        except SinewError:
            answer.close()
            raise

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns; there before the first row is."""
        return self._reader.schema

    def __next__(self) -> pa.RecordBatch:
        if self._answer.closed:
            raise StopIteration
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            self.close()
            raise
        except (pa.ArrowException, OSError) as error:
            self.close()
            raise garbled(error) from error
        except SinewError:
            self.close()
            raise

    def arrow(self) -> pa.Table:
        """All rows that are left."""
        if self._answer.closed:
            detail = "this result was read or closed: keep what the first reading gave, or ask again"
            raise SinewError(detail, code="result.spent")
        return pa.Table.from_batches(list(self), schema=self.schema)

    def pandas(self) -> pandas.DataFrame:
        """All rows that are left.

        Whole numbers and booleans get pandas' nullable types, so that a missing value turns no integer into a
        float and a column has one type whatever is in it.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise _missing("pandas") from error
        nullable = {
            pa.bool_(): pd.BooleanDtype(),
            pa.int8(): pd.Int8Dtype(),
            pa.int16(): pd.Int16Dtype(),
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.uint8(): pd.UInt8Dtype(),
            pa.uint16(): pd.UInt16Dtype(),
            pa.uint32(): pd.UInt32Dtype(),
            pa.uint64(): pd.UInt64Dtype(),
        }
        return self.arrow().to_pandas(types_mapper=nullable.get)

    def polars(self) -> polars.DataFrame:
        """All rows that are left.

        Raises:
            ImportError: polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise _missing("polars") from error
        return cast("pl.DataFrame", pl.from_arrow(self.arrow()))

    def rows(self) -> list[dict[str, Any]]:
        """All rows that are left, each by the names of its columns. Times are cut to microseconds, as in `datetime`."""
        return _for_python(self.arrow()).to_pylist()

    def tuples(self) -> list[tuple[Any, ...]]:
        """All rows that are left, each in the order of the columns. Times are cut to microseconds, as in `datetime`."""
        return list(zip(*(column.to_pylist() for column in _for_python(self.arrow()).columns), strict=True))

    def close(self) -> None:
        """Ends the query on the node if it is still at work. What was read stays good."""
        self._answer.close()

    def __enter__(self) -> Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _for_python(table: pa.Table) -> pa.Table:
    """With times that `datetime` and its kin hold, so that rows do not depend on what else is installed."""

    def held(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(kind):
            return pa.timestamp("us", kind.tz)
        if pa.types.is_duration(kind):
            return pa.duration("us")
        return pa.time64("us") if pa.types.is_time64(kind) else kind

    return table.cast(pa.schema([field.with_type(held(field.type)) for field in table.schema]), safe=False)


def _missing(package: str) -> ImportError:
    return ImportError(f"{package} is not installed: pip install {package}")
