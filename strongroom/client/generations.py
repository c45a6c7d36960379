"""``client.generations``: generated images and videos."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc

from strongroom import errors
from strongroom.client.arguments import expect
from strongroom.client.connection import Connection, typed
from strongroom.client.family_values import CountedPage, GenerationStats
from strongroom.client.files import (
    Family,
    FileName,
    SignedUrl,
    StoredFile,
    Visibility,
    id_or_key,
    visibility_number,
)
from strongroom.client.paging import all_pages
from strongroom.client.retention import RetentionWish, proto_of
from strongroom.client.retries import Deadline
from strongroom.client.sources import UploadSource
from strongroom.client.spooling.files import SpooledFiles
from strongroom.client.spooling.operations import ImportOperation
from strongroom.client.targets import Generation, GenerationKind
from strongroom.client.transfers import FileTransfers
from strongroom.client.uploads import Progress
from strongroom.field_names import PYTHON_NAMES, with_callers_names
from strongroom.metadata.v1 import file_pb2, generation_service_pb2, target_pb2
from strongroom.storage.v1 import batch_pb2, direct_pb2

#: Imports of one call at most.
MAX_BATCH = 50


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One import of a batch. ``request_id``: idempotency key; a fresh UUID unless given."""

    url: str
    type: GenerationKind
    prompt: str = ""
    settings: str | Mapping[str, Any] = ""
    filename: str = ""
    request_id: str | None = None
    visibility: Visibility | None = None
    retention: RetentionWish | None = None
    storage_class: str = ""

    def to_proto(self, user_id: str) -> direct_pb2.ImportFromUrlRequest:
        """Return the request.

        :raises ValueError: the type is not one of the four.
        """
        spec = target_pb2.UploadSpec(
            target=Generation(self.type, self.prompt, self.settings).to_proto(),
            filename=self.filename,
            request_id=self.request_id or str(uuid4()),
            user_id=user_id,
            retention=proto_of(self.retention),
            storage_class=self.storage_class,
        )
        if self.visibility is not None:
            spec.visibility = visibility_number(self.visibility)
        return direct_pb2.ImportFromUrlRequest(url=self.url, spec=spec)


