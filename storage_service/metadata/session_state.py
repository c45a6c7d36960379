"""What the engine needs of metadata_service beyond ``reservations``: the state of sessions."""

from __future__ import annotations

from typing import Protocol

from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle
from strongroom.metadata.v1.upload_session_service_pb2 import (
    OpenSessionRequest,
    RecordProgressRequest,
    RecordProgressResponse,
    Session,
)


class SessionState(Protocol):
    """Sessions as metadata_service keeps them.

    What names an upload_id acts for the caller and raises UploadNotFound, UploadExpired, UploadLost; what
    names a
    blob acts for its owner and raises UploadSuperseded. All raise ServiceUnavailable, DatabaseUnavailable.
    """

    async def open(self, request: OpenSessionRequest) -> Session:
        """A new session, or that of an earlier request with the same request_id. Raises as
        Reservations.reserve.
        """
        ...

    async def get(self, upload_id: str) -> Session:
        """Without its parts."""
        ...

    async def acquire(self, upload_id: str) -> Session:
        """At a new epoch, with its parts; a finished one as it is."""
        ...

    async def declare(self, upload_id: str, size: int) -> Session:
        """Raises SizeMismatch, QuotaExceeded."""
        ...

    async def cancel(self, upload_id: str) -> None:
        """Ended by its owner."""
        ...

    async def record(self, request: RecordProgressRequest) -> RecordProgressResponse:
        """Commit progress. Raises QuotaExceeded, SizeMismatch."""
        ...

    async def lose(self, blob: BlobHandle) -> None:
        """It can never be finished; later queries say so."""
        ...
