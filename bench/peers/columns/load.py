"""Says `ready`, waits for a line, puts the samples into one file, says `loaded`; waits again and says what is in it."""

import argparse
import json
import sys

import columns

parser = argparse.ArgumentParser()
parser.add_argument("--engine", choices=["duckdb", "parquet"], required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--store", required=True)
parser.add_argument("--fields", type=int, required=True)
wanted = parser.parse_args()

columns.pa.set_cpu_count(columns.THREADS)
tables = columns.wide(wanted.data, wanted.fields)
print("ready", flush=True)
sys.stdin.readline()
if wanted.engine == "duckdb":
    columns.load_duckdb(tables, wanted.store)
else:
    columns.write_parquet(tables, wanted.store, "dictionary")
print("loaded", flush=True)
sys.stdin.readline()
counted = columns.count_duckdb if wanted.engine == "duckdb" else columns.count_parquet
samples, total = counted(tables, wanted.store)
print(json.dumps({"samples": samples, "sum": total, "bytes": columns.bytes_of(wanted.store)}), flush=True)
