"""Reports an infected upload in its owner's event stream, in addition to the answer."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from storage_service.failing_items import FailingItems
from storage_service.metadata.contents import ScanRecords
from strongroom.errors import ContentInfected, StrongroomError
from strongroom.metadata.v1.scan_service_pb2 import ReportRefusalRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec

log = structlog.get_logger(__name__)

MOST_TELLING: Final = 64
"""The most reports in flight: a flood of malware must not flood metadata_service."""


class Refusals:
    """One instance per process."""

    def __init__(self, records: ScanRecords) -> None:
        self._records = records
        self._telling: set[asyncio.Task[None]] = set()
        self._untold = FailingItems("infection_untold", "infections_told_again")

    def of_upload(self, owner_id: str, spec: UploadSpec, error: ContentInfected) -> None:
        """Report an upload. Returns at once and raises nothing."""
        family = spec.target.WhichOneof("target") or ""
        self._begin(owner_id, family, spec.filename, spec.request_id, error)

    def of_project_file(self, owner_id: str, path: str, error: ContentInfected) -> None:
        """Report a project's file. Returns at once and raises nothing."""
        self._begin(owner_id, "project_file", path, "", error)

    async def aclose(self) -> None:
        """Wait for the reports in flight."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _begin(
        self, owner_id: str, family: str, filename: str, request_id: str, error: ContentInfected
    ) -> None:
        signature = error.metadata["signature"]
        log.warning("content_infected", family=family, signature=signature)
        if len(self._telling) >= MOST_TELLING:
            log.warning("infection_untold", reason="too many at one time")
            return
        request = ReportRefusalRequest(
            owner_id=owner_id,
            family=family,
            filename=filename,
            request_id=request_id,
            signature=signature,
        )
        task = asyncio.create_task(self._tell(request), name="infected upload")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, request: ReportRefusalRequest) -> None:
        try:
            await self._records.refused(request)
        except StrongroomError as error:
            self._untold.failed(error)
        except Exception:
            log.exception("infection_untold")
        else:
            self._untold.well()
