"""Reads a ZIP in memory like one in S3."""

from __future__ import annotations

from storage_service.projects.archives.zip_in import ZipReader


class InMemory:
    """RangeReader over bytes; notes what was asked for."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked: list[int] = []

    async def read(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert offset + length <= len(self.body)
        self.asked.append(length)
        return self.body[offset : offset + length]


class NoLimits:
    """EntryLimits that notes what it was asked."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def check(self, *, files: int, largest: int, total: int) -> None:
        self.seen = {"files": files, "largest": largest, "total": total}


async def read_zip(body: bytes) -> dict[str, bytes]:
    """Content by path. Raises ArchiveInvalid."""
    reader = ZipReader(InMemory(body), len(body), NoLimits())
    await reader.open()
    return {file.path: await file.read() async for file in reader.files()}
