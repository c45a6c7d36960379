"""Uploads: every kind of source arrives byte for byte, and every failure has its own error."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, Audio, Checksums, Family, Temp, Visibility
from tests.integration.sdk.fakes.state import Fault, State

MIB = 1024 * 1024
SIZES = (0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 17)


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 300_007):
        yield data[start : start + 300_007]


async def async_pieces(data: bytes) -> AsyncGenerator[bytes]:
    for piece in pieces(data):
        await asyncio.sleep(0)
        yield piece


KINDS: dict[str, Callable[[bytes, Path], object]] = {
    "bytes": lambda data, _: data,
    "path": lambda data, folder: written(data, folder),
    "text path": lambda data, folder: str(written(data, folder)),
    "file object": lambda data, _: io.BytesIO(data),
    "iterator": lambda data, _: pieces(data),
    "async iterator": lambda data, _: async_pieces(data),
    "function": lambda data, _: lambda: pieces(data),
}


def written(data: bytes, folder: Path) -> Path:
    path = folder / "sent.bin"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
async def test_every_source_of_every_size_arrives(
    kind: str, size: int, client: AsyncClient, state: State, tmp_path: Path
) -> None:
    data = content(size)
    file = await client.upload(KINDS[kind](data, tmp_path))  # type: ignore[arg-type]
    assert state.stored[file.id].data == data
    assert (file.size, file.owner_id) == (size, "alice")
    assert await client.read(file) == data


async def test_names_types_metadata_and_visibility_travel(client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "holiday in Köln.jpg"
    path.write_bytes(b"jpg")
    file = await client.upload(
        path, content_type="image/jpeg", metadata={"trip": "köln"}, visibility=Visibility.PUBLIC
    )
    assert (file.filename, file.content_type, file.visibility) == (path.name, "image/jpeg", Visibility.PUBLIC)
    assert dict(file.metadata) == {"trip": "köln"}
    renamed = await client.upload(path, filename="other.png")
    assert renamed.filename == "other.png"


async def test_targets_decide_the_place(client: AsyncClient) -> None:
    assert (await client.upload(b"x", Audio("c7"))).key.startswith("audio/")
    assert (await client.upload(b"x", Temp(timedelta(hours=1)))).family is Family.TEMP
    first = await client.upload(b"1", AtPath("a/b.txt"))
    second = await client.upload(b"22", AtPath("a/b.txt"))
    assert (first.id, first.key) == (second.id, second.key)
    assert (first.generation, second.generation) == (1, 2)


async def test_progress_counts_up_to_the_size(client: AsyncClient) -> None:
    data = content(3 * MIB + 5)
    seen: list[tuple[int, int | None]] = []
    await client.upload(data, on_progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [MIB, 2 * MIB, 3 * MIB, len(data)]
    assert {total for _, total in seen} == {len(data)}
    seen.clear()
    await client.upload(pieces(data), on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(data), None)


async def test_a_checksum_that_is_known_is_verified(client: AsyncClient, state: State) -> None:
    data = content(2 * MIB)
    await client.upload(data, checksum=Checksums(md5=hashlib.md5(data).hexdigest()))
    with pytest.raises(errors.ChecksumMismatch):
        await client.upload(data, checksum=Checksums(md5=b"\0" * 16))
    assert len(state.stored) == 1


@pytest.mark.parametrize("said", [MIB - 1, MIB, 3 * MIB])
async def test_a_source_of_another_size_than_was_said_stores_nothing(
    said: int, client: AsyncClient, state: State
) -> None:
    with pytest.raises(errors.SizeMismatch, match="changed while it was read") as caught:
        await client.upload(pieces(content(2 * MIB)), size=said)
    assert caught.value.metadata["expected"] == str(said)
    assert state.stored == {}


class MyOwnError(Exception):
    """An error of a source."""


def failing_pieces(after: int) -> Iterator[bytes]:
    for _ in range(after):
        yield b"x" * MIB
    raise MyOwnError("the camera was unplugged")


async def failing_async_pieces(after: int) -> AsyncGenerator[bytes]:
    for piece in failing_pieces(after):
        yield piece


class FailingFile(io.BytesIO):
    """A file whose third read fails."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads == 3:
            raise MyOwnError("the camera was unplugged")
        return super().read(size)


