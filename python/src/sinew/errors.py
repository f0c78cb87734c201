"""What goes wrong, in words a person can act on."""

from __future__ import annotations

import json
import re

EXCERPT_CHARS_MAX = 200
"""Characters shown of an answer that is not Sinew's, such as a proxy's page."""

SIGN_IN_ADVICE = (
    "make a token in the console, page Access tokens (访问令牌), and pass it as sinew.connect(token=...) "
    "or in the environment as SINEW_TOKEN"
)


class SinewError(Exception):
    """Everything that this package raises on purpose.

    Attributes:
        code: What went wrong, for programs; stable. For instance ``sql.syntax``.
        detail: What went wrong and what to do, for people.
        path: Where in what was sent, for instance ``line 1, column 8``; `None` when it is no one place.
        status: The HTTP status; `None` when no answer came.
    """

    def __init__(
        self, detail: str, *, code: str = "internal", path: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.path = path
        self.status = status

    def __str__(self) -> str:
        place = f" at {self.path}" if self.path else ""
        return f"{self.detail} ({self.code}{place})"


class Unauthorized(SinewError):
    """The node does not know the token, or none was sent. The message says how to make one."""


class Unavailable(SinewError):
    """The node cannot be reached, says nothing for too long, or cannot store now (a full disk).

    After `Client.write` the same rows may be sent again: a row of the same point and time is kept once.
    """


class PartialWrite(SinewError):
    """Some lines were refused, and all others are stored. Do not send them again as they are.

    Attributes:
        refused: How many lines were refused. The message names the first of them.
    """

    def __init__(
        self,
        detail: str,
        *,
        refused: int = 0,
        code: str = "lines.refused",
        path: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail, code=code, path=path, status=status)
        self.refused = refused


class InvalidData(SinewError, ValueError):
    """What was to be written has no form in line protocol. Found here, before its batch is sent.

    Attributes:
        row: Its number in what was given, from 0; `None` when it is not about one row.
        column: Its column; `None` when it is not about one column.
    """

    def __init__(self, detail: str, *, row: int | None = None, column: str | None = None) -> None:
        places = [f"row {row}" if row is not None else "", f"column {column!r}" if column is not None else ""]
        super().__init__(detail, code="data.invalid", path=", ".join(filter(None, places)) or None)
        self.row = row
        self.column = column


def garbled(reason: object) -> SinewError:
    """A success that is not in the form it should have: it came from something else than a node."""
    return SinewError(f"the answer is not a node's ({reason}): check the URL", code="answer.garbled")


def of_answer(status: int, reason: str, body: bytes) -> SinewError:
    """The error that an answer other than 2xx stands for.

    Args:
        status: HTTP status.
        reason: What the server calls it.
        body: ``application/problem+json``, the InfluxDB form (``code``, ``message``), or anything else.
    """
    problem = _problem(body)
    detail = problem.get("detail") or problem.get("message")
    code = problem.get("code") or f"http.{status}"
    path = problem.get("path")
    if detail is None:
        excerpt = " ".join(body.decode(errors="replace").split())[:EXCERPT_CHARS_MAX]
        detail = f"the answer is {status} {reason}, and not a node's: check the URL. {excerpt}".rstrip()
    if status == 401:
        return Unauthorized(f"{detail}; {SIGN_IN_ADVICE}", code=code, path=path, status=status)
    if status == 503:
        return Unavailable(detail, code=code, path=path, status=status)
    if code == "lines.refused":
        found = re.search(r"dropped=(\d+)", detail)
        refused = int(found[1]) if found else 1
        return PartialWrite(detail, refused=refused, code=code, path=path, status=status)
    return SinewError(detail, code=code, path=path, status=status)


def _problem(body: bytes) -> dict[str, str]:
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(problem, dict):
        return {}
    return {key: value for key, value in problem.items() if isinstance(value, str)}
