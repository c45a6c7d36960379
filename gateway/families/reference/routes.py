"""The OpenAPI document and its page. All files come from this process, not from a CDN."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from gateway.http.reply import Reply, header, json_bytes
from gateway.operations.addresses import base_url
from gateway.operations.routing import Operation, Routes
from gateway.upstream.call import Call
from strongroom.errors import NotFound

#: Swagger UI (Apache-2.0) as the package fastapi-offline ships it; only its files are used.
ASSETS_PACKAGE: Final = "fastapi_offline"
ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Strongroom API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START: Final = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""


def routes_about(operations: Sequence[Operation]) -> Routes:
    """Routes for the document of ``operations``, and for the page that shows it."""
    routes = Routes("reference", public=True, hidden=True)

    @cache
    def document() -> bytes:
        from gateway.operations.openapi import build_document  # noqa: PLC0415 - models cost memory, few ask

        return json.dumps(build_document(operations), ensure_ascii=False).encode()

    async def openapi(call: Call) -> Reply:
        """The OpenAPI 3.1 document. Its server is the origin of the request."""
        server = json.dumps([{"url": base_url(call) or "/"}])
        return json_bytes(b'{"servers": %b, %b' % (server.encode(), document()[1:]))

    routes.add("GET", "/openapi.json")(openapi)
    routes.add("GET", "/docs")(page)
    routes.add("GET", "/docs/{name}", scripts=True)(asset)
    return routes


async def page(call: Call) -> Reply:  # noqa: ARG001 - a handler's signature
    """Swagger UI."""
    headers = [header("content-type", "text/html; charset=utf-8"), header("content-security-policy", POLICY)]
    return Reply(200, PAGE, headers)


async def asset(call: Call) -> Reply:
    """A file of the page."""
    name = call.path["name"]
    cached = header("cache-control", "public, max-age=86400")
    if name == "start.js":
        return Reply(
            200, START, [header("content-type", "text/javascript; charset=utf-8"), cached], codable=True
        )
    folder = _assets()
    if name not in ASSETS or folder is None:
        raise NotFound("There is no such page.")
    text = (folder / name).read_bytes()
    return Reply(200, text, [header("content-type", ASSETS[name]), cached], codable=True)


@cache
def _assets() -> Path | None:
    """The folder of the package's files; the package itself is not imported."""
    spec = find_spec(ASSETS_PACKAGE)
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(locations[0]) / "static" if locations else None
