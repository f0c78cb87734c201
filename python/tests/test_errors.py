"""Answers become errors that say what to do, and a busy node is asked again, but not for ever."""

from __future__ import annotations

import json
import pickle
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest
from conftest import FakeNode, chunked, reply

import sinew
from sinew import InvalidData, PartialWrite, SinewError, Unauthorized, Unavailable, node


def problem(status: int, code: str, detail: str, **more: object) -> bytes:
    return json.dumps({"status": status, "title": "…", "code": code, "detail": detail, **more}).encode()


def lines_problem(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message, "error": message}).encode()


def test_a_problem_becomes_an_error(fake: FakeNode) -> None:
    body = problem(422, "sql.syntax", "the statement cannot be read", args={"a": 1}, path="line 1, column 8")
    fake.replies = [reply(422, body)]
    with pytest.raises(SinewError) as caught:
        fake.client().query("SELEC 1")
    found = caught.value
    assert (found.code, found.detail, found.path) == ("sql.syntax", "the statement cannot be read", "line 1, column 8")
    assert found.status == 422
    assert str(found) == "the statement cannot be read (sql.syntax at line 1, column 8)"
    assert len(fake.requests) == 1


def test_without_a_path(fake: FakeNode) -> None:
    fake.replies = [reply(403, problem(403, "forbidden", "this needs another role"))]
    with pytest.raises(SinewError, match=r"^this needs another role \(forbidden\)$"):
        fake.client().write_lines("m f=1")


@pytest.mark.parametrize("body", [b"<html>Bad\n  Gateway</html>", b"", b"[]", b"\xff", b'{"code": 7}'])
def test_an_answer_that_is_not_sinews(fake: FakeNode, body: bytes) -> None:
    fake.replies = [reply(502, body, "text/html")]
    with pytest.raises(SinewError, match=r"the answer is 502 Bad Gateway.*check the URL") as caught:
        fake.client().tables()
    assert caught.value.code == ("http.502")


def test_who_is_unknown_is_told_how_to_make_a_token(fake: FakeNode) -> None:
    fake.replies = [reply(401, problem(401, "unauthenticated", "nobody is signed in"))]
    with pytest.raises(Unauthorized, match=r"nobody is signed in; make a token in the console.*SINEW_TOKEN"):
        fake.client().tables()


def test_refused_lines(fake: FakeNode) -> None:
    message = "partial write: 7 values are stored, dropped=3 lines: line 2: `x` is no value; and 2 more"
    fake.replies = [reply(400, lines_problem("lines.refused", message))]
    with pytest.raises(PartialWrite, match="line 2: `x` is no value") as caught:
        fake.client().write_lines("m f=1")
    assert caught.value.refused == 3
    # Not to be sent again.
    assert len(fake.requests) == 1


def test_another_400_is_no_partial_write(fake: FakeNode) -> None:
    fake.replies = [reply(400, lines_problem("invalid", "precision `x`: send ns, us, ms or s"))]
    with pytest.raises(SinewError, match="send ns, us, ms or s") as caught:
        fake.client().write_lines("m f=1")
    assert not isinstance(caught.value, PartialWrite)


def test_a_node_that_cannot_store_is_asked_again(fake: FakeNode, waits: list[float]) -> None:
    busy = reply(503, lines_problem("storage.refused", "the disk is full"))
    fake.replies = [busy, busy, reply(204)]
    fake.client().write_lines("m f=1")
    assert [request.body for request in fake.requests] == [b"m f=1"] * 3
    assert len(waits) == 2
    assert node.BACKOFF_FIRST_S / 2 <= waits[0] <= node.BACKOFF_FIRST_S <= waits[1] <= 2 * node.BACKOFF_FIRST_S


def test_but_not_for_ever(fake: FakeNode, waits: list[float]) -> None:
    fake.replies = [reply(503, lines_problem("storage.refused", "the disk is full"))]
    with pytest.raises(Unavailable, match=r"the disk is full \(storage.refused\)"):
        fake.client().write([{"time": 1, "f": 1.5}], measurement="m")
    assert len(fake.requests) == node.RETRIES_MAX + 1
    assert len(waits) == node.RETRIES_MAX
    assert max(waits) <= node.BACKOFF_MAX_S


def test_no_node_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match=rf"no answer from http://127.0.0.1:{port}.*that the node runs") as caught:
        sinew.connect(f"http://127.0.0.1:{port}").tables()
    assert (caught.value.code, caught.value.status) == ("node.unreachable", None)


def test_who_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            with server.accept()[0] as caller:
                caller.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(Unavailable, match="Check the URL and that the node runs"):
            sinew.connect(f"http://127.0.0.1:{server.getsockname()[1]}").tables()
        thread.join()


def test_a_node_that_says_nothing(fake: FakeNode) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.4)

    fake.replies = [slow]
    with pytest.raises(Unavailable, match=r"nothing for 0.1 s.*timeout_s") as caught:
        fake.client(timeout_s=0.1).tables()
    assert caught.value.code == "node.silent"


def test_a_node_that_falls_silent(fake: FakeNode) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        chunked(b"a,b\n", is_whole=False)(handler)
        time.sleep(0.4)

    fake.replies = [slow]
    with pytest.raises(Unavailable, match=r"nothing for 0\.1 s"):
        fake.client(timeout_s=0.1).query("SELECT 1")


def test_a_refusal_that_comes_before_all_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            with server.accept()[0] as caller:
                caller.recv(100)
                caller.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                caller.shutdown(socket.SHUT_WR)
                time.sleep(0.2)

        thread = threading.Thread(target=refuse)
        thread.start()
        lines = b"m f=1 " + random.Random(7).randbytes(20 << 20)
        with pytest.raises(Unauthorized):
            sinew.connect(f"http://127.0.0.1:{server.getsockname()[1]}").write_lines(lines)
        thread.join()


def test_what_is_no_token() -> None:
    for token in ("\u2026", "two\nlines"):
        with pytest.raises(ValueError, match="copy it again"):
            sinew.connect("http://host", token)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://", "file:///etc/passwd", "http://host:port"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"write http://127\.0\.0\.1:8080"):
        sinew.connect(url)


@pytest.mark.parametrize(
    "error",
    [
        SinewError("detail", code="a.code", path="line 1", status=422),
        Unauthorized("detail", status=401),
        PartialWrite("detail", refused=3),
        InvalidData("detail", row=3, column="f"),
    ],
)
def test_errors_go_between_processes(error: SinewError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_data_mistakes_are_value_errors_too() -> None:
    with pytest.raises(ValueError, match="only finite numbers"):
        sinew.connect("http://127.0.0.1:1").write([{"time": 1, "f": float("inf")}], measurement="m")
