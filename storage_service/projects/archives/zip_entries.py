"""Reads the entries of a ZIP in the order of their bytes: compares each local header with the central
directory, then reads the content.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable

from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.zip_directory import CentralEntry, read_extra
from storage_service.projects.archives.zip_layout import refused
from storage_service.projects.archives.zip_names import decode_name

_INLINE_BYTES = 32 * 1024
"""Up to this size inflating is faster than switching to a thread."""
_TOLD_TWICE = (
    layout.ENCRYPTED
    | layout.DESCRIPTOR
    | layout.PATCHED
    | layout.STRONGLY_ENCRYPTED
    | layout.UTF8
    | layout.MASKED
)
_DESCRIPTORS = {12: "<LLL", 16: "<4sLLL", 20: "<LQQ", 24: "<4sLQQ"}
"""Formats of a data descriptor by length: with and without signature, sizes of 4 or 8 bytes (APPNOTE
4.3.9).
"""

ReadExactly = Callable[[int], Awaitable[bytes]]
"""Reads the next bytes of the archive, exactly as many."""


async def read_local_header(read: ReadExactly, entry: CentralEntry) -> int:
    """Read the header and compare it; returns its length. Raises ArchiveInvalid."""
    raw = await read(layout.LOCAL.size)
    signature, _, flags, method, _, _, crc32, packed, size, name_size, extra_size = layout.LOCAL.unpack(raw)
    if signature != layout.LOCAL_SIGNATURE:
        raise refused("local_header", "there is no entry where the central directory says", entry.name)
    rest = await read(name_size + extra_size)
    if rest[:name_size] != entry.name:
        raise refused("local_mismatch", "local header and central directory name it differently", entry.name)
    if method != entry.method or (flags ^ entry.flags) & _TOLD_TWICE:
        raise refused("local_mismatch", "local header and central directory treat it differently", entry.name)
    fields = read_extra(rest[name_size:], entry.name)
    _check_local_name(fields.get(layout.UNICODE_PATH_EXTRA), entry)
    told = (crc32, *_local_sizes(fields.get(layout.ZIP64_EXTRA), packed, size, entry))
    real = (entry.crc32, entry.packed, entry.size)
    later = entry.flags & layout.DESCRIPTOR
    if any(value != wanted and not (later and value == 0) for value, wanted in zip(told, real, strict=True)):
        raise refused(
            "local_mismatch", "local header and central directory differ in size or checksum", entry.name
        )
    return layout.LOCAL.size + len(rest)


async def read_content(read: ReadExactly, entry: CentralEntry) -> bytes:
    """The entry's content, with the length and checksum from its headers. Raises ArchiveInvalid.

    The content ends at the announced size; anything more in a deflate stream is ignored, and the checksum
    must match.
    """
    packed = await read(entry.packed)
    if entry.method == layout.STORED:
        body = packed
    elif max(len(packed), entry.size) <= _INLINE_BYTES:
        body = _inflate(packed, entry)
    else:
        body = await asyncio.to_thread(_inflate, packed, entry)
    if len(body) != entry.size:
        raise refused("content_size", f"{entry.size} bytes were announced, {len(body)} are there", entry.name)
    if zlib.crc32(body) != entry.crc32:
        raise refused("content_checksum", "the content does not have the checksum announced", entry.name)
    return body


async def read_descriptor(read: ReadExactly, entry: CentralEntry, room: int) -> None:
    """Read what is between the content and the next record: a data descriptor of ``room`` bytes, or nothing.

    Raises ArchiveInvalid.
    """
    if not entry.flags & layout.DESCRIPTOR:
        if room:
            raise refused("gap_between_entries", "there is data between this entry and the next", entry.name)
        return
    shape = _DESCRIPTORS.get(room)
    if shape is None:
        raise refused("data_descriptor", "the data descriptor is missing or malformed", entry.name)
    *signature, crc32, packed, size = struct.unpack(shape, await read(room))
    if signature not in ([], [layout.DESCRIPTOR_SIGNATURE]):
        raise refused("data_descriptor", "the data descriptor is malformed", entry.name)
    if (crc32, packed, size) != (entry.crc32, entry.packed, entry.size):
        raise refused("data_descriptor", "the data descriptor contradicts the central directory", entry.name)


def _check_local_name(unicode_path: bytes | None, entry: CentralEntry) -> None:
    """Check that the local header has the same name, also in Unicode. Raises ArchiveInvalid."""
    if unicode_path is not None and decode_name(entry.name, entry.flags, unicode_path) != entry.text:
        raise refused(
            "two_names", "the Unicode path extra field of the local header has another name", entry.name
        )


def _local_sizes(extra: bytes | None, packed: int, size: int, entry: CentralEntry) -> tuple[int, int]:
    """Packed size and size: from the Zip64 field if the plain ones are full; then it has both (APPNOTE
    4.5.3).
    """
    if extra is None:
        return packed, size
    if len(extra) != 16:
        raise refused("zip64_extra", "the local Zip64 field does not hold two sizes", entry.name)
    wide_size, wide_packed = struct.unpack("<QQ", extra)
    for wide, real in ((wide_size, entry.size), (wide_packed, entry.packed)):
        if wide not in {0, real}:
            raise refused(
                "zip64_extra", "the local Zip64 field contradicts the central directory", entry.name
            )
    return (
        wide_packed if packed == layout.MAX32 else packed,
        wide_size if size == layout.MAX32 else size,
    )


def _inflate(packed: bytes, entry: CentralEntry) -> bytes:
    """At most the announced size. Raises ArchiveInvalid."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(packed, entry.size or 1)  # 0 would mean no limit
        if len(body) == entry.size and not unpacker.eof:
            unpacker.decompress(unpacker.unconsumed_tail, 1)  # the end mark, or data beyond the size
    except zlib.error as error:
        raise refused("deflate_stream", "the compressed data is broken", entry.name) from error
    if unpacker.unused_data:
        raise refused("deflate_stream", "there is data behind the compressed data", entry.name)
    return body
