"""Samples that `data` wrote as plain columns, as Arrow tables, and the two files they go into: DuckDB's and Parquet."""

import os

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

THREADS = 2
ROW_GROUP_ROWS = 1 << 20
TYPES = {"bool": pa.uint8(), "i64": pa.int64(), "f32": pa.float32(), "f64": pa.float64()}


def column(folder: str, name: str, of: pa.DataType) -> pa.Array:
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read()
    return pa.Array.from_buffers(of, len(data) * 8 // of.bit_width, [None, pa.py_buffer(data)])


def narrow(folder: str) -> dict[str, pa.Table]:
    """A table for each value type, ordered by point and time."""
    tables = {}
    for name, of in TYPES.items():
        if not os.path.exists(os.path.join(folder, f"{name}.points")):
            continue
        values = column(folder, f"{name}.values", of)
        tables[name] = pa.table(
            {
                "point": column(folder, f"{name}.points", pa.uint32()),
                "ts": column(folder, f"{name}.times", pa.timestamp("ns")),
                "value": values.cast(pa.bool_()) if name == "bool" else values,
                "quality": column(folder, f"{name}.quality", pa.uint32()),
            }
        )
    return tables


def wide(folder: str, fields: int) -> dict[str, pa.Table]:
    """Hosts of so many fields that share their time, ordered by host and time: fewer columns of time and key."""
    (name, table), *more = narrow(folder).items()
    points = pc.max(table["point"]).as_py() + 1
    rows = len(table) // points
    if more or rows * points != len(table):
        raise SystemExit("only points of one type and length have a wide form")
    of = lambda column, field: pa.concat_arrays(
        [table[column].chunk(0).slice(p * rows, rows) for p in range(field, points, fields)]
    )
    hosts = pa.concat_arrays([pa.repeat(pa.scalar(h, pa.uint32()), rows) for h in range(points // fields)])
    columns = {"host": hosts, "ts": of("ts", 0)}
    return {name: pa.table(columns | {f"f{field}": of("value", field) for field in range(fields)})}


def values_of(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name == "value" or name[0] == "f" and name[1:].isdigit()]


def load_duckdb(tables: dict[str, pa.Table], store: str) -> None:
    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute(f"ATTACH '{store}' AS store (STORAGE_VERSION 'latest')")
    for name, table in tables.items():
        connection.register("arrow", table)
        connection.execute(f'CREATE TABLE store."{name}" AS SELECT * FROM arrow')
        connection.unregister("arrow")
    connection.execute("CHECKPOINT store")
    connection.close()


def count_duckdb(tables: dict[str, pa.Table], store: str) -> tuple[int, float]:
    connection = duckdb.connect(store, read_only=True)
    count, total = 0, 0.0
    for name, table in tables.items():
        for value in values_of(table):
            found = connection.execute(f'SELECT count("{value}"), sum("{value}"::DOUBLE) FROM "{name}"').fetchone()
            count, total = count + found[0], total + found[1]
    connection.close()
    return count, total


def write_parquet(tables: dict[str, pa.Table], store: str, way: str) -> None:
    os.makedirs(store, exist_ok=True)
    for name, table in tables.items():
        keys = [key for key in ("point", "host", "quality") if key in table.column_names]
        values = values_of(table)
        encoding = {"ts": "DELTA_BINARY_PACKED"}
        if way == "split" and name != "bool":
            encoding |= {value: "BYTE_STREAM_SPLIT" for value in values}
        if way == "delta" and name == "i64":
            encoding |= {value: "DELTA_BINARY_PACKED" for value in values}
        pq.write_table(
            table,
            os.path.join(store, f"{name}.parquet"),
            compression="zstd",
            compression_level=3,
            use_dictionary=keys + (values if way == "dictionary" else []),
            column_encoding=encoding,
            row_group_size=ROW_GROUP_ROWS,
        )


def count_parquet(tables: dict[str, pa.Table], store: str) -> tuple[int, float]:
    count, total = 0, 0.0
    for name, table in tables.items():
        for value in values_of(table):
            stored = pq.read_table(os.path.join(store, f"{name}.parquet"), columns=[value])[value]
            count += len(stored) - stored.null_count
            total += pc.sum(stored.cast(pa.float64())).as_py()
    return count, total


def bytes_of(store: str) -> int:
    if os.path.isfile(store):
        return os.path.getsize(store)
    return sum(os.path.getsize(os.path.join(store, name)) for name in os.listdir(store))
