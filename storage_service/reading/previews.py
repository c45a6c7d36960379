"""Preview tokens: each lets its holder read one version of one project for a limited time, and nothing else.

Browsers send no bearer token for an ``<iframe>`` and the requests of the page in it, so the right to read is
in the URL: a capability (``servicekit.sealing``), as in links.
"""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from servicekit.auth.principal import effective_owner
from servicekit.auth.tokens import CLOCK_SKEW_SECONDS
from servicekit.context import current_principal
from servicekit.sealing import Capabilities
from servicekit.unreadable import refuse_unreadable
from storage_service.metadata.projects import ProjectReader
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import open_range, resolve_range
from storage_service.reading.signer import rounded_start, stamp_of
from strongroom.errors import TokenExpired, TokenInvalid
from strongroom.storage.v1 import preview_pb2 as pb

PAGE_SECONDS: Final = 900
MAX_SECONDS: Final = 86_400
_LABEL: Final = "strongroom previews 2"
_FORM: Final = struct.Struct(">QQB")
#: Flag beside the version: the project's id follows. Tokens of the previous release don't have it.
_BOUND: Final = 1 << 63
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Preview:
    """What a token gives access to. ``project_id``: a UUID; empty: any project with the slug."""

    owner_id: str
    slug: str
    version: int
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A verified token. ``expires``: seconds since 1970."""

    preview: Preview
    expires: int


class PreviewTokens:
    """Signs and reads preview tokens."""

    def __init__(self, *secrets: str) -> None:
        self._capabilities = Capabilities(secrets, _LABEL)

    @property
    def key_id(self) -> bytes:
        """Id of the signing key. Tokens for the same preview differ between keys."""
        return self._capabilities.key_id

    def sign(self, preview: Preview, expires: int) -> str:
        """Return a token that is valid until ``expires`` (seconds since 1970)."""
        slug, bound = preview.slug.encode(), preview.project_id
        head = _FORM.pack(expires, preview.version | (_BOUND if bound else 0), len(slug))
        project = UUID(bound).bytes if bound else b""
        return self._capabilities.seal(head + project + slug + preview.owner_id.encode())

    def opened(self, token: str) -> _Opened:
        """Return the preview and the end of a token. Raises TokenInvalid, TokenExpired."""
        content = self._capabilities.open(token)
        expires, version, slug_end = _FORM.unpack_from(content)
        now = time.time()
        if expires <= now:
            raise TokenExpired("This preview has expired; ask for a new preview URL.")
        if expires > now + MAX_SECONDS + CLOCK_SKEW_SECONDS:
            raise TokenInvalid("The token was refused: it is valid for longer than a preview may be.")
        names, project_id = content[_FORM.size :], ""
        if version & _BOUND:
            project_id, names = str(UUID(bytes=names[:_ID_BYTES])), names[_ID_BYTES:]
            version ^= _BOUND
        slug, owner = names[:slug_end].decode(), names[slug_end:].decode()
        return _Opened(Preview(owner, slug, version, project_id), expires)


class Previews:
    """Signs and serves previews. One instance per process.

    ``page_seconds``: lifetime of tokens that the page can see.
    """

    def __init__(
        self,
        objects: CommittedReader,
        reader: ProjectReader,
        tokens: PreviewTokens,
        *,
        page_seconds: int = PAGE_SECONDS,
    ) -> None:
        self._page_seconds = page_seconds
        self._objects = objects
        self._reader = reader
        self._tokens = tokens

    def sign(self, request: pb.SignPreviewsRequest) -> pb.SignPreviewsResponse:
        """Return tokens for projects of the caller. Raises UserMismatch."""
        owner = effective_owner(current_principal(), request.user_id)
        seconds = request.expires_in_seconds or self._page_seconds
        stamp = self.stamp()
        # Requests from lists name no lifetime: their time is rounded down, so that repeated lists have equal
        # URLs.
        now = int(time.time())
        expires = seconds + (now if request.expires_in_seconds else rounded_start(now, seconds))
        response = pb.SignPreviewsResponse(
            stamp=stamp,
            tokens=[
                self._tokens.sign(Preview(owner, wanted.slug, wanted.version, wanted.project_id), expires)
                for wanted in request.projects
            ],
            expires_in_seconds=seconds,
        )
        response.expire_time.FromSeconds(expires)
        return response

    def stamp(self) -> str:
        """Return the value for GetUrlStamps: while it is unchanged, so are the tokens in lists."""
        rounded = rounded_start(time.time(), self._page_seconds)
        return stamp_of(self._tokens.key_id, f"{self._page_seconds} {rounded}")

    async def messages(self, request: pb.DownloadPreviewRequest) -> AsyncIterator[pb.DownloadPreviewResponse]:
        """Yield the messages of DownloadPreview.

        Raises TokenInvalid, TokenExpired, ProjectNotFound, VersionNotFound, FileNotFound,
        RangeNotSatisfiable, ObjectLost, ContentInfected.
        """
        opened = self._tokens.opened(request.token)
        preview, page_end = opened.preview, int(time.time()) + self._page_seconds
        if request.for_page and opened.expires > page_end:
            yield pb.DownloadPreviewResponse(page_token=self._tokens.sign(preview, page_end))
            return
        file = await self._reader.previewed_file(
            preview.owner_id, preview.slug, preview.version, request.path, preview.project_id
        )
        refuse_unreadable(file)
        wanted = resolve_range(request.read_offset, request.read_limit, file.size_bytes)
        first = pb.DownloadPreviewResponse(file=file, read_offset=wanted.offset, read_size=wanted.size)
        if wanted.size == 0:
            yield first
            return
        async with open_range(self._objects, file, wanted) as body:
            yield first
            async for chunk in body:
                yield pb.DownloadPreviewResponse(data=bytes(chunk))
