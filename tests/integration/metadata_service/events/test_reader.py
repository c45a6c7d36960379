"""NotificationService.Watch: no event is missed within the retention, slow readers are disconnected, and
nobody gets another user's events.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import StatusCode, aio

from strongroom.errors import PermissionDenied, RateLimited, UserMismatch, from_rpc_error
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_IMPORT_FAILED,
    EVENT_TYPE_SAVE_FAILED,
    Event,
    WatchRequest,
    WatchResponse,
)
from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceStub
from strongroom.metadata.v1.reservation_service_pb2 import (
    ReportImportFailureRequest,
    ReportSaveFailureRequest,
)
from tests.databases import Logins
from tests.integration.metadata_service.serving import Caller, Server, serve
from tests.integration.metadata_service.serving import refusal as refused
from tests.integration.metadata_service.world import plain_spec


@pytest.fixture
async def server(module_database: Logins) -> AsyncIterator[Server]:
    async with serve(module_database) as running:
        yield running


@asynccontextmanager
async def watching(caller: Caller, token: str = "", **more: Any) -> AsyncIterator[Any]:
    """The call, after its first heartbeat."""
    stub: Any = NotificationServiceStub(caller.channel)
    metadata = (("authorization", f"Bearer {caller.token}"),)
    call = stub.Watch(WatchRequest(resume_token=token, **more), metadata=metadata)
    try:
        first: WatchResponse = await call.read()
        assert not first.HasField("event")
        yield call
    finally:
        call.cancel()


async def next_event(call: Any) -> Event:
    """The next message that is not a heartbeat."""
    async with asyncio.timeout(60):
        while not (message := await call.read()).HasField("event"):
            pass
    event: Event = message.event
    return event


async def refusal(caller: Caller, **request: str) -> StatusCode:
    with pytest.raises(aio.AioRpcError) as refused:
        async with watching(caller, **request):
            pass
    return from_rpc_error(refused.value).code


async def test_events_come_at_once_in_order_and_to_their_owner_only(server: Server, owner: str) -> None:
    caller, other = server.user(owner), server.user(f"{owner}-other")
    async with watching(server.user(owner)) as mine, watching(other) as theirs:
        files = [await caller.upload() for _ in range(3)]
        strange = await other.upload()
        assert [(await next_event(mine)).subject_id for _ in files] == [file.id for file in files]
        assert (await next_event(theirs)).subject_id == strange.id


async def test_nothing_is_missed_across_reconnects(server: Server, owner: str) -> None:
    caller = server.user(owner)
    async with watching(caller) as call:
        files = [await caller.upload() for _ in range(2)]
        seen = [await next_event(call)]
    files += [await caller.upload() for _ in range(150)]  # more than one batch
    async with watching(caller, seen[0].id) as call:
        seen += [await next_event(call) for _ in files[1:]]
    assert [event.subject_id for event in seen] == [file.id for file in files]
    assert len({event.id for event in seen}) == len(seen)


async def test_transactions_are_in_order_of_their_numbers(
    server: Server, owner: str, module_database: Logins
) -> None:
    """9 comes before 10, and 99 before 100, in any batch."""
    module_database.change(
        "INSERT INTO events (owner_id, xid, type, subject_id, payload)"
        " SELECT %s, number::text::xid8, 2, number::text, '{}' FROM generate_series(3, 250) AS number",
        owner,
    )
    async with watching(server.user(owner), f"2-0-{int(time.time())}") as call:
        seen = [int((await next_event(call)).subject_id) for _ in range(3, 251)]
    assert seen == list(range(3, 251))


async def test_tokens_that_are_none_or_too_old(server: Server, owner: str) -> None:
    caller = server.user(owner)
    assert await refusal(caller, token="nonsense") is StatusCode.INVALID_ARGUMENT
    assert await refusal(caller, token="1-1-1000") is StatusCode.OUT_OF_RANGE


async def test_a_token_of_a_database_that_was_put_back_since(
    server: Server, owner: str, module_database: Logins
) -> None:
    """Its transaction ids are in the future of the restored database: a watcher would receive nothing until
    then.
    """
    caller = server.user(owner)
    ((following,),) = module_database.rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    ahead = f"{int(following) + 1_000_000}-1-{int(time.time())}"
    assert await refusal(caller, token=ahead) is StatusCode.OUT_OF_RANGE
    async with watching(caller, f"{following}-0-{int(time.time())}"):
        pass


async def test_a_failed_import_is_an_event(server: Server, owner: str) -> None:
    caller = server.user(owner)
    spec = plain_spec("import-1")
    spec.filename = "a\0b.png"  # the refused text may be one that Postgres can't store
    request = ReportImportFailureRequest(
        spec=spec, url="https://source.test/a", code="SOURCE_URL_FAILED", message="it answered\0 404"
    )
    async with watching(caller) as call:
        await caller.reservations("ReportImportFailure", request)
        event = await next_event(call)
    assert (event.type, event.subject_id) == (EVENT_TYPE_IMPORT_FAILED, "import-1")
    assert json.loads(event.payload_json) == {
        "family": "file",
        "request_id": "import-1",
        "filename": "ab.png",
        "url": "https://source.test/a",
        "code": "SOURCE_URL_FAILED",
        "message": "it answered 404",
    }
    request.spec.user_id = f"{owner}-x"
    assert isinstance(await refused(caller.reservations("ReportImportFailure", request)), UserMismatch)
    outsider = server.user(owner, internal=False)
    assert isinstance(await refused(outsider.reservations("ReportImportFailure", request)), PermissionDenied)


async def test_a_failed_save_is_an_event(server: Server, owner: str) -> None:
    caller = server.user(owner)
    told = {"code": "OBJECT_STORE_UNAVAILABLE", "message": "S3 is\0 away"}
    saves = [
        ReportSaveFailureRequest(family="project", slug="site", request_id="one", **told),
        ReportSaveFailureRequest(family="file", filename="a\0.txt", request_id="two", **told),
        ReportSaveFailureRequest(upload_id="u-1", **told),
    ]
    async with watching(caller) as call:
        for save in saves:
            await caller.reservations("ReportSaveFailure", save)
        events = [await next_event(call) for _ in saves]
    assert [(event.type, event.subject_id) for event in events] == [
        (EVENT_TYPE_SAVE_FAILED, subject) for subject in ("site", "two", "u-1")
    ]
    said = {"code": "OBJECT_STORE_UNAVAILABLE", "message": "S3 is away"}
    assert [json.loads(event.payload_json) for event in events] == [
        {"family": "project", "slug": "site", "request_id": "one", **said},
        {"family": "file", "filename": "a.txt", "request_id": "two", **said},
        {"family": "", "request_id": "", "upload_id": "u-1", **said},
    ]
    others = ReportSaveFailureRequest(user_id=f"{owner}-x", **told)
    assert isinstance(await refused(caller.reservations("ReportSaveFailure", others)), UserMismatch)
    outsider = server.user(owner, internal=False)
    assert isinstance(await refused(outsider.reservations("ReportSaveFailure", saves[0])), PermissionDenied)


async def test_only_admins_watch_others(server: Server, owner: str) -> None:
    assert await refusal(server.user(f"{owner}-x"), user_id=owner) is StatusCode.PERMISSION_DENIED
    async with watching(server.user("root", roles=["admin"]), user_id=owner) as call:
        file = await server.user(owner).upload()
        assert (await next_event(call)).subject_id == file.id


async def test_a_slow_reader_is_dropped_and_goes_on_later(owner: str, module_database: Logins) -> None:
    async with serve(module_database, send_idle_seconds=0.5) as server:
        await _drop_a_slow_reader(server.user(owner), owner, module_database)


async def _drop_a_slow_reader(caller: Caller, owner: str, module_database: Logins) -> None:
    async with watching(caller) as call:
        module_database.change(
            "INSERT INTO events (owner_id, type, subject_id, payload)"
            " SELECT %s, 2, number::text, jsonb_build_object('text', repeat('x', 16000))"
            " FROM generate_series(1, 4000) AS number",
            owner,
        )
        seen = [await next_event(call)]
        await asyncio.sleep(3)
        with pytest.raises(aio.AioRpcError) as dropped:
            await _read_all(call, seen)
    assert isinstance(from_rpc_error(dropped.value), RateLimited)
    assert dropped.value.code() is StatusCode.RESOURCE_EXHAUSTED
    async with watching(caller, seen[-1].id) as call:
        assert int((await next_event(call)).subject_id) == int(seen[-1].subject_id) + 1


async def _read_all(call: Any, seen: list[Event]) -> None:
    while len(seen) < 4000:
        seen.append(await next_event(call))
