"""The steps from "all bytes are there" to the committed file. Can be repeated after any interruption.

    small (no part was ever begun):  PutObject of everything → T4
    otherwise:                       last part → recorded → T3 → Complete → HEAD → T4

Missing hashes are computed by reading the object back. In that case T3 comes after Complete, so that nothing
rolls the upload forward before it has been checked.

`Endings` decides what becomes of a session then: finished, lost, or to be tried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from servicekit import failpoints
from storage_service.attempts.completion import ATTEMPT_KEY, complete_multipart, verify_put
from storage_service.attempts.engine import Attempts, same_content, until_known
from storage_service.content.body import check_crc32c
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore import errors as store_errors
from storage_service.objectstore.errors import ObjectNotFound, StoreError, to_strongroom
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes, ObjectRef, PutResult
from storage_service.scanning.run import Scanned, with_scan
from storage_service.scanning.scanner import UNASKED, Scanner
from storage_service.sessions.content import Content
from storage_service.sessions.hashes import Hashes, read_back
from storage_service.sessions.writer import Rest, SessionWriter
from strongroom import errors
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import BeginCompletionRequest, CommitRequest
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_PARTIAL, Session
from strongroom.type.v1.checksums_pb2 import Checksums

log = structlog.get_logger(__name__)

BEFORE_FINISH = failpoints.register("storage.session.before_finish")
AFTER_LAST_PART = failpoints.register("storage.session.last_part_recorded")
BEFORE_T3 = failpoints.register("storage.session.before_t3")
BEFORE_T4 = failpoints.register("storage.session.before_t4")

FIRST_WRITER = 2
"""Epoch of a session's first writer. At a later epoch an object of an earlier writer may exist or still
arrive.
"""


class Finisher:
    """Makes and commits the objects of sessions. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        reservations: Reservations,
        attempts: Attempts,
        content: Content,
        scanner: Scanner,
    ) -> None:
        self._store = store
        self._reservations = reservations
        self._attempts = attempts
        self._content = content
        self._scanner = scanner

    async def finish(
        self, writer: SessionWriter, hashes: Hashes | None = None, final: Checksums | None = None
    ) -> File | None:
        """Finish a session all of whose bytes were written to ``writer``. Return the file, or None for a
        partial upload.

        ``hashes``: computed while the bytes were written. ``final``: further checksums to compare with.

        Raises ChecksumMismatch, ContentTypeMismatch, ContentTypeNotAllowed, PictureRefused, UploadSuperseded,
        StoreError, and what T4 raises.
        """
        expected = [writer.blob.spec.checksums, final or Checksums()]
        for given in expected:
            check_crc32c(given, writer.crc32c)
        await failpoints.hit(BEFORE_FINISH)
        rest = await writer.take_rest()
        if rest.number == 1 and not writer.blob.upload_id:
            commit = await self._put(writer, rest, expected)
        else:
            commit = await self._make_parts(writer, rest, hashes, expected)
        return await self.commit(commit)

    async def drive_on(self, blob: blob_pb2.Blob) -> File | None:
        """Resume a completion that was interrupted after T3. Raises as ``finish``."""
        async with self._attempts.lease(blob):
            commit = await complete_multipart(self._store, blob, blob.parts, blob.size_bytes, blob.crc32c)
        return await self.commit(commit)

    async def complete(
        self, blob: blob_pb2.Blob, parts: Sequence[blob_pb2.Part], size: int, crc32c: int
    ) -> CommitRequest:
        """T3, Complete, HEAD. Raises UploadLost, ObjectStoreUnavailable, ChecksumMismatch, QuotaExceeded."""
        await self.begin_completion(blob, parts, size, crc32c)
        async with self._attempts.lease(blob):
            return await complete_multipart(self._store, blob, parts, size, crc32c)

    async def begin_completion(
        self,
        blob: blob_pb2.Blob,
        parts: Sequence[blob_pb2.Part],
        size: int,
        crc32c: int,
        scan: Scan | None = None,
    ) -> None:
        """T3."""
        await failpoints.hit(BEFORE_T3)
        announced = BeginCompletionRequest(
            blob=handle_of(blob), parts=parts, size_bytes=size, crc32c=crc32c, scan=scan
        )
        await until_known(lambda: self._reservations.begin_completion(announced))

    @asynccontextmanager
    async def scanning(self, session: Session) -> AsyncIterator[Scanned]:
        """Yield a scan of the session's content, once all of it is there.

        A partial upload is scanned only as a part of the concatenated file. Raises ScannerUnavailable,
        SizeLimitExceeded.
        """
        partial = session.kind == SESSION_KIND_PARTIAL
        scanned = UNASKED if partial else await self._scanner.of(session.blob.spec)
        try:
            yield scanned
        except errors.ContentInfected as error:
            self._scanner.refused(session.blob.owner_id, session.blob.spec, error)
            raise
        finally:
            scanned.close()

    async def _put(self, writer: SessionWriter, rest: Rest, expected: Sequence[Checksums]) -> CommitRequest:
        """Store a small object in one request, unless an earlier try has stored it."""
        blob = writer.blob
        hashes = Hashes(*expected)
        for chunk in rest.chunks:
            hashes.feed(chunk)
        for given in expected:
            hashes.check(given)
        content_type = self._content.decide(writer.session, rest.chunks)
        if content_type != blob.content_type:
            await writer.progress.record(content_type=content_type)
        await writer.progress.confirm()
        async with self.scanning(writer.session) as scanned:
            for chunk in rest.chunks:
                await scanned.feed(chunk)
            scanned.end()
            scan = await scanned.verdict()
        put = await self._stored_before(blob, rest) if blob.epoch > FIRST_WRITER else None
        if put is None:
            attrs = ObjectAttributes(
                content_type=content_type,
                metadata=dict(blob.object_metadata),
                storage_class=blob.spec.storage_class,
            )
            put = await self._store.put(
                blob.key, rest.chunks, size=rest.size, crc32c=rest.crc32c, attrs=attrs
            )
        commit = await verify_put(self._store, blob, put, rest.size, rest.crc32c)
        return with_scan(commit, scan)

    async def _stored_before(self, blob: blob_pb2.Blob, rest: Rest) -> PutResult | None:
        """Return the object left by a PutObject with an unknown outcome, if it has the same content (rule
        R4).
        """
        try:
            info = await self._store.head(ObjectRef(blob.key))
        except ObjectNotFound:
            return None
        if info.size != rest.size or info.metadata.get(ATTEMPT_KEY) != blob.id:
            return None
        if info.crc32c is not None:
            same = info.crc32c == rest.crc32c
        else:
            md5 = hashlib.md5(usedforsecurity=False)
            for chunk in rest.chunks:
                md5.update(chunk)
            same = info.etag == md5.hexdigest()
        return PutResult(info.etag, info.version_id, crc32c_verified=True) if same else None

    async def _make_parts(
        self, writer: SessionWriter, rest: Rest, hashes: Hashes | None, expected: Sequence[Checksums]
    ) -> CommitRequest:
        blob, size, crc32c = writer.blob, writer.received, writer.crc32c
        if rest.size or not writer.progress.parts:
            await writer.send_rest(rest)
        deferred = not writer.session.HasField("size_bytes")
        await writer.progress.record(size=size if deferred else None)
        await failpoints.hit(AFTER_LAST_PART)
        if hashes is not None and hashes.size == size:
            for given in expected:
                hashes.check(given)
            missing = Hashes(*expected).names - hashes.names
        else:
            missing = Hashes(*expected).names
        async with self.scanning(writer.session) as scanned:
            if not missing and not scanned.asks:
                return await self.complete(blob, writer.progress.parts, size, crc32c)
            commit = await complete_multipart(self._store, blob, writer.progress.parts, size, crc32c)
            ref = ObjectRef(blob.key, commit.version_id or None)
            read = await read_back(self._store, ref, *expected, scanned=scanned)
            for given in expected:
                read.check(given)
            scan = await scanned.verdict()
        await self.begin_completion(blob, writer.progress.parts, size, crc32c, scan)
        return with_scan(commit, scan)

    async def commit(self, request: CommitRequest) -> File | None:
        """T4. If it is refused the session is not given up here: `Endings` decides that."""
        request.doubtful |= request.blob.epoch > FIRST_WRITER
        await failpoints.hit(BEFORE_T4)
        response = await until_known(lambda: self._reservations.commit(request))
        self._attempts.wake_cleaner()  # to remove segments, or an attempt that lost against another one
        if response.lost_to_other_attempt:
            same_content(response.file, request.size_bytes, request.crc32c)
        return response.file if response.HasField("file") else None


