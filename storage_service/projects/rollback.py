"""RollbackProject: a new version with the content of an old one. The bytes never leave the object store.

Files that the newest version still has are kept. Every other file is copied from its old version id to its
own key, so that the copy, a new version, becomes the key's current object.
"""

from __future__ import annotations

import hashlib

from servicekit.presentation import with_charset
from servicekit.texts import refuse_nul
from storage_service.attempts.engine import fingerprint
from storage_service.metadata.projects import ProjectReader
from storage_service.projects.runner import OpenSave, SaveRunner
from storage_service.projects.saver import ContentsSaver, said_of
from storage_service.projects.writer import NewFile
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.storage.v1.project_pb2 import RollbackProjectRequest


class ProjectRollback:
    """The use case; one instance per process."""

    def __init__(self, contents: ContentsSaver, runner: SaveRunner, reader: ProjectReader) -> None:
        self._contents = contents
        self._runner = runner
        self._reader = reader

    async def roll_back(self, request: RollbackProjectRequest) -> pb.CommitSaveResponse:
        """Save the old version's content as a new version.

        Raises ProjectNotFound, VersionNotFound, VersionConflict, RequestInProgress, BucketNotVersioned,
        and ObjectLost (the store has lost an old version).
        """
        begin = pb.BeginSaveRequest(
            slug=request.slug, request_id=request.request_id, user_id=request.user_id, must_exist=True
        )
        refuse_nul(request.label, "label")
        if request.HasField("expected_version"):
            begin.expected_version = request.expected_version
        if request.request_id:
            kind = f"save of version {request.version}{said_of(request.label)}"
            begin.fingerprint = fingerprint(begin, kind=kind)
        content = hashlib.sha256(f"version {request.version}".encode()).digest()

        async def same() -> bytes:
            return content

        return await self._runner.run(begin, lambda save: self._write(save, request, content), same)

    async def _write(
        self, save: OpenSave, request: RollbackProjectRequest, content: bytes
    ) -> pb.CommitSaveRequest:
        pages = self._reader.project_files(request.slug, request.version, request.user_id)
        async with self._contents.writer(save) as writer:
            async for _, files in pages:
                for file in files:
                    await writer.add(_copy_of(file))
        return pb.CommitSaveRequest(
            save_id=save.save_id,
            owner_id=save.owner_id,
            entries=writer.rest,
            rolled_back_to=request.version,
            file_count=writer.count,
            content_sha256=content,
            label=request.label,
        )


def _copy_of(file: ProjectFile) -> NewFile:
    return NewFile(
        file.path,
        with_charset(file.content_type, file.charset),
        file.size_bytes,
        file.sha256,
        crc32c=file.crc32c,
        source=file,
        executable=file.executable,
    )
