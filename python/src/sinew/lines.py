r"""Batches to InfluxDB line protocol, a column at a time.

```text
measurement,tag=value,… field=1.5,other=15i,third=15u,fourth=true,fifth="text" 1760000000000000000
```

In names and tag values a backslash stands before comma, equals and space; in texts before ``"`` and itself. What cannot
be written so is refused: in names and tag values control characters, and a backslash before one of those three or at
the end; ``#`` at the start of a measurement; ``"`` in the name of a field.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pyarrow as pa
from pyarrow import compute, types

from sinew.batches import ArrowStream, batches
from sinew.errors import InvalidData

BODY_BYTES_MAX = 8 << 20
"""Bytes of a request before it is packed; only a single row may have more."""

Precision = Literal["ns", "us", "ms", "s"]
"""What a whole number counts as a time, since 1970 in UTC."""

_NS: Mapping[str, int] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_ESCAPED = r"([,= ])"
_NO_NAME = r"\\([,= ]|$)|[\x00-\x1f\x7f]"
_NAME_ADVICE = (
    "names and tags are not empty, have no line break or other control character, and no backslash at the end or "
    "before a comma, an equals sign or a space"
)
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""How pandas calls an index without a name. Its figures are no measurements."""

_Array: TypeAlias = "pa.Array[Any]"

pc: Any = compute
"""Its functions are made as it is imported: no checker knows them well."""


@dataclass(frozen=True)
class Layout:
    """What the columns are."""

    measurement: str
    tags: Sequence[str]
    time: str | None
    precision: Precision
    zone: str | None


@dataclass(frozen=True)
class Lines:
    """The body of a request: line n is row ``first + n - 1``, as long as no text has a line break in it."""

    body: bytes
    first: int
    last: int
    rows: int
    """Rows that have a value; the line of another is empty."""


def lines(data: ArrowStream | Iterable[Mapping[str, Any]], layout: Layout) -> Iterator[Lines]:
    """Bodies of bounded size, one after the other, as the data is read.

    Raises:
        InvalidData: A name, a type or a value that line protocol has no form for.
        TypeError: `data` is neither a table nor rows.
        ValueError: An unknown precision.
    """
    if layout.precision not in _NS:
        raise ValueError(f"precision {layout.precision!r}: write one of {', '.join(_NS)}")
    first = 0
    for batch in batches(data):
        yield from _bounded(batch, layout, first)
        first += batch.num_rows


def _bounded(batch: pa.RecordBatch, layout: Layout, first: int) -> Iterator[Lines]:
    found = _lines(batch, layout, first)
    if len(found.body) > BODY_BYTES_MAX and batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _bounded(batch.slice(0, half), layout, first)
        yield from _bounded(batch.slice(half), layout, first + half)
    elif found.rows:
        yield found


def _lines(batch: pa.RecordBatch, layout: Layout, first: int) -> Lines:
    names = _field_names(batch.schema, layout)
    tags = [_tag(batch.column(name), name, first) for name in layout.tags]
    time = [] if layout.time is None else [_joined(" ", _time(batch.column(layout.time), layout, first))]
    # Each field begins with a comma, also the first.
    fields = pc.utf8_slice_codeunits(_joined(*(_field(batch.column(name), name, first) for name in names)), 1)
    is_empty = pc.equal(fields, "")
    text = pc.if_else(is_empty, "", _joined(_measurement(layout.measurement), *tags, " ", fields, *time))
    body = "\n".join(text.to_pylist()).encode()
    return Lines(body, first, first + len(batch) - 1, pc.sum(pc.invert(is_empty)).as_py() or 0)


def _field_names(schema: pa.Schema, layout: Layout) -> list[str]:
    """The columns that are neither tags nor time, once all that were named are found."""
    placed = [*layout.tags, *([] if layout.time is None else [layout.time])]
    there = Counter(schema.names)
    for name, uses in Counter(placed).items():
        if name not in there:
            raise InvalidData(f"there is no such column, only {', '.join(there)}", column=name)
        if uses > 1:
            raise InvalidData("this column is named twice: give it one use", column=name)
    for name, times in there.items():
        if times > 1:
            raise InvalidData("there are several columns of this name: give each its own", column=name)
    names = [name for name in there if name not in placed and not _PANDAS_INDEX.fullmatch(name)]
    if not names:
        raise InvalidData("there is nothing to write: all columns are tags or the time")
    return names


def _measurement(name: str) -> str:
    if name.startswith("#"):
        raise InvalidData(f"measurement {name!r}: a line that starts with # is a comment, take another name")
    return _name(name)