@pytest.mark.parametrize(
    "make",
    [
        lambda: failing_pieces(0),
        lambda: failing_pieces(4),
        lambda: failing_async_pieces(0),
        lambda: failing_async_pieces(4),
        lambda: FailingFile(bytes(10 * MIB)),
        lambda: lambda: failing_pieces(2),
    ],
    ids=["iterator at once", "iterator", "async at once", "async", "file", "function"],
)
async def test_a_failing_source_surfaces_its_own_exception(
    make: Callable[[], object], client: AsyncClient, state: State
) -> None:
    with pytest.raises(MyOwnError, match="unplugged"):
        await client.upload(make())  # type: ignore[arg-type]
    assert state.stored == {}
    assert state.calls.count("Upload") <= 1  # if cancelled at once, a call may never arrive


async def test_an_error_of_ours_inside_a_source_is_not_mistaken_for_the_uploads(
    client: AsyncClient, state: State
) -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * 2 * MIB
        raise errors.ServiceUnavailable("of the other installation that is copied from")

    with pytest.raises(errors.ServiceUnavailable, match="other installation"):
        await client.upload(source)
    assert state.calls.count("Upload") <= 1


async def test_what_the_progress_callback_raises_comes_out(client: AsyncClient, state: State) -> None:
    def stop(_done: int, _total: int | None) -> None:
        raise MyOwnError("enough")

    with pytest.raises(MyOwnError, match="enough"):
        await client.upload(content(4 * MIB), on_progress=stop)
    assert state.stored == {}


async def test_text_is_refused_before_anything_is_stored(
    client: AsyncClient, state: State, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as file, pytest.raises(TypeError, match="binary mode"):
        await client.upload(file)
    with pytest.raises(TypeError, match="binary mode"):
        await client.upload(["text"])  # type: ignore[list-item]
    assert state.stored == {}


async def test_a_refusal_is_seen_while_the_source_is_still_slow(client: AsyncClient, state: State) -> None:
    state.upload_faults = [
        Fault(errors.QuotaExceeded("full", metadata={"limit": "1", "used": "1"}), after_bytes=1)
    ]
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        try:
            yield b"x" * 2 * MIB
            yield b"x" * 2 * MIB
            await asyncio.Event().wait()
        finally:
            closed.set()

    with pytest.raises(errors.QuotaExceeded) as caught:
        await asyncio.wait_for(client.upload(endless()), 60)
    assert caught.value.metadata == {"limit": "1", "used": "1"}
    await asyncio.wait_for(closed.wait(), 60)


async def test_cancelling_stores_nothing_and_ends_the_source(client: AsyncClient, state: State) -> None:
    sent, closed = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x" * MIB
                sent.set()
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    task = asyncio.create_task(client.upload(endless()))
    await asyncio.wait_for(sent.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(closed.wait(), 60)
    for _ in range(500):
        if state.cancelled:
            break
        await asyncio.sleep(0.01)
    assert state.cancelled == 1
    assert state.stored == {}


async def test_a_timeout_holds_for_all_of_an_upload(client: AsyncClient, state: State) -> None:
    async def endless() -> AsyncGenerator[bytes]:
        yield b"x" * MIB
        await asyncio.Event().wait()

    with pytest.raises(errors.DeadlineExceeded):
        await client.upload(endless(), timeout=0.3)
    assert state.stored == {}


async def test_many_uploads_at_once_do_not_mix(client: AsyncClient, state: State) -> None:
    contents = [content(size) for size in range(0, 40 * 50_001, 50_001)]
    files = await asyncio.gather(*(client.upload(data) for data in contents))
    assert [state.stored[file.id].data for file in files] == contents
