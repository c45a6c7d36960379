"""Headers that keep browsers from guessing, framing and leaking; what an answer sets itself stays."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_CORP: Final = (b"cross-origin-resource-policy", b"same-origin")
_DATA: Final = (b"application/json", b"application/problem+json", b"text/plain")


class SecurityHeaders:
    """Adds to every answer; data formats also get a policy that lets nothing run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message["headers"])
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = dict(headers)
    found = [*headers, *_ALWAYS]
    if b"cross-origin-resource-policy" not in present:
        found.append(_CORP)
    if b"content-security-policy" not in present and present.get(b"content-type", b"").startswith(_DATA):
        found.append(_POLICY)
    return found
