"""A tiny HTTP endpoint for Prometheus and probes, for processes without other HTTP.

It answers only ``GET /metrics``, ``/healthz`` and ``/livez``, one request per connection, with limits on size
and time. It never uses TLS: kubelets can't call grpc.health.v1 over TLS, and nothing here is secret.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from servicekit.net import join_address, split_address
from servicekit.settings import SettingError

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = 5.0
MAX_HEAD_BYTES: Final = 8192


class Rendered(Protocol):
    """The metrics of a process."""

    def render(self) -> bytes:
        """All of them in Prometheus' text format."""
        ...


@contextlib.asynccontextmanager
async def serve_metrics(
    bind: str, metrics: Rendered, serves: Callable[[], bool] | None = None
) -> AsyncIterator[str]:
    """Serve ``metrics`` at ``bind`` (``host:port``); yields the real address.

    ``serves``: whether more calls should come, for ``/healthz`` (200, else 503); ``/livez`` is 200 while the
    event loop runs. None: neither exists.

    :raises SettingError: the address is invalid or taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_reply(head.split(b"\r\n", 1)[0], metrics, serves))
                await writer.drain()
        writer.close()

    try:
        host, port = split_address(bind)
        server = await asyncio.start_server(answer, host, port, limit=MAX_HEAD_BYTES)
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError("STRONGROOM_METRICS_BIND", f"can't listen on {bind!r}: {reason}") from None
    async with server:
        yield join_address(host, server.sockets[0].getsockname()[1])


def _reply(request_line: bytes, metrics: Rendered, serves: Callable[[], bool] | None) -> bytes:
    method, _, rest = request_line.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    probes = (b"/healthz", b"/livez") if serves is not None else ()
    if path not in (b"/metrics", *probes):
        return _response("404 Not Found", b"metrics are at /metrics\n")
    if method not in (b"GET", b"HEAD"):
        return _response("405 Method Not Allowed", b"GET only\n", "Allow: GET, HEAD\r\n")
    body = method == b"GET"
    if path == b"/metrics":
        return _response("200 OK", metrics.render(), body=body)
    if path == b"/healthz" and serves is not None and not serves():
        return _response("503 Service Unavailable", b"takes no calls\n", body=body)
    return _response("200 OK", b"ok\n", body=body)


def _response(status: str, content: bytes, headers: str = "", *, body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(content)}\r\n"
        f"{headers}Connection: close\r\n\r\n"
    )
    return head.encode() + (content if body else b"")
