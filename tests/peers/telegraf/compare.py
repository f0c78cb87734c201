"""Compares what Telegraf recorded as line protocol with what a node holds, value by value.

    compare.py --base http://127.0.0.1:8080/api/v1 --token TOKEN --record v1.lines [--record v2.lines]

Every value of the record must be at the node: at the same point and nanosecond, of the same type, every digit the same. And the
points of the record hold nothing else in the time of the record. What is found is one line of JSON; the exit status is 0 when
nothing is missing, different or more. Stop Telegraf with SIGTERM before: it sends what it still holds.
"""

import argparse
import json
import pathlib
import struct
import sys
import urllib.error
import urllib.request

LIMIT_S = 130
SHOWN_MAX = 20
# A question is about so much of the record.
SPAN_NS = 60 * 10**9
NAME_CHARS_MAX = 100
COLUMNS = ["float", "integer", "unsigned", "boolean", "text"]


class Wrong(Exception):
    """A record that is no line protocol."""


def end_of(text, at, ends):
    """Where the first of `ends` stands that no backslash stands before. As InfluxDB reads: only the character before counts."""
    begin = at
    while at < len(text):
        if text[at] in ends and (at == begin or text[at - 1] != "\\"):
            return at
        at += 1
    return at


def end_of_text(text, at):
    """Where the quote stands that closes a text."""
    while at < len(text):
        if text[at] == '"':
            return at
        at += 2 if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\") else 1
    raise Wrong("a text does not end")


def unescaped(text, escaped):
    plain, at = [], 0
    while at < len(text):
        at += text[at] == "\\" and at + 1 < len(text) and text[at + 1] in escaped
        plain.append(text[at])
        at += 1
    return "".join(plain)


def value_of(word):
    """Column and value of a field that is no text."""
    if word in ("t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"):
        return "boolean", word[0] in "tT"
    if word.endswith("i"):
        return "integer", int(word[:-1])
    if word.endswith("u"):
        return "unsigned", int(word[:-1])
    return "float", float(word)


def lines(text):
    """Measurement, tags, fields and nanoseconds of each line. A field is a name, a column and a value."""
    at = 0
    while at < len(text):
        if text[at] in "\n\r":
            at += 1
            continue
        if text[at] == "#":
            at = end_of(text, at, "\n")
            continue
        begin, at = at, end_of(text, at, ", \n")
        measurement, tags = unescaped(text[begin:at], ", "), []
        while text[at : at + 1] == ",":
            begin, at = at + 1, end_of(text, at + 1, "=\n")
            name = text[begin:at]
            begin, at = at + 1, end_of(text, at + 1, ", \n")
            tags.append((unescaped(name, ",= "), unescaped(text[begin:at], ",= ")))
        if text[at : at + 1] != " ":
            raise Wrong(f"no fields: {text[begin:begin + 80]!r}")
        fields = []
        while text[at : at + 1] in (" ", ",") and (not fields or text[at] == ","):
            begin, at = at + 1, end_of(text, at + 1, "=\n")
            name = unescaped(text[begin:at], ",= ")
            at += 1
            if text[at : at + 1] == '"':
                begin, at = at + 1, end_of_text(text, at + 1)
                fields.append((name, "text", unescaped(text[begin:at], '"\\')))
                at += 1
            else:
                begin, at = at, end_of(text, at, ", \n")
                fields.append((name, *value_of(text[begin:at])))
        begin, at = at, end_of(text, at, "\n")
        yield measurement, tags, fields, int(text[begin:at])


