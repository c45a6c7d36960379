"""Links: URLs of the gateway that each read one file; stable, cacheable and revocable (docs/links.md)."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from uuid import UUID

import structlog

from servicekit.presentation import shown_name
from servicekit.sealing import Capabilities
from storage_service.media.unlocated import Masks, Unlocated
from storage_service.metadata.files import FileName, FileReader, LinkedFiles
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import open_range, range_of
from storage_service.reading.signer import Signer, rounded_end, stamp_of
from strongroom.errors import FileNotFound, InvalidField, StrongroomError, TokenInvalid
from strongroom.metadata.v1.file_pb2 import File, FileFamily, LinkStamp
from strongroom.storage.v1 import link_pb2 as pb
from strongroom.storage.v1.download_pb2 import DISPOSITION_ATTACHMENT, SignUrlRequest
from strongroom.wire import DownloadChunk

log = structlog.get_logger(__name__)

PREFIX: Final = "/l/"
#: Of the file's name in a link. The name is for people and for ``Save as``; only the token decides what is
#: read.
_NAME_CHARACTERS: Final = 100


_LABEL: Final = "strongroom links 1"
_FORM: Final = struct.Struct(">B16s16sIIQ")
_NEWEST: Final = 1
_ATTACHMENT: Final = 2
_NO_CONTENT: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """The contents of a link's token.

    ``content_id`` empty: the newest content of the file. ``expires``: seconds since 1970; 0: never.
    ``attachment``: browsers save the file instead of showing it.
    """

    owner_id: str
    file_id: str
    content_id: str
    file_epoch: int
    owner_epoch: int
    expires: int = 0
    attachment: bool = False

    @property
    def stamp(self) -> LinkStamp:
        """The values that the file's own stamp must have."""
        return LinkStamp(content_id=self.content_id, file_epoch=self.file_epoch, owner_epoch=self.owner_epoch)


class LinkTokens:
    """Signs and reads the tokens of links."""

    def __init__(self, *secrets: str) -> None:
        self._capabilities = Capabilities(secrets, _LABEL)

    @property
    def key_id(self) -> bytes:
        """Id of the signing key. Tokens for the same claims differ between keys."""
        return self._capabilities.key_id

    def sign(self, claims: LinkClaims) -> str:
        """Return the token; always the same for the same claims."""
        flags = (0 if claims.content_id else _NEWEST) | (_ATTACHMENT if claims.attachment else 0)
        content = UUID(claims.content_id).bytes if claims.content_id else _NO_CONTENT
        numbers = (claims.file_epoch, claims.owner_epoch, claims.expires)
        head = _FORM.pack(flags, UUID(claims.file_id).bytes, content, *numbers)
        return self._capabilities.seal(head + claims.owner_id.encode())

    def read(self, token: str) -> LinkClaims:
        """Return the claims of a token. Raises TokenInvalid."""
        content = self._capabilities.open(token)
        if len(content) <= _FORM.size:
            raise TokenInvalid("The token was refused: this installation has not made it.")
        flags, file_id, content_id, file_epoch, owner_epoch, expires = _FORM.unpack_from(content)
        return LinkClaims(
            owner_id=content[_FORM.size :].decode(),
            file_id=str(UUID(bytes=file_id)),
            content_id="" if flags & _NEWEST else str(UUID(bytes=content_id)),
            file_epoch=file_epoch,
            owner_epoch=owner_epoch,
            expires=expires,
            attachment=bool(flags & _ATTACHMENT),
        )


class LinkSigner:
    """Makes links. ``seconds``: default lifetime by family; 0: until revoked."""

    def __init__(
        self,
        tokens: LinkTokens,
        files: FileReader,
        signer: Signer,
        unlocated: Unlocated,
        seconds: Mapping[FileFamily.ValueType, int],
    ) -> None:
        self._tokens = tokens
        self._files = files
        self._signer = signer
        self._unlocated = unlocated
        self._seconds = seconds

    async def sign(self, request: pb.SignLinksRequest) -> dict[str, pb.Link]:
        """Return links by id or key, for those of the files that the user has. Raises InvalidField if none is
        named.
        """
        if not request.file_ids and not request.keys:
            raise InvalidField("Name at least one file.", field="file_ids", rule="min_items")
        found: dict[str, File] = {}
        if request.file_ids:
            files = await self._files.get_many(request.file_ids, request.user_id)
            found = {file.id: file for file in files}
        for key in request.keys:
            try:
                found[key] = await self._files.get(FileName(key=key), request.user_id)
            except FileNotFound:
                continue
        return {name: await self._link(file, request) for name, file in found.items()}

    def stamp(self) -> str:
        """Return the value for GetUrlStamps: while it and a file are unchanged, so are default links to the
        file.
        """
        now = time.time()
        ends = [(family, seconds and rounded_end(now, seconds)) for family, seconds in self._seconds.items()]
        facts = f"{sorted(ends)} {self._signer.facts} {self._unlocated.takes_out}"
        return stamp_of(self._tokens.key_id, facts)

    async def url_of_stored(self, file: File) -> str:
        """Return the default link to a file that was just committed, or ``""`` if none can be made.

        An error is only logged, because the upload has succeeded.
        """
        try:
            return (await self._link(file, pb.SignLinksRequest())).url
        except StrongroomError as error:
            log.warning("stored_without_url", file_id=file.id, reason=error.reason_name)
            return ""

    async def _link(self, file: File, request: pb.SignLinksRequest) -> pb.Link:
        public = await self._signer.permanent_url(file)
        if public is not None and not await self._unlocated.masks(file):
            return pb.Link(url=public)
        asked = request.expires_in_seconds if request.HasField("expires_in_seconds") else None
        seconds = self._seconds.get(file.family, 0) if asked is None else asked
        stamp = file.link_stamp
        claims = LinkClaims(
            owner_id=file.owner_id,
            file_id=file.id,
            content_id="" if request.scope == pb.LINK_SCOPE_NEWEST else stamp.content_id,
            file_epoch=stamp.file_epoch,
            owner_epoch=stamp.owner_epoch,
            expires=rounded_end(time.time(), seconds) if seconds else 0,
            attachment=request.attachment,
        )
        link = pb.Link(url=f"{PREFIX}{self._tokens.sign(claims)}/{_name_in_url(file.filename)}")
        if claims.expires:
            link.expire_time.FromSeconds(claims.expires)
        return link


