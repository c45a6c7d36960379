"""Copies inside the object store; the bytes don't pass through the service."""

from __future__ import annotations

import hashlib
from contextlib import AbstractAsyncContextManager, nullcontext

from servicekit.presentation import with_charset
from storage_service.attempts.engine import Attempts, fingerprint
from storage_service.attempts.removal import verify_sole_version
from storage_service.content.body import Limits
from storage_service.content.picture_sizes import MOST_HEADER_BYTES
from storage_service.content.types import ContentRules, shows_pictures
from storage_service.metadata.files import FileName, FileReader
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes
from storage_service.reading.committed import Committed, CommittedReader
from storage_service.reading.downloads import content_of
from storage_service.scanning.run import with_scan
from strongroom.errors import FileNotFound, IdempotencyKeyReused
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest, ReserveRequest
from strongroom.metadata.v1.target_pb2 import MovedFile
from strongroom.storage.v1.batch_pb2 import CopyFileRequest


class Copier:
    """Copies files. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        objects: CommittedReader,
        files: FileReader,
        attempts: Attempts,
        *,
        limits: Limits,
        content: ContentRules,
    ) -> None:
        self._store = store
        self._objects = objects
        self._files = files
        self._attempts = attempts
        self._limits = limits
        self._content = content

    async def copy(self, request: CopyFileRequest) -> File:
        """Copy a file and return the new one.

        Raises FileNotFound (source), SizeLimitExceeded, ContentTypeNotAllowed, PictureRefused, and what
        Attempts.hold and .commit raise.
        """
        earlier = await self.answered(request)
        if earlier is not None:
            return earlier
        source = await self.read_source(request.source_file_id, request.spec.user_id)
        return await self.copied(request, source)

    async def copied(self, request: CopyFileRequest, source: File, moves: MovedFile | None = None) -> File:
        """Copy ``source`` for a request that has no answer yet. With ``moves`` T4 also deletes the source.

        Raises as ``copy``; for a move also PreconditionFailed {actual, of: source}.
        """
        await self._look(request, source)
        outcome = await self._attempts.reserve(self._reserve_request(request, source, moves))
        if outcome.HasField("replay"):
            return outcome.replay
        blob, wanted = outcome.blob, content_of(source)
        async with self._attempts.hold(blob):
            copied = await copy_object(self._store, wanted, blob, self._objects.expecting(wanted))
        scan = source.scan if source.HasField("scan") else None
        return await self._attempts.commit(blob, with_scan(copied, scan))

    async def answered(self, request: CopyFileRequest) -> File | None:
        """Return the answer that an earlier try of this request got, or None. Its source may be gone by now.

        Raises IdempotencyKeyReused.
        """
        try:
            return await self._attempts.answered(request.spec, _same_request(request))
        except IdempotencyKeyReused:
            if not request.asked or not request.source_file_id:
                raise
        # An earlier try from a previous release came without ``asked`` and has this fingerprint.
        return await self._attempts.answered(request.spec, _by_spec(request))

    async def read_source(self, file_id: str, user_id: str) -> File:
        """Return the file to copy. Raises FileNotFound."""
        if not file_id:
            raise FileNotFound("The file to copy is not there any more.")
        return await self._files.get(FileName(file_id=file_id), user_id)

    async def _look(self, request: CopyFileRequest, source: File) -> None:
        """Check a picture whose new family shows it, as its old one may not have done."""
        target = request.spec.target
        if not (shows_pictures(target) and source.content_type.startswith("image/")):
            return
        head = b""
        if source.size_bytes:
            length = min(source.size_bytes, MOST_HEADER_BYTES)
            async with self._objects.open(content_of(source), length=length) as body:
                head = b"".join([bytes(chunk) async for chunk in body])
        self._content.check_picture(target, source.content_type, head)

    def _reserve_request(
        self, request: CopyFileRequest, source: File, moves: MovedFile | None
    ) -> ReserveRequest:
        self._limits.for_target(request.spec.target).check(source.size_bytes)
        self._content.check(request.spec.target, source.content_type)
        reserve = ReserveRequest(spec=request.spec, kind=blob_pb2.BLOB_KIND_COPY, moves=moves)
        if request.spec.request_id:
            reserve.fingerprint = _same_request(request)
        reserve.spec.filename = request.spec.filename or source.filename
        reserve.spec.content_type = with_charset(source.content_type, source.charset)
        reserve.spec.size_bytes = source.size_bytes
        return reserve


def _same_request(request: CopyFileRequest) -> bytes:
    if request.asked:
        return hashlib.sha256(b"asked\0" + request.asked).digest()
    return _by_spec(request)


def _by_spec(request: CopyFileRequest) -> bytes:
    return fingerprint(request.spec, request.source_file_id)


async def copy_object(
    store: ObjectStore,
    source: Committed,
    blob: blob_pb2.Blob,
    expecting: AbstractAsyncContextManager[None] | None = None,
) -> CommitRequest:
    """Copy exactly this content to the blob's key and return the request for T4.

    ``expecting``: a context manager around the copy.
    """
    attrs = ObjectAttributes(
        content_type=blob.content_type,
        metadata=dict(blob.object_metadata),
        storage_class=blob.spec.storage_class,
    )
    async with expecting or nullcontext():
        copied = await store.copy(source.ref, blob.key, attrs, size=source.size, if_match=source.etag)
    return await verify_sole_version(store, blob, copied, source.size, source.crc32c)
