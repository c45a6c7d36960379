"""The client's spool with fake services: stored entries, the order of sending, and reads meanwhile."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, Client
from strongroom.client.spooling import spool as spooling
from strongroom.client.spooling.spool import Spool
from tests.integration.sdk.conftest import QUICK
from tests.integration.sdk.fakes.server import Fakes, running
from tests.integration.sdk.fakes.state import Fault, State, token

AWAY = [
    errors.ObjectStoreUnavailable("S3 does not answer.", retry_after=2.0),
    errors.DatabaseUnavailable("Postgres does not answer."),
    errors.ServiceUnavailable("not now"),
    errors.BucketMissing("there is no bucket"),
    errors.Overloaded("full", retry_after=5.0),
]
REFUSED = [
    errors.QuotaExceeded("too much"),
    errors.ContentTypeMismatch("no picture"),
    errors.PathInvalid("no path"),
    errors.SizeLimitExceeded("too large"),
    errors.PermissionDenied("not yours"),
]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent in the background; each test does it explicitly."""
    monkeypatch.setattr(spooling, "FIRST_PAUSE", 600.0)


@pytest.fixture
async def client(fakes: Fakes, tmp_path: Path) -> AsyncGenerator[AsyncClient]:
    """Alice's client, with a spool."""
    async with _client(fakes, tmp_path) as client:
        yield client


def _client(fakes: Fakes, folder: Path, user: str = "alice", **more: int) -> AsyncClient:
    return AsyncClient(
        fakes.storage_address,
        fakes.metadata_address,
        token=token(user),
        retry=QUICK,
        spool=folder / "spool",
        **more,  # type: ignore[arg-type]
    )


def spool_of(client: AsyncClient) -> Spool:
    assert client.spool is not None
    return client.spool


def be_away(state: State, times: int = 2, error: errors.StrongroomError = AWAY[0]) -> None:
    """Make the next tries of uploads fail: a call makes up to two, and so does a flush."""
    state.upload_faults += [Fault(error=error)] * times


async def test_nothing_is_kept_while_the_service_is_there(client: AsyncClient, tmp_path: Path) -> None:
    file = await client.upload(b"here", AtPath("a"))
    assert (file.spooled, await client.read(file)) == (False, b"here")
    assert list((tmp_path / "spool" / "alice" / "waiting").iterdir()) == []


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.reason_name)
async def test_what_is_away_keeps(client: AsyncClient, state: State, error: errors.StrongroomError) -> None:
    be_away(state, error=error)
    file = await client.upload(b"kept", AtPath("a/b"), filename="b", content_type="text/plain")
    assert (file.spooled, file.key, file.size, file.content_type) == (
        True,
        "paths/alice/a/b",
        4,
        "text/plain",
    )
    assert state.stored == {}
    state.upload_faults.clear()
    done = await spool_of(client).flush()
    assert (done.sent, done.waiting, done.error) == (1, 0, None)
    assert [stored.data for stored in state.stored.values()] == [b"kept"]
    for name in (file, file.key, file.id):
        found = await client.get(name)
        assert (found.spooled, await client.read(name)) == (False, b"kept")


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: error.reason_name)
async def test_what_is_refused_is_told_and_not_kept(
    client: AsyncClient, state: State, error: errors.StrongroomError
) -> None:
    be_away(state, 1, error)
    with pytest.raises(type(error)):
        await client.upload(b"no", AtPath("a"))
    assert await spool_of(client).operations() == []


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: error.reason_name)
async def test_what_is_refused_later_is_shown_with_its_reason(
    client: AsyncClient, state: State, error: errors.StrongroomError
) -> None:
    be_away(state)
    await client.upload(b"first", AtPath("a"))
    await client.upload(b"second", AtPath("b"))
    state.upload_faults[:] = [Fault(error=error)]
    done = await spool_of(client).flush()
    assert (done.sent, len(done.refused), done.waiting, done.error) == (1, 1, 0, None)
    [dead] = await spool_of(client).operations()
    assert (dead.title, dead.code, dead.message) == ("upload a", error.reason_name, error.message)
    assert [stored.data for stored in state.stored.values()] == [b"second"]
    assert (await spool_of(client).flush(dead=True)).sent == 1
    assert len(state.stored) == 2


