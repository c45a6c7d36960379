"""Owners hear of what they sent while the object store could not be reached, wherever they listen: whoever
sends a save may not be who waits for it. Imports have an event of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from storage_service.failing_items import FailingItems
from storage_service.metadata.reservations import Reservations
from strongroom.errors import (
    ObjectStoreDenied,
    ObjectStoreThrottled,
    ObjectStoreUnavailable,
    StrongroomError,
)
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest
from strongroom.metadata.v1.reservation_service_pb2 import ReportSaveFailureRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.project_pb2 import SaveProjectSpec

LONGEST_MESSAGE: Final = 1024
#: Stands on an error that somebody within has told of.
TOLD: Final = "its owner was told"
UNREACHED: Final = (ObjectStoreUnavailable, ObjectStoreThrottled, ObjectStoreDenied)


class FailureTeller:
    """One per process."""

    def __init__(self, reservations: Reservations) -> None:
        self._reservations = reservations
        self._untold = FailingItems("save_failure_untold", "save_failures_told_again")

    @asynccontextmanager
    async def telling(self, subject: ReportSaveFailureRequest) -> AsyncIterator[None]:
        """Tells of ``subject`` when the block fails because the store can't be reached. What the block raises
        comes out as it is.
        """
        try:
            yield
        except UNREACHED as error:
            if TOLD not in getattr(error, "__notes__", ()):
                error.add_note(TOLD)
                await self._tell(subject, error)
            raise

    async def _tell(self, subject: ReportSaveFailureRequest, error: StrongroomError) -> None:
        told = ReportSaveFailureRequest(code=error.reason_name, message=error.message[:LONGEST_MESSAGE])
        told.MergeFrom(subject)
        try:
            await self._reservations.report_save_failure(told)
        except StrongroomError as untold:  # the caller hears of the save itself, not of this
            self._untold.failed(untold)
        else:
            self._untold.well()


def of_upload(spec: UploadSpec) -> ReportSaveFailureRequest:
    """An upload in one request, or an object that is copied."""
    return ReportSaveFailureRequest(
        family=spec.target.WhichOneof("target") or "",
        request_id=spec.request_id,
        filename=spec.filename,
        user_id=spec.user_id,
    )


def of_piece(upload_id: str) -> ReportSaveFailureRequest:
    """A piece, or the end, of an upload over many requests."""
    return ReportSaveFailureRequest(upload_id=upload_id)


def of_save(save: SaveProjectSpec | BeginSaveRequest) -> ReportSaveFailureRequest:
    """A save of a project, however it is made."""
    return ReportSaveFailureRequest(
        family="project", slug=save.slug, request_id=save.request_id, user_id=save.user_id
    )
