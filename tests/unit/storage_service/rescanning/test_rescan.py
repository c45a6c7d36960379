"""The re-scan continues after a content that the scanner can't handle, and pauses while it is away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from servicekit.background import Heartbeat
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes
from storage_service.reading.pace import Pace
from storage_service.rescanning.rescan import Rescan
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN, SCAN_OUTCOME_UNSCANNED, Scan
from strongroom.metadata.v1.scan_service_pb2 import StoredContent
from tests.doubles.memory_store import MemoryObjectStore


class Run:
    """The scanner closes the connection at `bad` bytes; at `worse` ones the program has a bug."""

    is_wanted = True

    def __init__(self) -> None:
        self.data = b""

    async def feed(self, data: bytes) -> None:
        self.data += data

    def end(self) -> None:
        if self.data == b"worse":
            raise ValueError("worse")

    async def outcome(self) -> Scan:
        if self.data == b"bad":
            return Scan(outcome=SCAN_OUTCOME_UNSCANNED, cause="scanner")
        return Scan(outcome=SCAN_OUTCOME_CLEAN)

    def close(self) -> None:
        """Nothing is open."""


class Scanner:
    def __init__(self, *, is_there: bool) -> None:
        self.is_there = is_there

    async def database(self, max_age: float = 0.0) -> str:
        return "ClamAV 1.4/2"

    async def answers(self) -> bool:
        return self.is_there

    async def of_stored(self, database: str) -> Run:
        return Run()


class Records:
    def __init__(self, contents: list[StoredContent]) -> None:
        self.contents = contents
        self.reported: list[str] = []

    async def take_stock(self, cursor: str, limit: int) -> str:
        return ""

    async def claim(self, database: str, limit: int) -> list[StoredContent]:
        claimed, self.contents = self.contents, []
        return claimed

    async def report(self, content: StoredContent, scan: Scan) -> None:
        self.reported.append(content.blob_id)


@pytest.mark.parametrize(("is_there", "reported"), [(True, ["good", "last"]), (False, ["good"])])
async def test_one_content_stops_no_others(is_there: bool, reported: list[str]) -> None:
    store, contents = MemoryObjectStore(versioned=True), []
    for name in ("worse", "good", "bad", "last"):
        body = name.encode()
        put = await store.put(
            name, [body], size=len(body), crc32c=crc32c_of([body]), attrs=ObjectAttributes()
        )
        contents.append(StoredContent(blob_id=name, key=name, size_bytes=len(body), etag=put.etag))
    records = Records(contents)
    parts: tuple[Any, Any, Any] = (records, Scanner(is_there=is_there), SimpleNamespace(families=()))
    rescan = Rescan(store, *parts, Heartbeat("rescan", 1.0), pace=Pace(1 << 30), rest_seconds=1.0)
    assert await rescan.run_once() is is_there
    assert records.reported == reported