async def test_in_order_and_once(client: AsyncClient, state: State) -> None:
    be_away(state)
    for number in range(5):
        await client.upload(f"{number}".encode(), AtPath("a" if number < 3 else f"b{number}"))
    await client.delete("paths/alice/b3")
    titles = [one.title for one in await spool_of(client).operations()]
    assert titles == ["upload a"] * 3 + ["upload b3", "upload b4", "delete paths/alice/b3"]
    state.upload_faults[:] = [None, Fault(error=AWAY[0]), Fault(error=AWAY[0])]
    done = await spool_of(client).flush()
    assert (done.sent, done.waiting) == (1, 5)
    assert isinstance(done.error, errors.ObjectStoreUnavailable)
    state.upload_faults.clear()
    assert (await spool_of(client).flush()).sent == 5
    found = {stored.file.key: stored.data for stored in state.stored.values()}
    assert found == {"paths/alice/a": b"2", "paths/alice/b4": b"4"}
    [first] = [stored.file for stored in state.stored.values() if stored.file.key.endswith("/a")]
    assert first.generation == 3


async def test_a_lost_answer_stores_nothing_twice(client: AsyncClient, state: State) -> None:
    state.upload_faults += [Fault(error=AWAY[0], after_commit=True)]
    assert (await client.upload(b"once")).spooled
    assert (await spool_of(client).flush()).sent == 1
    assert len(state.stored) == 1


async def test_what_can_be_read_once_is_written_first(client: AsyncClient, state: State) -> None:
    be_away(state)
    assert (await client.upload(iter([b"on", b"ce"]), AtPath("a"))).spooled
    assert await client.read("paths/alice/a") == b"once"
    state.upload_faults.clear()
    straight = await client.upload(iter([b"tw", b"ice"]), AtPath("b"))
    assert (await spool_of(client).flush()).waiting == 0
    assert straight.key == "paths/alice/b"
    assert {stored.data for stored in state.stored.values()} == {b"once", b"twice"}


async def test_reads_of_what_waits(client: AsyncClient, state: State, tmp_path: Path) -> None:
    old = await client.upload(b"old", AtPath("a"))
    other = await client.upload(b"other", AtPath("z"))
    be_away(state)
    body = bytes(range(256)) * 10_000
    new = await client.upload(body, AtPath("a"))
    plain = await client.upload(io.BytesIO(b"plain"), filename="p.txt")
    assert (await client.get("paths/alice/a")).id == new.id
    assert await client.read(new, offset=5, length=7) == body[5:12]
    assert await client.read(new, offset=-3) == body[-3:]
    with pytest.raises(errors.RangeNotSatisfiable):
        await client.read(plain, offset=6)
    told: list[tuple[int, int | None]] = []
    saved = await client.download(plain, tmp_path, on_progress=lambda *now: told.append(now))
    assert (saved.path, told) == (tmp_path / "p.txt", [(5, 5)])
    assert (tmp_path / "p.txt").read_bytes() == b"plain"
    assert [file.key async for file in client.list()] == ["paths/alice/a", "paths/alice/z", plain.key]
    assert [file.key async for file in client.list("paths/")] == ["paths/alice/a", "paths/alice/z"]
    assert await client.exists(plain.key)
    await client.delete(other)
    await client.delete(plain)
    for gone in (other, other.key, plain, plain.key, plain.id):
        assert not await client.exists(gone)
    assert [file.key async for file in client.list()] == ["paths/alice/a"]
    state.upload_faults.clear()
    done = await spool_of(client).flush()
    assert (done.sent, done.refused, done.waiting) == (4, (), 0)
    assert [stored.data for stored in state.stored.values()] == [body]
    assert (await client.get(old.key)).generation == 2


