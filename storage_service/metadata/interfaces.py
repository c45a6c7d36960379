"""What the upload path needs of metadata_service, as a Protocol: the transactions T1 to T4 and D1
(docs/consistency.md).

Shapes are the proto messages themselves: proto is the only shape between processes. Every method raises
StrongroomError; ``ServiceUnavailable``, ``DatabaseUnavailable`` and ``DeadlineExceeded`` leave the outcome
unknown.
"""

from __future__ import annotations

from typing import Protocol

from strongroom.metadata.v1.blob_pb2 import Blob, BlobState
from strongroom.metadata.v1.reservation_service_pb2 import (
    BeginCompletionRequest,
    BlobHandle,
    ClaimWorkResponse,
    CommitRequest,
    CommitResponse,
    DeleteFileRequest,
    DeleteFileResponse,
    ReserveRequest,
    ReserveResponse,
)


class Reservations(Protocol):
    """The write protocol of one attempt."""

    async def reserve(self, request: ReserveRequest) -> ReserveResponse:
        """T1: a PENDING blob with key, epoch and lease, or the stored answer of an earlier request."""
        ...

    async def record_multipart(self, blob: BlobHandle, upload_id: str) -> None:
        """T2. Raises UploadSuperseded when the attempt is no longer ours."""
        ...

    async def renew_lease(self, blob: BlobHandle) -> float:
        """Returns the lease in seconds from now. Raises UploadSuperseded."""
        ...

    async def begin_completion(self, request: BeginCompletionRequest) -> None:
        """T3. Raises UploadSuperseded, QuotaExceeded."""
        ...

    async def commit(self, request: CommitRequest) -> CommitResponse:
        """T4. A repeat answers the same file. Raises UploadSuperseded, PreconditionFailed."""
        ...

    async def abandon(self, blob: BlobHandle) -> None:
        """PENDING or COMPLETING → ABORTING."""
        ...


class Deletions(Protocol):
    """D1."""

    async def delete_file(self, request: DeleteFileRequest) -> DeleteFileResponse:
        """Raises FileNotFound, PreconditionFailed."""
        ...


class CleanerWork(Protocol):
    """What the cleaner needs: claims and what became of them."""

    async def claim_work(self, limit: int) -> ClaimWorkResponse:
        """Blobs that need work, each leased to this caller at a new epoch."""
        ...

    async def commit(self, request: CommitRequest) -> CommitResponse:
        """T4, to roll a COMPLETING blob forward."""
        ...

    async def abandon(self, blob: BlobHandle) -> None:
        """COMPLETING → ABORTING when its data is gone."""
        ...

    async def finish_removal(self, blob: BlobHandle, from_state: BlobState.ValueType) -> None:
        """Nothing of it is left in S3: → GONE, or, from GONE, purged."""
        ...

    async def release_work(self, blob: BlobHandle) -> None:
        """Give the claim back after a failure."""
        ...

    async def filter_settled_keys(self, keys: list[str]) -> set[str]:
        """Of ``keys`` (at most 1,000), those with a row and without a writer."""
        ...


def handle_of(blob: Blob) -> BlobHandle:
    """Names the attempt at the epoch we hold."""
    return BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=blob.owner_id)
