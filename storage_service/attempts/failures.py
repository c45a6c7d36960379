"""Events that tell owners of uploads and saves that failed because the object store could not be reached.

An event reaches the owner on all devices: the client that waits for a save is not always the one that sent
it. Imports have an event of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic, TypeVar

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
#: Note on an exception that an inner block has already reported.
TOLD: Final = "its owner was told"
T = TypeVar("T")

UNREACHED: Final = (ObjectStoreUnavailable, ObjectStoreThrottled, ObjectStoreDenied)


class FailureTeller:
    """Reports failures to metadata_service. One instance per process."""

    def __init__(self, reservations: Reservations) -> None:
        self._reservations = reservations
        self._untold = FailingItems("save_failure_untold", "save_failures_told_again")

    def telling(self, describe: Callable[[T], ReportSaveFailureRequest], subject: T) -> Telling[T]:
        """``async with teller.telling(of_upload, spec)``: report ``describe(subject)`` if the block fails
        because the store can't be reached. The exception is raised unchanged.
        """
        return Telling(self, describe, subject)

    async def tell(self, subject: ReportSaveFailureRequest, error: StrongroomError) -> None:
        """Report ``error``, unless an inner block has."""
        if TOLD in getattr(error, "__notes__", ()):
            return
        error.add_note(TOLD)
        told = ReportSaveFailureRequest(code=error.reason_name, message=error.message[:LONGEST_MESSAGE])
        told.MergeFrom(subject)
        try:
            await self._reservations.report_save_failure(told)
        except StrongroomError as untold:  # the caller gets the error of the save, not this one
            self._untold.failed(untold)
        else:
            self._untold.well()


class Telling(Generic[T]):
    """See ``FailureTeller.telling``."""

    __slots__ = ("_describe", "_subject", "_teller")

    def __init__(
        self, teller: FailureTeller, describe: Callable[[T], ReportSaveFailureRequest], subject: T
    ) -> None:
        self._teller = teller
        self._describe = describe
        self._subject = subject

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, UNREACHED):
            await self._teller.tell(self._describe(self._subject), error)


def of_upload(spec: UploadSpec) -> ReportSaveFailureRequest:
    """Describe a one-shot upload or the copy of an object."""
    return ReportSaveFailureRequest(
        family=spec.target.WhichOneof("target") or "",
        request_id=spec.request_id,
        filename=spec.filename,
        user_id=spec.user_id,
    )


def of_piece(upload_id: str) -> ReportSaveFailureRequest:
    """Describe a write to a session, or its completion."""
    return ReportSaveFailureRequest(upload_id=upload_id)


def of_save(save: SaveProjectSpec | BeginSaveRequest) -> ReportSaveFailureRequest:
    """Describe a save of a project, in one request or several."""
    return ReportSaveFailureRequest(
        family="project", slug=save.slug, request_id=save.request_id, user_id=save.user_id
    )
