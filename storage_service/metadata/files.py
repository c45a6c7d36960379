"""What the read paths need of metadata_service: one file, as the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.download_pb2 import DownloadRequest, SignUrlRequest


@dataclass(frozen=True, slots=True)
class FileName:
    """A file by id, or else by key."""

    file_id: str = ""
    key: str = ""


class FileReader(Protocol):
    """Finds files, scoped to the caller of the current request."""

    async def get(self, name: FileName, user_id: str) -> File:
        """Raises FileNotFound (also for what belongs to somebody else)."""
        ...

    async def get_many(self, file_ids: Sequence[str], user_id: str) -> Sequence[File]:
        """Those of them that the caller has."""
        ...


def name_of(request: DownloadRequest | SignUrlRequest) -> FileName:
    """Which file a request names (the schema has made sure that it names one)."""
    return FileName(file_id=request.file_id, key=request.key)
