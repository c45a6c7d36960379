"""Which calls of the families are retried: exactly those for which it is safe."""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.message import Message

from strongroom import errors
from strongroom.client import AsyncClient, ImportItem, RetryPolicy
from strongroom.client.queries import QUERIES
from strongroom.metadata.v1 import admin_service_pb2 as admin
from strongroom.metadata.v1 import event_media_service_pb2 as media
from strongroom.metadata.v1 import file_service_pb2 as files
from strongroom.metadata.v1 import generation_service_pb2 as generations
from strongroom.metadata.v1 import notification_service_pb2 as notifications
from strongroom.metadata.v1 import project_service_pb2 as projects
from strongroom.metadata.v1 import retention_service_pb2 as retention
from strongroom.metadata.v1 import share_service_pb2 as shares
from strongroom.metadata.v1 import usage_service_pb2 as usage
from strongroom.metadata.v1 import webhook_service_pb2 as webhooks
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1 import (
    batch_pb2,
    diagnostics_service_pb2,
    direct_pb2,
    download_pb2,
    project_pb2,
    restore_pb2,
    storage_service_pb2,
    verify_pb2,
)
from tests.integration.sdk.fakes.flaky import Flaky, flaky
from tests.integration.sdk.fakes.state import token

ID: Final = "7e57d004-2b97-4e7a-b45f-5387367791cd"
EVENT: Final = uuid.UUID(ID)
QUICK: Final = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)
FILE: Final = File(id=ID)
ANSWERS: Final[dict[str, Message]] = {
    "GetGeneration": generations.GetGenerationResponse(file=FILE),
    "ListGenerations": generations.ListGenerationsResponse(),
    "GetGenerationStats": generations.GetGenerationStatsResponse(),
    "GetEventMedia": media.GetEventMediaResponse(file=FILE),
    "ListEventMedia": media.ListEventMediaResponse(),
    "GetProfilePicture": media.GetProfilePictureResponse(file=FILE),
    "UpdateEventMedia": media.UpdateEventMediaResponse(file=FILE),
    "GetProject": projects.GetProjectResponse(),
    "ListProjects": projects.ListProjectsResponse(),
    "ListProjectVersions": projects.ListProjectVersionsResponse(),
    "ListProjectFiles": projects.ListProjectFilesResponse(),
    "SignUrl": download_pb2.SignUrlResponse(url="https://s3.test/"),
    "ImportFromUrl": direct_pb2.ImportFromUrlResponse(file=FILE),
    "BatchImport": batch_pb2.BatchImportResponse(results=[batch_pb2.BatchImportResult(file=FILE)]),
    "DeleteFile": batch_pb2.DeleteFileResponse(file=FILE),
    "SaveProject": project_pb2.SaveProjectResponse(),
    "SaveProjectArchive": project_pb2.SaveProjectArchiveResponse(),
    "RollbackProject": project_pb2.RollbackProjectResponse(),
    "DeleteProject": project_pb2.DeleteProjectResponse(),
    "Watch": notifications.WatchResponse(event=notifications.Event(id="1-1-1")),
}
Do = Callable[[AsyncClient], Awaitable[Any]]


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


SAFE: Final[dict[str, Do]] = {
    "GetGeneration": lambda client: client.generations.get(ID),
    "ListGenerations": lambda client: _all(client.generations.list()),
    "GetGenerationStats": lambda client: client.generations.stats(),
    "SignUrl": lambda client: client.generations.url(ID),
    "ImportFromUrl": lambda client: client.generations.import_url("https://x.test/", "text-to-image"),
    "BatchImport": lambda client: client.generations.import_batch(
        [ImportItem("https://x.test/", "text-to-image")]
    ),
    "GetEventMedia": lambda client: client.event_media.get(EVENT, ID),
    "ListEventMedia": lambda client: _all(client.event_media.list(EVENT)),
    "GetProfilePicture": lambda client: client.event_media.get_profile_picture(),
    "GetProject": lambda client: client.projects.get("site"),
    "ListProjects": lambda client: _all(client.projects.list()),
    "ListProjectVersions": lambda client: _all(client.projects.versions("site")),
    "ListProjectFiles": lambda client: _all(client.projects.files("site")),
    "SaveProjectArchive": lambda client: client.projects.save_archive(b"PK", "site"),
    "RollbackProject": lambda client: client.projects.rollback("site", 1),
}
"""Queries, and requests with a request id."""
UNSAFE: Final[dict[str, Do]] = {
    "DeleteFile": lambda client: client.generations.delete(ID),
    "UpdateEventMedia": lambda client: client.event_media.update(EVENT, ID, title="x"),
    "DeleteProject": lambda client: client.projects.delete("site"),
}
"""A lost answer to these looks like a refusal, so their caller has to decide."""


