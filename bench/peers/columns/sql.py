"""Asks DuckDB what `sql.rs` asks of servers, over one file, and says what an answer costs."""

import argparse
import json
import resource
import time

import duckdb

import columns

parser = argparse.ArgumentParser()
parser.add_argument("--engine", choices=["duckdb"], required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--store", required=True)
parser.add_argument("--fields", type=int, required=True)
parser.add_argument("--times", type=int, required=True)
wanted = parser.parse_args()

tables = columns.wide(wanted.data, wanted.fields)
(name, table), = tables.items()
columns.load_duckdb(tables, wanted.store)
count, total = columns.count_duckdb(tables, wanted.store)
del table, tables

connection = duckdb.connect(wanted.store, read_only=True, config={"threads": columns.THREADS})
fields = [f"f{field}" for field in range(wanted.fields)]
sums = ", ".join(f"count({f}), sum({f}), min({f}), max({f}), avg({f})" for f in fields)
questions = {
    "all": lambda turn: f'SELECT {sums} FROM "{name}"',
    "each_point": lambda turn: f'SELECT host, {sums} FROM "{name}" GROUP BY host',
    "double": lambda turn: f"SELECT host, time_bucket(INTERVAL '1 hour', ts), avg({fields[turn % wanted.fields]}) FROM \"{name}\" GROUP BY 1, 2",
}
said = {"samples": count, "sum": total}
for question, ask in questions.items():
    waits, cpu = [], 0.0
    for turn in range(wanted.times):
        # The first warms.
        if turn == 1:
            cpu = time.process_time()
        before = time.perf_counter()
        connection.sql(ask(turn)).fetchall()
        waits.append((time.perf_counter() - before) * 1e3)
    cpu_ms = (time.process_time() - cpu) * 1e3 / (wanted.times - 1)
    waits = sorted(waits[1:])
    said |= {f"{question}_cpu_ms": cpu_ms, f"{question}_p50_ms": waits[len(waits) // 2], f"per_cpu_s_{question}": 1e3 / cpu_ms}
said["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(json.dumps(said), flush=True)
