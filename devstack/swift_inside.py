"""Swift's servers in one process: the proxy calls the object, container and account servers as WSGI
applications instead of over HTTP.

Swift opens each inner connection with one function, `swift.common.bufferedhttp.http_connect`; `join` replaces
it in the modules that call it. `Connection` and `Response` have the parts of its result that Swift uses.
Decision 0033 says why, and for which version of Swift.
"""

from __future__ import annotations

import importlib
import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import eventlet
from eventlet.event import Event
from eventlet.queue import LightQueue

#: The modules that imported it by name.
CALLERS: Final = (
    "swift.proxy.controllers.base",
    "swift.proxy.controllers.obj",
    "swift.obj.server",
    "swift.obj.updater",
    "swift.container.server",
)
_CHUNKS_AHEAD: Final = 2  # of a body, between its sender and the server that reads it
_BODYLESS: Final = (204, 304)
_UNPREFIXED: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
Headers = list[tuple[str, str]]


class _Stream(ABC):
    """Pieces of bytes, read like a file. `read` may return fewer bytes than requested; none at the end."""

    _rest = b""

    @abstractmethod
    def _next(self) -> bytes:
        """The next piece; an empty one is the end."""

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; without a size all remaining bytes."""
        if size is None or size < 0:
            return b"".join([*iter(lambda: self.read(sys.maxsize), b"")])
        piece = self._rest or self._next()
        self._rest = piece[size:]
        return piece[:size] if self._rest else piece

    def readline(self, size: int = sys.maxsize) -> bytes:
        """One line, or its first `size` bytes."""
        line = self._rest
        while b"\n" not in line and len(line) < size and (piece := self._next()):
            line += piece
        end = min(line.find(b"\n") + 1 or len(line), size)
        self._rest = line[end:]
        return line[:end]


class Response(_Stream):
    """The part of BufferedHTTPResponse that Swift's servers use."""

    def __init__(self, status: int, reason: str, headers: Headers, body: Iterable[bytes]) -> None:
        self.status, self.reason = status, reason
        self.swift_conn: object = None
        self._headers = headers
        self._by_name = {name.lower(): value for name, value in headers}
        self._body = body
        self._chunks: Iterator[bytes] = iter(body)

    def getheaders(self) -> Headers:
        """All headers, in order."""
        return self._headers

    def getheader(self, name: str, default: Any = None) -> Any:
        """A header, whatever its case."""
        return self._by_name.get(name.lower(), default)

    def close(self) -> None:
        """Release the body; may be called twice."""
        self._chunks, self._rest = iter(()), b""
        if (close := getattr(self._body, "close", None)) is not None:
            close()

    nuke_from_orbit = close

    def _next(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        self.close()
        return b""


class _Body(_Stream):
    """A request's body on its way: `wsgi.input` of the server that reads it."""

    def __init__(self, wanted: Callable[[Headers], None]) -> None:
        self._wanted: Callable[[Headers], None] | None = wanted
        self._to_come: Any = LightQueue(_CHUNKS_AHEAD)
        self._headers: Headers = []
        self._ended = False

    def put(self, piece: bytes) -> None:
        """Pass the next piece, or an empty one at the end. Waits while the server is behind."""
        self._to_come.put(piece)

    def nobody_reads(self) -> None:
        """Stop the sender's waiting: the server will read no more."""
        self._to_come.resize(None)

    def set_hundred_continue_response_headers(self, headers: Headers) -> None:
        """Set the headers that the sender gets when the server begins to read."""
        self._headers = headers

    def _next(self) -> bytes:
        if self._wanted is not None:
            self._wanted(self._headers)
            self._wanted = None
        if self._ended:
            return b""
        piece: bytes = self._to_come.get()
        self._ended = not piece
        return piece


class Connection:
    """One request to a server of this process: the part of BufferedHTTPConnection that Swift uses.

    The body of a request with `Expect: 100-continue` is streamed to the server, which runs in parallel. Any
    other request is answered in `getresponse`, in the caller's green thread.
    """

    def __init__(self, app: App, environ: Environ) -> None:
        self._app, self._environ = app, environ
        self._chunked = environ.get("HTTP_TRANSFER_ENCODING") == "chunked"
        self._to_send = int(environ["CONTENT_LENGTH"])
        self._complete = False
        self._pieces: list[bytes] = []
        self._body: _Body | None = None
        if environ.get("HTTP_EXPECT") == "100-continue":
            self._first = Event()
            self._body = environ["wsgi.input"] = _Body(self._begun)
            self._server = eventlet.spawn(self._serve, self._body)

    def send(self, data: bytes) -> None:
        """Send a piece of the body. In a chunked request it is a whole chunk with its frame."""
        if self._chunked:
            size, _, data = data.partition(b"\r\n")
            data = data[: int(size, 16)]
            self._complete = not data
        else:
            self._to_send -= len(data)
            self._complete = self._to_send <= 0
        if self._body is None:
            self._pieces.append(data)
            return
        if data:
            self._body.put(data)
        if self._complete:
            self._body.put(b"")

    def getexpect(self) -> Response:
        """`100 Continue` once the server reads, or its answer if it does not want the body."""
        response: Response = self._first.wait()
        return response

    def getresponse(self) -> Response:
        """The server's answer."""
        if self._body is None:
            self._environ["wsgi.input"] = io.BytesIO(b"".join(self._pieces))
            return self._answer()
        response: Response = self._server.wait()
        return response

    def close(self) -> None:
        """End the request. A server that has not received the whole body gives up."""
        if self._body is not None and not self._complete:
            self._server.kill()

    def _begun(self, headers: Headers) -> None:
        self._first.send(Response(100, "Continue", headers, ()))

    def _serve(self, body: _Body) -> Response:
        try:
            response = self._answer()
        except BaseException as error:
            if not self._first.ready():
                self._first.send_exception(error)
            raise
        finally:
            body.nobody_reads()
        if not self._first.ready():
            self._first.send(response)
        return response

    def _answer(self) -> Response:
        head: list[Any] = []

        def start_response(status: str, headers: Headers, _: object = None) -> None:
            head[:] = status, headers

        body = self._app(self._environ, start_response)
        status, headers = head
        code, _, reason = status.partition(" ")
        response = Response(int(code), reason, headers, body)
        if self._environ["REQUEST_METHOD"] == "HEAD" or response.status in _BODYLESS:
            response.close()
        return response


def _environ_of_call(
    place: tuple[str, int | str],
    method: str,
    path: str | bytes,
    headers: Mapping[str, object] | None = None,
    query_string: str | None = None,
) -> Environ:
    """The WSGI environ for the arguments of `http_connect`. Swift quotes the path there and the server
    unquotes it; here it stays as it is.
    """
    device, partition = place
    inside = (path if isinstance(path, bytes) else path.encode()).decode("latin-1")
    query = query_string or ""
    if query:  # Swift parses it with parse_qsl, which drops what is invalid
        query = urlencode(parse_qsl(query, keep_blank_values=True, encoding="latin-1"), encoding="latin-1")
    return environ_of(method, f"/{device}/{partition}{inside}", query, headers or {})


def environ_of(method: str, path: str, query: str, headers: Mapping[str, object]) -> Environ:
    """The environment that a server on a socket would create. `path` is latin-1, as in WSGI."""
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": "0",
        "CONTENT_TYPE": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "inside",
        "SERVER_PORT": "0",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in _UNPREFIXED else f"HTTP_{key}"] = str(value).strip(" \t\r\n")
    return environ


def join(apps: Mapping[int, App]) -> None:
    """Make Swift call these servers, by the ports in the rings, for the life of this process."""

    def http_connect(
        _: str, port: int | str, device: str, partition: int | str, *rest: Any, **more: Any
    ) -> Connection:
        return Connection(apps[int(port)], _environ_of_call((device, partition), *rest, **more))

    for name in CALLERS:
        module = importlib.import_module(name)
        if not hasattr(module, "http_connect"):
            raise AttributeError(f"{name} opens no connections: another Swift than decision 0033 is about")
        module.__dict__["http_connect"] = http_connect