@pytest.fixture
async def services() -> AsyncGenerator[Flaky]:
    async with flaky(ANSWERS) as running:
        yield running


@pytest.fixture
async def client(services: Flaky) -> AsyncGenerator[AsyncClient]:
    async with AsyncClient(services.address, services.address, token=token(), retry=QUICK) as client:
        yield client


@pytest.mark.parametrize("name", SAFE)
async def test_safe_calls_are_tried_again(services: Flaky, client: AsyncClient, name: str) -> None:
    services.failures = 2
    await SAFE[name](client)
    assert services.calls[name] == 3


async def test_queries_outlast_the_restart_of_a_service(services: Flaky) -> None:
    """They are retried like writes, as often as the policy says, and not for two seconds."""
    services.failures = 9
    async with AsyncClient(services.address, services.address, token=token(), retry=QUICK) as client:
        await client.generations.get(ID)
    assert services.calls["GetGeneration"] == 10


async def test_attempts_limits_queries_too(services: Flaky) -> None:
    services.failures = 1
    once = RetryPolicy(attempts=1)
    async with AsyncClient(services.address, services.address, token=token(), retry=once) as client:
        with pytest.raises(errors.ServiceUnavailable):
            await client.generations.get(ID)
    assert services.calls["GetGeneration"] == 1


@pytest.mark.parametrize("name", UNSAFE)
async def test_unsafe_calls_are_not(services: Flaky, client: AsyncClient, name: str) -> None:
    services.failures = 1
    with pytest.raises(errors.ServiceUnavailable):
        await UNSAFE[name](client)
    assert services.calls[name] == 1


@pytest.mark.parametrize("name", [*SAFE, *UNSAFE])
async def test_a_refusal_is_final(services: Flaky, client: AsyncClient, name: str) -> None:
    services.failures, services.error = 9, errors.InvalidField("wrong", field="slug")
    with pytest.raises(errors.InvalidField):
        await (SAFE | UNSAFE)[name](client)
    assert services.calls[name] == 1


async def test_a_watch_goes_on_when_a_limit_lets_it(services: Flaky) -> None:
    """A 17th stream, or too many requests: it waits as long as the service says, and then reconnects by
    itself.
    """
    services.failures, services.error = 3, errors.RateLimited("too many", retry_after=0.1)
    told: list[tuple[str, float]] = []
    policy = replace(QUICK, on_retry=lambda error, pause: told.append((error.reason_name, pause)))
    async with AsyncClient(services.address, services.address, token=token(), retry=policy) as client:
        events = client.watch()
        assert (await anext(events)).id == "1-1-1"
        assert services.calls["Watch"] == 4
        await events.aclose()
    assert [name for name, _ in told] == ["RATE_LIMITED"] * 3
    assert min(pause for _, pause in told) >= 0.1


async def test_a_save_is_sent_anew(services: Flaky, client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    services.failures = 2
    await client.projects.save(tmp_path, "site")
    assert services.calls == {"ListProjectFiles": 3, "SaveProject": 3}


async def test_a_zip_that_was_read_is_not_sent_anew(services: Flaky, client: AsyncClient) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    services.failures = 1
    with pytest.raises(errors.ServiceUnavailable) as refused:
        await client.projects.save_archive(Pipe(b"PK"), "site")
    assert services.calls["SaveProjectArchive"] == 1
    assert "not tried again" in str(refused.value.__notes__)


async def test_a_source_that_failed_for_good(services: Flaky, client: AsyncClient) -> None:
    services.failures, services.error = 9, errors.SourceUrlFailed("404", metadata={"status": "404"})
    with pytest.raises(errors.SourceUrlFailed):
        await SAFE["ImportFromUrl"](client)
    assert services.calls["ImportFromUrl"] == 1


READING: Final = ("Get", "List", "Search", "BatchGet", "SignUrl", "BatchSign", "SignPreviews", "SignLinks")


def test_every_query_is_on_the_list() -> None:
    """Unary calls of the client's services that change nothing, recognized by name."""
    modules = (
        *(admin, files, generations, media, projects, retention, shares, usage, webhooks),
        *(diagnostics_service_pb2, restore_pb2, storage_service_pb2, verify_pb2),
    )
    found = {
        service.full_name: names
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        if (
            names := {
                method.name
                for method in service.methods
                if method.name.startswith(READING) and not method.server_streaming
            }
        )
    }
    assert {name: set(methods) for name, methods in QUERIES.items()} == found
