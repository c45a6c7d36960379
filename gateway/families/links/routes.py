"""Reading, creating and revoking links (docs/links.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.families.links.reading import PREFIX, LinkedAnswer
from gateway.families.links.shapes import (
    LinkBatchBody,
    LinkBody,
    LinkMade,
    LinkOfBatch,
    LinksMade,
    LinksRevoked,
    RevokeBody,
)
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, Reply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import absolute
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.downloads import answer_reply, file_not_found
from gateway.upstream.rpcs import REVOKE_LINKS, SIGN_LINKS
from strongroom.metadata.v1.file_service_pb2 import RevokeLinksRequest
from strongroom.storage.v1.link_pb2 import LINK_SCOPE_NEWEST, LINK_SCOPE_VERSION, Link, SignLinksRequest

LINKS: Final = "/api/v1/links"

open_routes = Routes("links", public=True)
routes = Routes("links")


@open_routes.add("GET", PREFIX + "{token}/{name}")
async def read_link(call: Call) -> Reply:
    """The bytes. The name in the path is only for people."""
    return await answer_reply(LinkedAnswer(call, call.path["token"]))


@open_routes.add("GET", PREFIX + "{token}")
async def read_link_without_name(call: Call) -> Reply:
    """The same."""
    return await answer_reply(LinkedAnswer(call, call.path["token"]))


@routes.add("POST", LINKS)
async def make_link(call: Call) -> JsonReply[LinkMade]:
    """Create a link to a file of the caller."""
    body = await read_json(call, LinkBody)
    request = SignLinksRequest(
        scope=LINK_SCOPE_NEWEST if body.scope == "newest" else LINK_SCOPE_VERSION,
        attachment=body.attachment,
        user_id=call.user_id(body.user_id),
        expires_in_seconds=body.expires_in,
    )
    if body.file_id is not None:
        request.file_ids.append(body.file_id)
    else:
        request.keys.append(body.key or "")
    found = (await call.ask(SIGN_LINKS, request)).links
    if not found:
        raise file_not_found()
    link = next(iter(found.values()))
    ends = rfc3339(link.expire_time) if link.HasField("expire_time") else None
    return json_reply({"url": absolute(call, link.url), "expires_at": ends}, secret=True)


@routes.add("POST", LINKS + "/batch")
async def make_links(call: Call) -> JsonReply[LinksMade]:
    """Create links to many files of the caller."""
    body = await read_json(call, LinkBatchBody)
    request = SignLinksRequest(
        scope=LINK_SCOPE_NEWEST if body.scope == "newest" else LINK_SCOPE_VERSION,
        attachment=body.attachment,
        user_id=call.user_id(body.user_id),
        expires_in_seconds=body.expires_in,
        file_ids=body.file_ids,
        keys=body.keys,
    )
    found = (await call.ask(SIGN_LINKS, request)).links
    links = [_of_batch(call, name, found) for name in [*body.file_ids, *body.keys]]
    return json_reply({"links": links}, secret=True)


@routes.add("POST", LINKS + "/revoke")
async def revoke_links(call: Call) -> JsonReply[LinksRevoked]:
    """Revoke the links to one file, or to all files of the caller."""
    body = await read_json(call, RevokeBody)
    request = RevokeLinksRequest(user_id=call.user_id(body.user_id))
    if body.all:
        request.all_files = True
    elif body.file_id is not None:
        request.file_id = body.file_id
    else:
        request.key = body.key or ""
    file_id = (await call.ask(REVOKE_LINKS, request)).file_id
    return json_reply({"revoked": "file" if file_id else "all", "file_id": file_id or None})


def _of_batch(call: Call, name: str, found: Mapping[str, Link]) -> LinkOfBatch:
    if name not in found:
        return {"file": name, "url": None, "expires_at": None}
    link = found[name]
    ends = rfc3339(link.expire_time) if link.HasField("expire_time") else None
    return {"file": name, "url": absolute(call, link.url), "expires_at": ends}
