"""What projects need of metadata_service, as Protocols (docs/projects.md).

Every method raises StrongroomError; ``ServiceUnavailable``, ``DatabaseUnavailable`` and
``DeadlineExceeded`` leave the
outcome unknown. ``begin``, ``remove`` and reads act for the caller; the other steps of a save name its
owner, so that
a save may outlive its token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import Blob, BlobKind
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile


class ProjectSaves(Protocol):
    """The write protocol of one save."""

    async def begin(self, request: pb.BeginSaveRequest) -> pb.BeginSaveResponse:
        """Raises RequestInProgress, VersionConflict, IdempotencyKeyReused, ProjectNotFound."""
        ...

    async def reserve(
        self, owner_id: str, save_id: str, files: Sequence[pb.FileReservation], kind: BlobKind.ValueType
    ) -> Sequence[Blob]:
        """One blob per file (at most 500), in the order given; without id where the file is unchanged.

        Raises PathInvalid, PreconditionFailed, QuotaExceeded, FileCountExceeded, UploadSuperseded.
        """
        ...

    async def record(self, owner_id: str, save_id: str, entries: Sequence[pb.ManifestEntry]) -> None:
        """Keep what was written, at most 500 files. Raises UploadSuperseded."""
        ...

    async def renew(self, owner_id: str, save_id: str) -> float:
        """Returns the lease in seconds from now. Raises UploadSuperseded."""
        ...

    async def commit_save(self, request: pb.CommitSaveRequest) -> pb.CommitSaveResponse:
        """A repeat answers the same. Raises UploadSuperseded, VersionNotFound."""
        ...

    async def abandon_save(self, owner_id: str, save_id: str) -> None:
        """End the save without a version."""
        ...


class ProjectRemoval(Protocol):
    """D1 of a project."""

    async def remove(self, slug: str, user_id: str) -> Project:
        """Raises ProjectNotFound."""
        ...


class ProjectReader(Protocol):
    """Finds the caller's project files."""

    async def project_file(
        self, slug: str, version: int, path: str, user_id: str, *, front_end: bool = False
    ) -> ProjectFile:
        """``version`` 0: the newest. ``front_end``: as previews show it. Raises ProjectNotFound,
        VersionNotFound, FileNotFound, PathInvalid.
        """
        ...

    def project_files(
        self, slug: str, version: int, user_id: str
    ) -> AsyncIterator[tuple[int, Sequence[ProjectFile]]]:
        """Pages in path order, each with the version listed. Raises ProjectNotFound, VersionNotFound."""
        ...


class ProjectKeyWork(Protocol):
    """Keys whose current object has to be looked at."""

    async def claim_keys(self, limit: int, owner_id: str = "", slug: str = "") -> Sequence[pb.ProjectKey]:
        """At most ``limit`` due keys, each leased to this caller; with ``slug`` only those of one project."""
        ...

    async def report_keys(self, reports: Sequence[pb.KeyReport]) -> None:
        """How they were found and left; at most 500."""
        ...
