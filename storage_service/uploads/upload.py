"""One-shot uploads: a stream of chunks becomes a committed file, or nothing.

first bytes → content type, limits → T1 Reserve → bytes to S3 under a renewed lease
→ (T3, S3, S4) → T4 Commit → File
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from servicekit import failpoints
from servicekit.context import caller
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.completion import complete_multipart
from storage_service.attempts.engine import Attempts, fingerprint, same_content, until_known
from storage_service.attempts.interruption import Interruptible
from storage_service.attempts.pipeline import PartPipeline, StoredBody
from storage_service.attempts.removal import abort_unrecorded_uploads, verify_sole_version
from storage_service.content.assembler import first_bytes
from storage_service.content.body import BodyChecks, Limits
from storage_service.content.picture_sizes import MOST_HEADER_BYTES
from storage_service.content.types import SNIFF_BYTES, ContentRules
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.committed import Committed
from storage_service.scanning.run import Scanned, with_scan
from storage_service.scanning.scanner import Scanner
from storage_service.uploads.copier import copy_object
from strongroom.errors import ContentInfected
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import (
    BeginCompletionRequest,
    CommitRequest,
    ReserveRequest,
)
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.target_pb2 import UploadSpec

BEFORE_T3 = failpoints.register("storage.t3.before")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A committed file. ``replayed``: it is the stored answer to an earlier request, and may be gone
    by now.
    """

    file: File
    replayed: bool = False


class Source(Protocol):
    """A source of bytes: a gRPC stream or a URL."""

    @property
    def spec(self) -> UploadSpec:
        """The spec of the file, as far as it is known."""
        ...

    @property
    def provisional(self) -> bool:
        """Whether the target in ``spec`` may still change before the bytes end."""
        ...

    def chunks(self, checks: BodyChecks) -> AsyncIterator[Counted]:
        """Yield the bytes, each chunk fed to ``checks`` first; ends only after ``checks.finish`` has
        passed.
        """
        ...


class Uploader:
    """Carries out one-shot uploads. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        reservations: Reservations,
        attempts: Attempts,
        *,
        budget: ByteBudget,
        limits: Limits,
        content: ContentRules,
        scanner: Scanner,
    ) -> None:
        self._scanner = scanner
        self._store = store
        self._reservations = reservations
        self._attempts = attempts
        self._budget = budget
        self._limits = limits
        self._content = content
        self._mover = TargetMover(store, attempts)

    async def upload(self, source: Source, *, same_request: bytes | None = None) -> UploadedFile:
        """Store the bytes of ``source``. Raises StrongroomError; see Attempts.hold and .commit.

        ``same_request``: the request's fingerprint, if the spec alone doesn't determine it.
        """
        scanned = await self._scanner.of(source.spec, provisional=source.provisional)
        try:
            checks = self._checks(source.spec)
            body = scanned.beside(source.chunks(checks))
            head = await self._first_bytes(source, checks, body)
            checks.hold_to(self._limits.for_target(source.spec.target))
            guess = UploadSpec()
            guess.CopyFrom(source.spec)
            sniffed = self._sniffed(source, head)
            outcome = await self._attempts.reserve(
                self._reserve_request(guess, sniffed, checks, same_request)
            )
            if outcome.HasField("replay"):
                return UploadedFile(await _replay(outcome.replay, body, checks), replayed=True)
            blob = outcome.blob
            upload = _Upload(blob, source, guess, sniffed, checks, scanned)
            async with self._attempts.hold(blob):
                made = await self._make_object(upload, _chain(head, body), same_request)
            if isinstance(made, File):
                self._attempts.give_up(blob)
                return UploadedFile(made)
            return UploadedFile(await self._attempts.commit(blob, made))
        finally:
            scanned.close()

    async def answered(self, spec: UploadSpec, same_request: bytes) -> File | None:
        """See ``Attempts.answered``."""
        return await self._attempts.answered(spec, same_request)

    async def _first_bytes(
        self, source: Source, checks: BodyChecks, body: AsyncIterator[Counted]
    ) -> list[Counted]:
        """Read as many first bytes as T1 needs: enough to detect the type, or a part while the target is a
        guess.
        """
        reading = Interruptible()
        enough = self._limits.part_size(checks.size_hint) if source.provisional else SNIFF_BYTES
        owner = source.spec.user_id or caller()  # whether the caller may name another user is decided by T1
        claim = self._budget.claim(enough, owner, reading)
        head: list[Counted] = []
        size = 0
        try:
            async with reading:
                while size < enough and (chunk := await anext(body, None)) is not None:
                    await claim.take(len(chunk))
                    head.append(chunk)
                    size += len(chunk)
                    if enough <= size < MOST_HEADER_BYTES and not source.provisional:
                        first = first_bytes([one.data for one in head], MOST_HEADER_BYTES)
                        enough = self._content.enough(source.spec, first)
        finally:
            claim.release()  # the parts that contain them reserve them again
        return head

    def _sniffed(self, source: Source, head: list[Counted]) -> bytes:
        """Return the bytes that decide the type.

        While the target is a guess these are more, because the final family may be one that shows pictures.
        """
        chunks = [chunk.data for chunk in head]
        if source.provisional:
            return first_bytes(chunks, MOST_HEADER_BYTES)
        return self._content.head(source.spec, chunks)

    def _checks(self, spec: UploadSpec) -> BodyChecks:
        declared = spec.size_bytes if spec.HasField("size_bytes") else None
        rule = self._limits.for_target(spec.target)
        return BodyChecks(rule, declared=declared, expected=spec.checksums)

    def _reserve_request(
        self, spec: UploadSpec, head: bytes, checks: BodyChecks, same_request: bytes | None
    ) -> ReserveRequest:
        part_size = self._limits.part_size(checks.size_hint)
        multipart = (checks.size_hint or 0) >= part_size
        request = ReserveRequest(
            spec=spec,
            kind=blob_pb2.BLOB_KIND_MULTIPART if multipart else blob_pb2.BLOB_KIND_SINGLE,
            part_size_bytes=part_size,
        )
        if spec.request_id:
            request.fingerprint = same_request or fingerprint(spec)
        request.spec.content_type = self._content.describe(spec, head)
        return request

    async def _make_object(
        self, upload: _Upload, chunks: AsyncIterator[Counted], same_request: bytes | None
    ) -> CommitRequest | File:
        """Return the request for T4, or, if the target was a wrong guess, the file that a second attempt has
        made.
        """
        blob = upload.blob
        pipeline = PartPipeline(self._store, self._reservations, self._budget, blob)
        stored = await pipeline.send(chunks, upload.checks.size_hint)
        scan = await self._scan(upload)
        if stored.put is not None:
            commit = await verify_sole_version(self._store, blob, stored.put, stored.size, stored.crc32c)
            return with_scan(commit, scan)
        if upload.source.spec.target != upload.guess.target:
            upload.checks.hold_to(self._limits.for_target(upload.source.spec.target))
            corrected = self._reserve_request(upload.source.spec, upload.sniffed, upload.checks, same_request)
            return await self._mover.move(blob, stored, corrected, scan)
        if stored.created_twice:
            await abort_unrecorded_uploads(self._store, blob)
        await failpoints.hit(BEFORE_T3)
        announced = BeginCompletionRequest(
            blob=handle_of(blob),
            parts=stored.parts,
            size_bytes=stored.size,
            crc32c=stored.crc32c,
            scan=scan,
        )
        await until_known(lambda: self._reservations.begin_completion(announced))
        commit = await complete_multipart(self._store, blob, stored.parts, stored.size, stored.crc32c)
        return with_scan(commit, scan)

    async def _scan(self, upload: _Upload) -> Scan | None:
        """Return the scanner's verdict on the whole body, or None if the final target's family isn't scanned.

        Raises as Scanned.verdict.
        """
        if not self._scanner.wants(upload.source.spec.target):
            return None
        try:
            return await upload.scanned.verdict()
        except ContentInfected as error:
            self._scanner.refused(upload.blob.owner_id, upload.source.spec, error)
            raise


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload in progress. ``guess``: the spec with which its attempt was reserved."""

    blob: blob_pb2.Blob
    source: Source
    guess: UploadSpec
    sniffed: bytes
    checks: BodyChecks
    scanned: Scanned


