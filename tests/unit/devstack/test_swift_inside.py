"""Swift's inner connections in one process: the data they transfer, and how each side ends."""

from __future__ import annotations

import importlib.metadata
import io
from collections.abc import Iterable
from typing import Any

import eventlet
import pytest

from devstack.swift_inside import CALLERS, App, Connection, Environ, Response, environ_of


class Server:
    """A WSGI application that records its requests."""

    def __init__(self, status: str = "201 Created", body: Iterable[bytes] = (), *, reads: int = 1000) -> None:
        self._status, self._body, self._reads = status, body, reads
        self.environ: Environ = {}
        self.got: list[bytes] = []
        self.left = False

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.environ = environ
        try:
            for _ in range(self._reads):
                if not (piece := environ["wsgi.input"].read(4)):
                    break
                self.got.append(piece)
        except BaseException:
            self.left = True
            raise
        start_response(self._status, [("Etag", "x"), ("Content-Length", "9")])
        return self._body


def connection(server: App, method: str, **headers: object) -> Connection:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Connection(server, environ_of(method, "/d1/3/a/c/\xc3\xa4", "x=%20", named))


def streamed(server: App, **headers: object) -> Connection:
    return connection(server, "PUT", Expect="100-continue", **headers)


@pytest.fixture(autouse=True)
def _no_test_waits_for_ever() -> Iterable[None]:
    with eventlet.Timeout(5):
        yield


def test_the_swift_that_this_was_written_for() -> None:
    assert importlib.metadata.version("swift").startswith("2.38."), "read decision 0033, then say so here"
    for name in CALLERS:
        assert callable(vars(importlib.import_module(name))["http_connect"]), name


def test_a_request_is_what_it_would_be_over_a_socket() -> None:
    server = Server()
    inside = connection(
        server, "PUT", X_Timestamp=" 17.5 ", X_Size=3, Content_Type="text/a", Content_Length=6
    )
    inside.send(b"abc")
    inside.send(b"def")
    response = inside.getresponse()
    assert (response.status, response.reason, response.getheader("ETAG")) == (201, "Created", "x")
    assert response.getheaders() == [("Etag", "x"), ("Content-Length", "9")]
    assert (response.getheader("none"), response.getheader("none", 1)) == (None, 1)
    assert b"".join(server.got) == b"abcdef"
    expected = {
        "REQUEST_METHOD": "PUT", "PATH_INFO": "/d1/3/a/c/\xc3\xa4", "QUERY_STRING": "x=%20",
        "HTTP_X_TIMESTAMP": "17.5", "HTTP_X_SIZE": "3", "CONTENT_TYPE": "text/a", "CONTENT_LENGTH": "6",
    }  # fmt: skip
    assert {name: server.environ[name] for name in expected} == expected


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No"), ("GET", "304 Same")])
def test_answers_without_a_body_have_none(method: str, status: str) -> None:
    response = connection(Server(status, [b"never"]), method).getresponse()
    assert (response.read(), response.read(5), response.readline()) == (b"", b"", b"")


def test_a_streamed_body_goes_to_the_server_as_it_comes() -> None:
    server = Server()
    inside = streamed(server, Content_Length=6)
    assert inside.getexpect().status == 100
    inside.send(b"abcd")
    inside.send(b"ef")
    inside.send(b"")  # Swift ends every body so
    assert (inside.getresponse().status, server.got) == (201, [b"abcd", b"ef"])


def test_chunks_lose_their_frames() -> None:
    server = Server()
    inside = streamed(server, Transfer_Encoding="chunked")
    assert inside.getexpect().status == 100
    for frame in (b"3\r\nabc\r\n", b"2\r\n\r\n\r\n", b"0\r\n\r\n"):
        inside.send(frame)
    assert (inside.getresponse().status, server.got) == (201, [b"abc", b"\r\n"])


def test_what_the_server_says_with_100_continue_arrives() -> None:
    def server(environ: Environ, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].set_hundred_continue_response_headers([("X-Obj-Metadata-Footer", "yes")])
        lines = [
            environ["wsgi.input"].readline(),
            environ["wsgi.input"].readline(2),
            environ["wsgi.input"].read(),
        ]
        start_response("201 Created", [])
        return lines

    inside = streamed(server, Content_Length=9)
    assert inside.getexpect().getheader("x-obj-metadata-footer") == "yes"
    inside.send(b"on")
    inside.send(b"e\ntw")
    inside.send(b"o\nx"[:3])
    assert [*inside.getresponse()._chunks] == [b"one\n", b"tw", b"o\nx"]


def test_a_server_that_refuses_before_the_body_is_heard_at_once() -> None:
    inside = streamed(Server("412 Precondition Failed", reads=0), Content_Length=5)
    assert inside.getexpect().status == 412
    assert inside.getresponse().status == 412


def test_a_sender_who_leaves_in_the_body_takes_the_server_along() -> None:
    server = Server()
    inside = streamed(server, Content_Length=100)
    inside.getexpect()
    inside.send(b"half")
    eventlet.sleep()
    inside.close()
    assert (server.got, server.left) == ([b"half"], True)


def test_a_server_that_has_the_whole_body_ends_what_it_does_though_nobody_waits() -> None:
    server = Server()
    inside = streamed(server, Content_Length=4)
    inside.getexpect()
    inside.send(b"full")
    inside.close()
    while not inside._server.dead:
        eventlet.sleep()
    assert (server.got, server.left) == ([b"full"], False)


def test_a_server_that_stops_reading_holds_nobody_up() -> None:
    inside = streamed(Server("507 Full", reads=1), Content_Length=1000)
    inside.getexpect()
    for _ in range(100):
        inside.send(b"0123456789")
    assert inside.getresponse().status == 507


def test_an_error_of_the_server_is_the_callers() -> None:
    def broken(_: Environ, __: Any) -> list[bytes]:
        raise ZeroDivisionError

    for ask in (connection(broken, "GET").getresponse, streamed(broken).getexpect):
        with pytest.raises(ZeroDivisionError):
            ask()


def test_an_answer_is_read_in_pieces_of_any_size_and_let_go_of_at_its_end() -> None:
    class Closing(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    whole = b"--b\r\n\r\nabcdef\r\n--b--"
    body = Closing([whole[:3], b"", whole[3:]])
    response = Response(200, "OK", [], body)
    assert (response.readline(), response.readline(1), response.readline()) == (b"--b\r\n", b"\r", b"\n")
    assert (response.read(2), response.read(2), body.closed) == (b"ab", b"cd", 0)
    assert (response.read(), response.read(1)) == (b"ef\r\n--b--", b"")
    assert body.closed > 0
    assert Response(200, "OK", [], io.BytesIO(b"left")).read(2) == b"le"
