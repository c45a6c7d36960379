"""Previews for browsers: URLs that contain a token, and their files.

A browser sends no bearer token for an ``<iframe>``, nor for what its page loads. So the token is a segment of
the path, where relative links keep it. It gives access to the front end of one version of one project, for a
while (``storage.v1.PreviewService``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.http.conditional import Outcome, Validators, evaluate, parse_range
from gateway.http.headers import digest_headers, preview_headers
from gateway.http.reply import Header, Reply, header
from gateway.operations.addresses import base_url
from gateway.upstream.call import Call
from gateway.upstream.rpcs import SIGN_PREVIEWS
from gateway.upstream.streaming import (
    HeadReply,
    Stream,
    StreamReply,
    not_the_file_named,
    unannounced_bytes,
    validator_headers,
)
from servicekit.context import note_message
from servicekit.presentation import with_charset
from strongroom.errors import StrongroomError
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
#: Module scripts and fonts are loaded with CORS, by a page whose origin is "null". No credentials are checked
#: here: whoever has the URL may read.
_ANY_ORIGIN: Final = header("access-control-allow-origin", "*")


def preview_url(call: Call, token: str) -> str:
    """The URL of the front end for ``token``. It is absolute, for pages of other origins."""
    return f"{base_url(call)}{PREFIX}{token}/"


def page_at(path: str) -> str:
    """The file for a path of a preview: a folder's start page if it ends with a slash."""
    return f"{path}{INDEX}" if not path or path.endswith("/") else path


async def sign_previews(
    call: Call, versions: Sequence[tuple[Project, int]], seconds: int = 0
) -> SignPreviewsResponse:
    """Tokens for projects at versions, in order. ``seconds`` 0: 15 minutes, unless a setting says otherwise.

    :raises StrongroomError: storage_service refused.
    """
    request = SignPreviewsRequest(
        projects=[
            PreviewedVersion(slug=project.slug, version=version, project_id=project.id)
            for project, version in versions
        ],
        expires_in_seconds=seconds,
        user_id=call.user_id(),
    )
    return await call.ask(SIGN_PREVIEWS, request)


async def urls_of_previews(call: Call, projects: Sequence[Project]) -> tuple[list[str], str | None]:
    """A URL for the newest version of each project, and their stamp (``gateway.operations.polling``).

    If no tokens are available now, these are the routes that need a bearer token, so that the rest of the
    answer is still delivered.
    """
    if not projects:
        return [], ""
    try:
        signed = await sign_previews(call, [(project, project.version) for project in projects])
    except StrongroomError as error:
        note_message(f"answered without preview tokens: {error.message}")
        return [f"{base_url(call)}/api/sandbox-preview/{project.slug}/" for project in projects], None
    return [preview_url(call, token) for token in signed.tokens], signed.stamp or None


async def preview_reply(call: Call, token: str, path: str) -> Reply:
    """The answer to GET or HEAD of a previewed file.

    :raises TokenInvalid, TokenExpired: the token is invalid or has expired. :raises StrongroomError: no such
        file, range not satisfiable, precondition failed, … :raises ClientGone: the client left.
    """
    head = call.scope["method"] == "HEAD"
    request = DownloadPreviewRequest(token=token, path=page_at(path), for_page=True)
    # A range under If-Range would need a comparison first; the whole file is always a valid answer.
    byte_range = None if head or call.header("if-range") else parse_range(call.header("range"))
    if byte_range is not None:
        request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
    storage = call.services.storage
    stream: Stream[DownloadPreviewResponse] = Stream(call, storage, storage.download_preview(request))
    first = await stream.first()
    if first is not None and first.page_token:
        stream.close()
        return _exchanged(call, first.page_token)
    if first is None or not first.HasField("file"):
        stream.close()
        raise unannounced_bytes()
    file, validators = first.file, _validators(first.file)
    outcome = evaluate(call.header, validators)
    if outcome is Outcome.PROCEED and not head:
        headers = _headers(file, validators, whole=byte_range is None or not file.size_bytes)
        return StreamReply(headers, stream, first, total=file.size_bytes, ranged=byte_range is not None)
    stream.close()
    if outcome is Outcome.FAILED:
        raise not_the_file_named(file.etag)
    if outcome is Outcome.NOT_MODIFIED:
        return Reply(304, b"", validator_headers(validators, _ANY_ORIGIN))
    return HeadReply(_headers(file, validators), file.size_bytes)


def _exchanged(call: Call, token: str) -> Reply:
    """Redirect to the same path with a token that is valid for minutes. The page can read its own address and
    send it anywhere by navigating. It never sees the address by which it was opened (no referrer, no
    history).
    """
    query = call.scope["query_string"].decode("ascii", "ignore")
    raw_path = (call.scope.get("raw_path") or b"").decode("ascii", "ignore")
    rest = raw_path.partition(PREFIX)[2].partition("/")[2]
    place = "../" * (rest.count("/") + 1) + f"{token}/{rest}"
    where = header("location", f"{place}?{query}" if query else place)
    return Reply(307, b"", [where, _ANY_ORIGIN, header("cache-control", "no-store")])


def _validators(file: ProjectFile) -> Validators:
    return Validators(file.etag, datetime.fromtimestamp(file.create_time.seconds, UTC))


def _headers(file: ProjectFile, validators: Validators, *, whole: bool = True) -> list[Header]:
    return [
        *validator_headers(validators, _ANY_ORIGIN),
        header("accept-ranges", "bytes"),
        *digest_headers(file.crc32c, file.size_bytes, whole=whole),
        *preview_headers(with_charset(file.content_type, file.charset)),
    ]
