"""Pages of any origin may read what a capability in the URL opens: whoever has the URL may.

No credentials are looked at on these paths, so ``Access-Control-Allow-Origin: *`` gives nobody anything that
the URL does not. Stands in place of the CORS that the rest of the API has by setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.reply import Header, Reply, header

_ANY_ORIGIN: Final = header("access-control-allow-origin", "*")
_ANY_PAGE: Final = header("cross-origin-resource-policy", "cross-origin")
_PREFLIGHT: Final = (
    _ANY_ORIGIN,
    header("access-control-allow-methods", "GET, HEAD"),
    header("access-control-allow-headers", "*"),
    header("access-control-max-age", "86400"),
)


class OpenPaths:
    """Lets any page read what is below ``prefix``; ``app`` answers it, ``otherwise`` all other paths."""

    def __init__(self, app: ASGIApp, otherwise: ASGIApp, prefix: str, exposed: Sequence[str]) -> None:
        self._app = app
        self._otherwise = otherwise
        self._prefix = prefix
        self._exposed = header("access-control-expose-headers", ", ".join(exposed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].removeprefix(scope.get("root_path", "")).startswith(self._prefix):
            await self._otherwise(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _asks(scope, b"access-control-request-method"):
            await Reply(204, b"", [*_PREFLIGHT]).send_to(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._completed(message["headers"])}
            await send(message)

        await self._app(scope, receive, opened)

    def _completed(self, headers: list[Header]) -> list[Header]:
        known = any(name == _ANY_PAGE[0] for name, _ in headers)
        return [*headers, _ANY_ORIGIN, self._exposed, *(() if known else (_ANY_PAGE,))]


def _asks(scope: Scope, name: bytes) -> bool:
    return any(found == name for found, _ in scope["headers"])
