"""Checks a direct upload against S3 and commits it.

    parts listed by S3 → Complete → HEAD → first bytes, or all if S3 doesn't tell the checksum → T3 → T4

An upload becomes COMPLETING only after all checks, because the cleaner rolls COMPLETING ones forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, timedelta
from typing import Final

from servicekit import failpoints
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.versioning import demand_version, shares_key
from storage_service.content.body import check_crc32c
from storage_service.content.types import SNIFF_BYTES
from storage_service.metadata.reservations import handle_of
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound, StoreError, UploadNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectInfo, ObjectRef, PartReceipt
from storage_service.scanning.run import with_scan
from storage_service.sessions.content import Content
from storage_service.sessions.finisher import Finisher
from storage_service.sessions.hashes import Hashes, read_back
from strongroom.errors import (
    ChecksumMismatch,
    ObjectStoreUnavailable,
    SizeMismatch,
    UploadIncomplete,
    UploadLost,
)
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.upload_session_service_pb2 import RecordProgressRequest, Session
from strongroom.storage.v1.direct_pb2 import CompletedPart

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""The most that the clocks of store and database differ. Versions from before the upload began are
ignored.
"""
AFTER_COMPLETE = failpoints.register("storage.session.direct.after_complete")


class DirectCompletion:
    """Completes direct uploads. One instance per process."""

    def __init__(self, store: ObjectStore, state: SessionState, finisher: Finisher, content: Content) -> None:
        self._store = store
        self._state = state
        self._finisher = finisher
        self._content = content

    async def run(self, session: Session, claimed: Sequence[CompletedPart]) -> File | None:
        """Check and commit an acquired session, and return its file.

        ``claimed``: the parts that the client saw accepted. Raises UploadIncomplete, SizeMismatch,
        ChecksumMismatch, ContentTypeMismatch, ContentTypeNotAllowed, PictureRefused, UploadLost, StoreError,
        and what T3 and T4 raise.
        """
        blob = session.blob
        if not blob.upload_id:
            info = await self._put_by_client(session)
            _check_etags({1: info.etag}, claimed)
            crc32c, scan = await self._checked(session, info, info.crc32c)
            return await self._finisher.commit(with_scan(_commit_request(blob, info, crc32c), scan))
        parts = await self._parts(session, claimed)
        known = _crc32c_of(parts) if parts else None
        if known is not None:
            check_crc32c(blob.spec.checksums, known)
        info = await self._complete(session, parts, known)
        await failpoints.hit(AFTER_COMPLETE)
        crc32c, scan = await self._checked(session, info, known if known is not None else info.crc32c)
        rows = [
            blob_pb2.Part(number=p.number, etag=p.etag, size_bytes=p.size, crc32c=p.crc32c or 0)
            for p in parts or ()
        ]
        await self._finisher.begin_completion(blob, rows, info.size, crc32c, scan)
        return await self._finisher.commit(with_scan(_commit_request(blob, info, crc32c), scan))

    async def _put_by_client(self, session: Session) -> ObjectInfo:
        try:
            info = await self._own_object(session)
        except ObjectNotFound as error:
            raise UploadIncomplete("The object is not there yet: send it to the signed URL first.") from error
        _check_object(session, info)
        return info

    async def _own_object(self, session: Session, version_id: str | None = None) -> ObjectInfo:
        """Return the object that the client has sent, or the version that our Complete has made.

        At a path, others may have written or deleted since; then an older version of the key is ours. Raises
        ObjectNotFound, StoreError.
        """
        blob = session.blob
        try:
            info = await self._store.head(ObjectRef(blob.key, version_id))
        except ObjectNotFound:
            if version_id or not shares_key(blob):
                raise
        else:
            if version_id or not shares_key(blob) or info.metadata.get(ATTEMPT_KEY) in {None, blob.id}:
                return info
        begun = session.create_time.ToDatetime(UTC) - CLOCKS_DIFFER
        async with aclosing(self._store.list_versions(blob.key)) as pages:  # type: ignore[type-var]
            async for page in pages:
                for version in page:
                    if version.key != blob.key or version.last_modified < begun:
                        raise ObjectNotFound
                    if version.size == session.size_bytes and not version.is_delete_marker:
                        info = await self._store.head(version.ref)
                        if info.metadata.get(ATTEMPT_KEY) == blob.id:
                            return info
        raise ObjectNotFound

    async def _parts(self, session: Session, claimed: Sequence[CompletedPart]) -> list[PartReceipt] | None:
        """Return the checked list of parts from S3, or None if the upload is no longer open.

        Raises UploadIncomplete, SizeMismatch, ChecksumMismatch.
        """
        blob = session.blob
        try:
            listed = list(await self._store.list_parts(blob.key, blob.upload_id))
        except UploadNotFound:
            return None
        total = -(-session.size_bytes // blob.part_size_bytes)
        missing = sorted(set(range(1, total + 1)) - {part.number for part in listed})
        if missing:
            raise UploadIncomplete(f"S3 does not have part {missing[0]} of {total} yet; send it first.")
        listed = [part for part in listed if part.number <= total]
        for part in listed:
            begin = (part.number - 1) * blob.part_size_bytes
            expected = min(blob.part_size_bytes, session.size_bytes - begin)
            if part.size != expected:
                raise SizeMismatch(
                    f"part {part.number} has {part.size} bytes, not {expected}; send it again",
                    metadata={"expected": str(expected), "actual": str(part.size)},
                )
        _check_etags({part.number: part.etag for part in listed}, claimed)
        return listed

    async def _complete(
        self, session: Session, parts: Sequence[PartReceipt] | None, crc32c: int | None
    ) -> ObjectInfo:
        """Complete the upload and HEAD its object. Raises UploadLost if neither parts nor object exist."""
        blob, version_id, made, gone = session.blob, None, False, parts is None
        try:
            if parts is not None:
                result = await self._store.complete(blob.key, blob.upload_id, parts, crc32c=crc32c)
                version_id, made = result.version_id, True
        except UploadNotFound:
            gone = True  # completed before and the reply was lost, or aborted from outside: HEAD tells
        except StoreError as error:
            if not error.outcome_unknown:
                raise
        try:
            info = await self._own_object(session, version_id)
        except ObjectNotFound as error:
            if made:
                raise ObjectStoreUnavailable("the object store does not show what it made") from error
            if not gone:
                raise ObjectStoreUnavailable("the object store failed to complete the upload") from error
            raise UploadLost("the object store no longer has this upload; start it again") from error
        _check_object(session, info)
        return info

    async def _head(self, ref: ObjectRef, info: ObjectInfo, length: int) -> bytes:
        if not info.size:
            return b""
        async with self._store.open(ref, length=length, if_match=info.etag) as body:
            return b"".join([bytes(chunk) async for chunk in body])

    async def _checked(
        self, session: Session, info: ObjectInfo, known: int | None
    ) -> tuple[int, Scan | None]:
        """Check the object's type and checksums. Return its CRC-32C and the scanner's verdict.

        Reads no more of the object than necessary.
        """
        blob, ref = session.blob, ObjectRef(info.key, info.version_id)
        expected = blob.spec.checksums
        head = await self._head(ref, info, SNIFF_BYTES)
        wanted = self._content.head_bytes(session, head)
        if wanted > SNIFF_BYTES:
            head = await self._head(ref, info, wanted)
        content_type = self._content.decide(session, (head,))
        if content_type != blob.content_type:
            await self._state.record(RecordProgressRequest(blob=handle_of(blob), content_type=content_type))
        async with self._finisher.scanning(session) as scanned:
            if known is None or Hashes(expected).names or scanned.asks:
                read = await read_back(self._store, ref, expected, scanned=scanned)
                read.check(expected)
                known = read.crc32c
            check_crc32c(expected, known)
            return known, await scanned.verdict()


def _crc32c_of(parts: Sequence[PartReceipt]) -> int | None:
    """Return the CRC-32C of the whole, or None if the store doesn't tell it for every part."""
    crc32c = 0
    for part in parts:
        if part.crc32c is None:
            return None
        crc32c = checksums.combine(crc32c, part.crc32c, part.size)
    return crc32c


def check_committed_parts(blob: blob_pb2.Blob, claimed: Sequence[CompletedPart]) -> None:
    """Compare the client's parts with those that the committed ``blob`` was made of.

    For an object that was found completed the parts are unknown, and nothing is compared. Raises
    ChecksumMismatch, UploadIncomplete.
    """
    if blob.parts or not blob.upload_id:
        _check_etags({part.number: part.etag for part in blob.parts} or {1: blob.etag}, claimed)


def _check_etags(stored: Mapping[int, str], claimed: Sequence[CompletedPart]) -> None:
    """Compare the ETags that the client saw with those in S3, by part number.

    A client that can't read ETags (CORS) sends no parts, and nothing is compared.
    """
    if not claimed:
        return
    if [part.part_number for part in claimed] != sorted(stored):
        told = f"The request names {len(claimed)} parts; all {len(stored)} belong there, in order."
        raise UploadIncomplete(told)
    for part in claimed:
        etag = part.etag.strip('"')
        if etag != stored[part.part_number].strip('"'):
            raise ChecksumMismatch(
                f"part {part.part_number} in S3 is another one than the request names; send it again",
                metadata={"algorithm": "etag", "expected": etag, "actual": stored[part.part_number]},
            )


def _check_object(session: Session, info: ObjectInfo) -> None:
    """Check that the object is this attempt's and has the announced size."""
    if info.size != session.size_bytes:
        raise SizeMismatch(
            f"the object has {info.size} bytes, {session.size_bytes} were announced",
            metadata={"expected": str(session.size_bytes), "actual": str(info.size)},
        )
    attempt = info.metadata.get(ATTEMPT_KEY)
    if attempt is not None and attempt != session.blob.id:
        raise ChecksumMismatch(
            "the object was not sent with the headers that were signed",
            metadata={"algorithm": "attempt", "expected": session.blob.id, "actual": attempt},
        )


def _commit_request(blob: blob_pb2.Blob, info: ObjectInfo, crc32c: int) -> CommitRequest:
    demand_version(blob, info.version_id)
    return CommitRequest(
        blob=handle_of(blob),
        size_bytes=info.size,
        crc32c=crc32c,
        etag=info.etag,
        version_id=info.version_id or "",
    )
