"""What tus 1.0 asks of every request and answer below ``/files``, around everything that may answer there.

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
#: Not of tus: what OPTIONS is for, and what browsers may try.
_UNVERSIONED: Final = frozenset({"GET", "OPTIONS"})
_RESUMABLE: Final = header("tus-resumable", VERSION)
_EMPTY: Final = header("content-length", 0)


class TusProtocol:
    """Around ``app``, for paths below ``/files`` alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = _method(scope)
        bodiless = method == "HEAD" and scope["method"] != "HEAD"

        async def send_tus(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = [*message["headers"], _RESUMABLE]
                if bodiless:  # a POST that counts as HEAD: its answer really has no body
                    found = [one for one in found if one[0] != b"content-length"] + [_EMPTY]
                message = {**message, "headers": found}
            await send(message)

        scope["method"] = method
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == f"{PREFIX}/":  # many clients write the address of the collection so
            scope["path"], scope["raw_path"] = scope["path"].rstrip("/"), scope["raw_path"].rstrip(b"/")
        if method not in _UNVERSIONED and _values(scope, b"tus-resumable") != [VERSION.encode()]:
            error = PreconditionFailed(f"Send Tus-Resumable: {VERSION}; no other version is spoken here.")
            reply = problem_for(error, current_request_id())
            reply.headers.append(header("tus-version", VERSION))
            await reply.send_to(scope, receive, send_tus)
            return
        await self._app(scope, receive, send_tus)


def _method(scope: Scope) -> str:
    """The method that counts. Only POST can be overridden: it is what proxies and old browsers let
    through.
    """
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
