"""One request, one connection: nothing is shared, so a client may be used from many threads."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import TracebackType
from urllib.parse import urlsplit

from sinew import errors
from sinew.errors import SinewError, Unavailable

RETRIES_MAX = 4
"""How often a request is sent again after a 503."""

BACKOFF_FIRST_S = 0.5
"""Seconds before the first retry; doubled from one to the next."""

BACKOFF_MAX_S = 4.0
"""Seconds that no wait exceeds."""

ERROR_BYTES_MAX = 64 << 10
"""Bytes read of an answer that is an error."""

CHUNK_BYTES = 1 << 20
"""Bytes of an answer taken at a time."""


def pauses() -> Iterator[float]:
    """Seconds to wait before each retry. Chance only shortens them."""
    for retry in range(RETRIES_MAX):
        yield min(BACKOFF_FIRST_S * 2**retry, BACKOFF_MAX_S) * random.uniform(0.5, 1.0)  # noqa: S311


class Answer:
    """The body of an answer as it comes; a file as far as readers care. Closing it ends the work on the node."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self.closed = False

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status

    @property
    def reason(self) -> str:
        """What the server calls the status."""
        return self._response.reason

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left. Fewer only at the end.

        Raises:
            Unavailable: No byte came for `timeout_s`.
            SinewError: ``answer.cut``, the answer ended before its end.
        """
        try:
            data = self._response.read(None if size < 0 else size)
        except TimeoutError as error:
            raise _silent(self._connection.timeout) from error
        except (OSError, HTTPException) as error:
            raise _cut() from error
        if not data and size and self._response.length:
            raise _cut()
        return data

    def chunks(self) -> Iterator[bytes]:
        """All that is left, in pieces of at most `CHUNK_BYTES`. Raises as `read` does."""
        while chunk := self.read(CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Ends the connection, whatever is still on its way."""
        self.closed = True
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Node:
    """Where a node is, and who asks."""

    url: str
    """``http`` or ``https``; a path, if there is one, is put before every path of the API."""
    token: str | None = field(repr=False)
    timeout_s: float
    """Seconds without a single byte after which a request is given up."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_sound = False
        if not is_sound:
            raise ValueError(f"{self.url!r} is not the URL of a node: write http://127.0.0.1:8080")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("the token has characters that no token has: copy it again")

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Sends a request, again after a 503, and gives the answer when its head is there.

        Raises:
            Unauthorized: 401.
            Unavailable: 503 also after `RETRIES_MAX` retries, no connection, or silence for `timeout_s`.
            SinewError: Any other answer that is no success. A redirection is not followed.
        """
        waits = pauses()
        while True:
            answer = self._send_once(method, path, body, headers or {})
            if 200 <= answer.status < 300:
                return answer
            with answer:
                error = errors.of_answer(answer.status, answer.reason, answer.read(ERROR_BYTES_MAX))
            wait = next(waits, None) if isinstance(error, Unavailable) else None
            if wait is None:
                raise error
            time.sleep(wait)

    def _send_once(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout_s)
        sent = {"Connection": "close", "User-Agent": "sinew-python", **headers}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        try:
            connection.connect()
            # A node may refuse a request before it has read all of it: then its answer is there and says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, parts.path.rstrip("/") + path, body or None, sent)
            return Answer(connection, connection.getresponse())
        except TimeoutError as error:
            connection.close()
            raise _silent(self.timeout_s) from error
        except (OSError, HTTPException) as error:
            connection.close()
            reason = str(error) or type(error).__name__
            detail = f"no answer from {self.url}: {reason}. Check the URL and that the node runs"
            raise Unavailable(detail, code="node.unreachable") from error


def _silent(timeout_s: float | None) -> Unavailable:
    detail = f"the node said nothing for {timeout_s:g} s: ask for less, or pass a longer timeout_s to connect"
    return Unavailable(detail, code="node.silent")


def _cut() -> SinewError:
    detail = (
        "the answer broke off before its end: the node stopped the query because it needs too much memory or time, "
        "or the connection was lost. Ask for fewer points or a shorter time"
    )
    return SinewError(detail, code="answer.cut")
