"""Passes one body to the scanner as it arrives, and gets a verdict at its end.

Memory: up to ``HELD_BYTES`` of the body are held before a connection to the scanner is opened, so that a
small body of a slow client occupies no connection. These chunks are usually the same objects that are on
their way to S3. Later chunks are not held: each is passed on once the scanner has taken it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.content.assembler import ChunkList
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.values import Chunk
from storage_service.scanning.clamd import INSTREAM, ClamdError, Connection, TooLong
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.rules import ScanRules
from strongroom.errors import ContentInfected, ScannerUnavailable, SizeLimitExceeded
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest
from strongroom.metadata.v1.scan_pb2 import (
    SCAN_OUTCOME_CLEAN,
    SCAN_OUTCOME_INFECTED,
    SCAN_OUTCOME_UNSCANNED,
    Scan,
)

log = structlog.get_logger(__name__)

HELD_BYTES: Final = 1 << 20
RETRY_SECONDS: Final = 5.0


class Scanned(Protocol):
    """A body that is scanned, or one that is not: passed ``beside`` the upload, or fed in pieces until
    ``end``.
    """

    @property
    def asks(self) -> bool:
        """Whether the scanner is used."""
        ...

    async def feed(self, data: Chunk) -> None:
        """Pass the next bytes. Raises SizeLimitExceeded, ScannerUnavailable."""
        ...

    def end(self) -> None:
        """All bytes were fed: wait for the verdict in the background."""
        ...

    def beside(self, body: AsyncIterator[Counted]) -> AsyncIterator[Counted]:
        """Yield the same chunks, each once the scanner has taken it."""
        ...

    async def verdict(self) -> Scan | None:
        """The scan to record (None: nothing), after the end.

        Raises ContentInfected, ScannerUnavailable, SizeLimitExceeded.
        """
        ...

    def close(self) -> None:
        """Stop; call it in any case."""
        ...


class Unasked:
    """Does nothing: there is no scanner, or the family is not scanned."""

    asks: Final = False

    async def feed(self, data: Chunk) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def beside(self, body: AsyncIterator[Counted]) -> AsyncIterator[Counted]:
        """Yield the chunks unchanged."""
        return body

    async def verdict(self) -> Scan | None:
        """None."""
        return None

    def close(self) -> None:
        """Do nothing."""


class ScanRun:
    """Scans one body: ``feed`` …, ``end``, ``verdict``, and in any case ``close``.

    :param database: the signatures' version from before the scan, for the record.
    :param on_failure: called if the scanner does not answer.
    """

    asks: Final = True

    def __init__(
        self, rules: ScanRules, metrics: ScanMetrics, database: str, on_failure: Callable[[], None]
    ) -> None:
        self._on_failure = on_failure
        self._rules = rules
        self._metrics = metrics
        self._database = database
        self._connection: Connection | None = None
        self._held = ChunkList()
        self._size = 0
        self._cause = ""
        self._judging: asyncio.Task[Scan] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the scanner needs more bytes."""
        return not self._cause

    def announce(self, size: int) -> None:
        """Announce the size of the body. Raises SizeLimitExceeded."""
        if size > self._rules.max_bytes:
            self._oversized(self._rules.max_bytes)

    async def feed(self, data: Chunk) -> None:
        """Pass the next bytes. Raises SizeLimitExceeded, ScannerUnavailable."""
        if self._cause or not len(data):
            return
        self._size += len(data)
        if self._size > self._rules.max_bytes:
            self._oversized(self._rules.max_bytes)
            return
        self._metrics.sent(len(data))
        if self._size <= HELD_BYTES:
            self._held.append(data)
            return
        try:
            await self._send(data)
        except TooLong:
            self._oversized()
        except ClamdError as error:
            self._failed(error)

    def end(self) -> None:
        """All bytes were fed: wait for the verdict in the background."""
        self._judging = asyncio.create_task(self._judge(), name="scan")
        self._judging.add_done_callback(_looked_at)

    async def beside(self, body: AsyncIterator[Counted]) -> AsyncIterator[Counted]:
        """See Scanned."""
        async for chunk in body:
            await self.feed(chunk.data)
            yield chunk
        self.end()

    async def verdict(self) -> Scan:
        """See Scanned."""
        scan = await self.outcome()
        if scan.outcome == SCAN_OUTCOME_INFECTED:
            raise infected(scan.signature)
        return scan

    async def outcome(self) -> Scan:
        """Like ``verdict``, but returns an infection instead of raising. Raises ScannerUnavailable,
        SizeLimitExceeded.
        """
        if self._judging is None:
            raise RuntimeError("end() comes before the verdict")
        return await asyncio.shield(self._judging)

    def close(self) -> None:
        """See Scanned."""
        if self._judging is not None:
            self._judging.cancel()
        if self._connection is not None:
            self._connection.close()
        self._held = ChunkList()

    async def _judge(self) -> Scan:
        if self._cause:
            return self._scan(SCAN_OUTCOME_UNSCANNED)
        if not self._size:
            return self._scan(SCAN_OUTCOME_CLEAN)
        begun = time.monotonic()
        try:
            signature = await self._asked()
        except TooLong:
            self._oversized()
            return self._scan(SCAN_OUTCOME_UNSCANNED)
        except ClamdError as error:
            self._failed(error)
            return self._scan(SCAN_OUTCOME_UNSCANNED)
        self._metrics.answers(well=True)
        self._metrics.judged(time.monotonic() - begun)
        self._metrics.ended("infected" if signature else "clean")
        return self._scan(SCAN_OUTCOME_INFECTED if signature else SCAN_OUTCOME_CLEAN, signature)

    async def _asked(self) -> str:
        connection = await self._connected()
        try:
            return await connection.verdict()
        finally:
            connection.close()

    async def _send(self, data: Chunk) -> None:
        await (await self._connected()).chunk(data)

    async def _connected(self) -> Connection:
        """A connection to which the held bytes were already sent."""
        if self._connection is None:
            self._connection = await Connection.open(self._rules.address, self._rules.seconds)
            await self._connection.send(INSTREAM)
            held, self._held = self._held.chunks, ChunkList()
            for data in held:
                await self._connection.chunk(data)
        return self._connection

    def skip(self) -> None:
        """Skip the scan: the scanner is known to be away, and the rules allow unscanned bodies."""
        self._give_up("scanner")
        self._metrics.ended("failed")

    def _oversized(self, limit: int = 0) -> None:
        """Refuse with SizeLimitExceeded, or record an unscanned body. ``limit`` 0: clamd's own limit."""
        self._give_up("size")
        self._metrics.ended("oversized")
        if not self._rules.take_oversized:
            most = f"the {limit} bytes that can be" if limit else "what can be"
            told = {"limit": str(limit)} if limit else {}
            raise SizeLimitExceeded(
                f"the file is larger than {most} scanned for malware",
                metadata={**told, "family": "files that are scanned"},
            )

    def _failed(self, error: ClamdError) -> None:
        """Refuse with ScannerUnavailable, or record an unscanned body."""
        self._give_up("scanner")
        self._metrics.ended("failed")
        self._metrics.answers(well=False)
        self._on_failure()
        log.warning("scan_failed", error=str(error), stored=self._rules.take_unscanned)
        if not self._rules.take_unscanned:
            raise unavailable() from error

    def _give_up(self, cause: str) -> None:
        self._cause = cause
        self._held = ChunkList()
        if self._connection is not None:
            self._connection.close()

    def _scan(self, outcome: int, signature: str = "") -> Scan:
        now = Timestamp()
        now.GetCurrentTime()
        database = "" if outcome == SCAN_OUTCOME_UNSCANNED else self._database
        return Scan(
            outcome=outcome,  # type: ignore[arg-type]
            scan_time=now,
            database=database,
            signature=signature,
            cause=self._cause,
        )


def with_scan(request: CommitRequest, scan: Scan | None) -> CommitRequest:
    """Add the scan's result to a request."""
    if scan is not None:
        request.scan.CopyFrom(scan)
    return request


def infected(signature: str) -> ContentInfected:
    """The refusal shown to the sender or a reader."""
    return ContentInfected(
        f"The scanner for malware has found {signature} in it; it is not stored.",
        metadata={"signature": signature},
    )


def unavailable() -> ScannerUnavailable:
    """The refusal if the scanner does not answer."""
    return ScannerUnavailable(
        "The scanner for malware does not answer, and nothing is stored without it; try again in a moment.",
        retry_after=RETRY_SECONDS,
    )


def _looked_at(task: asyncio.Task[Scan]) -> None:
    """Retrieve the task's exception, so that asyncio does not log it as unretrieved."""
    if not task.cancelled():
        task.exception()
