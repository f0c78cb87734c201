"""Reads hours of single points from one file, in its page cache, and says how long one takes."""

import argparse
import bisect
import json
import os
import random
import time

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

import columns

HOUR = 3_600
SECOND_NS = 1_000_000_000
# Four hours of a point: smaller groups find faster, larger ones pack better.
GROUP_ROWS = 4 * HOUR

parser = argparse.ArgumentParser()
parser.add_argument("--engine", choices=["duckdb", "parquet"], required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--store", required=True)
parser.add_argument("--picks", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
wanted = parser.parse_args()

columns.pa.set_cpu_count(columns.THREADS)
table = columns.narrow(wanted.data)["f64"]
points = pc.max(table["point"]).as_py() + 1
rows = len(table) // points
start = pc.min(table["ts"]).cast(columns.pa.int64()).as_py()

if wanted.engine == "duckdb":
    columns.load_duckdb({"f64": table}, wanted.store)
    connection = duckdb.connect(wanted.store, read_only=True, config={"threads": columns.THREADS})
    ask = "SELECT ts, value FROM f64 WHERE point = ? AND ts >= make_timestamp_ns(?) AND ts < make_timestamp_ns(?)"

    def hour(point: int, since: int, until: int):
        return connection.sql(ask, params=[point, since, until]).to_arrow_table()

else:
    os.makedirs(wanted.store, exist_ok=True)
    path = os.path.join(wanted.store, "f64.parquet")
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=3,
        use_dictionary=["point", "quality"],
        column_encoding={"ts": "DELTA_BINARY_PACKED"},
        row_group_size=GROUP_ROWS,
    )
    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
    # The largest (point, time) of each group, from its statistics.
    as_int = lambda value: getattr(value, "value", value)
    last = []
    for n, group in enumerate(groups):
        by_name = {group.column(c).path_in_schema: group.column(c).statistics for c in range(group.num_columns)}
        last.append((by_name["point"].min, by_name["point"].max, n))
    firsts = [first for first, _, _ in last]

    def hour(point: int, since: int, until: int):
        low, high = bisect.bisect_left([most for _, most, _ in last], point), bisect.bisect_right(firsts, point)
        near = [n for n in range(low, high) if overlaps(n, point, since, until)]
        found = file.read_row_groups(near, columns=["point", "ts", "value"])
        ts = found["ts"].cast(columns.pa.int64())
        inside = pc.and_(pc.greater_equal(ts, since), pc.less(ts, until))
        return found.filter(pc.and_(inside, pc.equal(found["point"], point))).select(["ts", "value"])

    spans = []
    for n in range(file.num_row_groups):
        ts = pc.min_max(file.read_row_group(n, columns=["ts"])["ts"].cast(columns.pa.int64())).as_py()
        spans.append((ts["min"], ts["max"]))

    def overlaps(n: int, point: int, since: int, until: int) -> bool:
        return last[n][1] > last[n][0] or spans[n][0] < until and spans[n][1] >= since


chooser = random.Random(wanted.seed)
picks = [(chooser.randrange(points), chooser.randrange(rows // HOUR)) for _ in range(wanted.picks)]
waits, wrong = [], 0
values = table["value"].chunk(0)
# The first pass warms.
for turn in range(2):
    for point, number in picks:
        since = start + number * HOUR * SECOND_NS
        before = time.perf_counter()
        answer = hour(point, since, since + HOUR * SECOND_NS)
        wait = time.perf_counter() - before
        if turn:
            waits.append(wait * 1e3)
            due = values.slice(point * rows + number * HOUR, HOUR)
            wrong += not answer["value"].combine_chunks().equals(due)
waits.sort()
print(
    json.dumps(
        {
            "picks": len(waits),
            "wrong": wrong,
            "warm_p50_ms": waits[len(waits) // 2],
            "warm_p99_ms": waits[min(len(waits) - 1, len(waits) * 99 // 100)],
        }
    ),
    flush=True,
)