def checksum(parts):
    """FNV-1a, 64 bits, over the parts with a byte after each that UTF-8 never has."""
    total = 0xCBF29CE484222325
    for byte in b"".join(part.encode() + b"\xff" for part in parts):
        total = (total ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return total


def point(measurement, tags, field):
    """The name of the point that a field goes to: see crates/intake/src/series.rs."""
    parts = [measurement, *(part for tag in sorted(tags) for part in tag), field]
    plain = ".".join("".join(c if c.isalnum() or c in "_-" else "_" for c in part) for part in parts)
    is_exact = all(c.isalnum() or c in "_-" for part in parts for c in part) and len(plain) <= NAME_CHARS_MAX
    if is_exact:
        return plain
    end = f"-{checksum(parts):016x}"
    return plain[: NAME_CHARS_MAX - len(end)] + end


class Record:
    """What was sent: by point and time, column and value."""

    def __init__(self):
        self.lines, self.again, self.held, self.names = 0, 0, {}, {}

    def take(self, text):
        for measurement, tags, fields, time in lines(text):
            self.lines += 1
            for name, column, value in fields:
                series = (measurement, tuple(tags), name)
                if series not in self.names:
                    self.names[series] = point(*series)
                place = (self.names[series], time)
                # A later value takes the place of an earlier one.
                self.again += place in self.held
                self.held[place] = (column, value)


class Node:
    def __init__(self, base, token):
        self.url, self.token = f"{base}/query", token

    def ask(self, sql):
        body = json.dumps({"sql": sql}).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=LIMIT_S) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{sql}: {error.read().decode()}")
        if found["truncated"] or "error" in found:
            sys.exit(f"{sql}: the answer is not whole: {found.get('error')}")
        return found["rows"]

    def held(self, begin, end):
        """What a record would hold, from `begin` to before `end`; and the places whose quality is not Good."""
        times = [f"arrow_cast({ns}, 'Timestamp(Nanosecond, Some(\"UTC\"))')" for ns in (begin, end)]
        sql = (
            f"select point, cast(time as bigint), quality, {', '.join(COLUMNS)} "
            f"from samples where time >= {times[0]} and time < {times[1]}"
        )
        held = {}
        for name, time, quality, *cells in self.ask(sql):
            there = [(column, cell) for column, cell in zip(COLUMNS, cells) if cell is not None]
            if len(there) != 1 or quality != 0:
                held[name, int(time)] = ("quality", [quality, cells])
                continue
            column, cell = there[0]
            made = {"float": float, "integer": int, "unsigned": int}.get(column, lambda cell: cell)
            held[name, int(time)] = (column, made(cell))
        return held


def same(a, b):
    if a[0] == b[0] == "float":
        return struct.pack("<d", a[1]) == struct.pack("<d", b[1])
    return a == b and type(a[1]) is type(b[1])


def compare(record, node):
    """What is found, and what is wrong."""
    names = {name for name, _ in record.held}
    columns = {column: 0 for column in COLUMNS}
    for column, _ in record.held.values():
        columns[column] += 1
    found = {
        "lines": record.lines, "values": len(record.held), "missing": 0, "different": 0, "more": 0,
        "again": record.again, "points": len(names), **columns,
    }
    wrong = []
    spans = {}
    for place, value in record.held.items():
        spans.setdefault(place[1] // SPAN_NS, {})[place] = value
    for span, sent in sorted(spans.items()):
        held = node.held(span * SPAN_NS, (span + 1) * SPAN_NS)
        for place in sent.keys() | {place for place in held if place[0] in names}:
            a, b = sent.get(place), held.get(place)
            kind = "missing" if b is None else "more" if a is None else None if same(a, b) else "different"
            if kind:
                found[kind] += 1
                wrong.append({"point": place[0], "time": place[1], "is": kind, "sent": a, "held": b})
    wrong.sort(key=lambda fault: (fault["time"], fault["point"]))
    return found, wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--base", required=True)
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--record", required=True, type=pathlib.Path, action="append")
    asked = arguments.parse_args()
    record = Record()
    for file in asked.record:
        # Not `read_text`: it would turn \r\n into \n.
        record.take(file.read_bytes().decode())
    found, wrong = compare(record, Node(asked.base, asked.token))
    for fault in wrong[:SHOWN_MAX]:
        print(json.dumps(fault, ensure_ascii=False), file=sys.stderr)
    print(json.dumps(found))
    sys.exit(0 if record.lines and not found["missing"] + found["different"] + found["more"] else 1)


if __name__ == "__main__":
    main()