async def test_all_is_away(tmp_path: Path) -> None:
    """No server listens: writes, and reads of spooled files, succeed; the rest reports the outage."""
    async with AsyncClient(
        "127.0.0.1:1", "127.0.0.1:1", token=token(), retry=QUICK, spool=tmp_path
    ) as client:
        await client.files.upload_file(io.BytesIO(b"1"), "notes/a.txt")
        assert await client.files.download_file("notes/a.txt") == b"1"
        assert [file.key for file in await client.files.list_files("notes/")] == ["paths/alice/notes/a.txt"]
        assert (await client.list_page()).complete is False
        with pytest.raises(errors.ServiceUnavailable):
            await client.get("paths/alice/else")
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "index.html").write_bytes(b"<p>")
        assert (await client.projects.save(tmp_path / "site", "site")).project.spooled
        saved = await client.projects.patch("site", {"a.css": b"p{}"}, ["index.html"])
        assert (saved.project.file_count, saved.project.size) == (1, 3)
        assert [project.slug async for project in client.projects.list()] == ["site"]
        assert [file.path async for file in client.projects.files("site")] == ["a.css"]
        assert await client.projects.read("site", "a.css") == b"p{}"
        with pytest.raises(errors.FileNotFound):
            await client.projects.read("site", "b.css")
        told: list[tuple[int, int | None]] = []
        await client.projects.restore("site", tmp_path / "back", on_progress=lambda *now: told.append(now))
        assert told == [(3, 3)]
        assert (tmp_path / "back" / "a.css").read_bytes() == b"p{}"
        await client.projects.delete("site")
        with pytest.raises(errors.ProjectNotFound):
            await client.projects.get("site")
        assert (await client.generations.import_url("https://x.example/a.png", "text-to-image")).spooled
        assert len(await spool_of(client).operations()) == 5


async def test_users_have_spools_of_their_own(fakes: Fakes, state: State, tmp_path: Path) -> None:
    """Two users share a folder: neither sees or sends the other's entries."""
    be_away(state)
    async with _client(fakes, tmp_path) as alice, _client(fakes, tmp_path, "bob") as bob:
        mine = await alice.upload(b"alice's", AtPath("a"))
        assert await spool_of(bob).operations() == []
        for name in (mine, mine.id, mine.key, "paths/bob/a"):
            with pytest.raises(errors.FileNotFound):
                await bob.read(name)
        assert (await spool_of(bob).flush()).sent == 0
        with pytest.raises(KeyError):
            await spool_of(bob).remove(mine.id)
        state.upload_faults.clear()
        assert (await spool_of(alice).flush()).sent == 1
    assert [stored.file.owner_id for stored in state.stored.values()] == ["alice"]


async def test_a_token_that_has_expired_kills_nothing(fakes: Fakes, state: State, tmp_path: Path) -> None:
    be_away(state)
    async with _client(fakes, tmp_path) as client:
        await client.upload(b"kept", AtPath("a"))
    state.upload_faults.clear()
    old = token(lifetime=-60)
    async with AsyncClient(
        fakes.storage_address, fakes.metadata_address, token=old, retry=QUICK, spool=tmp_path / "spool"
    ) as expired:
        done = await spool_of(expired).flush()
        assert isinstance(done.error, errors.TokenExpired)
        assert (done.waiting, done.refused) == (1, ())


async def test_a_full_spool_refuses(fakes: Fakes, state: State, tmp_path: Path) -> None:
    async with _client(fakes, tmp_path, spool_max_bytes=4 << 20) as client:
        be_away(state)
        await client.upload(bytes(3 << 20), AtPath("a"))
        with pytest.raises(OSError, match="the spool holds"):
            await client.upload(bytes(3 << 20), AtPath("b"))
        assert [one.title for one in await spool_of(client).operations()] == ["upload a"]
        assert list((tmp_path / "spool" / "alice" / "making").iterdir()) == []


async def test_it_sends_by_itself(
    fakes: Fakes, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "FIRST_PAUSE", 0.01)
    be_away(state, 4)
    async with _client(fakes, tmp_path) as client:
        await client.upload(b"later", AtPath("a"))
        sender = spool_of(client)._sender
        assert sender is not None
        await asyncio.wait({sender}, timeout=60)
        assert await spool_of(client).operations() == []
    assert [stored.data for stored in state.stored.values()] == [b"later"]


def test_without_a_loop(fakes: Fakes, state: State, tmp_path: Path) -> None:
    be_away(state)
    addresses = (fakes.storage_address, fakes.metadata_address)
    with Client(*addresses, token=token(), retry=QUICK, spool=tmp_path) as client:
        file = client.upload(b"sync", AtPath("a"))
        assert client.spool is not None
        assert [one.title for one in client.spool.operations()] == ["upload a"]
        assert client.read(file) == b"sync"
    with (
        running(state) as again,
        Client(
            again.storage_address, again.metadata_address, token=token(), retry=QUICK, spool=tmp_path
        ) as client,
    ):
        state.upload_faults.clear()
        assert client.spool is not None
        assert client.spool.flush().sent == 1
        assert client.read(file.id) == b"sync"
