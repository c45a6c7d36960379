"""SaveProject: saves a stream of files as the project's next version, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from servicekit.texts import refuse_nul
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import fingerprint
from storage_service.content.assembler import first_bytes
from storage_service.content.types import ContentRules
from storage_service.metadata.projects import ProjectReader, ProjectSaves
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk
from storage_service.projects.file_types import described
from storage_service.projects.limits import ProjectLimits
from storage_service.projects.partial import OtherFiles
from storage_service.projects.runner import OpenSave, SaveRunner
from storage_service.projects.stream import BodyDigest, ContentDigest, IncomingFile, SaveStream
from storage_service.projects.tech_stack import MAX_MANIFEST_BYTES, TechStack
from storage_service.projects.writer import FileWriter, NewFile
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import Range, open_range
from storage_service.scanning.scanner import Scanner
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.project_pb2 import VersionLabel
from strongroom.storage.v1.project_pb2 import SaveProjectRequest, SaveProjectSpec


class ContentsSaver:
    """The steps that all ways of saving new content share: types, technologies, and the upload to S3."""

    def __init__(
        self,
        store: ObjectStore,
        objects: CommittedReader,
        saves: ProjectSaves,
        reader: ProjectReader,
        *,
        budget: ByteBudget,
        limits: ProjectLimits,
        content: ContentRules,
        scanner: Scanner,
    ) -> None:
        self._scanner = scanner
        self._store = store
        self._objects = objects
        self._saves = saves
        self._reader = reader
        self._budget = budget
        self._content = content
        self.limits = limits

    def writer(self, save: OpenSave) -> FileWriter:
        """A writer for the files of one save."""
        return FileWriter(
            self._store,
            self._objects,
            self._saves,
            save,
            self._budget,
            largest=self.limits.max_file_bytes,
            scanner=self._scanner,
        )

    def new_file(
        self, path: str, digest: BodyDigest, chunks: Sequence[Chunk], *, executable: bool | None
    ) -> NewFile:
        """A file whose content is in memory."""
        kind = described(self._content, path, chunks)
        return NewFile(path, kind, digest.size, digest.sha256, digest.crc32c, chunks, executable=executable)

    async def read_unsent(
        self, spec: SaveProjectSpec, paths: Sequence[str], stack: TechStack, writer: FileWriter
    ) -> None:
        """Read manifests that were not sent because they are unchanged, for the project's technologies.

        If no file has changed, nothing is read from S3: the newest version's technologies still apply.
        """
        if paths and not writer.stored:
            project = await self._reader.project(spec.slug, spec.user_id)
            if project.file_count == writer.count:  # all of its files are in this save, unchanged
                stack.is_as_before(project)
                return
        for path in filter(stack.worth_fetching, paths):
            file = await self._reader.project_file(spec.slug, 0, path, spec.user_id)
            if file.size_bytes > MAX_MANIFEST_BYTES:
                continue
            async with open_range(self._objects, file, Range(0, file.size_bytes)) as body:
                stack.read(path, b"".join([chunk async for chunk in body]))


class ProjectSaver:
    """The use case; one instance per process."""

    def __init__(self, contents: ContentsSaver, runner: SaveRunner, reader: ProjectReader) -> None:
        self._contents = contents
        self._runner = runner
        self._reader = reader

    async def save(self, requests: AsyncIterator[SaveProjectRequest]) -> pb.CommitSaveResponse:
        """Save the stream's files as the next version.

        Raises VersionConflict, RequestInProgress, PathInvalid, the limits' errors, PreconditionFailed (a
        file is not unchanged), UploadIncomplete, SizeMismatch, ChecksumMismatch, BucketNotVersioned,
        QuotaExceeded; partial saves also ProjectNotFound and FileNotFound (a removed path does not exist).
        """
        stream = SaveStream(requests, self._contents.limits)
        spec = await stream.spec()
        return await self._runner.run(
            begin_request(spec, "changes" if spec.partial else "files"),
            lambda save: self._write(save, spec, stream),
            lambda: _digest(stream),
        )

    async def _write(self, save: OpenSave, spec: SaveProjectSpec, stream: SaveStream) -> pb.CommitSaveRequest:
        content, stack, unsent = ContentDigest(), TechStack(), list[str]()
        others = await self._others(save, spec)
        async with self._contents.writer(save) as writer:
            async for file in stream.files():
                if file.head.removed:
                    await _removed(file, content)
                    others.remove(file.head.path)
                    continue
                new = await self._receive(writer, file)
                content.add(new.path, new.size, new.sha256, executable=new.executable)
                if spec.partial:
                    others.sent(new.path, new.size)
                wanted = stack.see(new.path)
                if wanted and new.chunks is None:
                    unsent.append(new.path)
                elif wanted and new.chunks is not None:
                    stack.read(new.path, first_bytes(new.chunks, MAX_MANIFEST_BYTES + 1))
                await writer.add(new)
                del new
            unsent += filter(stack.see, others.kept(self._contents.limits))
            for part, count in others.parts():
                await writer.keep(part, count)
        await self._contents.read_unsent(spec, unsent, stack, writer)
        return commit_request(save, writer, stack, content.sha256, spec.label)

    async def _others(self, save: OpenSave, spec: SaveProjectSpec) -> OtherFiles:
        """The files that a partial save may keep; none for a whole save."""
        if not spec.partial:
            return OtherFiles()
        return await OtherFiles.listed(self._reader.project_files(spec.slug, save.base_version, spec.user_id))

    async def _receive(self, writer: FileWriter, file: IncomingFile) -> NewFile:
        head = file.head
        if head.unchanged:
            await _all(file)
            return NewFile(head.path, "", head.size_bytes, head.sha256, executable=file.executable)
        async with writer.arriving(head.size_bytes) as take:
            chunks = await file.gathered(take)
        return self._contents.new_file(head.path, file.digest, chunks, executable=file.executable)


def begin_request(spec: SaveProjectSpec, kind: str) -> pb.BeginSaveRequest:
    """BeginSave for a spec. ``kind`` distinguishes ways of saving with the same idempotency key."""
    request = pb.BeginSaveRequest(
        slug=spec.slug,
        name=spec.name,
        request_id=spec.request_id,
        user_id=spec.user_id,
        must_exist=spec.partial,
        retention=spec.retention if spec.HasField("retention") else None,
        storage_class=spec.storage_class,
    )
    if spec.HasField("expected_version"):
        request.expected_version = spec.expected_version
    refuse_nul(spec.label, "label")
    if spec.request_id:
        request.fingerprint = fingerprint(request, kind=f"save {kind}{said_of(spec.label)}")
    return request


def said_of(label: VersionLabel) -> str:
    """The label as part of the request's fingerprint: another label is another request."""
    return f" {label.SerializeToString(deterministic=True).hex()}" if label.ByteSize() else ""


def commit_request(
    save: OpenSave, writer: FileWriter, stack: TechStack, content: bytes, label: VersionLabel
) -> pb.CommitSaveRequest:
    """CommitSave for new content, after everything was written."""
    return pb.CommitSaveRequest(
        save_id=save.save_id,
        owner_id=save.owner_id,
        entries=writer.rest,
        tech_stack=stack.names,
        has_frontend=stack.has_frontend,
        has_backend=stack.has_backend,
        file_count=writer.count,
        content_sha256=content,
        label=label,
    )


async def _digest(stream: SaveStream) -> bytes:
    """Read the stream to its end without storing it, and return the digest of its content: for a repeat."""
    content = ContentDigest()
    async for file in stream.files():
        if file.head.removed:
            await _removed(file, content)
            continue
        await _all(file)
        sha256 = file.head.sha256 if file.head.unchanged else file.digest.sha256
        content.add(file.head.path, file.head.size_bytes, sha256, executable=file.executable)
    return content.sha256


async def _removed(file: IncomingFile, content: ContentDigest) -> None:
    await _all(file)
    content.remove(file.head.path)


async def _all(file: IncomingFile) -> None:
    async for _ in file.chunks():
        pass  # only verified
