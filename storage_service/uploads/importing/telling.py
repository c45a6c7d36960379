"""Imports whose failures their owner hears of (EVENT_TYPE_IMPORT_FAILED), wherever they were asked for."""

from __future__ import annotations

import httpx
import structlog

from storage_service.metadata.reservations import Reservations
from storage_service.uploads.importing.importer import Importer, ImportLimits, Progress
from storage_service.uploads.importing.source import SourceClient
from storage_service.uploads.upload import Uploader
from strongroom.errors import RequestInProgress, StrongroomError, TokenMissing, UserMismatch
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import ReportImportFailureRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec

LONGEST_URL = 2048
LONGEST_MESSAGE = 1024

#: No import of the owner has failed: it is nobody's business, or another request is still at it.
UNTOLD = (TokenMissing, UserMismatch, RequestInProgress)

log = structlog.get_logger(__name__)


class TellingImporter(Importer):
    """An Importer that also tells of failures."""

    def __init__(
        self, uploader: Uploader, sources: SourceClient, limits: ImportLimits, failures: Reservations
    ) -> None:
        super().__init__(uploader, sources, limits)
        self._failures = failures

    async def run(self, url: str, spec: UploadSpec, progress: Progress) -> File:
        """See Importer.run."""
        try:
            return await super().run(url, spec, progress)
        except UNTOLD:
            raise
        except StrongroomError as error:
            await self._tell(url, spec, error)
            raise

    async def _tell(self, url: str, spec: UploadSpec, error: StrongroomError) -> None:
        request = ReportImportFailureRequest(
            spec=spec,
            url=shown_url(url)[:LONGEST_URL],
            code=error.reason_name,
            message=error.message[:LONGEST_MESSAGE],
        )
        try:
            await self._failures.report_import_failure(request)
        except StrongroomError as untold:  # the caller hears of the import itself, not of this
            log.warning("import_failure_untold", error=untold.reason_name)


def shown_url(url: str) -> str:
    """Without what may be a secret: credentials, query, fragment. Empty for what is no URL."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx.InvalidURL, ValueError, TypeError):
        return ""