async def _replay(file: File, body: AsyncIterator[Counted], checks: BodyChecks) -> File:
    """Return an earlier request's answer if the bytes are the same. Raises IdempotencyKeyReused."""
    async for _ in body:
        pass  # the stream checks size and checksums itself when it ends
    return same_content(file, checks.size, checks.crc32c)


async def _chain(head: list[Counted], body: AsyncIterator[Counted]) -> AsyncIterator[Counted]:
    while head:
        yield head.pop(0)
    async for chunk in body:
        yield chunk


class TargetMover:
    """Moves an upload whose guessed target turned out wrong after bytes had been sent to S3.

    That happens if the form fields follow a large file. The steps:

        complete the object under its first key → T1 for the right key → copy inside S3 → T4
        → give the first attempt up

    The first attempt stays PENDING meanwhile, so its object is removed even after a crash.
    """

    def __init__(self, store: ObjectStore, attempts: Attempts) -> None:
        self._store = store
        self._attempts = attempts

    async def move(
        self, blob: blob_pb2.Blob, stored: StoredBody, corrected: ReserveRequest, scan: Scan | None
    ) -> File:
        """Return the file stored at the right key; the caller has to give ``blob`` up.

        ``blob`` has the parts in ``stored``; ``corrected`` reserves the right key. Raises StoreError,
        StrongroomError.
        """
        done = await complete_multipart(self._store, blob, stored.parts, stored.size, stored.crc32c)
        corrected.kind = blob_pb2.BLOB_KIND_COPY
        corrected.supersedes_blob_id = blob.id
        outcome = await self._attempts.reserve(corrected)
        if outcome.HasField("replay"):
            return same_content(outcome.replay, stored.size, stored.crc32c)
        ref = ObjectRef(blob.key, done.version_id or None)
        source = Committed(ref, done.etag, stored.size, stored.crc32c)
        async with self._attempts.hold(outcome.blob):
            copied = await copy_object(self._store, source, outcome.blob)
        return await self._attempts.commit(outcome.blob, with_scan(copied, scan))
