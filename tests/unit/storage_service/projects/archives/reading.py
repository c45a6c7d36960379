"""Reads a ZIP in memory as if it were in S3."""

from __future__ import annotations

from storage_service.projects.archives.zip_in import ZipReader


class InMemory:
    """A RangeReader over bytes that records requests."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked: list[int] = []

    async def read(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert offset + length <= len(self.body)
        self.asked.append(length)
        return self.body[offset : offset + length]


class NoLimits:
    """EntryLimits that accept everything and record the numbers that they were given."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def check(self, *, files: int, largest: int, total: int) -> None:
        self.seen = {"files": files, "largest": largest, "total": total}


async def read_zip(body: bytes) -> dict[str, bytes]:
    """Return content by path. Raises ArchiveInvalid."""
    reader = ZipReader(InMemory(body), len(body), NoLimits())
    await reader.open()
    return {file.path: await file.read() async for file in reader.files()}
