"""Starts the scan of each body that is stored, if the rules ask for one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from servicekit.outages import Outage
from storage_service.objectstore.values import Chunk
from storage_service.scanning.clamd import ClamdError, version
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.refusals import Refusals
from storage_service.scanning.rules import PROJECT, ScanRules
from storage_service.scanning.run import Scanned, ScanRun, Unasked, unavailable
from strongroom.errors import ContentInfected
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.target_pb2 import UploadSpec, UploadTarget

VERSION_SECONDS: Final = 30.0
"""How old the known version of the signatures may be. If it is outdated, stored contents are scanned once
more.
"""
AWAY_SECONDS: Final = 1.0
"""For this long after a failed connection, uploads that would be refused at their end are refused at once."""
UNASKED: Final = Unasked()


class Scanner:
    """One instance per process. ``rules`` None: there is no scanner, and no cost."""

    def __init__(
        self, rules: ScanRules | None, metrics: ScanMetrics, refusals: Refusals | None = None
    ) -> None:
        self.refusals = refusals
        self._rules = rules
        self._metrics = metrics
        self._database = ""
        self._asked_at = float("-inf")
        self._away_until = float("-inf")
        self._asking = asyncio.Lock()
        self._outage = Outage("scanner_away", "scanner_answers_again")

    @property
    def rules(self) -> ScanRules | None:
        """The configured rules."""
        return self._rules

    async def of(self, spec: UploadSpec, *, provisional: bool = False) -> Scanned:
        """The scan for an upload. ``provisional``: its family may still change.

        Raises SizeLimitExceeded if the announced size is too large to be scanned, and ScannerUnavailable
        while the scanner is away, both before anything has begun.
        """
        if self._rules is None or not (provisional or self.wants(spec.target)):
            return UNASKED
        return await self._begun(spec.size_bytes if spec.HasField("size_bytes") else None)

    def wants(self, target: UploadTarget) -> bool:
        """Whether files of this family are scanned."""
        return self._rules is not None and (target.WhichOneof("target") or "") in self._rules.families

    @property
    def wants_projects(self) -> bool:
        """Whether files of projects are scanned."""
        return self._rules is not None and PROJECT in self._rules.families

    def refused(self, owner_id: str, spec: UploadSpec, error: ContentInfected) -> None:
        """Report an infected upload to its owner."""
        if self.refusals is not None:
            self.refusals.of_upload(owner_id, spec, error)

    async def of_stored(self, database: str) -> ScanRun:
        """A scan of a stored body of any size. Without a verdict the body stays as it is."""
        if self._rules is None:
            raise RuntimeError("there is no scanner")
        rules = replace(self._rules, max_bytes=1 << 62, take_oversized=True, take_unscanned=True)
        return ScanRun(rules, self._metrics, database, self._suspect)

    async def whole(self, chunks: Iterable[Chunk]) -> Scan:
        """Scan a body in memory. Raises as ``of`` and ``Scanned.verdict``."""
        run = await self._begun(None)
        try:
            for chunk in chunks:
                await run.feed(chunk)
            run.end()
            return await run.verdict()
        finally:
            run.close()

    async def database(self, max_age: float = VERSION_SECONDS) -> str:
        """The version of the signatures, at most ``max_age`` seconds old; ``""``: the scanner does not
        tell.
        """
        if self._rules is None:
            return ""
        async with self._asking:
            now = time.monotonic()
            if now - self._asked_at > max_age and now >= self._away_until:
                await self._ask(self._rules)
        return self._database

    async def answers(self) -> bool:
        """Whether the scanner answers. Asked again after a failed scan, because the content may be the
        cause.
        """
        await self.database()
        return time.monotonic() >= self._away_until

    async def _begun(self, size: int | None) -> ScanRun:
        rules = self._rules
        if rules is None:
            raise RuntimeError("there is no scanner")
        run = ScanRun(rules, self._metrics, await self.database(), self._suspect)
        if size is not None:
            run.announce(size)
        if time.monotonic() < self._away_until:
            if not rules.take_unscanned:
                raise unavailable()
            run.skip()
        return run

    def _suspect(self) -> None:
        """Make the next caller check again whether the scanner is there."""
        self._asked_at = float("-inf")

    async def _ask(self, rules: ScanRules) -> None:
        try:
            self._database = await version(rules.address, rules.seconds)
        except ClamdError as error:
            self._metrics.answers(well=False)
            self._away_until = time.monotonic() + AWAY_SECONDS
            self._outage.failed(type(error).__name__, error=str(error))
        else:
            self._asked_at = time.monotonic()
            self._metrics.answers(well=True)
            self._outage.well()
