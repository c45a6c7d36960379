"""The requirements of tus 1.0 for every request and answer below ``/files``, whichever handler answers.

``Tus-Resumable`` in both directions, 412 for another version before anything is done, and
``X-HTTP-Method-Override`` for clients that can't send PATCH or DELETE.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.families.tus.headers import PREFIX, VERSION
from gateway.http.problems import problem_for
from gateway.http.reply import header
from servicekit.context import current_request_id
from strongroom.errors import PreconditionFailed

_OVERRIDES: Final = frozenset({"DELETE", "HEAD", "PATCH"})
#: OPTIONS asks about versions, and browsers may send GET: neither needs the header.
_UNVERSIONED: Final = frozenset({"GET", "OPTIONS"})
_RESUMABLE: Final = header("tus-resumable", VERSION)
_EMPTY: Final = header("content-length", 0)


class TusProtocol:
    """Wraps ``app`` for paths below ``/files``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = _method(scope)
        bodiless = method == "HEAD" and scope["method"] != "HEAD"

        async def send_tus(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = [*message["headers"], _RESUMABLE]
                if bodiless:  # a POST that overrides to HEAD: its answer has no body
                    found = [one for one in found if one[0] != b"content-length"] + [_EMPTY]
                message = {**message, "headers": found}
            await send(message)

        scope["method"] = method
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == f"{PREFIX}/":  # many clients write the collection's address this way
            scope["path"], scope["raw_path"] = scope["path"].rstrip("/"), scope["raw_path"].rstrip(b"/")
        if method not in _UNVERSIONED and _values(scope, b"tus-resumable") != [VERSION.encode()]:
            error = PreconditionFailed(f"Send Tus-Resumable: {VERSION}; no other version is supported.")
            reply = problem_for(error, current_request_id())
            reply.headers.append(header("tus-version", VERSION))
            await reply.send_to(scope, receive, send_tus)
            return
        await self._app(scope, receive, send_tus)


def _method(scope: Scope) -> str:
    """The effective method. Only POST, which proxies and old browsers let through, can be overridden."""
    method: str = scope["method"]
    if method != "POST":
        return method
    for value in _values(scope, b"x-http-method-override"):
        wanted = value.decode("latin-1").strip().upper()
        if wanted in _OVERRIDES:
            return wanted
    return method


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in scope["headers"] if key == name]
