"""Outgoing ZIPs, read by Python's zipfile and by our own strict reader."""

from __future__ import annotations

import io
import os
import struct
import unicodedata
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_service.attempts.budget import ByteBudget
from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives import zip_out
from storage_service.projects.archives.zip_out import BodySizeChanged, ZipEntry, ZipStream
from storage_service.projects.tree_names import NameRefused, check_portable, folded
from tests.unit.storage_service.projects.archives.reading import read_zip

MOMENT = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
LARGE = 12 << 20


async def _pieces(body: bytes, size: int = 1 << 20) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def entry(name: str, body: bytes, *, compress: bool = True, modified: datetime = MOMENT) -> ZipEntry:
    return ZipEntry(name, len(body), modified, compress, partial(_pieces, body))


async def write(*entries: ZipEntry) -> list[bytes]:
    async def given() -> AsyncIterator[ZipEntry]:
        for one in entries:
            yield one

    return [piece async for piece in ZipStream().chunks(given())]


async def test_small_and_large_compressed_and_stored() -> None:
    files = {
        "a.txt": b"text " * 100,
        "empty": b"",
        "noise.bin": os.urandom(1000),
        "large.txt": b"line after line\n" * (3 << 16),
        "photo.jpg": os.urandom(3 << 20),
        "film.mp4": os.urandom(LARGE),
    }
    entries = [
        entry(name, body, compress=not name.endswith((".jpg", ".mp4"))) for name, body in files.items()
    ]
    pieces = await write(*entries)
    assert max(map(len, pieces)) <= (1 << 20) + zip_out.OUTPUT_BYTES
    body = b"".join(pieces)
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        assert {name: made.read(name) for name in made.namelist()} == files
        told = {info.filename: info for info in made.infolist()}
    methods = {name: info.compress_type for name, info in told.items()}
    assert methods == {
        "a.txt": zipfile.ZIP_DEFLATED,
        "empty": zipfile.ZIP_STORED,
        "noise.bin": zipfile.ZIP_STORED,
        "large.txt": zipfile.ZIP_DEFLATED,
        "photo.jpg": zipfile.ZIP_STORED,
        "film.mp4": zipfile.ZIP_STORED,
    }
    streamed = {name for name, info in told.items() if info.flag_bits & layout.DESCRIPTOR}
    assert streamed == {"large.txt", "film.mp4"}
    assert told["a.txt"].date_time == (2024, 2, 29, 23, 59, 58)
    assert told["a.txt"].external_attr >> 16 == 0o100644
    assert await read_zip(body) == files


async def test_the_executable_bit() -> None:
    body = b"".join(await write(entry("run.sh", b"#!"), replace(entry("bin/go", b"#!"), executable=True)))
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        modes = {info.filename: info.external_attr >> 16 for info in made.infolist()}
    assert modes == {"run.sh": 0o100644, "bin/go": 0o100755}


async def test_no_entries() -> None:
    body = b"".join(await write())
    assert await read_zip(body) == {}
    assert len(body) == layout.END.size


async def test_names_are_utf8_and_say_so() -> None:
    body = b"".join(await write(entry("Ωmega/ü.txt", b"1")))
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        (info,) = made.infolist()
    assert (info.filename, info.flag_bits) == ("Ωmega/ü.txt", layout.UTF8)


async def test_times_before_and_after_dos() -> None:
    old, late = datetime(1960, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    body = b"".join(await write(entry("a", b"", modified=old), entry("b", b"", modified=late)))
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        years = [info.date_time[0] for info in made.infolist()]
    assert years == [1980, 2107]


async def test_the_same_entries_give_the_same_bytes() -> None:
    files = [entry("a", b"text " * 1000), entry("b", os.urandom(2 << 20), compress=False)]
    assert b"".join(await write(*files)) == b"".join(await write(*files))


@pytest.mark.parametrize("size", [1, 3, 1 << 21])
async def test_a_body_of_another_size_is_an_error(size: int) -> None:
    lying = ZipEntry("a", size, MOMENT, True, partial(_pieces, b"12"))
    with pytest.raises(BodySizeChanged):
        await write(lying)


async def test_zip64_for_large_bodies_and_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_out, "_LARGEST_32", 2 << 20)
    monkeypatch.setattr(layout, "MAX32", 3 << 20)
    bodies = {"large": b"x" * (5 << 20), "after": b"y" * 10}
    body = b"".join(await write(*(entry(name, text, compress=False) for name, text in bodies.items())))
    monkeypatch.undo()
    start = body.index(layout.END64_SIGNATURE)
    _, rest, _, _, _, _, here, entries, size, offset = layout.END64.unpack_from(body, start)
    assert (rest, here, entries, offset + size) == (44, 2, 2, start)
    assert layout.LOCATOR.unpack_from(body, start + layout.END64.size)[2] == start
    second = body.index(layout.CENTRAL_SIGNATURE, offset + 4)
    extra = body[second + layout.CENTRAL.size + len("after") :][:12]
    assert struct.unpack("<HHQ", extra)[:2] == (layout.ZIP64_EXTRA, 8)


