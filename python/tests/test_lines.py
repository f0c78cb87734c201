"""Rows to lines: what is written is what is read again, and what cannot be written is refused with its place."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader import Line, read

from sinew import InvalidData, batches
from sinew import lines as module
from sinew.lines import Layout, Precision, lines

UTC = timezone.utc


def layout(
    measurement: str = "m",
    tags: tuple[str, ...] = (),
    time: str | None = "time",
    precision: Precision = "ns",
    zone: str | None = None,
) -> Layout:
    return Layout(measurement, tags, time, precision, zone)


def text(data: Any, how: Layout | None = None) -> str:
    return "\n".join(found.body.decode() for found in lines(data, how or layout()))


def refusal(data: Any, how: Layout | None = None) -> InvalidData:
    with pytest.raises(InvalidData) as caught:
        text(data, how)
    return caught.value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.5, "1.5"),
        (1.0, "1"),
        (-0.0, "-0"),
        (1e300, "1e+300"),
        (5e-324, "5e-324"),
        (15, "15i"),
        (-(2**63), "-9223372036854775808i"),
        (2**64 - 1, "18446744073709551615u"),
        (True, "true"),
        (False, "false"),
        ("plain", '"plain"'),
        ("", '""'),
        ('a "b" \\ c', '"a \\"b\\" \\\\ c"'),
        ("two\nlines, = 温度", '"two\nlines, = 温度"'),
        (Decimal("1.50"), "1.5"),
    ],
)
def test_values(value: object, written: str) -> None:
    assert text([{"time": 1, "f": value}]) == f"m f={written} 1"


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (pa.int8(), -1, "-1i"),
        (pa.uint8(), 1, "1u"),
        # As the nearest double: a shorter figure would be another number.
        (pa.float32(), 0.1, "0.10000000149011612"),
        (pa.large_string(), "x", '"x"'),
        (pa.string_view(), "x", '"x"'),
        (pa.dictionary(pa.int8(), pa.string()), "x", '"x"'),
        (pa.dictionary(pa.int8(), pa.string_view()), "x", '"x"'),
        (pa.decimal128(5, 2), Decimal("1.50"), "1.5"),
    ],
)
def test_types_of_arrow(kind: pa.DataType, value: object, written: str) -> None:
    values = (
        pa.array([value, None], pa.string()).cast(kind) if isinstance(value, str) else pa.array([value, None], kind)
    )
    assert text(pa.table({"time": [1, 2], "f": values})) == f"m f={written} 1\n"


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA, pd.NaT])
def test_missing_values_are_left_out(missing: Any) -> None:
    rows = [{"time": 1, "a": missing, "b": 2.5}, {"time": 2, "a": 1.5}, {"time": 3, "b": missing}]
    assert text(rows) == "m b=2.5 1\nm a=1.5 2\n"
    assert [found.rows for found in lines(rows, layout())] == [2]


def test_nothing_is_sent_for_rows_without_values() -> None:
    assert list(lines([{"time": 1, "a": None}], layout())) == []
    assert list(lines([], layout())) == []


def test_tags() -> None:
    rows = [
        {"time": 1, "line": 2, "name": "a b,c=d", "f": 1.5},
        {"time": 2, "line": None, "name": "", "f": 1.5},
        {"time": 3, "line": 4, "name": "温度\\x", "f": 1.5},
    ]
    assert text(rows, layout(tags=("line", "name"))).splitlines() == [
        r"m,line=2,name=a\ b\,c\=d f=1.5 1",
        "m f=1.5 2",
        r"m,line=4,name=温度\x f=1.5 3",
    ]


def test_tags_of_figures() -> None:
    frame = pd.DataFrame({"time": [1, 2], "line": [2, None], "on": [True, False], "f": [1.5, 2.5]})
    assert text(frame, layout(tags=("line", "on"))) == "m,line=2,on=true f=1.5 1\nm,on=false f=2.5 2"


def test_names() -> None:
    rows = [{"time": 1, "t a=g": "x", "f 1,=": 1.5}]
    assert text(rows, layout("my, m=", tags=("t a=g",))) == r"my\,\ m\=,t\ a\=g=x f\ 1\,\==1.5 1"


# Times.


@pytest.mark.parametrize(("precision", "ns"), [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)])
def test_whole_numbers_count_in_the_precision(precision: Precision, ns: int) -> None:
    assert text([{"time": -7, "f": True}], layout(precision=precision)) == f"m f=true {-7 * ns}"


def test_instants_keep_their_nanoseconds() -> None:
    ns = 1_760_000_000_123_456_789
    instant = pd.Timestamp(ns, tz="Asia/Shanghai")
    expected = f"m f=true {ns}"
    assert text([{"time": instant, "f": True}]) == expected
    assert text(pd.DataFrame({"time": [instant], "f": [True]})) == expected
    assert text(pa.table({"time": pa.array([ns], pa.timestamp("ns", "UTC")), "f": [True]})) == expected


def test_instants_of_any_zone_and_unit() -> None:
    shanghai = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    expected = f"m f=true {1_767_225_600 * 10**9}"
    assert text([{"time": shanghai, "f": True}]) == expected
    assert text(pa.table({"time": pa.array([shanghai], pa.timestamp("s", "UTC")), "f": [True]})) == expected
    assert text(pl.DataFrame({"time": [shanghai], "f": [True]})) == expected


def test_instants_without_a_zone_need_one() -> None:
    rows = [{"time": datetime(2026, 1, 1, 8), "f": True}]  # noqa: DTZ001
    assert "Asia/Shanghai" in refusal(rows).detail
    expected = f"m f=true {1_767_225_600 * 10**9}"
    assert text(rows, layout(zone="Asia/Shanghai")) == expected
    assert text(pd.DataFrame(rows), layout(zone="Asia/Shanghai")) == expected
    assert "Nowhere" in refusal(rows, layout(zone="Nowhere/Town")).detail
    mixed = [*rows, {"time": datetime(2026, 1, 1, tzinfo=UTC), "f": True}]
    assert refusal(mixed).column == "time"


def test_no_time_at_all() -> None:
    assert text([{"f": 1.5}], layout(time=None)) == "m f=1.5"


def test_an_index_of_pandas() -> None:
    frame = pd.DataFrame({"f": [1.5, 2.5]}, index=pd.DatetimeIndex(["2026-01-01", "2026-01-02"], tz="UTC", name="time"))
    assert text(frame).splitlines()[0] == f"m f=1.5 {1_767_225_600 * 10**9}"
    # One without a name is no column, such as what a filter leaves.
    frame = pd.DataFrame({"time": [1, 2, 3], "f": [1, 2, 3]})
    assert text(frame[frame["f"] > 1]) == "m f=2i 2\nm f=3i 3"


# Refusals.


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_what_is_not_finite_is_refused_with_its_row(value: float) -> None:
    rows = [{"time": at, "f": 1.5} for at in range(25_000)]
    rows[23_456]["f"] = value
    found = refusal(rows)
    assert (found.row, found.column, found.code) == (23_456, "f", "data.invalid")
    assert str(found).endswith("(data.invalid at row 23456, column 'f')")
    assert refusal(pd.DataFrame(rows)).row == 23_456


@pytest.mark.parametrize("name", ["", "a\n", "a\tb", "a\\", "a\\,b", "a\\ b", "\x7f"])
def test_names_without_a_form_are_refused(name: str) -> None:
    assert refusal([{"time": 1, "f": 1}], layout(name)).code == "data.invalid"
    assert refusal([{"time": 1, name: 1}]).column == name
    assert refusal([{"time": 1, name: "x", "f": 1}], layout(tags=(name,))).column == name
    if name:
        found = refusal([{"time": 0, "t": "x", "f": 1}, {"time": 1, "t": name, "f": 1}], layout(tags=("t",)))
        assert (found.row, found.column) == (1, "t")


def test_more_refusals() -> None:
    rows = [{"time": 1, "t": "x", "f": 1.5}]
    assert "comment" in refusal(rows, layout("#m")).detail
    assert refusal([{"time": 1, 'a"b': 1}]).column == 'a"b'
    assert "only time, t, f" in refusal(rows, layout(tags=("x",))).detail
    assert "twice" in refusal(rows, layout(tags=("t", "t"))).detail
    assert "twice" in refusal(rows, layout(tags=("time",))).detail
    assert "nothing to write" in refusal(rows, layout(tags=("t", "f"))).detail
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([1.5]), pa.array([1.5])], names=["time", "f", "f"])
    assert "several" in refusal(twice).detail
    found = refusal([*rows, {"f": 1.5}])
    assert (found.row, found.column) == (1, "time")
    assert refusal([{"time": 1.5, "f": 1}]).column == "time"
    assert refusal([{"time": "2026-01-01T00:00:00Z", "f": 1}]).column == "time"
    assert "1677" in refusal([{"time": 2**62, "f": 1}], layout(precision="s")).detail
    assert refusal([{"time": datetime(9000, 1, 1, tzinfo=UTC), "f": 1}]).column == "time"
    assert refusal([{"time": 1, "f": [1, 2]}]).column == "f"
    assert refusal([{"time": 1, "f": date(2026, 1, 1)}]).column == "f"
    assert refusal([{"time": 1, "f": b"bytes"}]).column == "f"
    assert refusal([{"time": 1, "f": object()}]).column == "f"
    assert refusal([{"time": 1, "f": 1}, {"time": 2, "f": "one"}]).column == "f"
    assert refusal([{"time": 1, "f": -1}, {"time": 2, "f": 2**63}]).column == "f"
    assert refusal([{"time": 1, "t": date(2026, 1, 1), "f": 1}], layout(tags=("t",))).column == "t"


@pytest.mark.parametrize("data", [pl.Series([1.5]), pd.DataFrame({"time": [1, 2], "f": [1, "x"]})])
def test_what_makes_no_table_of_arrow(data: object) -> None:
    assert "does not make an Arrow table" in refusal(data).detail


@pytest.mark.parametrize("data", [7, "text", b"bytes", {"time": 1}, None])
def test_what_is_no_table(data: object) -> None:
    with pytest.raises(TypeError, match="neither a table nor rows"):
        text(data)


def test_what_is_no_row() -> None:
    with pytest.raises(TypeError, match="row 1 is tuple"):
        text([{"time": 1, "f": 1}, (2, 2)])


def test_an_unknown_precision() -> None:
    with pytest.raises(ValueError, match="write one of ns, us, ms, s"):
        text([], layout(precision="m"))  # type: ignore[arg-type]


# Batches.


def places(data: Any, how: Layout | None = None) -> list[tuple[int, int, int]]:
    return [(found.first, found.last, found.rows) for found in lines(data, how or layout())]


def test_batches_have_a_bound_in_rows() -> None:
    count = batches.ROWS_MAX * 2 + 1
    expected = [(0, 9_999, 10_000), (10_000, 19_999, 10_000), (20_000, 20_000, 1)]
    assert places({"time": at, "f": 1.5} for at in range(count)) == expected
    table = pa.table({"time": range(count), "f": [1.5] * count})
    assert places(table) == expected
    # However finely it is cut.
    assert places(pa.Table.from_batches(table.to_batches(max_chunksize=7))) == expected
    frame = pl.DataFrame(table)
    assert places(pl.concat([frame[:50], frame[50:]], rechunk=False)) == expected


def test_batches_have_a_bound_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_BYTES_MAX", 100)
    rows = [{"time": at, "f": "x" * (500 if at == 3 else 10)} for at in range(16)]
    found = list(lines(rows, layout()))
    assert all(len(some.body) <= 100 or some.rows == 1 for some in found)
    assert [line.time for some in found for line in read(some.body)] == list(range(16))
    assert [some.first for some in found[1:]] == [some.last + 1 for some in found[:-1]]


def test_line_and_row_count_alike() -> None:
    rows = [{"time": at, "f": None if at % 2 else 1.5} for at in range(6)]
    (found,) = lines(rows, layout())
    assert [bool(line) for line in found.body.split(b"\n")] == [True, False] * 3


def test_a_column_may_be_missing_from_later_rows() -> None:
    rows = [{"time": at, "f": 1.5} | ({"t": "x"} if at == 0 else {}) for at in range(batches.ROWS_MAX + 1)]
    assert [rows for _, _, rows in places(rows, layout(tags=("t",)))] == [10_000, 1]


def test_frames_of_all_kinds_say_the_same() -> None:
    rows = [
        {"time": at, "t": "ab"[at % 2], "f": at / 7, "i": at, "b": at % 3 == 0, "s": None if at == 5 else f'"{at}"'}
        for at in range(10)
    ]
    how = layout(tags=("t",))
    expected = text(rows, how)
    assert text(iter(rows), how) == expected
    assert text(pd.DataFrame(rows), how) == expected
    assert text(pd.DataFrame(rows).astype({"t": "category"}), how) == expected
    assert text(pl.DataFrame(rows), how) == expected
    assert text(pl.DataFrame(rows).with_columns(pl.col("t").cast(pl.Categorical)), how) == expected
    assert text(pa.Table.from_pylist(rows), how) == expected
    assert text(pa.Table.from_pylist(rows).to_batches()[0], how) == expected
    assert text(pa.Table.from_pylist(rows).to_reader(), how) == expected


# Properties.

NAMES = st.text(min_size=1, max_size=12).filter(
    lambda name: name.isprintable() and not re.search(r"\\([,= ]|$)|[\x00-\x1f\x7f]", name)
)
FIELD_NAMES = NAMES.filter(lambda name: '"' not in name and name not in ("time", "tag"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = {
    "f": st.floats(allow_nan=False, allow_infinity=False),
    "i": st.integers(-(2**63), 2**63 - 1),
    "u": st.integers(2**63, 2**64 - 1),
    "b": st.booleans(),
    "s": TEXTS,
}


@given(
    measurement=NAMES.filter(lambda name: not name.startswith("#")),
    tag=NAMES,
    fields=st.dictionaries(FIELD_NAMES, st.sampled_from("fiubs").flatmap(lambda k: st.tuples(st.just(k), VALUES[k]))),
    time=st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_written_is_read_again(
    measurement: str, tag: str, fields: dict[str, tuple[str, Any]], time: int
) -> None:
    if not fields:
        return
    row = {"time": time, "tag": tag} | {name: value for name, (_, value) in fields.items()}
    (found,) = lines([row], layout(measurement, tags=("tag",)))
    kinds = "".join(kind for kind, _ in fields.values())
    expected = Line(measurement, {"tag": tag}, {name: value for name, (_, value) in fields.items()}, kinds, time)
    assert read(found.body) == [expected]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_single_precision_keeps_its_value(values: list[float]) -> None:
    table = pa.table({"time": range(len(values)), "f": pa.array(values, pa.float32())})
    (found,) = lines(table, layout())
    assert [line.fields["f"] for line in read(found.body)] == values
