"""Import from a URL: the bytes are streamed into the upload engine, without temporary files or whole bodies
in memory.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from storage_service.attempts.engine import fingerprint
from storage_service.content.body import BodyChecks
from storage_service.content.types import hint
from storage_service.failing_items import FailingItems
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.checksums import Counted
from storage_service.outbound.answer import Answer
from storage_service.outbound.wire import BrokenConnection
from storage_service.uploads.importing.permits import FairPermits, ImportQueue
from storage_service.uploads.importing.source import SourceClient, TransientFailure
from storage_service.uploads.upload import Uploader
from strongroom.errors import (
    DeadlineExceeded,
    RequestInProgress,
    SourceUrlFailed,
    StrongroomError,
    TokenMissing,
    UserMismatch,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import ReportImportFailureRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.type.v1.checksums_pb2 import Checksums

READ_SIZE = 256 * 1024
MAX_INT64 = (1 << 63) - 1
RATE_GRACE_SECONDS = 10.0
"""Seconds that a source may be slow at the beginning. After that its average rate is checked."""


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """Limits of imports.

    ``total_seconds``: of all tries of one import together. ``min_rate``: average bytes per second. ``tries``:
    per import. ``parallel``: imports at a time in the process, of which one owner has at most
    ``parallel_per_user``. ``queued_per_user``: imports of an owner, running and waiting (0: no limit).
    ``hostile_pause``: seconds that an import keeps its place after its source exceeded a limit of the wire
    (``WireLimits``): a refusal costs transactions, and the user may ask for the next import at once.
    """

    total_seconds: float
    min_rate: float
    tries: int
    first_pause: float = 0.5
    parallel: int = 32
    parallel_per_user: int = 8
    queued_per_user: int = 200
    hostile_pause: float = 1.0


@dataclass(slots=True)
class Progress:
    """The progress of an import. ``total``: Content-Length, if the source sent one."""

    received: int = 0
    total: int | None = None
    attempt: int = 1


class Importer:
    """Imports files from URLs. One instance per process."""

    def __init__(self, uploader: Uploader, sources: SourceClient, limits: ImportLimits) -> None:
        self._uploader = uploader
        self._sources = sources
        self._limits = limits
        self.permits = FairPermits(limits.parallel, limits.parallel_per_user)
        self.queue = ImportQueue(limits.queued_per_user)

    async def run(self, url: str, spec: UploadSpec, progress: Progress) -> File:
        """Fetch ``url`` into a file as ``spec`` says, and keep ``progress`` up to date.

        The import waits for a place of its owner; the time limit begins after that.

        Raises UserMismatch, SourceUrlRefused, SourceUrlFailed, DeadlineExceeded, and what Uploader.upload
        raises.
        """
        owner = effective_owner(current_principal(), spec.user_id)  # before anything is fetched for them
        same_request = fingerprint(spec, url)
        if spec.request_id:  # signed URLs of providers expire soon, and their bytes may differ each time
            earlier = await self._uploader.answered(spec, same_request)
            if earlier is not None:
                return earlier
        async with self.permits.place(owner):
            try:
                async with asyncio.timeout(self._limits.total_seconds):
                    return await self._tries(url, spec, same_request, progress)
            except TimeoutError as error:
                raise DeadlineExceeded(
                    f"the import took longer than {self._limits.total_seconds:g} s; nothing was stored",
                    metadata={"limit_seconds": f"{self._limits.total_seconds:g}"},
                ) from error
            except SourceUrlFailed as error:
                if "limit" in error.metadata:
                    await asyncio.sleep(self._limits.hostile_pause)
                raise

    async def _tries(self, url: str, spec: UploadSpec, same_request: bytes, progress: Progress) -> File:
        for attempt in range(1, self._limits.tries + 1):
            progress.attempt, progress.received, progress.total = attempt, 0, None
            try:
                return await self._once(url, spec, same_request, progress)
            except TransientFailure as failure:
                if attempt == self._limits.tries:
                    raise failure.error from failure
            except RequestInProgress:
                if attempt == 1:  # another request's; after the first try it is our own, being given up
                    raise
            pause = self._limits.first_pause * 2 ** (attempt - 1)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        raise SourceUrlFailed("the source URL could not be read")

    async def _once(self, url: str, spec: UploadSpec, same_request: bytes, progress: Progress) -> File:
        async with self._sources.open(url) as answer:
            described = _describe(spec, url, answer)
            if described.HasField("size_bytes"):
                progress.total = described.size_bytes
            body = _SourceBody(described, answer, progress, self._limits.min_rate)
            return (await self._uploader.upload(body, same_request=same_request)).file


class _SourceBody:
    """The body of a source's answer, as a Source of the upload engine."""

    provisional = False

    def __init__(self, spec: UploadSpec, answer: Answer, progress: Progress, min_rate: float) -> None:
        self.spec = spec
        self._answer = answer
        self._progress = progress
        self._min_rate = min_rate

    async def chunks(self, checks: BodyChecks) -> AsyncIterator[Counted]:
        """See ``Source.chunks``. Raises TransientFailure if the connection breaks."""
        began = time.monotonic()
        waiting, size, received = list[bytes](), 0, 0
        try:
            async for piece in self._answer.pieces():
                waiting.append(piece)
                size += len(piece)
                received += len(piece)
                self._progress.received = received
                self._check_rate(received, time.monotonic() - began)
                if size >= READ_SIZE:
                    yield _counted(waiting, checks)
                    size = 0
        except BrokenConnection as error:
            raise TransientFailure(SourceUrlFailed("the source URL broke off in the middle")) from error
        if waiting:
            yield _counted(waiting, checks)
        checks.finish(Checksums())

    def _check_rate(self, size: int, seconds: float) -> None:
        if seconds > RATE_GRACE_SECONDS and size < self._min_rate * seconds:
            raise SourceUrlFailed("the source URL sends too slowly", metadata={"status": "200"})


