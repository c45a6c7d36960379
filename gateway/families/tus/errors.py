"""Errors for tus clients. They forget an upload on any 4xx except 409 and 423, so no temporary error may be
one.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.http.problems import problem_body, problem_reply
from gateway.http.reply import Reply
from gateway.operations.routing import Handler
from gateway.upstream.call import Call
from strongroom.errors import (
    ChecksumMismatch,
    DeadlineExceeded,
    FileNotFound,
    Overloaded,
    RateLimited,
    ServiceUnavailable,
    SizeLimitExceeded,
    SizeMismatch,
    StrongroomError,
    UploadNotFound,
)

#: Status of a failed Upload-Checksum (tus 1.0, extension checksum). It is defined by tus, not by IANA.
CHECKSUM_MISMATCH: Final = 460


def speaks_tus(handler: Callable[[Call], Awaitable[Reply]]) -> Handler:
    """The handler, with its errors translated."""

    @functools.wraps(handler)
    async def answer(call: Call) -> Reply:
        try:
            return await handler(call)
        except ChecksumMismatch as error:
            return _checksum_reply(error, call.request_id)
        except StrongroomError as error:
            raise as_tus(error, creating=call.scope["method"] == "POST") from None

    return answer


def as_tus(error: StrongroomError, *, creating: bool = False) -> StrongroomError:
    """``error``, or its equivalent for a tus client.

    :param creating: there is no upload yet that the client could forget; too many open ones are the client's
        fault.
    """
    if isinstance(error, DeadlineExceeded):
        return ServiceUnavailable(
            "It took too long; ask for the upload's offset and continue there.", retry_after=error.retry_after
        )
    if isinstance(error, RateLimited) and not creating:
        return Overloaded(error.message, retry_after=error.retry_after, metadata=error.metadata)
    if isinstance(error, FileNotFound):
        return UploadNotFound("There is no such upload.")
    return error


def past_the_length(error: SizeMismatch) -> SizeLimitExceeded:
    """Bytes beyond Upload-Length make the request too large (413); elsewhere a wrong size is malformed
    (400).
    """
    length = error.metadata.get("expected", "")
    return SizeLimitExceeded(
        f"The body is longer than Upload-Length{f' ({length} bytes)' if length else ''}; what is beyond it"
        " was discarded.",
        metadata={"limit": length},
    )


def _checksum_reply(error: ChecksumMismatch, request_id: str) -> Reply:
    body = problem_body(error, request_id) | {"status": CHECKSUM_MISMATCH}
    reply = problem_reply(error, body)
    reply.status = CHECKSUM_MISMATCH
    return reply
