"""Owners get events about failed imports, without secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from storage_service.uploads.importing.importer import (
    LONGEST_URL,
    ImportLimits,
    Progress,
    TellingImporter,
    shown_url,
)
from strongroom.errors import (
    DatabaseUnavailable,
    RequestInProgress,
    SourceUrlFailed,
    StrongroomError,
    UserMismatch,
)
from strongroom.metadata.v1.reservation_service_pb2 import ReportImportFailureRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec


class Sources:
    """Sources that always fail."""

    def __init__(self, error: StrongroomError) -> None:
        self.error: StrongroomError | None = error

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[None]:
        if self.error is not None:
            raise self.error
        yield


class Uploads:
    """An uploader that has stored nothing yet."""

    async def answered(self, _spec: UploadSpec, _same: bytes) -> None:
        return None


class Failures:
    def __init__(self, error: StrongroomError | None = None) -> None:
        self.error = error
        self.told: list[ReportImportFailureRequest] = []

    async def report_import_failure(self, request: ReportImportFailureRequest) -> None:
        if self.error is not None:
            raise self.error
        self.told.append(request)


@pytest.fixture(autouse=True)
def _caller() -> Iterator[None]:
    with bind(RequestContext("test", principal=Principal("ada"))):
        yield


async def run(error: StrongroomError, failures: Failures, **spec: Any) -> None:
    limits = ImportLimits(5, min_rate=0, tries=1)
    importer = TellingImporter(Uploads(), Sources(error), limits, failures)  # type: ignore[arg-type]
    await importer.run("https://ada:pw@source.test/a.png?sig=s3cret#top", UploadSpec(**spec), Progress())


async def test_a_failure_is_told_and_raised() -> None:
    failures = Failures()
    with pytest.raises(SourceUrlFailed):
        await run(SourceUrlFailed("it answered 404"), failures, request_id="one", filename="a.png")
    (told,) = failures.told
    assert (told.code, told.message) == ("SOURCE_URL_FAILED", "it answered 404")
    assert (told.url, told.spec.request_id) == ("https://source.test/a.png", "one")


@pytest.mark.parametrize("error", [RequestInProgress("another one is at it"), UserMismatch("not yours")])
async def test_what_is_no_failed_import_is_not_told(error: StrongroomError) -> None:
    failures = Failures()
    with pytest.raises(type(error)):
        await run(error, failures)
    assert failures.told == []


async def test_nothing_is_told_to_others() -> None:
    failures = Failures()
    with pytest.raises(UserMismatch):
        await run(SourceUrlFailed("404"), failures, user_id="bob")
    assert failures.told == []


async def test_a_failure_that_can_not_be_told_stays_what_it_was() -> None:
    with pytest.raises(SourceUrlFailed):
        await run(SourceUrlFailed("404"), Failures(DatabaseUnavailable("down")))


async def test_long_texts_are_cut() -> None:
    failures = Failures()
    with pytest.raises(SourceUrlFailed):
        await run(SourceUrlFailed("x" * 100_000), failures)
    assert len(failures.told[0].message) == 1024


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h.test:8443/a/b?sig=1#f", "https://h.test:8443/a/b"),
        ("http://h.test", "http://h.test"),
        ("http://[::1", ""),
        ("x" * 70_000, ""),
        ("\x00", ""),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert LONGEST_URL < 8192
