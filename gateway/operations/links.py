"""Links in answers: URLs of ours that read one file, the same each time (docs/links.md).

``storage_service`` makes their paths; here they get the address under which clients know us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from gateway.operations.forwarded import base_url
from gateway.upstream.call import Call
from gateway.upstream.rpcs import SIGN_LINKS
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.link_pb2 import SignLinksRequest
from strongroom.storage.v1.upload_pb2 import UploadResponse

log = structlog.get_logger("gateway.links")


def absolute(call: Call, url: str) -> str:
    """``url`` for clients anywhere: what begins with a slash is ours, other URLs (of public files) stay."""
    return _after(base_url(call), url)


async def urls_of(call: Call, files: Sequence[File]) -> Mapping[str, str]:
    """A link by file id. Empty when none can be had now: that is no reason to keep the rest of the answer
    back.
    """
    if not files:
        return {}
    request = SignLinksRequest(file_ids=[file.id for file in files], user_id=call.user_id())
    try:
        found = (await call.ask(SIGN_LINKS, request)).links
    except StrongroomError as error:
        log.warning("answered without URLs", code=error.reason_name, reason=error.message)
        return {}
    base = base_url(call)
    return {name: _after(base, link.url) for name, link in found.items()}


async def url_of_stored(call: Call, stored: UploadResponse) -> str | None:
    """The link to a file that was just stored: as a rule it came with the answer.

    It is stored: that no link can be had now is no reason to say otherwise; then None.
    """
    if stored.url:
        return absolute(call, stored.url)
    file_id = stored.file.id
    request = SignLinksRequest(file_ids=[file_id], user_id=call.user_id(stored.file.owner_id))
    try:
        link = (await call.ask(SIGN_LINKS, request)).links.get(file_id)
    except StrongroomError as error:
        log.warning("stored without a URL", code=error.reason_name, reason=error.message)
        return None
    return absolute(call, link.url) if link is not None else None


def _after(base: str, url: str) -> str:
    return f"{base}{url}" if url.startswith("/") else url
