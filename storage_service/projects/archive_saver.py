"""SaveProjectArchive: saves a ZIP as the project's next version, or nothing.

A ZIP's table of contents is at its end, so the ZIP is first stored as a temporary object
(``archives.spool``). Then its files are read front to back and saved like those of SaveProject. Nothing is
visible before the last check has passed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from servicekit import context
from servicekit.limits.counts import Turns
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.failures import of_save
from storage_service.objectstore.errors import translated
from storage_service.projects.archives.spool import Spool, SpooledBody
from storage_service.projects.archives.zip_in import SEGMENT_BYTES, DirectoryThread, ZippedFile, ZipReader
from storage_service.projects.archives.zip_layout import refused
from storage_service.projects.runner import OpenSave, SaveRunner
from storage_service.projects.saver import ContentsSaver, begin_request, commit_request
from storage_service.projects.stream import ArchiveStream, BodyDigest
from storage_service.projects.tech_stack import MAX_MANIFEST_BYTES, TechStack
from storage_service.projects.writer import NewFile
from strongroom.errors import SizeLimitExceeded
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.project_pb2 import VersionLabel
from strongroom.storage.v1.project_pb2 import SaveProjectArchiveRequest, SaveProjectSpec

ZIP_TYPE = "application/zip"


class ArchiveSaver:
    """The use case; one instance per process.

    :param memory: the budget of readers of archives (one segment and one packed file each), beside the files
        on their way to S3. It is taken before the budget of bodies, and released without waiting for that.
        One owner gets at most a quarter, because half may be held by slow readers of ZIPs, and a large save
        takes minutes.
    """

    def __init__(self, contents: ContentsSaver, runner: SaveRunner, spool: Spool, memory: ByteBudget) -> None:
        self._contents = contents
        self._runner = runner
        self._spool = spool
        self._memory = memory
        self._one = SEGMENT_BYTES + contents.limits.max_file_bytes
        self._turns = Turns(max(1, memory.total // (4 * self._one)))
        self._directories = DirectoryThread()

    async def save(self, requests: AsyncIterator[SaveProjectArchiveRequest]) -> pb.CommitSaveResponse:
        """Save the archive. Raises ArchiveInvalid {rule, entry}, and what ProjectSaver.save raises."""
        stream = ArchiveStream(requests)
        spec = await stream.spec()
        async with self._runner.failures.telling(of_save, spec):
            await self._runner.check()
            with translated():
                async with self._spool.keep(self._limited(stream), ZIP_TYPE, spec.user_id) as body:
                    return await self._save(spec, body, stream)

    async def _save(
        self, spec: SaveProjectSpec, body: SpooledBody, stream: ArchiveStream
    ) -> pb.CommitSaveResponse:
        async def content() -> bytes:
            return stream.digest.sha256

        turn = await self._turns.turn(spec.user_id or context.caller())
        try:
            async with self._memory.reserve(self._one):
                return await self._runner.run(
                    begin_request(spec, "archive"),
                    lambda save: self._write(save, body, stream.digest.sha256, spec.label),
                    content,
                )
        finally:
            turn.release()

    async def _write(
        self, save: OpenSave, body: SpooledBody, content: bytes, label: VersionLabel
    ) -> pb.CommitSaveRequest:
        archive = ZipReader(body, body.size, self._contents.limits, self._directories)
        await archive.open()
        stack = TechStack()
        async with self._contents.writer(save) as writer:
            async for file in archive.files():
                await writer.room(file.size)
                unpacked = await file.read()
                if stack.see(file.path):
                    stack.read(file.path, unpacked[: MAX_MANIFEST_BYTES + 1])
                await writer.add(await self._new_file(file, unpacked))
                del unpacked
        return commit_request(save, writer, stack, content, label)

    async def _new_file(self, file: ZippedFile, unpacked: bytes) -> NewFile:
        digest = BodyDigest()
        await digest.feed(unpacked)
        chunks = (unpacked,) if unpacked else ()
        return self._contents.new_file(file.path, digest, chunks, executable=file.executable)

    async def _limited(self, stream: ArchiveStream) -> AsyncIterator[bytes]:
        """The body, checked while it arrives. Raises ArchiveInvalid, SizeLimitExceeded."""
        limit = self._contents.limits.max_archive_bytes
        head = b""
        async for chunk in stream.chunks():
            if len(head) < 2:
                head += chunk[:2]
                if not b"PK".startswith(head[:2]):
                    raise refused("no_zip", "this is not a ZIP")
            if stream.digest.size > limit:
                raise SizeLimitExceeded(
                    f"the archive is larger than the limit of {limit} bytes for project archives",
                    metadata={"limit": str(limit), "family": "project archives"},
                )
            yield chunk
