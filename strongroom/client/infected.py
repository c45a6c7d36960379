"""Stored content that the scanner found infected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.client.files import moment_of
from strongroom.metadata.v1 import infected_pb2


@dataclass(frozen=True, slots=True)
class InfectedContent:
    """Infected content; nobody can read it. ``file_id`` empty: a project's file, or an older version.
    ``size`` in bytes.
    """

    owner_id: str
    key: str
    file_id: str
    filename: str
    size: int
    signature: str
    database: str
    found_at: datetime | None

    @classmethod
    def from_proto(cls, one: infected_pb2.InfectedContent) -> InfectedContent:
        """The value for a ``strongroom.metadata.v1.InfectedContent``."""
        return cls(
            one.owner_id,
            one.key,
            one.file_id,
            one.filename,
            one.size_bytes,
            one.signature,
            one.database,
            moment_of(one.scan_time),
        )
