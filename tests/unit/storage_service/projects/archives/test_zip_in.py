"""Valid archives are read exactly, whatever wrote them."""

from __future__ import annotations

import io
import os
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.zip_in import SEGMENT_BYTES, ZipReader
from strongroom.errors import ArchiveInvalid, ProjectLimitExceeded
from tests.unit.storage_service.projects.archives.hand_made import (
    Entry,
    archive,
    deflate,
    field_of,
    streamed,
    unicode_path,
)
from tests.unit.storage_service.projects.archives.reading import InMemory, NoLimits, read_zip

PACKED = Entry(name=b"p", body=b"hello " * 50, method=layout.DEFLATED)
WIDE = field_of(layout.ZIP64_EXTRA, struct.pack("<QQ", 5, 5))
#: In the corpus' accept folders, but unreadable without a password or a decoder.
UNREADABLE = {
    "bogus-compression-method.zip",
    "traditional-encryption-and-compression_deprecated.zip",
    "traditional-encryption_deprecated.zip",
}


async def test_stored_and_deflated() -> None:
    assert await read_zip(archive(Entry(), PACKED)) == {"a.txt": b"hello", "p": PACKED.body}


async def test_nothing_in_it() -> None:
    assert await read_zip(layout.END.pack(layout.END_SIGNATURE, *(0,) * 7)) == {}


async def test_empty_files_and_folders() -> None:
    body = archive(
        Entry(name=b"d/", body=b"", mode=0o040755), Entry(name=b"d/e", body=b""), Entry(name=b"x/"[:1])
    )
    assert await read_zip(body) == {"d/e": b"", "x": b"hello"}


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("wide", [True, False])
async def test_data_descriptors_of_every_shape(signed: bool, wide: bool) -> None:
    first = streamed(Entry(), signed=signed, wide=wide)
    second = streamed(PACKED, signed=signed, wide=wide)
    assert await read_zip(archive(first, second)) == {"a.txt": b"hello", "p": PACKED.body}


async def test_zip64_where_it_is_not_needed() -> None:
    full = {"size": layout.MAX32, "packed": layout.MAX32, "extra": WIDE}
    assert await read_zip(archive(Entry(local=full, central=full), wide=True)) == {"a.txt": b"hello"}
    assert await read_zip(archive(Entry(local=full))) == {"a.txt": b"hello"}
    unknown = {"size": layout.MAX32, "packed": layout.MAX32, "extra": field_of(1, bytes(16)), "crc32": 0}
    assert await read_zip(archive(streamed(Entry(local=unknown), wide=True))) == {"a.txt": b"hello"}


async def test_comments() -> None:
    assert await read_zip(archive(comment=b"made by hand" * 100)) == {"a.txt": b"hello"}


async def test_order_of_the_directory_does_not_matter() -> None:
    body = archive(Entry(), PACKED)
    end = body[-layout.END.size :]
    start = layout.END.unpack(end)[6]
    directory = body[start : -layout.END.size]
    cut = layout.CENTRAL.size + len(b"a.txt")
    assert await read_zip(body[:start] + directory[cut:] + directory[:cut] + end) == {
        "a.txt": b"hello",
        "p": PACKED.body,
    }


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (Entry(name="ü.txt".encode(), flags=layout.UTF8), "ü.txt"),
        (Entry(name="ü.txt".encode()), "ü.txt"),  # macOS
        (Entry(name=b"\x81.txt"), "ü.txt"),  # code page 437
        (Entry(name=b"\x81.txt", extra=unicode_path(b"\x81.txt", "ö.txt")), "ö.txt"),
        (Entry(name="e\u0301".encode(), flags=layout.UTF8), "é"),
        (Entry(name=b"a.txt", extra=unicode_path(b"a.txt", "a.txt")), "a.txt"),
        (Entry(name=b"...a"), "...a"),
    ],
)
async def test_names(entry: Entry, name: str) -> None:
    assert await read_zip(archive(entry)) == {name: b"hello"}


async def test_pythons_writers() -> None:
    files = {"a": b"1", "dir/b": os.urandom(5000), "c": b"x" * 100_000}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for target in (io.BytesIO(), _Unseekable()):
            with zipfile.ZipFile(target, "w", method) as made:
                for name, body in files.items():
                    made.writestr(name, body)
            assert await read_zip(target.getvalue()) == files


