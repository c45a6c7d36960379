"""A ZIP as an answer, passed on as storage_service makes it."""

from __future__ import annotations

from gateway.http.headers import content_headers
from gateway.http.reply import Reply, header
from gateway.upstream.call import Call
from gateway.upstream.chunked import chunked_reply
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest


async def archive_reply(call: Call, request: DownloadArchiveRequest, filename: str) -> Reply:
    """The ZIP as an attachment; its first bytes are waited for, while an error can still be answered.

    :raises StrongroomError: storage_service refused.
    """
    corp = call.services.settings.corp
    headers = content_headers("application/zip", filename, corp=corp, attachment=True)
    rpc = call.services.storage.download_archive(call, request)
    return await chunked_reply(call, rpc, [*headers, header("cache-control", "no-store")])
