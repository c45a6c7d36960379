"""Imports from URLs: storage_service downloads, the gateway waits, and cancels if its client disconnects."""

from __future__ import annotations

from grpc import aio

from gateway.upstream.call import Call
from strongroom.errors import Internal
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.direct_pb2 import ImportFromUrlRequest


async def import_file(call: Call, request: ImportFromUrlRequest) -> File:
    """Import a file from a URL as the caller of ``call``, whose body must have been read.

    :raises StrongroomError: SourceUrlRefused, SourceUrlFailed, and what an upload may answer.
    :raises ClientGone: the client left; the import is cancelled.
    """
    storage = call.services.storage
    rpc = storage.import_from_url(call, request)
    try:
        with call.client.cancels(rpc):
            async for update in rpc:
                if update.HasField("file"):
                    return update.file
    except aio.AioRpcError as error:
        raise storage.error(error) from None
    raise Internal("storage_service ended an import without a file.")
