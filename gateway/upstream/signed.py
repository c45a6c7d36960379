"""Signed URLs of the object store, where a contract names them."""

from __future__ import annotations

from gateway.upstream.call import Call
from gateway.upstream.rpcs import SIGN_URL
from strongroom.metadata.v1.file_pb2 import FileFamily
from strongroom.storage.v1.download_pb2 import SignUrlRequest, SignUrlResponse


async def sign(call: Call, file_id: str, seconds: int, family: FileFamily.ValueType) -> SignUrlResponse:
    """Ask storage_service for a URL that holds ``seconds``.

    :raises FileNotFound: no such file, or one of another family.
    """
    request = SignUrlRequest(
        file_id=file_id, expires_in_seconds=seconds, user_id=call.user_id(), family=family
    )
    return await call.ask(SIGN_URL, request)
