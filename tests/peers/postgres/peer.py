"""What the node is known to hold, asked over HTTP, and the comparison of that with what came over the PostgreSQL door."""

import datetime
import decimal
import json
import math
import os
import pathlib
import re
import time
import urllib.error
import urllib.request

# PostgreSQL's words for the API's: data_type, udt_name and oid.
TYPES = {
    "time": ("timestamp with time zone", "timestamptz", 1184),
    "string": ("text", "text", 25),
    "f64": ("double precision", "float8", 701),
    "i64": ("bigint", "int8", 20),
    "u64": ("numeric", "numeric", 1700),
    "u32": ("bigint", "int8", 20),
    "bool": ("boolean", "bool", 16),
    "bytes": ("bytea", "bytea", 17),
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
TOLERANCE = 1e-9
WINDOW_S = 20


def micros(text):
    """RFC 3339 in UTC as microseconds of the epoch: finer is cut off, as PostgreSQL's times end there."""
    second, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(second).replace(tzinfo=datetime.timezone.utc)
    return int((at - EPOCH).total_seconds()) * 10**6 + int(fraction[:6].ljust(6, "0") or 0)


def from_api(value, kind):
    if value is None:
        return None
    if kind == "time":
        return ("time", micros(value))
    if kind in ("i64", "u64"):
        return int(value)
    if kind == "f64":
        return float(value)
    if kind == "bytes":
        return bytes.fromhex(value)
    return value


def from_door(value):
    if isinstance(value, datetime.datetime):
        whole = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return ("time", (whole - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    return value


def equal(got, want):
    if isinstance(want, tuple) and not isinstance(got, tuple) and isinstance(got, (int, float, decimal.Decimal)):
        return abs(float(got) * 1e6 - want[1]) < 2  # A time as seconds of the epoch, not cut off at microseconds.
    numbers = (int, float, decimal.Decimal)
    if isinstance(got, bool) or isinstance(want, bool):
        return type(got) is type(want) and got == want
    if isinstance(got, numbers) and isinstance(want, numbers):
        a, b = float(got), float(want)
        return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(got) is type(want) and got == want


def place(row):
    """Rows without an order are put into one; a time may be in seconds on one side."""
    seconds = [cell[1] / 1e6 if isinstance(cell, tuple) else cell for cell in row]
    return [(1, round(float(cell), 5), "") if isinstance(cell, (int, float, decimal.Decimal)) else (0, 0, str(cell)) for cell in seconds]


def differ(got, want, is_ordered):
    """Why these rows are not those; None when they are."""
    if len(got) != len(want):
        return f"{len(got)} rows in place of {len(want)}; first {got[:2]!r}, known {want[:2]!r}"
    for at, (a, b) in enumerate(zip(got, want) if is_ordered else ()):
        if not equal(a[0], b[0]):
            return f"row {at} begins with {a[0]!r} in place of {b[0]!r}"
    for a, b in zip(sorted(got, key=place), sorted(want, key=place)):
        if len(a) != len(b) or not all(map(equal, a, b)):
            return f"{a!r} in place of {b!r}"
    return None


def has_order(sql):
    """Whether the whole answer has an order, not only a part of the statement."""
    while sql != (outer := re.sub(r"\([^()]*\)", "", sql)):
        sql = outer
    return "order by" in sql.lower()


class Known:
    """The node over HTTP: SINEW_API is its base, such as http://127.0.0.1:8080/api/v1, and the password is a token."""

    def __init__(self):
        self.base, self.token = os.environ["SINEW_API"], os.environ["PGPASSWORD"]
        self.tables = {table["name"]: table["columns"] for table in self.get("/query/tables")["tables"]}
        # What came in before is all there: nothing comes later into a window that is over.
        if not self.rows("SELECT count(*) FROM samples")[0][0]:
            raise SystemExit("no samples: nothing can be compared")
        first, last = self.rows("SELECT min(time), max(time) FROM samples")[0]
        to = last[1] // 10**6 - 3
        start = max(to - WINDOW_S, first[1] // 10**6 - 1)
        stamp = lambda second: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        self.from_us, self.to_us = start * 10**6, to * 10**6
        self.let = {
            "from": stamp(start) + "Z", "to": stamp(to) + "Z", "from_half": stamp(start) + ".5Z", "to_half": stamp(to) + ".5Z",
            "from_s": start, "to_s": to, "from_ns": start * 10**9, "to_ns": to * 10**9,
        }
        for name, kinds in {"point": "'f32', 'f64'", "text": "'string'", "bool": "'bool'", "unsigned": "'u64'"}.items():
            sql = f"SELECT point, device, count(*) FROM samples WHERE type IN ({kinds}) AND {self.window()} GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 1"
            found = self.rows(sql)
            if not found:
                raise SystemExit(f"no samples of {kinds} in {self.window()}: nothing can be compared")
            self.let[name] = found[0][0]
            if name == "point":
                self.let["device"] = found[0][1]

    def window(self):
        return f"time BETWEEN '{self.let['from']}' AND '{self.let['to']}'"

    def get(self, path, body=None):
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers), timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"HTTP cannot answer {body or path}: {error.read().decode()}") from error

    def ask(self, sql):
        """Names and rows."""
        answer = self.get("/query", {"sql": sql})
        assert not answer["truncated"] and "error" not in answer, f"HTTP cannot answer: {sql}"
        kinds = [column["type"] for column in answer["columns"]]
        rows = [[from_api(cell, kind) for cell, kind in zip(row, kinds)] for row in answer["rows"]]
        return [column["name"] for column in answer["columns"]], rows

    def rows(self, sql):
        return self.ask(sql)[1]

    def columns(self, table):
        return [(column["name"], *TYPES[column["type"]]) for column in self.tables[table]]

    def table_names(self, schema="public"):
        parts = [name.rpartition(".") for name in self.tables]
        return sorted(name for of, _, name in parts if (of or "public") == schema)

    def schemas(self):
        return sorted({name.rpartition(".")[0] or "public" for name in self.tables})

    def must_be(self, ask, sql, is_ordered=None):
        """What `ask` gives is what HTTP gives; should the node change between the two, both are asked again."""
        is_ordered = has_order(sql) if is_ordered is None else is_ordered
        for _ in range(3):
            want = self.rows(sql)
            got = [[from_door(cell) for cell in row] for row in ask()]
            why = differ(got, want, is_ordered)
            if why is None:
                return
            if not differ(self.rows(sql), want, False):
                break
        raise AssertionError(why)


class Block:
    """A statement of grafana.sql and what is known of it."""

    def __init__(self, head, sql, let):
        put = lambda text: re.sub(r"\{(\w+)\}", lambda found: str(let[found[1]]), text)
        self.origin, self.sql = head["From"], put(head.get("Sent", sql))
        self.want, _, self.wanted = put(head["Want"]).partition(" ")
        self.names = head["Names"].split(", ") if "Names" in head else None
        self.params = head["Params"].split(", ") if "Params" in head else None

    def check(self, known, ask):
        """`ask` gives names and rows, or None and nothing where no columns came."""
        names, rows = ask(self.sql, self.params)
        if self.want == "nothing":
            assert names is None, f"columns {names}"
            return
        assert names is not None, "no columns"
        got = [[from_door(cell) for cell in row] for row in rows]
        public = known.table_names()
        every = public + [name for name in sorted(known.tables) if "." in name]
        if self.want == "some":
            assert got, "no rows"
            return
        if self.want == "now":
            step, back = map(int, self.wanted.split())
            then = int(time.time()) - back
            assert len(got) == 1 and then // step * step - float(got[0][0]) in (0, step), f"{got!r} at {then}"
        elif self.want in ("same", "as"):
            known.must_be(lambda: ask(self.sql, self.params)[1], self.wanted or self.sql, has_order(self.sql))
        else:
            want = {
                "rows": lambda: json.loads(self.wanted),
                "schemas": lambda: [[name] for name in known.schemas()],
                "tables": lambda: [[name] for name in (known.table_names(self.wanted) if self.wanted else every)],
                "columns": lambda: [[name, words] for name, words, _, _ in known.columns(self.wanted)],
                "types": lambda: [[name, words, udt] for name, words, udt, _ in known.columns(self.wanted)],
            }[self.want]()
            if self.want == "types":
                got = [row[:3] for row in got]
            why = differ(got, want, has_order(self.sql))
            assert why is None, why
        assert self.names is None or names == self.names, f"columns are named {names} in place of {self.names}"


def grafana(let):
    """The statements of grafana.sql."""
    text = (pathlib.Path(__file__).parent / "grafana.sql").read_text()
    blocks, let = [], dict(let)
    for part in text.split("\n\n")[1:]:
        lines = part.splitlines()
        head = dict(line[3:].split(": ", 1) for line in lines if line.startswith("-- "))
        body = "\n".join(line for line in lines if not line.startswith("-- "))
        if "Let" in head:
            let[head["Let"].split(":")[0]] = body.strip()
        else:
            blocks.append(Block(head, body, let))
    return blocks
