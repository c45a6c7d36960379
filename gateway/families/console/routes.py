"""The console at ``/console``, and a redirect for browsers that request ``/``.

It is one page that calls the REST API like any other client, with a token from its user: these routes don't
know who is looking.
"""

from __future__ import annotations

from typing import Final

from gateway.families.console.static_files import StaticFile, bundle
from gateway.http.conditional import matches
from gateway.http.reply import Reply, header
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from strongroom.errors import NotFound

PATH: Final = "/console"
#: Nothing inline, nothing from other origins, no HTML from strings. In ``redirect`` mode links lead to the
#: store or the CDN, so pictures and players may come from there.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self';"
    " img-src 'self' blob: data:{media}; media-src 'self' blob:{media}; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK: Final = "no-cache"

routes = Routes("console", public=True, hidden=True)


@routes.add("GET", "/")
async def entrance(call: Call) -> Reply:
    """Redirect browsers to the console; programs get an error."""
    _require_on(call)
    if "text/html" not in (call.header("accept") or ""):
        raise _nothing()
    headers = [header("location", "console"), header("vary", "accept"), header("cache-control", "no-store")]
    return Reply(302, b"", headers)


@routes.add("GET", PATH)
async def console(call: Call) -> Reply:
    """The page. Browsers request it each time, so that a reload shows a new release."""
    _require_on(call)
    media = " https: http:" if call.services.settings.link_mode == "redirect" else ""
    reply = _reply(call, bundle().page, _ASK)
    reply.headers += [
        header("content-security-policy", _POLICY.format(media=media)),
        header("cross-origin-opener-policy", "same-origin"),
        header("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]
    return reply


@routes.add("GET", PATH + "/")
async def console_folder(call: Call) -> Reply:
    """The console with an additional slash."""
    _require_on(call)
    return Reply(302, b"", [header("location", "../console"), header("cache-control", "no-store")])


@routes.add("GET", PATH + "/{version}/{name:path}", scripts=True)
async def console_file(call: Call) -> Reply:
    """A file of the page. Under another release's version (while replicas are replaced) it is not cached."""
    _require_on(call)
    found = bundle()
    file = found.files.get(call.path["name"])
    if file is None:
        raise _nothing()
    return _reply(call, file, _FOREVER if call.path["version"] == found.version else _ASK)


def _reply(call: Call, file: StaticFile, cached: str) -> Reply:
    headers = [header("etag", f'W/"{file.etag}"'), header("cache-control", cached)]
    asked = call.header("if-none-match")
    if asked is not None and matches(asked, file.etag, weak=True):
        return Reply(304, b"", headers, codable=True)
    return Reply(200, file.body, [header("content-type", file.content_type), *headers], codable=True)


def _require_on(call: Call) -> None:
    """Check that the console is enabled.

    :raises NotFound: the installation has no console.
    """
    if call.services.settings.console == "off":
        raise _nothing()


def _nothing() -> NotFound:
    return NotFound("There is no such route; /docs lists them all.")
