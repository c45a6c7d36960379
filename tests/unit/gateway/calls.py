"""A Call without a server, for code that only reads the request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gateway.upstream.call import Call, Services
from gateway.upstream.turns import Turns
from servicekit.auth.principal import Principal


def make_call(
    query: str = "",
    headers: dict[str, str] | None = None,
    messages: list[dict[str, Any]] | None = None,
    principal: Principal | None = None,
) -> Call:
    """A call of alice. ``receive`` returns ``messages``, then a disconnect."""
    waiting = list(messages or [])

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    return Call(
        cast("Services", SimpleNamespace(turns=Turns())),
        scope,
        receive,
        path={},
        principal=principal or Principal("alice"),
        request_id="test",
    )
