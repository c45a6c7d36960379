"""Calls without bytes, and the behaviour of connections."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, Family, RetryPolicy, Temp, Visibility
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import Fault, State, token


async def test_get_and_exists(client: AsyncClient) -> None:
    file = await client.upload(b"x")
    assert await client.get(file) == await client.get(file.id) == await client.get(file.key) == file
    assert await client.exists(file)
    assert not await client.exists(uuid4())
    with pytest.raises(errors.FileNotFound):
        await client.get("paths/alice/none")


async def test_lists_run_over_pages_in_key_order(client: AsyncClient, state: State) -> None:
    for number in range(7):
        await client.upload(b"x", AtPath(f"a/{number}"))
    await client.upload(b"x", Temp())
    pages = [page async for page in client.list_pages("paths/", page_size=3)]
    assert [len(page.files) for page in pages] == [3, 3, 1]
    assert state.calls.count("ListFiles") == 3
    everything = [file async for file in client.list()]
    assert len(everything) == 8
    assert [file.key for file in everything] == sorted(file.key for file in everything)
    assert [file.family async for file in client.list(family=Family.TEMP)] == [Family.TEMP]
    assert [file async for file in client.list("none/")] == []


async def test_update(client: AsyncClient) -> None:
    file = await client.upload(b"x", metadata={"a": "1"})
    changed = await client.update(file.key, filename="new.txt", visibility=Visibility.PUBLIC)
    assert (changed.filename, changed.visibility, dict(changed.metadata)) == (
        "new.txt",
        Visibility.PUBLIC,
        {"a": "1"},
    )
    assert dict((await client.update(file, metadata={})).metadata) == {}
    with pytest.raises(errors.PreconditionFailed):
        await client.update(file, filename="x", if_generation_match=file.generation)


async def test_delete_and_undelete(client: AsyncClient) -> None:
    file = await client.upload(b"x", AtPath("a"))
    with pytest.raises(errors.PreconditionFailed):
        await client.delete(file, if_generation_match=7)
    gone = await client.delete(file, soft=True)
    assert gone.deleted_at is not None
    assert gone.purge_at is not None
    assert not await client.exists(file)
    assert (await client.get(file, show_deleted=True)).id == file.id
    assert [one.id async for one in client.list(show_deleted=True)] == [file.id]
    back = await client.undelete(file.key)
    assert back.deleted_at is None
    assert (await client.delete(file.key)).id == file.id
    with pytest.raises(errors.FileNotFound):
        await client.delete(file)


async def test_deleting_is_not_repeated_by_itself(client: AsyncClient, state: State) -> None:
    file = await client.upload(b"x")
    state.unary_faults = [Fault(errors.DatabaseUnavailable("down"))]
    with pytest.raises(errors.DatabaseUnavailable):
        await client.delete(file)
    assert state.calls.count("DeleteFile") == 1


async def test_copy_is_one_request_however_often_it_is_sent(client: AsyncClient, state: State) -> None:
    file = await client.upload(b"bytes", filename="a.txt")
    state.unary_faults = [Fault(errors.ObjectStoreUnavailable("s3 is down")), None]
    copied = await client.copy(file, AtPath("copy.txt"))
    assert copied.id != file.id
    assert (copied.filename, copied.key) == ("a.txt", "paths/alice/copy.txt")
    assert state.calls.count("CopyFile") == 2
    assert await client.read(copied) == b"bytes"


@pytest.mark.parametrize("named", ["file", "key"])
async def test_move_is_one_request_however_often_it_is_sent(
    client: AsyncClient, state: State, named: str
) -> None:
    """The source is gone already, because the request's own first try has moved it."""
    file = await client.upload(b"bytes", filename="a.txt", metadata={"team": "a"})
    state.lost_answers = [errors.ServiceUnavailable("the connection broke off")]
    name = file if named == "file" else file.key
    moved = await client.move(name, AtPath("b.txt"), request_id="r-1")
    assert (moved.key, moved.user_metadata) == ("paths/alice/b.txt", {"team": "a"})
    assert state.calls.count("MoveFile") == 2
    assert await client.move(name, AtPath("b.txt"), request_id="r-1") == moved
    with pytest.raises(errors.FileNotFound):
        await client.move(name, AtPath("b.txt"))


