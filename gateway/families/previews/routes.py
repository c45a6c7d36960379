"""Previews of projects by URLs that contain a token, for an ``<iframe>``."""

from __future__ import annotations

from gateway.families.projects.previews import PREFIX, preview_reply
from gateway.http.reply import Reply
from gateway.operations.routing import Routes
from gateway.upstream.call import Call

routes = Routes("previews", public=True)


@routes.add("GET", PREFIX + "{token}/", scripts=True)
async def show_preview(call: Call) -> Reply:
    """The start page."""
    return await preview_reply(call, call.path["token"], "")


@routes.add("GET", PREFIX + "{token}/{path:path}", scripts=True)
async def show_preview_file(call: Call) -> Reply:
    """A file of the page."""
    return await preview_reply(call, call.path["token"], call.path["path"])