T = TypeVar("T")

#: Errors that no repeat can cure: the session is marked as lost.
FATAL = (
    store_errors.UploadNotFound,
    store_errors.InvalidPart,
    store_errors.ObjectNotFound,
    errors.UploadLost,
    errors.BucketNotVersioned,
    errors.ContentTypeMismatch,
    errors.ContentTypeNotAllowed,
    errors.PictureRefused,
    errors.ContentInfected,
)


class Endings:
    """Runs work that may end a session. One instance per process."""

    def __init__(self, state: SessionState, attempts: Attempts, finisher: Finisher) -> None:
        self._state = state
        self._attempts = attempts
        self.finisher = finisher

    async def guard(self, blob: blob_pb2.Blob, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on a session. If it can never succeed the session is marked as lost.

        Raises StrongroomError only.
        """
        try:
            return await work
        except FATAL as error:
            await self.lose(blob)
            raise _as_told(error) from error
        except StoreError as error:
            raise to_strongroom(error) from error

    async def finish(
        self, writer: SessionWriter, hashes: Hashes | None = None, final: Checksums | None = None
    ) -> File | None:
        """See Finisher.finish. A session whose bytes don't match its announced checksums is marked as
        lost.
        """
        try:
            return await self.finisher.finish(writer, hashes, final)
        except (errors.ChecksumMismatch, errors.SizeLimitExceeded):  # the latter: too large for the scanner
            await self.lose(writer.blob)
            raise

    async def lose(self, blob: blob_pb2.Blob) -> None:
        """Mark the session as lost. Raises UploadSuperseded if another writer has taken it over."""
        log.warning("session_lost", blob_id=blob.id)
        await self._state.lose(handle_of(blob))
        self._attempts.wake_cleaner()


def _as_told(error: Exception) -> Exception:
    """Return UploadLost for errors of the store, whose names say nothing to clients."""
    if isinstance(error, StoreError):
        return errors.UploadLost("The object store no longer has what was uploaded; start the upload again.")
    return error