async def test_signed_urls(client: AsyncClient) -> None:
    file = await client.upload(b"x")
    signed = await client.sign_url(file.key, expires_in=timedelta(minutes=5), disposition="attachment")
    assert signed.url.endswith("?signed=1.2.300")
    assert signed.file == file
    assert signed.expires_at is not None
    assert signed.expires_at > datetime.now(UTC)
    assert (await client.sign_url(file, method="HEAD", disposition="inline")).url.endswith("?signed=2.1.3600")


async def test_usage(client: AsyncClient, state: State) -> None:
    state.limit_bytes = 10
    await client.upload(b"12345")
    usage = await client.usage()
    assert (usage.owner_id, usage.used_bytes, usage.file_count) == ("alice", 5, 1)
    assert (usage.limit_bytes, usage.limit_files) == (10, None)


async def test_admins_act_for_others_and_nobody_else_does(client: AsyncClient, fakes: Fakes) -> None:
    file = await client.upload(b"alice's")
    with pytest.raises(errors.UserMismatch):
        await client.acting_for("bob").usage()
    admin_token = token("root", role="admin")
    async with AsyncClient(fakes.storage_address, fakes.metadata_address, token=admin_token) as admin:
        for_alice = admin.acting_for("alice")
        assert (await for_alice.usage()).owner_id == "alice"
        assert await for_alice.read(file) == b"alice's"
        assert (await for_alice.upload(b"x")).owner_id == "alice"
        assert len([one async for one in for_alice.list()]) == 2
        assert not await admin.exists(file)


async def test_reads_are_repeated_by_the_channel(client: AsyncClient, state: State) -> None:
    state.unary_faults = [Fault(errors.DatabaseUnavailable("down"))] * 2
    assert (await client.usage()).owner_id == "alice"
    assert state.calls == ["GetUsage"] * 3


async def test_every_call_carries_token_and_a_request_id_of_its_own(
    client: AsyncClient, state: State
) -> None:
    await client.usage()
    await client.upload(b"x")
    ids = [metadata["x-request-id"] for metadata in state.metadata]
    assert len(set(ids)) == 2
    assert all(metadata["authorization"].startswith("Bearer ") for metadata in state.metadata)


async def test_errors_name_the_request_id(client: AsyncClient, state: State) -> None:
    with pytest.raises(errors.FileNotFound) as caught:
        await client.get("paths/alice/none")
    assert caught.value.__notes__ == [f"request id: {state.metadata[-1]['x-request-id']}"]


async def test_without_a_token_the_service_says_what_is_missing(fakes: Fakes) -> None:
    async with AsyncClient(fakes.storage_address, fakes.metadata_address) as client:
        with pytest.raises(errors.TokenMissing):
            await client.usage()


async def test_a_service_that_is_not_there_is_told_as_unavailable() -> None:
    policy = RetryPolicy(attempts=1)
    async with AsyncClient("127.0.0.1:1", "127.0.0.1:1", token="t", retry=policy) as client:
        for call in (client.usage(), client.upload(b"x"), client.read("a/b"), client.delete("a/b")):
            with pytest.raises(errors.ServiceUnavailable) as caught:
                await call
            assert "127.0.0.1:1" in caught.value.transport_details


async def test_a_closed_client_says_so(client: AsyncClient) -> None:
    await client.usage()
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.usage()


def test_a_client_of_another_loop_says_what_to_do(fakes: Fakes) -> None:
    client = AsyncClient(fakes.storage_address, fakes.metadata_address, token=token())
    asyncio.run(use(client))
    with pytest.raises(RuntimeError, match=r"strongroom\.Client"):
        asyncio.run(use(client))


async def use(client: AsyncClient) -> None:
    await client.usage()