class LinkReader:
    """Reads the files of links. ``url_seconds``: lifetime of the signed URLs that clients are
    redirected to.
    """

    def __init__(
        self,
        tokens: LinkTokens,
        files: LinkedFiles,
        objects: CommittedReader,
        signer: Signer,
        unlocated: Unlocated,
        *,
        url_seconds: int,
    ) -> None:
        self._tokens = tokens
        self._files = files
        self._objects = objects
        self._signer = signer
        self._unlocated = unlocated
        self._url_seconds = url_seconds

    async def messages(
        self, request: pb.DownloadLinkRequest, begun: Callable[[File], object] | None = None
    ) -> AsyncIterator[pb.DownloadLinkResponse | DownloadChunk]:
        """Yield the messages of DownloadLink.

        ``begun`` is called with the file, whose id the messages don't contain. Raises FileNotFound,
        PreconditionFailed, RangeNotSatisfiable, ContentInfected, ObjectLost.
        """
        claims = self._claims(request.token)
        try:
            file = await self._files.linked_file(claims.owner_id, claims.file_id, claims.stamp)
        except FileNotFound:
            raise _dead() from None
        wanted = range_of(request, file)
        masks = await self._unlocated.masks(file)
        first = pb.DownloadLinkResponse(
            file=_shown(file, masks),
            read_offset=wanted.offset,
            read_size=wanted.size,
            attachment=claims.attachment,
            newest=not claims.content_id,
        )
        if claims.expires:
            first.expire_time.FromSeconds(claims.expires)
        if request.sign_url and not masks:
            await self._add_url(first, file, attachment=claims.attachment)
        if begun is not None:
            begun(file)
        if request.metadata_only or request.sign_url or wanted.size == 0:
            yield first
            return
        async with open_range(self._objects, file, wanted, masks) as body:
            yield first  # after the object was opened, so that a lost or archived one is an error
            async for chunk in body:
                yield DownloadChunk(chunk)

    def _claims(self, token: str) -> LinkClaims:
        try:
            claims = self._tokens.read(token)
        except TokenInvalid:
            raise _dead() from None
        if claims.expires and claims.expires <= time.time():
            raise _dead()
        return claims

    async def _add_url(self, first: pb.DownloadLinkResponse, file: File, *, attachment: bool) -> None:
        request = SignUrlRequest(expires_in_seconds=self._url_seconds)
        if attachment:
            request.disposition = DISPOSITION_ATTACHMENT
        signed = await self._signer.url_of(file, request)
        first.url = signed.url
        if signed.HasField("expire_time"):
            first.url_expire_time.CopyFrom(signed.expire_time)


def _shown(file: File, masks: Masks) -> File:
    """Return what readers of the bytes need to know; neither the owner nor the key in S3 is disclosed."""
    return File(
        filename=file.filename,
        content_type=file.content_type,
        charset=file.charset,
        size_bytes=file.size_bytes,
        etag=file.etag,
        crc32c=0 if masks else file.crc32c,
        create_time=file.create_time,
        update_time=file.update_time,
    )


def _name_in_url(filename: str) -> str:
    stem, dot, extension = shown_name(filename).rpartition(".")
    room = _NAME_CHARACTERS - len(dot + extension)
    name = f"{stem[:room]}{dot}{extension}" if room > 0 else stem[:_NAME_CHARACTERS]
    return quote(name.strip(". ") or "file", safe="")


def _dead() -> FileNotFound:
    """Return the one error for all causes, so that it discloses none of them."""
    return FileNotFound(
        "This link opens nothing (any more): it has ended or was revoked, or its file was deleted or"
        " replaced. Ask for a new one."
    )
