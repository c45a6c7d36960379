"""URLs of files in answers: signed, or permanent for public files behind a public base URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from gateway.upstream.call import Call
from gateway.upstream.rpcs import BATCH_SIGN_URLS, SIGN_URL
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import File, FileFamily
from strongroom.storage.v1.batch_pb2 import BatchSignUrlsRequest
from strongroom.storage.v1.download_pb2 import SignUrlRequest, SignUrlResponse
from strongroom.storage.v1.upload_pb2 import UploadResponse

log = structlog.get_logger("gateway.signed")


async def urls_of(call: Call, files: Sequence[File]) -> Mapping[str, str]:
    """URL by file id. Empty when none can be had now: that is no reason to keep the rest of the answer
    back.
    """
    if not files:
        return {}
    request = BatchSignUrlsRequest(file_ids=[file.id for file in files], user_id=call.user_id())
    try:
        return dict((await call.ask(BATCH_SIGN_URLS, request)).urls)
    except StrongroomError as error:
        log.warning("answered without URLs", code=error.reason_name, reason=error.message)
        return {}


async def url_of_stored(call: Call, stored: UploadResponse) -> str | None:
    """The URL of a file that was just stored: as a rule it came with the answer.

    It is stored: that no URL can be had now is no reason to say otherwise; then None.
    """
    if stored.url:
        return stored.url
    request = SignUrlRequest(file_id=stored.file.id, user_id=call.user_id(stored.file.owner_id))
    try:
        return (await call.ask(SIGN_URL, request)).url
    except StrongroomError as error:
        log.warning("stored without a URL", code=error.reason_name, reason=error.message)
        return None


async def sign(call: Call, file_id: str, seconds: int, family: FileFamily.ValueType) -> SignUrlResponse:
    """Ask storage_service for a URL that holds ``seconds``.

    :raises FileNotFound: no such file, or one of another family.
    """
    request = SignUrlRequest(
        file_id=file_id, expires_in_seconds=seconds, user_id=call.user_id(), family=family
    )
    return await call.ask(SIGN_URL, request)