@pytest.mark.parametrize(
    ("system", "mode", "executable"),
    [
        (3, 0o100755, True),
        (3, 0o100744, True),
        (19, 0o100755, True),
        (3, 0o755, True),
        (3, 0o100644, False),
        (3, 0o100611, False),
        (3, 0, None),
        (0, 0, None),
        (0, 0o100755, None),
        (10, 0o100755, None),
    ],
)
async def test_the_executable_bit(system: int, mode: int, executable: bool | None) -> None:
    """The owner's bit decides; None if the archiver records no access rights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        info = zipfile.ZipInfo("run")
        made.writestr(info, b"#!")
        info.create_system, info.external_attr = system, mode << 16  # written at the end
    reader = ZipReader(InMemory(buffer.getvalue()), len(buffer.getvalue()), NoLimits())
    await reader.open()
    assert [(file.path, file.executable) async for file in reader.files() if await file.read()] == [
        ("run", executable)
    ]


async def test_an_archive_is_read_in_segments() -> None:
    files = {f"{n}.bin": os.urandom(300_000) for n in range(40)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, body in files.items():
            made.writestr(name, body)
    source = InMemory(buffer.getvalue())
    reader = ZipReader(source, len(source.body), NoLimits())
    await reader.open()
    assert {file.path: await file.read() async for file in reader.files()} == files
    assert max(source.asked) == SEGMENT_BYTES
    assert sum(source.asked) < 1.3 * len(source.body)


async def test_limits_are_asked_before_anything_is_read() -> None:
    class Strict(NoLimits):
        def check(self, *, files: int, largest: int, total: int) -> None:
            super().check(files=files, largest=largest, total=total)
            if total:
                raise ProjectLimitExceeded("too much", metadata={})

    body, limits = archive(Entry(), PACKED), Strict()
    with pytest.raises(ProjectLimitExceeded):
        await ZipReader(InMemory(body), len(body), limits).open()
    assert limits.seen == {"files": 2, "largest": 300, "total": 305}


@pytest.mark.parametrize("name", [b"empty.txt", b"folder/"])
async def test_what_is_packed_into_more_than_it_is_counts_as_that(name: bytes) -> None:
    """A body that is larger compressed than uncompressed counts with about its compressed size. Endless empty
    deflate blocks: 100 MiB of them used to be read at once for an empty file.
    """
    nothing = b"\0\0\0\xff\xff" * 20_000 + deflate(b"")
    mode = 0o040755 if name.endswith(b"/") else 0o100644
    body = archive(Entry(name=name, body=b"", method=layout.DEFLATED, packed=nothing, mode=mode))
    limits = NoLimits()
    await ZipReader(InMemory(body), len(body), limits).open()
    assert limits.seen["largest"] == len(nothing) - len(nothing) // 512


async def test_what_does_not_pack_may_be_as_large_as_the_limit() -> None:
    noise = random.Random(1).randbytes(1 << 20)
    limits = NoLimits()
    for level in (0, 1, 9):
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        packed = packer.compress(noise) + packer.flush()
        body = archive(Entry(body=noise, method=layout.DEFLATED, packed=packed))
        await ZipReader(InMemory(body), len(body), limits).open()
        assert limits.seen["largest"] == len(noise)


@pytest.mark.parametrize(("entries", "asked"), [(20, 2), (21, 1), (4000, 1)])
async def test_of_too_many_entries_none_is_read(entries: int, asked: int) -> None:
    """The number of entries is taken from the end record. As many folders as files are allowed."""

    class Ten(NoLimits):
        def check(self, *, files: int, largest: int, total: int) -> None:
            if files > 10 or total:
                raise ProjectLimitExceeded("too many", metadata={})

    source = InMemory(archive(*(Entry(name=b"%d" % number) for number in range(entries))))
    with pytest.raises(ProjectLimitExceeded):
        await ZipReader(source, len(source.body), Ten()).open()
    assert len(source.asked) == asked


async def test_a_huge_directory_is_not_read() -> None:
    entries = [Entry(name=b"%01000d" % n, body=b"") for n in range(9000)]
    body = archive(*entries)
    source = InMemory(body)
    with pytest.raises(ArchiveInvalid) as caught:
        await ZipReader(source, len(body), NoLimits()).open()
    assert caught.value.metadata["rule"] == "directory_size"
    assert len(source.asked) == 1


def _corpus() -> list[Path]:
    folder = os.environ.get("STRONGROOM_ZIP_CORPUS")
    found = sorted(Path(folder).glob("*_accept/*")) if folder else []
    return [path for path in found if path.name not in UNREADABLE]


@pytest.mark.parametrize(
    "body",
    [pytest.param(path.read_bytes(), id=path.name) for path in _corpus()]
    or [pytest.param(archive(Entry(), streamed(PACKED)), id="by hand")],
)
async def test_archives_of_others_are_read_exactly(body: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        expected = {info.filename: made.read(info) for info in made.infolist() if not info.is_dir()}
    assert await read_zip(body) == expected


class _Unseekable(io.RawIOBase):
    """A pipe: the archiver cannot go back to write sizes."""

    def __init__(self) -> None:
        self._body = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._body += memoryview(data)  # type: ignore[arg-type]
        return memoryview(data).nbytes  # type: ignore[arg-type]

    def getvalue(self) -> bytes:
        return bytes(self._body)