class Generations:
    """The caller's generations, newest first in lists."""

    def __init__(
        self,
        client: FileTransfers,
        connection: Connection,
        user_id: str,
        files: SpooledFiles | None = None,
    ) -> None:
        self._client = client
        self._connection = connection
        self._user_id = user_id
        self._spooled = files

    async def import_url(
        self,
        url: str,
        type: GenerationKind,  # noqa: A002 - the family's own word for it
        prompt: str = "",
        settings: str | Mapping[str, Any] = "",
        *,
        filename: str = "",
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Make the service import a generation from its provider's ``url``; the bytes don't pass through the
        caller.

        :param on_progress: called with the bytes read and the total, if the source announces it; starts again
            at 0 with each try of the service.
        :raises SourceUrlRefused: the URL leads to an address that the service must not use.
        :raises SourceUrlFailed: the source did not deliver the file.
        """
        item = ImportItem(
            url, type, prompt, settings, filename, request_id, visibility, retention, storage_class
        )
        operation = ImportOperation(item.to_proto(self._user_id), on_progress, timeout)
        if self._spooled is not None:
            return await self._spooled.upload(operation)
        return StoredFile.from_proto(await operation.direct(self._connection))

    async def import_batch(
        self, items: Sequence[ImportItem], *, timeout: float | None = None
    ) -> list[StoredFile | errors.StrongroomError]:
        """Import in parallel, 50 at a time. Returns the file or the error of each, in the order given.

        They fail independently. If an answer is lost it is requested again: nothing is imported twice.
        """
        deadline = Deadline(timeout)
        for item in items:
            expect(item, ImportItem, "items are ImportItem(url, type, …)")
        requests = [item.to_proto(self._user_id) for item in items]
        found: list[StoredFile | errors.StrongroomError] = []
        for start in range(0, len(requests), MAX_BATCH):
            found += await self._batch(requests[start : start + MAX_BATCH], deadline)
        return found

    async def _batch(
        self, requests: Sequence[direct_pb2.ImportFromUrlRequest], deadline: Deadline
    ) -> list[StoredFile | errors.StrongroomError]:
        """One call. Imports take longer than other calls, so only the caller's own time limit applies."""
        request = batch_pb2.BatchImportRequest(items=requests)
        attempts = self._connection.attempts(deadline)
        while True:
            metadata = await self._connection.metadata()
            try:
                response = await self._connection.transfers.BatchImport(
                    request, metadata=metadata, timeout=deadline.remaining()
                )
            except grpc.aio.AioRpcError as error:
                await attempts.pause(typed(error, metadata))
                continue
            return [
                StoredFile.from_proto(one.file)
                if one.HasField("file")
                else with_callers_names(errors.from_status_proto(one.error), PYTHON_NAMES)
                for one in response.results
            ]

    async def upload(
        self,
        source: UploadSource,
        type: GenerationKind,  # noqa: A002
        prompt: str = "",
        settings: str | Mapping[str, Any] = "",
        *,
        filename: str | None = None,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Upload a generation; parameters as of ``AsyncClient.upload``."""
        return await self._client.upload(
            source,
            Generation(type, prompt, settings),
            filename=filename,
            content_type=content_type,
            metadata=metadata,
            visibility=visibility,
            retention=retention,
            storage_class=storage_class,
            request_id=request_id,
            on_progress=on_progress,
            timeout=timeout,
        )

    async def list_page(
        self,
        type: GenerationKind | None = None,  # noqa: A002
        *,
        page_size: int = 20,
        page_token: str = "",
        skip: int = 0,
    ) -> CountedPage:
        """One page, 100 at most. ``skip`` is the slow way to a later page; prefer ``page_token``."""
        request = generation_service_pb2.ListGenerationsRequest(
            type=_kind(type), page_size=page_size, page_token=page_token, skip=skip, user_id=self._user_id
        )
        method = self._connection.generations.ListGenerations
        response = await self._connection.unary(method, request)
        files = tuple(map(StoredFile.from_proto, response.files))
        return CountedPage(files, response.total_size, response.next_page_token)

    async def list(self, type: GenerationKind | None = None) -> AsyncGenerator[StoredFile]:  # noqa: A002
        """All of them, fetched page by page."""
        async for page in all_pages(lambda token: self.list_page(type, page_size=100, page_token=token)):
            for file in page.files:
                yield file

    async def get(self, file: FileName) -> StoredFile:
        """One generation.

        :raises FileNotFound: also for files of other families.
        """
        file_id, _ = id_or_key(file)
        file_id = file_id or (await self._client.get(file)).id
        request = generation_service_pb2.GetGenerationRequest(file_id=file_id, user_id=self._user_id)
        response = await self._connection.unary(self._connection.generations.GetGeneration, request)
        return StoredFile.from_proto(response.file)

    async def stats(self) -> GenerationStats:
        """Counts and bytes, from one snapshot."""
        request = generation_service_pb2.GetGenerationStatsRequest(user_id=self._user_id)
        response = await self._connection.unary(self._connection.generations.GetGenerationStats, request)
        return GenerationStats.from_proto(response)

    async def url(self, file: FileName, *, expires_in: timedelta | int | None = None) -> SignedUrl:
        """A URL that reads it without a token, like ``AsyncClient.sign_url``.

        :raises FileNotFound: also for files of other families.
        """
        return await self._client.sign_url(file, expires_in=expires_in, family=Family.GENERATION)

    async def delete(
        self, file: FileName, *, soft: bool = False, if_generation_match: int | None = None
    ) -> StoredFile:
        """Delete it and return it as it was; parameters as of ``AsyncClient.delete``.

        :raises FileNotFound: also for files of other families.
        """
        return await self._client.delete(
            file, soft=soft, family=Family.GENERATION, if_generation_match=if_generation_match
        )


def _kind(name: GenerationKind | None) -> file_pb2.GenerationType.ValueType:
    if name is None:
        return file_pb2.GENERATION_TYPE_UNSPECIFIED
    return Generation(name).to_proto().generation.type
