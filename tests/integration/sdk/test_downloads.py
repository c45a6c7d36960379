"""Streams and ranges: resumed where they broke, verified, never mixed from two contents."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, aclosing

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, StoredFile
from tests.integration.sdk.fakes.state import Fault, State

MIB = 1024 * 1024
DATA = random.Random(1).randbytes(5 * MIB + 123)
GONE = errors.ServiceUnavailable("gone for a moment")


@pytest.fixture
async def stored(client: AsyncClient) -> StoredFile:
    return await client.upload(DATA, AtPath("a.bin"))


async def test_by_value_id_key_and_version(client: AsyncClient, stored: StoredFile) -> None:
    for name in (stored, stored.id, stored.key):
        assert await client.read(name) == DATA
    assert await client.read(stored, version_id=stored.version_id) == DATA
    with pytest.raises(errors.VersionNotFound):
        await client.read(stored, version_id="another")
    with pytest.raises(errors.FileNotFound):
        await client.read("paths/alice/none")


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, None, DATA),
        (0, 1, DATA[:1]),
        (MIB - 1, 2, DATA[MIB - 1 : MIB + 1]),
        (5, 0, b""),
        (len(DATA) - 1, None, DATA[-1:]),
        (len(DATA) - 1, 100, DATA[-1:]),
        (-10, None, DATA[-10:]),
        (-(10**9), None, DATA),
    ],
)
async def test_ranges(
    offset: int, length: int | None, expected: bytes, client: AsyncClient, stored: StoredFile
) -> None:
    assert await client.read(stored, offset=offset, length=length) == expected


async def test_ranges_that_do_not_exist(client: AsyncClient, stored: StoredFile) -> None:
    with pytest.raises(errors.RangeNotSatisfiable) as caught:
        await client.read(stored, offset=len(DATA))
    assert caught.value.metadata == {"size": str(len(DATA))}
    with pytest.raises(ValueError, match="combined with a length"):
        await client.read(stored, offset=-5, length=2)


async def test_an_empty_file(client: AsyncClient) -> None:
    file = await client.upload(b"")
    assert await client.read(file) == b""


@pytest.mark.parametrize(
    "error", [GONE, errors.ObjectStoreUnavailable("s3"), None], ids=["service", "s3", "end"]
)
@pytest.mark.parametrize("part", [(0, None), (MIB // 2, 3 * MIB), (-4 * MIB, None)])
async def test_a_broken_stream_goes_on_where_it_broke(
    error: errors.StrongroomError | None,
    part: tuple[int, int | None],
    client: AsyncClient,
    state: State,
    stored: StoredFile,
) -> None:
    offset, length = part
    state.download_faults = [Fault(error, after_bytes=MIB), Fault(error), Fault(error, after_bytes=MIB)]
    wanted = DATA[offset:] if length is None else DATA[offset : offset + length]
    received = [block async for block in client.stream(stored, offset=offset, length=length)]
    assert b"".join(received) == wanted
    assert state.download_faults == []


async def test_a_stream_that_stays_broken_ends(client: AsyncClient, state: State, stored: StoredFile) -> None:
    state.download_faults = [Fault(GONE, after_bytes=MIB), *[Fault(GONE)] * 50]
    received = 0
    blocks = client.stream(stored)
    received += len(await anext(blocks))
    with pytest.raises(errors.ServiceUnavailable):
        await anext(blocks)
    assert received == MIB


async def test_content_that_is_replaced_in_the_middle_is_never_joined(
    client: AsyncClient, state: State, stored: StoredFile
) -> None:
    state.download_faults = [Fault(GONE, after_bytes=2 * MIB)]
    blocks = client.stream(stored)
    received = await anext(blocks)
    await client.upload(DATA[::-1], AtPath("a.bin"))
    received += await anext(blocks)
    with pytest.raises(errors.PreconditionFailed):
        await anext(blocks)
    assert received == DATA[: 2 * MIB]


async def test_damaged_bytes_are_noticed(client: AsyncClient, state: State, stored: StoredFile) -> None:
    state.corrupt = lambda data: data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(errors.ChecksumMismatch, match="not what was stored") as caught:
        await client.read(stored)
    assert caught.value.metadata["expected"] == f"{stored.crc32c:08x}"
    assert caught.value.metadata["actual"] != caught.value.metadata["expected"]


async def test_leaving_a_stream_cancels_the_call(
    client: AsyncClient, state: State, stored: StoredFile
) -> None:
    async with aclosing(client.stream(stored)) as blocks:
        await anext(blocks)
        assert state.cancelled == 0
    async with asyncio.timeout(60):
        while not state.cancelled:  # noqa: ASYNC110 - the fake service counts it
            await asyncio.sleep(0.01)
    assert await client.read(stored, length=3) == DATA[:3]


async def test_streams_that_are_read_slowly_hold_up_no_other_call(
    client: AsyncClient, stored: StoredFile
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(130):  # more than a connection of the fake carries
            blocks = await stack.enter_async_context(aclosing(client.stream(stored)))
            assert await anext(blocks)
        async with asyncio.timeout(60):
            assert await client.read(stored, length=10) == DATA[:10]
            assert (await client.get(stored.id)).id == stored.id