def _counted(waiting: list[bytes], checks: BodyChecks) -> Counted:
    """Join ``waiting``, which is emptied, into one chunk: the engine's work per chunk doesn't depend on its
    size.
    """
    counted = Counted.of(b"".join(waiting))
    waiting.clear()
    checks.feed(counted)
    return counted


def _describe(spec: UploadSpec, url: str, answer: Answer) -> UploadSpec:
    """Complete the spec by the answer's headers: name, size, and a type unless the bytes decide it."""
    described = UploadSpec()
    described.CopyFrom(spec)
    length = answer.headers.get("content-length", "")
    if length.isdecimal() and len(length) <= 20 and not spec.HasField("size_bytes"):
        described.size_bytes = min(int(length), MAX_INT64)
    described.filename = spec.filename or _filename(url)
    described.content_type = spec.content_type or hint(answer.headers.get("content-type", ""))
    return described


def _filename(url: str) -> str:
    """Return the last segment of the path, unquoted, without characters that file names can't contain."""
    name = unquote(httpx.URL(url).path.rpartition("/")[2])
    return "".join(char for char in name if char.isprintable() and char not in "/\\")[:200]


class BatchImporter:
    """Runs several imports in parallel, as far as their owners have places."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer

    async def run(self, items: Sequence[tuple[str, UploadSpec]]) -> list[File | StrongroomError]:
        """Return one result per item, in the given order. Failures are independent."""
        return await asyncio.gather(*(self._one(url, spec) for url, spec in items))

    async def _one(self, url: str, spec: UploadSpec) -> File | StrongroomError:
        try:
            return await self._importer.run(url, spec, Progress())
        except StrongroomError as error:
            return error


LONGEST_URL = 2048
LONGEST_MESSAGE = 1024

#: Errors that are not reported: there is no owner to tell, or another request is working on the import.
UNTOLD = (TokenMissing, UserMismatch, RequestInProgress)


class TellingImporter(Importer):
    """An Importer that also reports failures to the owner, as events."""

    def __init__(
        self, uploader: Uploader, sources: SourceClient, limits: ImportLimits, failures: Reservations
    ) -> None:
        super().__init__(uploader, sources, limits)
        self._failures = failures
        self._untold = FailingItems("import_failure_untold", "import_failures_told_again")

    async def run(self, url: str, spec: UploadSpec, progress: Progress) -> File:
        """Like Importer.run, with a report of the error."""
        try:
            return await super().run(url, spec, progress)
        except UNTOLD:
            raise
        except StrongroomError as error:
            await self._tell(url, spec, error)
            raise

    async def _tell(self, url: str, spec: UploadSpec, error: StrongroomError) -> None:
        request = ReportImportFailureRequest(
            spec=spec,
            url=shown_url(url)[:LONGEST_URL],
            code=error.reason_name,
            message=error.message[:LONGEST_MESSAGE],
        )
        try:
            await self._failures.report_import_failure(request)
        except StrongroomError as untold:  # the caller gets the import's error, not this one
            self._untold.failed(untold)
        else:
            self._untold.well()


def shown_url(url: str) -> str:
    """Return the URL without what may be secret: credentials, query, fragment. Empty for an invalid URL."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx.InvalidURL, ValueError, TypeError):
        return ""
