"""Writes the samples in every sensible form, and says of each its bytes and what was read back from it."""

import argparse
import json
import os

import columns

parser = argparse.ArgumentParser()
parser.add_argument("--engine", choices=["duckdb", "parquet"], required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--store", required=True)
parser.add_argument("--fields", type=int, default=0)
wanted = parser.parse_args()

columns.pa.set_cpu_count(columns.THREADS)
shapes = {"narrow": columns.narrow(wanted.data)}
if wanted.fields:
    shapes["wide"] = columns.wide(wanted.data, wanted.fields)
ways = ["plain", "dictionary", "split", "delta"] if wanted.engine == "parquet" else ["own"]
os.makedirs(wanted.store, exist_ok=True)
found = {}
for shape, tables in shapes.items():
    for way in ways:
        store = os.path.join(wanted.store, f"{shape}-{way}")
        if wanted.engine == "parquet":
            columns.write_parquet(tables, store, way)
            samples, total = columns.count_parquet(tables, store)
        else:
            columns.load_duckdb(tables, store)
            samples, total = columns.count_duckdb(tables, store)
        found[f"{shape}, {way}"] = {"bytes": columns.bytes_of(store), "samples": samples, "sum": total}
print(json.dumps({"forms": found}), flush=True)
