"""A node that answers as it is told to, and the real one of SINEW_URL and SINEW_TOKEN."""

from __future__ import annotations

import gzip
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import configuration

import sinew

configuration.set_hypothesis_home_dir(Path(__file__).parent / "__pycache__" / "hypothesis")


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[BaseHTTPRequestHandler], None]


def reply(status: int, body: bytes = b"", kind: str = "application/problem+json") -> Reply:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def chunked(*chunks: bytes, is_whole: bool = True) -> Reply:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if is_whole:
            handler.wfile.write(b"0\r\n\r\n")

    return send


@dataclass
class FakeNode:
    """Gives its replies in turn, the last one for ever."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def client(self, timeout_s: float = 5.0) -> sinew.Client:
        return sinew.connect(self.url, "secret", timeout_s)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(Request(handler.command, handler.path, headers, body))
        (self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])(handler)


@pytest.fixture
def fake() -> Iterator[FakeNode]:
    node = FakeNode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            node.answer(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    node.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield node
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept instead of sleeping."""
    slept: list[float] = []
    monkeypatch.setattr("sinew.node.time.sleep", slept.append)
    return slept


@pytest.fixture(scope="session")
def node() -> Iterator[sinew.Client]:
    if not (os.environ.get("SINEW_URL") and os.environ.get("SINEW_TOKEN")):
        pytest.skip("set SINEW_URL and SINEW_TOKEN to test against a node")
    with sinew.connect() as client:
        yield client


@pytest.fixture
def measurement() -> str:
    """One that no other test writes to."""
    return f"pytest_{secrets.token_hex(6)}"
