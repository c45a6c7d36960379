"""Finds the bytes of a file that tell where it was taken, so that they can be overwritten in place.

A location is stored in one of few ways, whatever the file's format: a GPS directory in a TIFF structure
(EXIF); an XMP packet, which is plain text so that it can be found anywhere; IPTC data sets; boxes and texts
of ISO 6709 in MP4 and QuickTime. The search looks for these instead of parsing each format, so it also finds
those of data after a picture (the video of a motion photo, further pictures). Only PNG has checksums over its
content, and may compress it.
"""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from storage_service.media.frames import RemoteFile, TooMuch

#: A picture up to this size is read whole; of a larger one, this much of its beginning and of its end.
WHOLE_BYTES: Final = 40 * 1024 * 1024
END_BYTES: Final = 4 * 1024 * 1024
#: The largest box of descriptions read of a video.
MOST_DESCRIBED: Final = 32 * 1024 * 1024
MOST_MASKS: Final = 1000
MOST_UNPACKED: Final = 4 * 1024 * 1024
#: The budget of one file: 1 for a byte that is unpacked, and a fixed cost for a directory entry and a mask.
MOST_WORK: Final = 100_000_000
_ENTRY, _MASK = 100, 1000

_TIFF: Final = re.compile(rb"II\*\0.{4}|MM\0\*.{4}", re.DOTALL)
_GPS, _SUB_DIRECTORIES = 0x8825, (0x8769, 0x014A)
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_XMP_BEGIN: Final = re.compile(rb"<(?:\w{1,16}:)?(?:xmpmeta|RDF)[\s>]")
_XMP_END: Final = re.compile(rb"</(?:\w{1,16}:)?(?:xmpmeta|RDF)\s{0,64}>")
_MOST_XMP: Final = 262144
_PLACE_WORDS: Final = re.compile(
    rb"gps|latitude|longitude|location|\bcity\b|:city|:state|:country|province|sublocation|geo:",
    re.IGNORECASE,
)
_IPTC: Final = re.compile(rb"8BIM\x04\x04")
_IPTC_PLACES: Final = frozenset({26, 27, 90, 92, 95, 100, 101})
_ISO_6709: Final = re.compile(
    rb"[+-]\d{2,6}(?:\.\d{1,10})?[+-]\d{3,7}(?:\.\d{1,10})?(?:[+-]\d{1,6}(?:\.\d{1,10})?)?"
    rb"(?:CRS[\w:]{1,20})?/?"
)
_LOCI: Final = re.compile(rb"(.{4})loci", re.DOTALL)


class Mask(NamedTuple):
    """Overwrite ``length`` bytes from ``offset`` with ``filling``, repeated; empty: zeros."""

    offset: int
    length: int
    filling: bytes = b""


class Budget:
    """The work left for one file.

    Directories may refer to each other, and texts may be compressed, so the work can grow faster than the
    file.
    """

    def __init__(self, work: int = MOST_WORK) -> None:
        self._left = work

    def pay(self, work: int) -> None:
        """Raises TooMuch."""
        self._left -= work
        if self._left < 0:
            raise TooMuch("what is looked for leads too far")

    def paid(self, masks: Iterable[Mask]) -> Iterator[Mask]:
        """Pay for each mask. Raises TooMuch if there are too many."""
        for mask in masks:
            self.pay(_MASK)
            yield mask


def masks_of(content_type: str, file: RemoteFile) -> list[Mask]:
    """The masks for a file, in order and without overlaps. Raises TooMuch."""
    budget = Budget()
    if content_type.startswith("video/") or file.at(4, 4) in {b"ftyp", b"moov", b"wide"}:
        found = [*budget.paid(_of_video(file, budget))]
    else:
        found = []
    if not content_type.startswith(("video/", "audio/")):
        for begin, data in _pieces(file):
            inside = budget.paid(in_bytes(data, budget))
            found += [mask._replace(offset=begin + mask.offset) for mask in inside]
            if not begin and data.startswith(b"\x89PNG\r\n\x1a\n"):
                found = _of_png(data, found, budget)
    return _merged(found)


def in_bytes(data: bytes, budget: Budget) -> Iterator[Mask]:
    """The masks for a picture, or for anything that contains one."""
    for match in _TIFF.finditer(data):
        yield from _gps(data, match.start(), budget)
    for begin, end in _packets(data):
        if _PLACE_WORDS.search(data, begin, end):
            yield Mask(begin, end - begin, b" ")
    read = 0
    for match in _IPTC.finditer(data):
        if match.start() >= read:  # otherwise it was read as part of the previous one
            read = yield from _iptc(data, match.end())
    video = data.find(b"ftyp", 16)
    if video >= 0:  # of a motion photo
        yield from (mask._replace(offset=video + mask.offset) for mask in _in_boxes(data[video:]))


