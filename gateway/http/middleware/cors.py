"""CORS (Fetch section 3.3) for pages of the origins in the settings."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

from gateway.http.reply import Header


class Cors(CORSMiddleware):
    """Starlette's middleware, used only for requests with an Origin.

    The response to a request without one only says that it depends on the origin (``Vary``): Starlette's
    handling takes ten times as long (docs/decisions/0104).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``CORSMiddleware``."""
        for name, _ in scope["headers"]:
            if name == b"origin":
                await super().__call__(scope, receive, send)
                return

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Header] = message["headers"]
                stated = [value for name, value in headers if name == b"vary"]
                others = [one for one in headers if one[0] != b"vary"] if stated else headers
                message["headers"] = [*others, (b"vary", b", ".join((*stated, b"Origin")))]
            await send(message)

        await self.app(scope, receive, varying)
