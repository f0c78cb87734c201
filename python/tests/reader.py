"""Reads line protocol as its specification has it: the other side of what is written here."""

from __future__ import annotations

import re
from dataclasses import dataclass

Value = float | int | bool | str


@dataclass
class Line:
    measurement: str
    tags: dict[str, str]
    fields: dict[str, Value]
    kinds: str
    """A letter for each field: f, i, u, b or s."""
    time: int | None


def read(body: bytes) -> list[Line]:
    text = body.decode()
    found, at = [], 0
    while at < len(text):
        if text[at] == "\n":
            at += 1
            continue
        line, at = _line(text, at)
        found.append(line)
    return found


def _line(text: str, at: int) -> tuple[Line, int]:
    measurement, at = _name(text, at)
    tags: dict[str, str] = {}
    while text[at] == ",":
        name, at = _name(text, at + 1)
        assert text[at] == "=", text[at:]
        tags[name], at = _name(text, at + 1)
    assert text[at] == " ", text[at:]
    fields: dict[str, Value] = {}
    kinds = ""
    while at < len(text) and (text[at] == "," or not fields):
        name, at = _name(text, at + 1)
        assert text[at] == "=", text[at:]
        fields[name], kind, at = _value(text, at + 1)
        kinds += kind
    time = None
    if at < len(text) and text[at] == " ":
        end = (text + "\n").index("\n", at)
        time, at = int(text[at + 1 : end]), end
    assert at == len(text) or text[at] == "\n", text[at:]
    return Line(measurement, tags, fields, kinds, time), at


def _name(text: str, at: int) -> tuple[str, int]:
    name = ""
    while at < len(text) and text[at] not in ",= \n":
        if text[at] == "\\" and text[at + 1] in ",= ":
            at += 1
        name += text[at]
        at += 1
    return name, at


def _value(text: str, at: int) -> tuple[Value, str, int]:
    if text[at] == '"':
        value = ""
        at += 1
        while text[at] != '"':
            if text[at] == "\\" and text[at + 1] in '"\\':
                at += 1
            value += text[at]
            at += 1
        return value, "s", at + 1
    end = re.compile(r"[, \n]|$").search(text, at)
    assert end is not None
    plain = text[at : end.start()]
    if plain in ("true", "false"):
        return plain == "true", "b", end.start()
    if plain[-1] in "iu":
        return int(plain[:-1]), plain[-1], end.start()
    assert plain[0] in "-0123456789", plain
    return float(plain), "f", end.start()
