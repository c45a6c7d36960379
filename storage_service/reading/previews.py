"""Preview tokens: whoever has one may read one version of one project, for a while, and nothing else.

A browser sends no bearer token for an ``<iframe>`` and what the page in it asks for, so the right to read
travels in the URL. Tokens are JWTs under a key of their own, derived from the internal secret (RFC 5869's
use of HMAC with a label): no other token passes for one, and one passes for no other.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from servicekit.context import current_principal
from servicekit.principal import effective_owner
from servicekit.tokens import (
    CLOCK_SKEW_SECONDS,
    ClaimRules,
    VerificationKey,
    parse,
    refuse,
    signed,
    verified_claims,
)
from storage_service.metadata.projects import ProjectReader
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import open_range, resolve_range
from strongroom.errors import TokenExpired
from strongroom.storage.v1 import preview_pb2 as pb

AUDIENCE: Final = "strongroom-preview"
PAGE_SECONDS: Final = 900
MAX_SECONDS: Final = 86_400
_LABEL: Final = b"strongroom preview tokens 1"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a token opens."""

    owner_id: str
    slug: str
    version: int


@dataclass(frozen=True, slots=True)
class _Opened:
    """A verified token. ``expires``: seconds since 1970."""

    preview: Preview
    expires: float


class PreviewTokens:
    """Makes and reads them. ``secret``: the services' internal one."""

    def __init__(self, secret: str) -> None:
        key = hmac.digest(secret.encode(), _LABEL, "sha256")
        self._key = VerificationKey(key, frozenset({"HS256"}))
        self._rules = ClaimRules(max_lifetime=MAX_SECONDS + CLOCK_SKEW_SECONDS, audience=(AUDIENCE,))

    def sign(self, preview: Preview, expires: int) -> str:
        """A token that holds until ``expires`` (seconds since 1970)."""
        claims = {
            "aud": AUDIENCE,
            "sub": preview.owner_id,
            "slug": preview.slug,
            "ver": preview.version,
            "exp": expires,
        }
        return signed(claims, self._key)

    def read(self, token: str) -> Preview:
        """Raises TokenInvalid, TokenExpired."""
        return self.opened(token).preview

    def opened(self, token: str) -> _Opened:
        """The same, and until when. Raises TokenInvalid, TokenExpired."""
        try:
            claims = verified_claims(parse(token), self._key, self._rules)
        except TokenExpired:
            raise TokenExpired("This preview has expired; ask for a new preview URL.") from None
        slug, version = claims.get("slug"), claims.get("ver")
        if not isinstance(slug, str) or type(version) is not int:
            refuse("it names no version of a project", "slug")
        return _Opened(Preview(claims["sub"], slug, version), claims["exp"])


class Previews:
    """The use case; one instance per process. ``page_seconds``: of tokens that a page can see."""

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
        """Tokens for projects of the caller. Raises UserMismatch."""
        owner = effective_owner(current_principal(), request.user_id)
        seconds = request.expires_in_seconds or self._page_seconds
        expires = int(time.time()) + seconds
        response = pb.SignPreviewsResponse(
            tokens=[
                self._tokens.sign(Preview(owner, wanted.slug, wanted.version), expires)
                for wanted in request.projects
            ],
            expires_in_seconds=seconds,
        )
        response.expire_time.FromSeconds(expires)
        return response

    async def messages(self, request: pb.DownloadPreviewRequest) -> AsyncIterator[pb.DownloadPreviewResponse]:
        """What DownloadPreview answers. Raises TokenInvalid, TokenExpired, ProjectNotFound, VersionNotFound,
        FileNotFound, RangeNotSatisfiable, ObjectLost.
        """
        opened = self._tokens.opened(request.token)
        preview, page_end = opened.preview, int(time.time()) + self._page_seconds
        if request.for_page and opened.expires > page_end:
            yield pb.DownloadPreviewResponse(page_token=self._tokens.sign(preview, page_end))
            return
        file = await self._reader.previewed_file(
            preview.owner_id, preview.slug, preview.version, request.path
        )
        wanted = resolve_range(request.read_offset, request.read_limit, file.size_bytes)
        yield pb.DownloadPreviewResponse(file=file, read_offset=wanted.offset, read_size=wanted.size)
        if wanted.size == 0:
            return
        async with open_range(self._objects, file, wanted) as body:
            async for chunk in body:
                yield pb.DownloadPreviewResponse(data=bytes(chunk))
