"""A gRPC client for projects, with shortcuts for tests."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

from strongroom.errors import from_rpc_error
from strongroom.metadata.v1 import project_service_pb2 as queries
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceStub
from strongroom.storage.v1 import download_pb2, project_pb2
from strongroom.storage.v1.project_pb2 import SaveProjectFile, SaveProjectRequest, SaveProjectSpec
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from tests.integration.storage_service.projects.services import Services

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", 8 << 20)]
CHUNK = 1 << 20
Files = Mapping[str, bytes]


class ProjectClient:
    """``async with ProjectClient(services, "ada") as client``. Errors are StrongroomError."""

    def __init__(self, services: Services, owner: str, slug: str = "site", **claims: object) -> None:
        self.services = services
        self.owner = owner
        self.slug = slug
        self._metadata = (("authorization", f"Bearer {services.token(owner, **claims)}"),)

    @property
    def prefix(self) -> str:
        """The prefix of the project's S3 keys."""
        return f"projects/{self.owner}/{self.slug}/"

    async def __aenter__(self) -> Self:
        self._channels = [
            aio.insecure_channel(address, options=OPTIONS)
            for address in (self.services.address, self.services.metadata_address)
        ]
        self.storage = StorageServiceStub(self._channels[0])
        self.projects = ProjectServiceStub(self._channels[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels:
            await channel.close()

    async def call(self, method: Any, request: Any, timeout: float = 1200.0) -> Any:
        """One call with the owner's token."""
        try:
            return await method(request, metadata=self._metadata, timeout=timeout)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    async def stream(self, method: Any, request: Any) -> list[Any]:
        """All messages of a server stream."""
        try:
            return [message async for message in method(request, metadata=self._metadata, timeout=1200.0)]
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    async def save(self, files: Files, *, unchanged: Files | None = None, **spec: Any) -> ProjectVersion:
        """SaveProject of these files; ``unchanged`` ones are declared but not sent."""
        reply = await self.send(self.messages(files, unchanged or {}, **spec))
        version: ProjectVersion = reply.version
        return version

    async def send(self, messages: Iterable[SaveProjectRequest]) -> project_pb2.SaveProjectResponse:
        """SaveProject with any messages."""

        async def stream() -> AsyncIterator[SaveProjectRequest]:
            for message in messages:
                yield message

        reply: project_pb2.SaveProjectResponse = await self.call(self.storage.SaveProject, stream())
        return reply

    def spec(self, **spec: Any) -> SaveProjectRequest:
        """The first message."""
        return SaveProjectRequest(spec=SaveProjectSpec(slug=self.slug, **spec))

    def messages(self, files: Files, unchanged: Files, **spec: Any) -> Iterable[SaveProjectRequest]:
        """All messages of a SaveProject stream."""
        yield self.spec(**spec)
        for path, body in files.items():
            yield SaveProjectRequest(file=SaveProjectFile(path=path, size_bytes=len(body)))
            for start in range(0, len(body), CHUNK):
                yield SaveProjectRequest(data=body[start : start + CHUNK])
        for path, body in unchanged.items():
            sha256 = hashlib.sha256(body).digest()
            yield SaveProjectRequest(
                file=SaveProjectFile(path=path, size_bytes=len(body), sha256=sha256, unchanged=True)
            )
        yield SaveProjectRequest(finish_write=True)

    async def save_archive(self, body: bytes, *, finish: bool = True, **spec: Any) -> ProjectVersion:
        """SaveProjectArchive."""

        async def stream() -> AsyncIterator[project_pb2.SaveProjectArchiveRequest]:
            yield project_pb2.SaveProjectArchiveRequest(spec=SaveProjectSpec(slug=self.slug, **spec))
            for start in range(0, len(body), CHUNK):
                yield project_pb2.SaveProjectArchiveRequest(data=body[start : start + CHUNK])
            if finish:
                yield project_pb2.SaveProjectArchiveRequest(finish_write=True)

        reply = await self.call(self.storage.SaveProjectArchive, stream())
        version: ProjectVersion = reply.version
        return version

    async def roll_back(self, version: int, **more: Any) -> ProjectVersion:
        """RollbackProject."""
        request = project_pb2.RollbackProjectRequest(slug=self.slug, version=version, **more)
        reply: ProjectVersion = (await self.call(self.storage.RollbackProject, request)).version
        return reply

    async def delete(self) -> None:
        """DeleteProject."""
        await self.call(self.storage.DeleteProject, project_pb2.DeleteProjectRequest(slug=self.slug))

    async def project(self) -> Project:
        """GetProject."""
        reply = await self.call(self.projects.GetProject, queries.GetProjectRequest(slug=self.slug))
        project: Project = reply.project
        return project

    async def files(self, version: int = 0) -> dict[str, ProjectFile]:
        """ListProjectFiles, all pages."""
        request = queries.ListProjectFilesRequest(slug=self.slug, version=version)
        found: dict[str, ProjectFile] = {}
        while True:
            page = await self.call(self.projects.ListProjectFiles, request)
            found |= {file.path: file for file in page.files}
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def read(self, path: str, version: int = 0, **more: Any) -> bytes:
        """Download of one file."""
        name = download_pb2.ProjectFileName(slug=self.slug, path=path, version=version)
        request = download_pb2.DownloadRequest(project_file=name, **more)
        return b"".join([message.data for message in await self.stream(self.storage.Download, request)])

    async def content(self, version: int = 0) -> dict[str, bytes]:
        """All files' bytes, each by a Download."""
        return {path: await self.read(path, version) for path in await self.files(version)}

    async def archive(self, version: int = 0) -> bytes:
        """DownloadArchive of a version."""
        name = download_pb2.ProjectVersionName(slug=self.slug, version=version)
        return await self._archive(download_pb2.DownloadArchiveRequest(project=name))

    async def archive_below(self, prefix: str) -> bytes:
        """DownloadArchive of files below a prefix."""
        return await self._archive(download_pb2.DownloadArchiveRequest(key_prefix=prefix))

    async def _archive(self, request: download_pb2.DownloadArchiveRequest) -> bytes:
        messages = await self.stream(self.storage.DownloadArchive, request)
        assert all(len(message.data) <= 2 << 20 for message in messages)
        return b"".join([message.data for message in messages])


def unzipped(body: bytes) -> dict[str, bytes]:
    """Files in a ZIP by Python's zipfile, which verifies checksums."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP made by Python's zipfile."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()