def _pieces(file: RemoteFile) -> Iterator[tuple[int, bytes]]:
    if file.size <= WHOLE_BYTES:
        yield 0, file.at(0, file.size)
        return
    yield 0, file.at(0, WHOLE_BYTES - END_BYTES)
    yield file.size - END_BYTES, file.at(file.size - END_BYTES, END_BYTES)


def _packets(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each XMP packet. Both kinds of tags are scanned once, however many are unmatched."""
    behind = 0
    ends = _XMP_END.finditer(data)
    end = next(ends, None)
    for begin in _XMP_BEGIN.finditer(data):
        if begin.start() < behind:
            continue
        while end is not None and end.start() < begin.end():
            end = next(ends, None)
        if end is None:
            return
        if end.start() - begin.end() <= _MOST_XMP:
            behind = end.end()
            yield begin.start(), behind


def _gps(data: bytes, base: int, budget: Budget) -> Iterator[Mask]:
    """GPS directories of the TIFF structure at ``base``: the entries, and values stored outside them."""
    order = "<" if data[base] == 0x49 else ">"
    (first,) = struct.unpack_from(f"{order}I", data, base + 4)
    waiting, seen = [first], set[int]()
    while waiting and len(seen) < 32:
        at = waiting.pop()
        if at in seen or at < 8:
            continue
        seen.add(at)
        entries = _directory(data, base, at, order, budget)
        for tag, kind, count, value in entries:
            if tag == _GPS and count == 1:
                yield from _of_directory(data, base, value, order, budget)
            elif tag in _SUB_DIRECTORIES and kind in {4, 13} and count == 1:
                waiting.append(value)
        if entries:
            behind = base + at + 2 + 12 * len(entries)
            if behind + 4 <= len(data):
                waiting.append(struct.unpack_from(f"{order}I", data, behind)[0])


def _directory(
    data: bytes, base: int, at: int, order: str, budget: Budget
) -> list[tuple[int, int, int, int]]:
    """The entries at ``at``; none if there is no directory."""
    budget.pay(_ENTRY)
    try:
        (count,) = struct.unpack_from(f"{order}H", data, base + at)
        if not 0 < count <= 1024:
            return []
        budget.pay(_ENTRY * count)
        return [
            struct.unpack_from(f"{order}HHII", data, base + at + 2 + 12 * number) for number in range(count)
        ]
    except struct.error:
        return []


def _of_directory(data: bytes, base: int, at: int, order: str, budget: Budget) -> Iterator[Mask]:
    """Masks that leave a directory without entries."""
    entries = _directory(data, base, at, order, budget)
    for _, kind, count, value in entries:
        size = _SIZES.get(kind, 1) * count
        if 4 < size <= 1 << 16 and base + value + size <= len(data):
            yield Mask(base + value, size)
    if entries:
        yield Mask(base + at, 2 + 12 * len(entries))


def _iptc(data: bytes, at: int) -> Generator[Mask, None, int]:
    """Mask values of data sets that name places (IPTC-IIM 4.2, record 2). Returns how far it has read."""
    name = data[at] + 1 if at < len(data) else 0
    at += name + name % 2
    (size,) = struct.unpack_from(">I", data, at) if at + 4 <= len(data) else (0,)
    at += 4
    end = min(at + size, len(data))
    while at + 5 <= end and data[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", data, at + 1)
        if length & 0x8000 or at + 5 + length > end:
            break
        if record == 2 and number in _IPTC_PLACES and length:
            yield Mask(at + 5, length, b" ")
        at += 5 + length
    return at


def _of_video(file: RemoteFile, budget: Budget) -> Iterator[Mask]:
    """Masks for MP4 and QuickTime: top-level boxes of descriptions are read, the frames skipped."""
    at = 0
    for _ in range(256):
        head = file.at(at, 16)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
        size = size or file.size - at
        if size < 8 or not kind.isascii():
            return
        if kind in {b"moov", b"meta", b"uuid", b"udta", b"free", b"skip"} and size <= MOST_DESCRIBED:
            data = file.at(at, min(size, file.size - at))
            for mask in (*_in_boxes(data), *in_bytes(data, budget)):
                yield mask._replace(offset=at + mask.offset)
        at += size


def _in_boxes(data: bytes) -> Iterator[Mask]:
    """ISO 6709 in text boxes of any name (``©xyz``, QuickTime's metadata), and 3GPP's ``loci``."""
    for match in _ISO_6709.finditer(data):
        yield Mask(match.start(), len(match[0]), b" ")
    for match in _LOCI.finditer(data):
        size = int.from_bytes(match[1], "big")
        if 12 < size <= 4096 and match.start() + size <= len(data):
            yield Mask(match.end() + 4, size - 12)


def _of_png(data: bytes, found: list[Mask], budget: Budget) -> list[Mask]:
    """Add masks for the checksums of masked chunks, and empty compressed texts that name a place."""
    found = sorted(found, key=_offset)
    pixels = bytearray(len(found))
    at = 8
    more = list[Mask]()
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            break
        low, high = bisect_left(found, at + 8, key=_offset), bisect_left(found, end, key=_offset)
        if kind in {b"zTXt", b"iTXt", b"tEXt"} and _is_packed_place(kind, data[at + 8 : end], budget):
            more += budget.paid(_emptied(at, size))
        elif kind == b"IDAT":  # pixels that look like a place
            pixels[low:high] = b"\1" * (high - low)
        elif low < high:
            content = masked(data[at + 4 : end], at + 4, found[low:high])
            more.append(Mask(end, 4, struct.pack(">I", zlib.crc32(content))))
        at = end + 4
    return [*(mask for mask, is_pixel in zip(found, pixels, strict=True) if not is_pixel), *more]


def _offset(mask: Mask) -> int:
    return mask.offset


def _emptied(at: int, size: int) -> list[Mask]:
    """Masks that turn a chunk into zeros under an unknown name."""
    summed = struct.pack(">I", zlib.crc32(b"voId" + bytes(size)))
    return [Mask(at + 4, 4, b"voId"), Mask(at + 8, size), Mask(at + 8 + size, 4, summed)]


def _is_packed_place(kind: bytes, content: bytes, budget: Budget) -> bool:
    """Whether text that is compressed, or in hexadecimal digits (ImageMagick), names a place."""
    keyword, _, rest = content.partition(b"\0")
    budget.pay(_ENTRY)
    if kind == b"zTXt":
        text = _unpacked(rest[1:], budget)
    elif kind == b"iTXt" and rest[:1] == b"\1":
        text = _unpacked(rest[2:].partition(b"\0")[2].partition(b"\0")[2], budget)
    else:
        text = rest
    if keyword.startswith(b"Raw profile type"):
        digits = re.sub(rb"\s+", b"", text.lstrip().partition(b"\n")[2].lstrip().partition(b"\n")[2])
        if re.fullmatch(rb"(?:[\da-fA-F]{2})+", digits):
            text = bytes.fromhex(digits.decode("ascii"))
    elif kind == b"tEXt":
        return False
    return bool(next(in_bytes(text, budget), None)) or bool(_PLACE_WORDS.search(keyword))


def _unpacked(packed: bytes, budget: Budget) -> bytes:
    try:
        text = zlib.decompressobj().decompress(packed, MOST_UNPACKED)
    except zlib.error:
        return b""
    budget.pay(len(text))
    return text


def masked(data: bytes, begin: int, masks: Sequence[Mask]) -> bytes:
    """``data``, which begins at ``begin`` of the file, with the masks applied."""
    if not any(mask.offset < begin + len(data) and begin < mask.offset + mask.length for mask in masks):
        return data
    changed = bytearray(data)
    for offset, length, filling in masks:
        first, last = max(offset, begin), min(offset + length, begin + len(data))
        if first < last:
            changed[first - begin : last - begin] = filled(filling, first - offset, last - first)
    return bytes(changed)


def filled(filling: bytes, skip: int, size: int) -> bytes:
    """``size`` bytes of an endless repetition of ``filling``, from ``skip`` on."""
    if not filling:
        return bytes(size)
    begin = skip % len(filling)
    return (filling * ((begin + size) // len(filling) + 1))[begin : begin + size]


def _merged(found: list[Mask]) -> list[Mask]:
    """Sort the masks. Where some overlap, the larger one comes first and wins."""
    result = list[Mask]()
    for mask in sorted(found, key=lambda one: (one.offset, -one.length)):
        end = result[-1].offset + result[-1].length if result else 0
        if mask.offset + mask.length <= end:
            continue
        if mask.offset < end:
            mask = Mask(end, mask.offset + mask.length - end, mask.filling)  # noqa: PLW2901
        result.append(mask)
    if len(result) > MOST_MASKS:
        raise TooMuch("more places than anybody has been at")
    return result
