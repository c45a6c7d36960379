"""Stores what guests upload into drops, for the share's owner, under the rules of the family and of the
drop.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from servicekit.drops import check_room, drop_full, too_large
from servicekit.presentation import essence, shown_name
from storage_service.content.body import BodyChecks, checked_chunk
from storage_service.objectstore.checksums import Counted
from storage_service.sharing.guests import Guests
from storage_service.uploads.upload import UploadedFile, Uploader
from strongroom.errors import (
    DropFull,
    FileCountExceeded,
    InvalidField,
    MalformedRequest,
    PathInvalid,
    QuotaExceeded,
    ShareLocked,
    SizeLimitExceeded,
    UploadIncomplete,
)
from strongroom.metadata.v1.share_pb2 import Share
from strongroom.metadata.v1.target_pb2 import EventMediaTarget, PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.guest_pb2 import DropFileRequest, DropFileResponse
from strongroom.type.v1.checksums_pb2 import Checksums
from strongroom.wire import UploadChunk

#: Random bytes in a name below a path: a guest neither meets nor learns of another guest's file.
_RANDOM_BYTES: Final = 8
_LONGEST_NAME: Final = 100
_MEDIA: Final = ("image/", "audio/", "video/")


@dataclass(frozen=True, slots=True)
class Dropped:
    """The stored file, and the answer to the guest."""

    stored: UploadedFile
    answer: DropFileResponse


@dataclass(frozen=True, slots=True)
class Drops:
    """The use case; one instance per process."""

    guests: Guests
    uploader: Uploader

    async def drop(self, requests: AsyncIterator[DropFileRequest]) -> Dropped:
        """Store one file. Raises ShareNotFound, ShareEnded, ShareLocked, DropFull, SizeLimitExceeded,
        ContentTypeNotAllowed, and as every upload.
        """
        first = await anext(aiter(requests), None)
        if first is None or not first.token:
            raise MalformedRequest("the first message of DropFile must carry the share's token")
        share = await self.guests.enter(first.token, first.session)
        if not share.scope.HasField("drop"):
            raise ShareLocked("This share takes no files.", metadata={"needs": "drop"})
        check_room(share)  # refuse before bytes arrive; the commit decides
        source = _DropSource(first, requests, share)
        stored = await self._stored(source)
        answer = DropFileResponse(
            filename=shown_name(first.filename) or stored.file.filename,
            size_bytes=stored.file.size_bytes,
            content_type=stored.file.content_type,
        )
        return Dropped(stored, answer)

    async def _stored(self, source: _DropSource) -> UploadedFile:
        """Replace refusals about the owner's quota and paths, which are not for guests."""
        try:
            return await self.uploader.upload(source)
        except QuotaExceeded:
            raise drop_full("bytes") from None
        except FileCountExceeded:
            raise drop_full("files") from None
        except PathInvalid:
            raise InvalidField(
                "The file's name can't be kept; give it a shorter or simpler one.",
                field="filename",
                rule="path",
            ) from None


class _DropSource:
    """One upload by a guest (``storage_service.uploads.upload.Source``)."""

    provisional = False

    def __init__(self, first: DropFileRequest, rest: AsyncIterator[DropFileRequest], share: Share) -> None:
        self._first: DropFileRequest | None = first
        self._rest = rest
        rules = share.scope.drop
        self._most = min(rules.max_file_bytes, rules.max_bytes - share.dropped_bytes)
        self._rule = "file" if self._most == rules.max_file_bytes else "bytes"
        declared = essence(first.content_type)
        self.spec = UploadSpec(
            target=_target(share, first.filename),
            filename=first.filename,
            # A declared media type can't be verified, so it is ignored.
            content_type="" if rules.content_types and declared.startswith(_MEDIA) else first.content_type,
            share_id=share.id,
            retention=rules.retention if rules.HasField("retention") else None,
            storage_class=rules.storage_class,
        )
        if self.spec.target.HasField("path"):
            self.spec.if_generation_match = 0

    async def chunks(self, checks: BodyChecks) -> AsyncIterator[Counted]:
        """The body, counted. Ends only after finish_write."""
        message, self._first = self._first, None
        while message is not None:
            chunk = checked_chunk(UploadChunk(checks.size, (message.data,)), checks.size)
            checks.feed(chunk)
            if checks.size > self._most:
                raise self._too_much()
            if message.finish_write:
                checks.finish(Checksums())
            if len(chunk):
                yield chunk
            if message.finish_write:
                return
            message = await anext(aiter(self._rest), None)
        raise UploadIncomplete("the file ended before its last message; nothing was stored")

    def _too_much(self) -> DropFull | SizeLimitExceeded:
        if self._rule == "file":
            return too_large(self._most)
        return drop_full("bytes")


def _target(share: Share, filename: str) -> UploadTarget:
    rules = share.scope.drop
    match rules.WhichOneof("target"):
        case "path":
            return UploadTarget(path=PathTarget(path=f"{rules.path}/{_own_name(filename)}"))
        case "event_id":
            return UploadTarget(event_media=EventMediaTarget(event_id=rules.event_id))
    return UploadTarget(file=rules.folder)


def _own_name(filename: str) -> str:
    """``holiday-x1y2….jpg``: readable, and unique."""
    stem, dot, extension = shown_name(filename).rpartition(".")
    if not stem:
        stem, dot, extension = extension, "", ""
    random = secrets.token_hex(_RANDOM_BYTES)
    return f"{stem[:_LONGEST_NAME].strip('. ') or 'file'}-{random}{dot}{extension[:16]}"
