"""Reads the end of a ZIP strictly: its end records and its central directory.

Readers interpret a contradictory ZIP differently, which can be used to smuggle archives past checks. So only
what all readers agree on is accepted: nothing before the first entry, between records or after the end; every
count, size and offset that is stored twice is equal; Zip64 fields exactly where the plain ones are full
(APPNOTE 4.3, 4.4, 4.5.3).
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.zip_layout import refused
from storage_service.projects.archives.zip_names import check_name, decode_name

MAX_PADDING = 64 << 10
"""Zeros allowed after the end record: streams are padded to whole blocks (bsdtar: 10,240 bytes)."""
TAIL_BYTES = layout.END.size + layout.MAX16 + layout.LOCATOR.size + layout.END64.size + MAX_PADDING
"""Length of the end that may contain the end records: the records, the longest comment, and padding."""

_UNIX_SYSTEMS = frozenset({3, 19})
"""Hosts whose entries have a Unix mode: Unix, and macOS (APPNOTE 4.4.2)."""


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """Where the central directory is."""

    offset: int
    size: int
    entries: int


@dataclass(frozen=True, slots=True)
class CentralEntry:
    """One entry of the central directory.

    ``name``: its bytes; ``text``: the name in Unicode; ``path``: normalized, without a final slash. ``mode``:
    the Unix mode; 0 if the archiver does not tell it.
    """

    name: bytes
    text: str
    path: str
    is_folder: bool
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    offset: int
    mode: int

    @property
    def executable(self) -> bool | None:
        """Whether the owner may execute it, as in git. None: the archive has no access rights."""
        return bool(self.mode & stat.S_IXUSR) if self.mode else None


def find_directory(tail: bytes, file_size: int) -> DirectoryPlace:
    """``tail``: the last min(TAIL_BYTES, file_size) bytes. Raises ArchiveInvalid."""
    at = _find_end(tail)
    _, disk, first_disk, here, entries, size, offset, _ = layout.END.unpack_from(tail, at)
    told = (disk, first_disk, here, entries, size, offset)
    end = file_size - len(tail) + at  # of the part before END
    if at >= layout.LOCATOR.size and tail[at - layout.LOCATOR.size :].startswith(layout.LOCATOR_SIGNATURE):
        wide = _read_end64(tail, at, end)
        end -= layout.LOCATOR.size + layout.END64.size
        full = (layout.MAX16,) * 4 + (layout.MAX32,) * 2
        if any(plain not in {real, most} for plain, real, most in zip(told, wide, full, strict=True)):
            raise refused("zip64_contradiction", "the Zip64 end record contradicts the plain one")
        told = wide
    disk, first_disk, here, entries, size, offset = told
    if disk or first_disk or here != entries:
        raise refused("several_disks", "archives in several parts are not taken")
    if offset + size != end:
        raise refused("gap_before_end", "the central directory does not end where the end record begins")
    return DirectoryPlace(offset, size, entries)


def read_directory(raw: bytes, place: DirectoryPlace) -> Iterator[CentralEntry]:
    """All entries, in the directory's order. Iterating raises ArchiveInvalid."""
    at = 0
    for _ in range(place.entries):
        entry, at = _read_entry(raw, at)
        yield entry
    if at != len(raw):
        raise refused("directory_size", "the central directory holds more than its entries")


def _find_end(tail: bytes) -> int:
    """Where END begins. It and its comment are last in the file, except for zeros."""
    at = tail.rfind(layout.END_SIGNATURE, 0, max(len(tail) - layout.END.size + len(layout.END_SIGNATURE), 0))
    if at < 0:
        raise refused("no_end_record", "this is not a ZIP, or its end is missing")
    end = _end_of(tail, at)
    if end > len(tail) or len(tail) - end > MAX_PADDING or tail.count(0, end) != len(tail) - end:
        raise refused("several_ends", "something follows the end record that its comment does not cover")
    if tail.find(layout.END_SIGNATURE, at + 1) >= 0:
        raise refused("several_ends", "the comment holds another end record")
    before = tail.rfind(layout.END_SIGNATURE, 0, at)
    if end < len(tail) and before >= 0 and at < _end_of(tail, before) <= len(tail):
        raise refused("several_ends", "the comment holds another end record")
    return at


def _end_of(tail: bytes, at: int) -> int:
    """End of the comment of the end record at ``at``."""
    return at + layout.END.size + int(struct.unpack_from("<H", tail, at + layout.END.size - 2)[0])


def _read_end64(tail: bytes, at: int, end: int) -> tuple[int, int, int, int, int, int]:
    """The fields of the Zip64 end record, which is directly before its locator. ``end``: where END begins."""
    _, disk, offset, disks = layout.LOCATOR.unpack_from(tail, at - layout.LOCATOR.size)
    begin = at - layout.LOCATOR.size - layout.END64.size
    if begin < 0 or offset != end - layout.LOCATOR.size - layout.END64.size or disk or disks > 1:
        raise refused("zip64_locator", "the Zip64 locator does not point at the record before it")
    signature, rest, _, _, this, first, here, entries, size, start = layout.END64.unpack_from(tail, begin)
    if signature != layout.END64_SIGNATURE or rest != layout.END64.size - 12:
        raise refused("zip64_end_record", "the Zip64 end record is malformed or holds more than it should")
    return this, first, here, entries, size, start


