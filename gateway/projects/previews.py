"""Previews for browsers: URLs that carry a token of their own, and the files behind them.

A browser sends no bearer token for an ``<iframe>``, nor for what the page in it asks for. So the token is a
segment of the path, where relative links keep it. It opens one version of one project, for a while
(``storage.v1.PreviewService``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.call import Call
from gateway.conditional import Outcome, Validators, evaluate
from gateway.downloads import CACHE_CONTROL, Truncated
from gateway.headers import preview_headers
from gateway.ranges import content_range, parse_range
from gateway.reply import Header, Reply, header
from strongroom.errors import Internal, PreconditionFailed, StrongroomError
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.storage.v1.preview_pb2 import (
    DownloadPreviewRequest,
    DownloadPreviewResponse,
    PreviewedVersion,
    SignPreviewsRequest,
    SignPreviewsResponse,
)

PREFIX: Final = "/api/preview/"
INDEX: Final = "index.html"

log = structlog.get_logger("gateway.previews")


def preview_url(token: str) -> str:
    """Where a browser finds the front end that ``token`` opens; relative links go on from there."""
    return f"{PREFIX}{token}/"


def page_at(path: str) -> str:
    """The file that a path of a preview means: a folder's start page where it ends with a slash."""
    return f"{path}{INDEX}" if not path or path.endswith("/") else path


async def sign_previews(
    call: Call, versions: Sequence[tuple[str, int]], seconds: int = 0
) -> SignPreviewsResponse:
    """Tokens for slugs at versions, in order; ``seconds`` 0: an hour.

    :raises StrongroomError: storage_service refused.
    """
    request = SignPreviewsRequest(
        projects=[PreviewedVersion(slug=slug, version=version) for slug, version in versions],
        expires_in_seconds=seconds,
        user_id=call.user_id(),
    )
    storage = call.services.storage
    return await storage.unary(call, storage.stub.SignPreviews, request)


async def urls_of_previews(call: Call, projects: Sequence[Project]) -> list[str]:
    """A URL for the newest version of each. Where none can be had now, the route that wants a bearer token:
    that is no reason to keep the rest of the answer back.
    """
    if not projects:
        return []
    try:
        signed = await sign_previews(call, [(project.slug, project.version) for project in projects])
    except StrongroomError as error:
        log.warning("answered without preview tokens", code=error.reason_name, reason=error.message)
        return [f"/api/sandbox-preview/{project.slug}/" for project in projects]
    return [preview_url(token) for token in signed.tokens]


async def preview_reply(call: Call, token: str, path: str) -> Reply:
    """The answer to GET or HEAD of a previewed file.

    :raises TokenInvalid, TokenExpired: the token opens nothing (any more). :raises StrongroomError: no such
        file, range not satisfiable, precondition failed, … :raises ClientGone: the client left.
    """
    head = call.scope["method"] == "HEAD"
    request = DownloadPreviewRequest(token=token, path=page_at(path))
    # A range under If-Range would have to be judged first; the whole file is always a right answer.
    byte_range = None if head or call.header("if-range") else parse_range(call.header("range"))
    if byte_range is not None:
        request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
    rpc, first = await _begin(call, request)
    file, validators = first.file, _validators(first.file)
    outcome = evaluate(call.header, validators)
    if outcome is Outcome.PROCEED and not head:
        return _PreviewReply(call, rpc, first, _headers(file, validators), ranged=byte_range is not None)
    rpc.cancel()
    if outcome is Outcome.FAILED:
        raise PreconditionFailed(
            "The file is not the one that If-Match or If-Unmodified-Since names.",
            metadata={"actual": file.etag},
        )
    if outcome is Outcome.NOT_MODIFIED:
        return Reply(304, b"", _validator_headers(validators))
    return _HeadReply(_headers(file, validators), file.size_bytes)


async def _begin(call: Call, request: DownloadPreviewRequest) -> tuple[Any, DownloadPreviewResponse]:
    """The running call and its first message, which says what follows."""
    storage = call.services.storage
    rpc: Any = storage.download_preview(request)
    try:
        with call.client.cancels(rpc):
            first = await rpc.read()
    except aio.AioRpcError as error:
        raise storage.error(error) from None
    if first is aio.EOF or not first.HasField("file"):
        rpc.cancel()
        raise Internal("storage_service sent bytes before saying of which file.")
    return rpc, first


def _validators(file: ProjectFile) -> Validators:
    return Validators(file.etag, datetime.fromtimestamp(file.create_time.seconds, UTC))


def _validator_headers(validators: Validators) -> list[Header]:
    found = [
        header("last-modified", validators.modified_header),
        header("cache-control", CACHE_CONTROL),
        # Module scripts and fonts are asked for with CORS, by a page whose origin is "null". No credentials
        # are looked at here: who has the URL may read.
        header("access-control-allow-origin", "*"),
    ]
    if validators.etag_header:
        found.append(header("etag", validators.etag_header))
    return found


def _headers(file: ProjectFile, validators: Validators) -> list[Header]:
    return [
        *_validator_headers(validators),
        header("accept-ranges", "bytes"),
        *preview_headers(file.content_type),
    ]


class _HeadReply(Reply):
    """GET's headers without its bytes."""

    def __init__(self, headers: list[Header], size: int) -> None:
        super().__init__(200, b"", [*headers, header("content-length", size)])

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _PreviewReply(Reply):
    """Bytes of a running DownloadPreview, one message in memory at a time."""

    def __init__(
        self, call: Call, rpc: Any, first: DownloadPreviewResponse, headers: list[Header], *, ranged: bool
    ) -> None:
        partial = ranged and first.file.size_bytes > 0
        super().__init__(206 if partial else 200, b"", headers)
        self.headers.append(header("content-length", first.read_size))
        if partial:
            where = content_range(first.read_offset, first.read_size, first.file.size_bytes)
            self.headers.append(header("content-range", where))
        self._call = call
        self._rpc = rpc
        self._size = first.read_size

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            missing = self._size
            while missing:
                data = await self._next(missing)
                missing -= len(data)
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._rpc.cancel()

    async def _next(self, missing: int) -> bytes:
        """The next bytes, at most ``missing``."""
        try:
            with self._call.client.cancels(self._rpc):
                message = await self._rpc.read()
        except aio.AioRpcError as error:
            raise Truncated(f"{missing} bytes before the end") from error
        if message is aio.EOF or not 0 < len(message.data) <= missing:
            raise Truncated(f"{missing} bytes before the end: the stream is not as announced")
        data: bytes = message.data
        return data