def _name(name: str, column: str | None = None) -> str:
    if not name or re.search(_NO_NAME, name):
        raise InvalidData(f"{name!r}: {_NAME_ADVICE}", column=column)
    return re.sub(_ESCAPED, r"\\\1", name)


def _tag(values: _Array, name: str, first: int) -> _Array:
    """``,name=value``; null where there is no value, and an empty text is none."""
    values = _plain(values)
    if types.is_floating(values.type):
        values = _finite(values, name, first)
    if not _is_scalar(values.type):
        raise InvalidData(f"{values.type} is no type of tags: make it text", column=name)
    texts = values.cast(pa.string())
    _refuse_if(pc.match_substring_regex(texts, _NO_NAME), texts, _NAME_ADVICE, name, first)
    escaped = pc.replace_substring_regex(texts, _ESCAPED, r"\\\1")
    return _joined_or_null(f",{_name(name, name)}=", pc.if_else(pc.equal(texts, ""), _NO_TEXT, escaped))


def _field(values: _Array, name: str, first: int) -> _Array:
    """``,name=value``; null where there is no value, and NaN is none."""
    if '"' in name:
        raise InvalidData('the name of a field has no ": rename the column', column=name)
    values = _plain(values)
    kind = values.type
    before, after = f",{_name(name, name)}=", ""
    if types.is_floating(kind) or types.is_decimal(kind):
        # Single precision is widened as it is: its short form in digits would be another number in double.
        values = _finite(values.cast(pa.float64()), name, first)
    elif types.is_signed_integer(kind):
        after = "i"
    elif types.is_unsigned_integer(kind):
        after = "u"
    elif types.is_string(kind):
        before, after = f'{before}"', '"'
        values = pc.replace_substring_regex(values, r'(["\\])', r"\\\1")
    elif not _is_scalar(kind):
        raise InvalidData(f"line protocol has no form for {kind}: make it a number, boolean or text", column=name)
    return _joined_or_null(before, values.cast(pa.string()), after)


def _time(values: _Array, layout: Layout, first: int) -> _Array:
    """Nanoseconds since 1970, as digits."""
    name, kind = layout.time, values.type
    if values.null_count:
        _refuse_if(
            pc.is_null(values), values, "there is no time in this row: give it one, or leave it out", name, first
        )
    try:
        if types.is_integer(kind):
            count = pc.multiply_checked(values.cast(pa.int64()), _NS[layout.precision])
        elif types.is_timestamp(kind):
            if kind.tz is None:
                values = pc.assume_timezone(values, _zone(layout))
            count = values.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
        else:
            raise InvalidData(f"{kind} is no time: make it timestamps with a zone, or whole numbers", column=name)
    except pa.ArrowInvalid as error:
        detail = f"in rows {first} to {first + len(values) - 1} is no time between 1677 and 2262: {error}"
        raise InvalidData(detail, column=name) from error
    digits: _Array = count.cast(pa.string())
    return digits


def _zone(layout: Layout) -> str:
    if layout.zone is None:
        detail = "these times have no zone: pass zone='Asia/Shanghai', or where they were taken"
        raise InvalidData(detail, column=layout.time)
    return layout.zone


def _plain(values: _Array) -> _Array:
    """Texts in one form, whether they came as categories, views or long ones."""
    if isinstance(values, pa.DictionaryArray):
        taken: _Array = pc.take(_plain(values.dictionary), values.indices)
        return taken
    return values.cast(pa.string()) if str(values.type) in ("large_string", "string_view") else values


def _is_scalar(kind: pa.DataType) -> bool:
    is_number = types.is_floating(kind) or types.is_decimal(kind) or types.is_integer(kind)
    return is_number or types.is_boolean(kind) or types.is_string(kind) or types.is_null(kind)


def _finite(values: _Array, name: str, first: int) -> _Array:
    _refuse_if(pc.is_inf(values), values, "only finite numbers are stored: leave the value out", name, first)
    finite: _Array = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return finite


def _refuse_if(is_wrong: _Array, values: _Array, why: str, name: str | None, first: int) -> None:
    at = pc.index(is_wrong, True).as_py()
    if at >= 0:
        raise InvalidData(f"{values[at].as_py()!r}: {why}", row=first + at, column=name)


_NO_TEXT = pa.scalar(None, pa.string())


def _joined(*parts: _Array | str) -> _Array:
    """Row by row; what is null adds nothing."""
    joined: _Array = pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")
    return joined


def _joined_or_null(*parts: _Array | str) -> _Array:
    """Row by row; null where one part is."""
    joined: _Array = pc.binary_join_element_wise(*parts, "")
    return joined