async def test_more_than_65535_entries() -> None:
    count = 66_000
    body = b"".join(await write(*(entry(f"{number:05}", b"") for number in range(count))))
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        assert len(made.namelist()) == count
    assert len(await read_zip(body)) == count


def _is_portable(name: str) -> bool:
    try:
        check_portable(unicodedata.normalize("NFC", name))
    except NameRefused:
        return False
    return not set(name) & set("/\\\ufffe\uffff") and name not in {".", ".."}


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
            _is_portable
        ),
        st.binary(max_size=5000),
        max_size=8,
    ).filter(lambda files: len({folded(name) for name in files}) == len(files))
)
async def test_whatever_goes_in_comes_out(files: dict[str, bytes]) -> None:
    normal = {unicodedata.normalize("NFC", name): body for name, body in files.items()}
    body = b"".join(await write(*(entry(name, text) for name, text in normal.items())))
    assert await read_zip(body) == normal


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("size", [10, LARGE])
@pytest.mark.parametrize("kept", [0, 3, 2 << 20])
async def test_what_is_lost_is_told_and_the_rest_is_whole(compress: bool, size: int, kept: int) -> None:
    """A body that fails before its first byte leaves no entry; a large one that fails later is kept as far as
    it came.
    """

    async def breaks() -> AsyncIterator[bytes]:
        if kept:
            yield b"x" * min(kept, size - 1)
        raise OSError("gone")

    told: list[tuple[str, int | None, str]] = []

    async def given() -> AsyncIterator[ZipEntry]:
        yield entry("before", b"before")
        yield ZipEntry("broken", size, MOMENT, compress, breaks)
        yield ZipEntry("short", 5, MOMENT, compress, partial(_pieces, b"1234"))
        yield entry("after", b"after" * 300_000)

    def lost(one: ZipEntry, held: int | None, error: Exception) -> None:
        told.append((one.name, held, type(error).__name__))

    body = b"".join([piece async for piece in ZipStream(lost, (OSError,)).chunks(given())])
    held = kept if kept and size == LARGE else None
    assert told == [("broken", held, "OSError"), ("short", None, "BodySizeChanged")]
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        assert made.testzip() is None
        assert made.namelist() == ["before", *(["broken"] if held else []), "after"]
        if held:
            assert made.read("broken") == b"x" * held
        assert made.read("after") == b"after" * 300_000


async def test_other_errors_end_the_archive() -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"1"
        raise ConnectionError("the store is away")

    async def given() -> AsyncIterator[ZipEntry]:
        yield ZipEntry("a", 5, MOMENT, False, breaks)

    with pytest.raises(ConnectionError):
        async for _ in ZipStream(lambda *_: None, (KeyError,)).chunks(given()):
            pass


async def test_slow_readers_hold_no_more_than_half_of_the_memory() -> None:
    """Stored bodies of 9 MiB are collected while there is room; other bodies are sent as they arrive."""
    memory, body = ByteBudget(40 << 20), os.urandom(9 << 20)

    async def given() -> AsyncIterator[ZipEntry]:
        yield entry("photo.jpg", body, compress=False)

    slow = [ZipStream(memory=memory).chunks(given()) for _ in range(12)]
    firsts = [await anext(chunks) for chunks in slow]
    flags = [layout.LOCAL.unpack_from(first)[2] for first in firsts]
    assert flags.count(layout.UTF8) == 2  # whose size was known in advance
    assert flags.count(layout.UTF8 | layout.DESCRIPTOR) == 10
    assert memory.used == 18 << 20
    assert memory.try_acquire(20 << 20)  # for reading an archive
    memory.release(20 << 20)
    for number, chunks in enumerate(slow[1:]):
        if number % 2:
            await chunks.aclose()
        else:
            whole = firsts[1 + number] + b"".join([piece async for piece in chunks])
            with zipfile.ZipFile(io.BytesIO(whole)) as made:
                assert made.read("photo.jpg") == body
    await slow[0].aclose()
    assert memory.used == 0


async def test_memory_comes_back_when_a_body_is_lost() -> None:
    memory = ByteBudget(1 << 20)

    async def given() -> AsyncIterator[ZipEntry]:
        yield ZipEntry("short", 5, MOMENT, True, partial(_pieces, b"1234"))
        yield replace(entry("fetched", b"x" * (1 << 20)), fetched=True)
        yield entry("after", b"after")

    stream = ZipStream(lambda *_: None, (), memory)
    body = b"".join([piece async for piece in stream.chunks(given())])
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        assert [(one.filename, one.flag_bits) for one in made.infolist()] == [
            ("fetched", layout.UTF8),
            ("after", layout.UTF8),
        ]
    assert memory.used == 0