def _read_entry(raw: bytes, at: int) -> tuple[CentralEntry, int]:
    if raw[at : at + 4] != layout.CENTRAL_SIGNATURE or len(raw) - at < layout.CENTRAL.size:
        raise refused("directory_entry", "the central directory is cut off or malformed")
    (_, made_by, _, flags, method, _, _, crc32, packed, size, name_size, extra_size, comment_size, disk, _,
    outside, offset) = (
        layout.CENTRAL.unpack_from(raw, at)
    )  # fmt: skip
    begin = at + layout.CENTRAL.size
    end = begin + name_size + extra_size + comment_size
    if end > len(raw):
        raise refused("directory_entry", "an entry is longer than the central directory")
    name = raw[begin : begin + name_size]
    extra = read_extra(raw[begin + name_size : begin + name_size + extra_size], name)
    size, packed, offset, disk = _widened(extra.get(layout.ZIP64_EXTRA), (size, packed, offset, disk), name)
    if disk:
        raise refused("several_disks", "archives in several parts are not taken", name)
    _check_kind(flags, method, name)
    text = decode_name(name, flags, extra.get(layout.UNICODE_PATH_EXTRA))
    is_folder = text.endswith("/")
    _check_mode(outside >> 16, name, is_folder=is_folder)
    mode = outside >> 16 if made_by >> 8 in _UNIX_SYSTEMS else 0
    _check_sizes(method, packed, size, name, is_folder=is_folder)
    return CentralEntry(
        name, text, check_name(text), is_folder, flags, method, crc32, packed, size, offset, mode
    ), end


def read_extra(raw: bytes, name: bytes) -> dict[int, bytes]:
    """Extra fields by id; trailing zeros are padding (zipalign).

    Raises ArchiveInvalid for a field that is cut off, or one that occurs twice.
    """
    fields: dict[int, bytes] = {}
    at, filled = 0, len(raw.rstrip(b"\0"))
    while at < filled:
        if len(raw) - at < 4:
            raise refused("extra_field", "the extra fields are cut off", name)
        kind, size = struct.unpack_from("<HH", raw, at)
        at += 4 + size
        if at > len(raw):
            raise refused("extra_field", "an extra field is longer than all of them", name)
        if kind in fields:
            raise refused("extra_field", "an extra field appears twice", name)
        fields[kind] = raw[at - size : at]
    return fields


def _widened(extra: bytes | None, plain: tuple[int, int, int, int], name: bytes) -> tuple[int, int, int, int]:
    """Size, packed size, offset and disk: from the Zip64 field exactly where the plain one is full."""
    full = (layout.MAX32, layout.MAX32, layout.MAX32, layout.MAX16)
    missing = [value == most for value, most in zip(plain, full, strict=True)]
    if extra is None and not any(missing):
        return plain
    shape = "<" + "".join(
        letter for letter, wanted in zip(("Q", "Q", "Q", "L"), missing, strict=True) if wanted
    )
    if extra is None or len(extra) != struct.calcsize(shape):
        raise refused(
            "zip64_extra", "the Zip64 field does not hold exactly what the plain ones leave out", name
        )
    wide = iter(struct.unpack(shape, extra))
    size, packed, offset, disk = (
        next(wide) if wanted else value for value, wanted in zip(plain, missing, strict=True)
    )
    return size, packed, offset, disk


def _check_kind(flags: int, method: int, name: bytes) -> None:
    if flags & (layout.ENCRYPTED | layout.STRONGLY_ENCRYPTED | layout.MASKED):
        raise refused("encrypted", "the entry is encrypted; send it without a password", name)
    if flags & layout.PATCHED:
        raise refused("patched_data", "the entry holds a patch instead of a file", name)
    if method not in {layout.STORED, layout.DEFLATED}:
        raise refused(
            "compression_method", f"compression method {method}; stored and deflate are taken", name
        )


def _check_mode(mode: int, name: bytes, *, is_folder: bool) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise refused("symlink", "the entry is a symbolic link", name)
    if kind not in {0, stat.S_IFDIR if is_folder else stat.S_IFREG}:
        raise refused("special_file", "the entry is neither a file nor a folder", name)
    if stat.S_IMODE(mode) & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise refused("special_mode", "the entry is marked setuid, setgid or sticky", name)


def _check_sizes(method: int, packed: int, size: int, name: bytes, *, is_folder: bool) -> None:
    if is_folder and size:
        raise refused("folder_with_content", "a folder has content", name)
    if method == layout.STORED and packed != size:
        raise refused("stored_size", "a stored entry has two sizes", name)
