"""Owners get one event per attempt that met an unavailable store, and no others."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from storage_service.attempts.failures import FailureTeller, of_piece, of_save, of_upload
from strongroom.errors import (
    DatabaseUnavailable,
    ObjectStoreDenied,
    ObjectStoreThrottled,
    ObjectStoreUnavailable,
    QuotaExceeded,
    ServiceUnavailable,
    StrongroomError,
    VersionConflict,
)
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest
from strongroom.metadata.v1.reservation_service_pb2 import ReportSaveFailureRequest
from strongroom.metadata.v1.target_pb2 import PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.project_pb2 import SaveProjectSpec


class Failures:
    def __init__(self, error: StrongroomError | None = None) -> None:
        self.error = error
        self.told: list[ReportSaveFailureRequest] = []

    async def report_save_failure(self, request: ReportSaveFailureRequest) -> None:
        if self.error is not None:
            raise self.error
        self.told.append(request)


def teller(failures: Failures) -> FailureTeller:
    made: Any = failures
    return FailureTeller(made)


SAVE = SaveProjectSpec(slug="site", request_id="one", user_id="ada")
UPLOAD = UploadSpec(
    target=UploadTarget(path=PathTarget(path="a.txt")), request_id="two", filename="a.txt", user_id="ada"
)


@pytest.mark.parametrize("kind", [ObjectStoreUnavailable, ObjectStoreThrottled, ObjectStoreDenied])
async def test_each_kind_of_absence_is_told_and_raised(kind: type[StrongroomError]) -> None:
    failures = Failures()
    with pytest.raises(kind):
        async with teller(failures).telling(of_save, SAVE):
            raise kind("it does not answer")
    (told,) = failures.told
    assert (told.family, told.slug, told.request_id, told.user_id) == ("project", "site", "one", "ada")
    assert (told.code, told.message) == (kind("").reason_name, "it does not answer")


async def test_what_was_sent_is_named() -> None:
    failures = Failures()
    begin = BeginSaveRequest(slug="site", request_id="three")
    telling = teller(failures).telling
    for block in (telling(of_upload, UPLOAD), telling(of_piece, "u-1"), telling(of_save, begin)):
        with suppress(ObjectStoreUnavailable):
            async with block:
                raise ObjectStoreUnavailable("away")
    named = [(one.family, one.request_id, one.filename, one.upload_id, one.slug) for one in failures.told]
    assert named == [
        ("path", "two", "a.txt", "", ""),
        ("", "", "", "u-1", ""),
        ("project", "three", "", "", "site"),
    ]


@pytest.mark.parametrize(
    "error", [VersionConflict("no"), QuotaExceeded("full"), ServiceUnavailable("restarts")]
)
async def test_other_refusals_are_the_callers_alone(error: StrongroomError) -> None:
    failures = Failures()
    with pytest.raises(type(error)):
        async with teller(failures).telling(of_save, SAVE):
            raise error
    assert failures.told == []


async def test_once_where_two_could_tell() -> None:
    failures = Failures()
    both = teller(failures)
    with pytest.raises(ObjectStoreUnavailable):
        async with both.telling(of_save, SAVE), both.telling(of_save, SAVE):
            raise ObjectStoreUnavailable("x" * 10_000)
    (told,) = failures.told
    assert len(told.message) == 1024


async def test_a_failure_that_can_not_be_told_stays_what_it_was() -> None:
    with pytest.raises(ObjectStoreUnavailable):
        async with teller(Failures(DatabaseUnavailable("down"))).telling(of_save, SAVE):
            raise ObjectStoreUnavailable("away")
