"""Contradictory archives are refused, each by the rule that it breaks."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from storage_service.projects.archives import zip_layout as layout
from strongroom.errors import ArchiveInvalid
from tests.unit.storage_service.projects.archives.hand_made import (
    Archive,
    Entry,
    archive,
    deflate,
    descriptor,
    field_of,
    streamed,
    unicode_path,
)
from tests.unit.storage_service.projects.archives.reading import read_zip
from tests.unit.storage_service.projects.hostile_names import CLASHES, HONEST, KINDS

PLAIN = Entry()
OTHER = Entry(name=b"b.txt", body=b"other")
PACKED = Entry(body=b"hello " * 50, method=layout.DEFLATED)
STREAMED = streamed(PACKED)
DIRECTORY = layout.END.size + layout.CENTRAL.size + len(PLAIN.name)

NAMES = [
    ("absolute_name", b"/etc/passwd"),
    ("parent_segment", b"../a"),
    ("parent_segment", b"a/../../b"),
    ("parent_segment", b".."),
    ("drive_letter", b"C:/a"),
    ("drive_letter", b"c:a"),
    ("backslash", b"a\\b"),
    ("backslash", b"..\\a"),
    ("control_character", b"a\0b"),
    ("control_character", b"a\nb"),
    ("empty_segment", b"a//b"),
    ("empty_segment", b"a/./b"),
    ("empty_segment", b"."),
    ("empty_name", b""),
    ("long_name", b"x" * 1025),
]
LIES = {
    "several disks": ("several_disks", archive(end={"disk": 1, "first": 1})),
    "counts that differ": ("several_disks", archive(end={"here": 2})),
    "an entry on another disk": ("several_disks", archive(PLAIN.but(central={"disk": 1}))),
    "one entry too many": ("directory_entry", archive(end={"here": 2, "entries": 2})),
    "one entry too few": ("directory_size", archive(PLAIN, OTHER, end={"here": 1, "entries": 1})),
    "something before": ("gap_before_entries", archive(before=b"#!/bin/sh\n")),
    "something between": ("gap_between_entries", archive(PLAIN, OTHER.but(before=b"hidden"))),
    "something before the end": ("gap_before_end", archive(between=b"hidden")),
    "something after": ("several_ends", archive(after=b"hidden")),
    "an end in the comment": (
        "several_ends",
        archive(comment=layout.END_SIGNATURE + bytes(18)[:10] + b"rest"),
    ),
    "a whole archive in the comment": ("gap_before_end", archive(comment=archive(OTHER))),
    "no end": ("no_end_record", archive()[: -layout.END.size]),
    "nothing": ("no_end_record", b""),
    "text": ("no_end_record", b"no ZIP at all, but long enough to be one"),
    "the same name twice": ("duplicate_name", archive(PLAIN, PLAIN)),
    "the same name in NFC": (
        "duplicate_name",
        archive(
            Entry(name="é".encode(), flags=layout.UTF8),
            Entry(name="e\u0301".encode(), flags=layout.UTF8),
        ),
    ),
    "a file that is a folder": ("file_and_folder", archive(Entry(name=b"a"), Entry(name=b"a/b"))),
    "a folder with content": ("folder_with_content", archive(Entry(name=b"a/", mode=0))),
    "a symbolic link": ("symlink", archive(PLAIN.but(mode=0o120777))),
    "a device": ("special_file", archive(PLAIN.but(mode=0o020666))),
    "a folder by mode only": ("special_file", archive(PLAIN.but(mode=0o040755))),
    "encrypted": ("encrypted", archive(PLAIN.but(flags=layout.ENCRYPTED))),
    "strongly encrypted": ("encrypted", archive(PLAIN.but(flags=layout.STRONGLY_ENCRYPTED))),
    "encrypted directory": ("encrypted", archive(PLAIN.but(flags=layout.MASKED))),
    "patched": ("patched_data", archive(PLAIN.but(flags=layout.PATCHED))),
    "bzip2": ("compression_method", archive(PLAIN.but(method=12))),
    "a method only in the local header": (
        "local_mismatch",
        archive(PLAIN.but(local={"method": layout.DEFLATED})),
    ),
    "another name in the local header": ("local_mismatch", archive(PLAIN.but(local={"name": b"b.txt"}))),
    "other flags in the local header": (
        "local_mismatch",
        archive(PLAIN.but(local={"flags": layout.ENCRYPTED})),
    ),
    "another size in the local header": ("local_mismatch", archive(PLAIN.but(local={"size": 4}))),
    "another checksum in the local header": ("local_mismatch", archive(PLAIN.but(local={"crc32": 1}))),
    "no local header": ("local_header", archive(PLAIN.but(local={"signature": b"PK\3\3"}))),
    "stored with two sizes": ("stored_size", archive(PLAIN.but(central={"size": 4}, local={"size": 4}))),
    "two entries on one place": ("overlap", archive(PLAIN, OTHER.but(central={"offset": 0}))),
    "an entry that reaches into the next": (
        "overlap",
        archive(PACKED.but(central={"packed": 200}, local={"packed": 200}), OTHER),
    ),
    "an entry behind the directory": ("overlap", archive(PLAIN.but(central={"offset": 4000}))),
    "more content than announced": (
        "content_checksum",
        archive(PACKED.but(central={"size": 10}, local={"size": 10})),
    ),
    "less content than announced": (
        "content_size",
        archive(PACKED.but(central={"size": 1000}, local={"size": 1000})),
    ),
    "content where none is announced": (
        "content_size",
        archive(PACKED.but(central={"size": 0}, local={"size": 0})),
    ),
    "another checksum": ("content_checksum", archive(PLAIN.but(central={"crc32": 1}, local={"crc32": 1}))),
    "a broken deflate stream": ("deflate_stream", archive(PACKED.but(packed=b"\xff" * 20))),
    "something behind the deflate stream": (
        "deflate_stream",
        archive(PACKED.but(packed=deflate(PACKED.body) + b"hidden")),
    ),
    "no data descriptor": ("data_descriptor", archive(STREAMED.but(descriptor=b""))),
    "a data descriptor with another signature": (
        "data_descriptor",
        archive(STREAMED.but(descriptor=b"PK\7\7" + descriptor(PACKED)[4:])),
    ),
    "a data descriptor with another size": (
        "data_descriptor",
        archive(STREAMED.but(descriptor=descriptor(PACKED, size=1))),
    ),
    "a data descriptor with another checksum": (
        "data_descriptor",
        archive(STREAMED.but(descriptor=descriptor(PACKED, signed=False, crc32=0))),
    ),
    "a data descriptor that nobody announced": (
        "gap_between_entries",
        archive(PACKED.but(descriptor=descriptor(PACKED))),
    ),
    "an extra field that is too long": (
        "extra_field",
        archive(PLAIN.but(central={"extra": struct.pack("<HH", 1, 50)})),
    ),
    "a cut off extra field": ("extra_field", archive(PLAIN.but(central={"extra": b"\1\0"}))),
    "an extra field twice": ("extra_field", archive(PLAIN.but(extra=field_of(9, b"") * 2))),
    "a Zip64 field that is missing": ("zip64_extra", archive(PLAIN.but(central={"size": layout.MAX32}))),
    "a Zip64 field that is too short": (
        "zip64_extra",
        archive(PLAIN.but(central={"size": layout.MAX32, "extra": field_of(1, bytes(4))})),
    ),
    "a Zip64 field that nobody needs": (
        "zip64_extra",
        archive(PLAIN.but(central={"extra": field_of(1, struct.pack("<Q", 5))})),
    ),
    "a local Zip64 field that lies": (
        "zip64_extra",
        archive(
            PLAIN.but(
                local={
                    "extra": field_of(1, struct.pack("<QQ", 9, 9)),
                    "size": layout.MAX32,
                    "packed": layout.MAX32,
                }
            )
        ),
    ),
    "a Zip64 end elsewhere": ("zip64_locator", b"x" + archive(wide=True)),
    "a Zip64 end without locator": (
        "gap_before_end",
        archive(between=layout.END64.pack(layout.END64_SIGNATURE, 44, 45, 45, 0, 0, 1, 1, 51, 40)),
    ),
    "a Zip64 end that contradicts": (
        "zip64_contradiction",
        Archive([PLAIN], wide=True).build()[: -layout.END.size]
        + layout.END.pack(layout.END_SIGNATURE, 0, 0, 2, 2, layout.MAX32, layout.MAX32, 0),
    ),
    "a name that is not UTF-8": ("bad_utf8", archive(PLAIN.but(name=b"\xff", flags=layout.UTF8))),
    "another name in Unicode": ("two_names", archive(PLAIN.but(extra=unicode_path(PLAIN.name, "b.txt")))),
    "a Unicode name of another entry": ("two_names", archive(PLAIN.but(extra=unicode_path(b"c", "c")))),
    "a bomb": (
        "ratio",
        archive(*(Entry(name=b"%d" % n, body=bytes(2 << 20), method=layout.DEFLATED) for n in range(6))),
    ),
}


@pytest.mark.parametrize(("rule", "name"), NAMES)
async def test_names_that_are_refused(rule: str, name: bytes) -> None:
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(PLAIN.but(name=name)))
    assert caught.value.metadata["rule"] == rule


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize(("rule", "name"), [(rule, names[0]) for rule, names in KINDS.items()])
async def test_names_that_some_system_takes_for_another(rule: str, name: str, place: str) -> None:
    bad = PLAIN.but(name=f"deep/er/{name}/x".encode(), flags=layout.UTF8)
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(bad, OTHER) if place == "first" else archive(OTHER, bad))
    assert caught.value.metadata["rule"] == rule


@pytest.mark.parametrize(("rule", "one", "other"), CLASHES)
async def test_names_that_clash(rule: str, one: str, other: str) -> None:
    entries = [
        Entry(name=name.encode(), flags=layout.UTF8, mode=0, body=b"" if name.endswith("/") else b"x")
        for name in (one, "between", other)
    ]
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(*entries))
    assert caught.value.metadata["rule"] == rule


@pytest.mark.parametrize("mode", [0o104755, 0o102755, 0o101755, 0o107777, 0o4755, 0o042755, 0o041777])
async def test_modes_that_are_refused(mode: int) -> None:
    folder = mode & 0o040000
    marked = PLAIN.but(name=b"a/" if folder else b"a", body=b"" if folder else b"x", mode=mode)
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(OTHER, marked))
    assert caught.value.metadata["rule"] == "special_mode"


@pytest.mark.parametrize("name", HONEST)
async def test_names_that_are_taken(name: str) -> None:
    path = f"a/{name}"
    body = archive(PLAIN.but(name=path.encode(), flags=layout.UTF8), Entry(name=b"empty/", body=b"", mode=0))
    assert await read_zip(body) == {path: PLAIN.body}


@pytest.mark.parametrize("where", ["local", "central", "extra"])
async def test_a_unicode_path_that_agrees(where: str) -> None:
    name = "\u00fc.txt".encode()
    extra = unicode_path(name, "\u00fc.txt")
    agreeing = PLAIN.but(
        name=name, flags=layout.UTF8, **{where: extra if where == "extra" else {"extra": extra}}
    )
    assert await read_zip(archive(agreeing)) == {"\u00fc.txt": PLAIN.body}


@pytest.mark.parametrize("where", ["local", "central"])
@pytest.mark.parametrize(
    ("name", "flags"),
    [(b"a.txt", 0), (b"a.txt", layout.UTF8), ("\u00fc".encode(), layout.UTF8)],
)
async def test_a_unicode_path_that_contradicts(where: str, name: bytes, flags: int) -> None:
    """One contradicting header is enough, because readers differ in which header they trust."""
    lying = PLAIN.but(name=name, flags=flags, **{where: {"extra": unicode_path(name, "b.txt")}})
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(lying))
    assert caught.value.metadata["rule"] == "two_names"


async def test_a_unicode_path_in_the_local_header_alone() -> None:
    """Without the flag the meaning of the plain name is unknown, so the central directory decides."""
    lying = PLAIN.but(name=b"\x81", local={"extra": unicode_path(b"\x81", "b.txt")})
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(lying))
    assert caught.value.metadata["rule"] == "two_names"


@pytest.mark.parametrize("what", LIES)
async def test_lies_that_are_refused(what: str) -> None:
    rule, body = LIES[what]
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(body)
    assert caught.value.metadata["rule"] == rule


async def test_every_cut_is_refused() -> None:
    whole = archive(PLAIN, STREAMED.but(name=b"c"), OTHER)
    for length in range(len(whole)):
        with pytest.raises(ArchiveInvalid):
            await read_zip(whole[:length])


async def test_the_entry_is_shown_escaped() -> None:
    with pytest.raises(ArchiveInvalid) as caught:
        await read_zip(archive(PLAIN.but(name="ü\r\n".encode())))
    assert caught.value.metadata["entry"] == "\\xfc\\r\\n"


def _corpus(kind: str) -> list[Path]:
    """Return the archives of an external corpus (STRONGROOM_ZIP_CORPUS names its folder), or some of
    our own.
    """
    folder = os.environ.get("STRONGROOM_ZIP_CORPUS")
    return sorted(Path(folder).glob(f"*_{kind}/*")) if folder else []


@pytest.mark.parametrize(
    "body",
    [pytest.param(path.read_bytes(), id=path.name) for path in _corpus("reject")]
    or [pytest.param(body, id=what) for what, (_, body) in LIES.items()],
)
async def test_hostile_archives_of_others(body: bytes) -> None:
    with pytest.raises(ArchiveInvalid):
        await read_zip(body)
