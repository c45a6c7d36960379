"""Archivers' ZIPs are accepted: real ones, and hand-made ones like those of other systems."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import pytest

from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.zip_directory import MAX_PADDING, read_extra
from strongroom.errors import ArchiveInvalid
from tests.unit.storage_service.projects.archives.hand_made import Entry, archive, field_of, streamed
from tests.unit.storage_service.projects.archives.reading import read_zip

SPECIMENS: Final = sorted((Path(__file__).parent / "specimens").glob("*.zip"))
TREE: Final = {
    "a.txt": b"hello\n",
    "src/a.js": b"let a = 1;\n",
    "bin/run.sh": b"#!/bin/sh\necho hi\n",
    "é.txt": b"x",
    "zero": b"",
}
ALSO: Final = {"META-INF/MANIFEST.MF"}
DOT: Final = Entry(name=b"./", body=b"", mode=0o040755)


@pytest.mark.parametrize(
    ("made_by", "body"), [pytest.param(path.stem, path.read_bytes(), id=path.stem) for path in SPECIMENS]
)
async def test_archivers(made_by: str, body: bytes) -> None:
    files = await read_zip(body)
    expected = {"a.txt": b"hi"} if made_by == "zipalign" else TREE
    assert {name: body for name, body in files.items() if name not in ALSO} == expected


async def test_the_finder_of_macos() -> None:
    """Data descriptors, old Unix fields, NFD names without the UTF-8 flag, and a second tree."""
    times = field_of(0x5855, bytes(8))
    names = ["site/", "site/e\u0301.txt", "__MACOSX/", "__MACOSX/site/", "__MACOSX/site/._e\u0301.txt"]
    entries = []
    for name in names:
        if name.endswith("/"):
            entries.append(Entry(name=name.encode(), body=b"", mode=0o040755, extra=times))
        else:
            packed = Entry(name=name.encode(), body=b"text" * 9, method=layout.DEFLATED, extra=times)
            entries.append(streamed(packed))
    assert await read_zip(archive(*entries)) == {
        "site/\u00e9.txt": b"text" * 9,
        "__MACOSX/site/._\u00e9.txt": b"text" * 9,
    }


async def test_the_explorer_of_windows() -> None:
    """No modes, no extra fields, no folders; names in the system's code page."""
    entries = [
        Entry(name=name, mode=0, body=b"x") for name in (b"dir/a.txt", b"dir/\x81.txt", b"New folder/b")
    ]
    assert set(await read_zip(archive(*entries))) == {"dir/a.txt", "dir/\u00fc.txt", "New folder/b"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("./a", "a"),
        ("././a/b", "a/b"),
        ("./.env", ".env"),
        ("./..a", "..a"),
        (".a/b", ".a/b"),
        ("./\u00fc", "\u00fc"),
    ],
)
async def test_a_dot_in_front(given: str, path: str) -> None:
    assert await read_zip(archive(DOT, Entry(name=given.encode(), flags=layout.UTF8))) == {path: b"hello"}


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["./a", "a"], "duplicate_name"),
        (["a", "././a"], "duplicate_name"),
        (["./a/", "a"], "duplicate_name"),
        (["./README", "readme"], "case_collision"),
        (["./../a"], "parent_segment"),
        (["./a/../../b"], "parent_segment"),
        ([".//a"], "absolute_name"),
        (["./C:/a"], "drive_letter"),
        (["./a\\b"], "backslash"),
        ([".\\a"], "backslash"),
        (["a/./b"], "empty_segment"),
        (["."], "empty_segment"),
        (["./."], "empty_segment"),
        (["./.git/config"], "git_folder"),
    ],
)
async def test_a_dot_in_front_mends_nothing(names: list[str], rule: str) -> None:
    entries = [Entry(name=name.encode(), body=b"" if name.endswith("/") else b"x", mode=0) for name in names]
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(*entries))
    assert caught.value.metadata["rule"] == rule


@pytest.mark.parametrize("padding", [1, 21, 22, 23, 512, 10_240, MAX_PADDING])
@pytest.mark.parametrize("comment", [b"", b"a comment\0\0"])
@pytest.mark.parametrize("wide", [False, True])
async def test_zeros_behind_the_end(padding: int, comment: bytes, wide: bool) -> None:
    assert await read_zip(archive(comment=comment, wide=wide) + bytes(padding)) == {"a.txt": b"hello"}


@pytest.mark.parametrize(
    "body",
    [
        archive() + bytes(MAX_PADDING + 1),
        archive() + bytes(100) + b"x",
        archive() + b"x" + bytes(100),
        archive() + bytes(100) + archive(Entry(name=b"other")),
        archive(comment=layout.END_SIGNATURE + bytes(30)),
        archive(comment=b"c" * 10 + layout.END.pack(layout.END_SIGNATURE, 0, 0, 0, 0, 0, 0, 0) + bytes(9)),
    ],
    ids=["too many", "something behind", "something between", "another archive", "an end in the comment",
         "a whole end in the comment"],
)  # fmt: skip
async def test_what_is_no_padding(body: bytes) -> None:
    with pytest.raises(ArchiveInvalid):
        await read_zip(body)


@pytest.mark.parametrize("zeros", [1, 2, 3, 4, 5, 4095])
@pytest.mark.parametrize("before", [b"", field_of(0x5455, b"\1abcd")])
async def test_zeros_in_extra_fields(zeros: int, before: bytes) -> None:
    padded = Entry(extra=before + bytes(zeros))
    assert await read_zip(archive(padded)) == {"a.txt": b"hello"}


@pytest.mark.parametrize(
    "extra", [b"\0\0\1", b"\1", bytes(3) + b"\1", struct.pack("<HH", 0, 5), bytes(4) + field_of(9, b"") * 2]
)
async def test_extra_fields_that_are_no_padding(extra: bytes) -> None:
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(Entry(extra=extra)))
    assert caught.value.metadata["rule"] == "extra_field"


class _Counting(bytes):
    """Counts the bytes that slices take."""

    taken = 0

    def __getitem__(self, at: Any) -> Any:
        piece = super().__getitem__(at)
        self.taken += len(piece) if isinstance(piece, bytes) else 1
        return piece


def test_extra_fields_are_read_once() -> None:
    """Trailing zeros used to be searched for again after each field."""
    raw = _Counting(b"".join(field_of(kind, b"\0\0") for kind in range(1, 5000)) + b"\0\0")
    assert len(read_extra(raw, b"a.txt")) == 4999
    assert raw.taken <= len(raw)
