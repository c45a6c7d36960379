"""A file's places are found, and nothing else is masked."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from storage_service.media.frames import RemoteFile
from storage_service.media.location import Mask, filled, masked, masks_of
from tests.e2e import camera

SECRETS: Final = (
    *(b"48,51.4N", b"+48.8566", b"Montmartre"),
    *(struct.pack(f"{order}II", 48, 1) for order in "<>"),
)


class Held(RemoteFile):
    """A file that is completely in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data), 1 << 30, -1, -1)
        self._data = data

    def at(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


def without_place(kind: str, data: bytes) -> bytes:
    """Return the bytes that other readers get."""
    masks = masks_of(kind, Held(data))
    ends = [mask.offset + mask.length for mask in masks]
    assert all(end <= after.offset for end, after in zip(ends, masks[1:], strict=False))
    return masked(data, 0, masks)


def _png(**texts: tuple[bytes, bool]) -> bytes:
    info = PngInfo()
    for name, (text, packed) in texts.items():
        keyword = {"xmp": "XML:com.adobe.xmp", "raw": "Raw profile type exif"}[name]
        if name == "xmp":
            info.add_itxt(keyword, text.decode(), zip=packed)
        else:
            info.add_text(keyword, text.decode(), zip=packed)
    made = io.BytesIO()
    Image.radial_gradient("L").save(made, "PNG", pnginfo=info)
    return made.getvalue()


def _raw_profile() -> bytes:
    digits = camera.exif().hex()
    return f"\nexif\n{len(digits) // 2:8d}\n{digits}\n".encode()


def _tiff(order: str) -> bytes:
    mark, ascii_, rational = (b"II*\0" if order == "<" else b"MM\0*"), 2, 5
    directory = struct.pack(f"{order}HHHIII", 1, 0x8825, 4, 1, 26, 0)
    gps = struct.pack(f"{order}HHHI4sHHIII", 2, 1, ascii_, 2, b"N\0\0\0", 2, rational, 3, 60, 0)
    values = struct.pack(f"{order}6I", 48, 1, 51, 1, 24, 1)
    whole = mark + struct.pack(f"{order}I", 8) + directory
    return (whole + gps).ljust(60, b"\0") + values


def _jpeg_with(segment: bytes) -> bytes:
    made = camera.picture("JPEG", place=False)
    return made[:2] + segment + made[2:]


def _iptc() -> bytes:
    sets = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
        for number, text in ((5, b"Sunset"), (90, b"Montmartre"), (101, b"France"))
    )
    payload = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(sets)) + sets
    return _jpeg_with(b"\xff\xed" + struct.pack(">H", 2 + len(payload)) + payload)


def _box(kind: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return struct.pack(">I", 8 + len(inside)) + kind + inside


def _movie(*described: bytes) -> bytes:
    return _box(b"ftyp", b"qt  ", bytes(4)) + _box(b"mdat", bytes(5000)) + _box(b"moov", *described)


def _loci() -> bytes:
    place = b"\0\0\0\0\x15\xc7Montmartre\0\0" + struct.pack(">iii", 2 << 16, 48 << 16, 0) + b"earth\0\0"
    return _movie(_box(b"udta", _box(b"loci", place)))


def _keys() -> bytes:
    name = b"com.apple.quicktime.location.ISO6709"
    keys = _box(b"keys", struct.pack(">II", 0, 1), _box(b"mdta", name))
    data = _box(b"data", struct.pack(">II", 1, 0), b"+48.8566+002.3522+035.000/")
    return _movie(_box(b"meta", keys, _box(b"ilst", _box(b"\0\0\0\1", data))))


def _heic() -> bytes:
    exif = b"\0\0\0\x06Exif\0\0" + camera.exif()
    return _box(b"ftyp", b"heic", bytes(4), b"mif1heic") + _box(b"meta", bytes(60)) + _box(b"mdat", exif)


CASES: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "jpeg": ("image/jpeg", lambda: camera.picture("JPEG", xmp=camera.XMP)),
    "webp": ("image/webp", lambda: camera.picture("WEBP", xmp=camera.XMP)),
    "avif": ("image/avif", lambda: camera.picture("AVIF", xmp=camera.XMP)),
    "png exif": ("image/png", lambda: camera.picture("PNG")),
    "png xmp": ("image/png", lambda: _png(xmp=(camera.XMP, False))),
    "png packed xmp": ("image/png", lambda: _png(xmp=(camera.XMP, True))),
    "png raw profile": ("image/png", lambda: _png(raw=(_raw_profile(), False))),
    "png packed raw profile": ("image/png", lambda: _png(raw=(_raw_profile(), True))),
    "tiff little": ("image/tiff", lambda: _tiff("<")),
    "tiff big": ("image/tiff", lambda: _tiff(">")),
    "iptc": ("image/jpeg", _iptc),
    "heic": ("image/heic", _heic),
    "gif xmp": (
        "image/gif",
        lambda: camera.picture("GIF")[:-1] + b"!\xff\x0bXMP DataXMP" + camera.XMP + b"\x01\0;",
    ),
    "motion photo": ("image/jpeg", lambda: camera.picture("JPEG", place=False) + camera.video()),
    "second picture": ("image/jpeg", lambda: camera.picture("JPEG", place=False) + camera.picture("JPEG")),
    "svg": ("image/svg+xml", lambda: b"<svg><metadata>" + camera.XMP + b"</metadata></svg>"),
    "mp4 xyz": ("video/mp4", camera.video),
    "mp4 loci": ("video/3gpp", _loci),
    "quicktime keys": ("video/quicktime", _keys),
    "mp4 uuid xmp": ("video/mp4", lambda: _movie() + _box(b"uuid", bytes(16), camera.XMP)),
}


@pytest.mark.parametrize("case", CASES)
def test_places_are_gone(case: str) -> None:
    kind, make = CASES[case]
    data = make()
    told = [secret for secret in SECRETS if secret in data or secret in _unpacked(data)]
    assert told, "the case shows nothing"
    left = without_place(kind, data)
    assert len(left) == len(data)
    assert not [secret for secret in told if secret in left or secret in _unpacked(left)]
    assert without_place(kind, left) == left


def _unpacked(data: bytes) -> bytes:
    """Return the texts of a PNG, decompressed and decoded."""
    if not data.startswith(b"\x89PNG"):
        return b""
    found = b""
    for kind, content in _chunks(data):
        if kind in {b"zTXt", b"iTXt", b"tEXt"}:
            for at in range(len(content)):
                if content[at : at + 1] == b"x":
                    try:
                        found += zlib.decompress(content[at:])
                    except zlib.error:
                        continue
            found += content
    for part in found.split(b"\n"):
        if len(part) > 40 and all(digit in b"0123456789abcdef" for digit in part):
            found += bytes.fromhex(part.decode())
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + content)
        yield kind, content
        at += 12 + size


SHOWN: Final = ["jpeg", "webp", "png exif", "png xmp", "iptc", "motion photo"]


@pytest.mark.parametrize("case", SHOWN)
def test_pictures_and_what_else_they_say_stay(case: str) -> None:
    kind, make = CASES[case]
    data = make()
    before, after = (Image.open(io.BytesIO(one)) for one in (data, without_place(kind, data)))
    assert before.tobytes() == after.tobytes()
    assert before.getexif().get(0x0112) == after.getexif().get(0x0112)
    assert dict(before.getexif().get_ifd(0x8769)) == dict(after.getexif().get_ifd(0x8769))
    assert not after.getexif().get_ifd(0x8825)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/jpeg", camera.picture("JPEG", place=False)),
        ("image/png", camera.picture("PNG", place=False)),
        ("image/png", b"\x89PNG\r\n\x1a\n" + b"\xff" * 100),
        ("image/tiff", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 200),
        ("image/tiff", b"II*\0\xff\xff\xff\xff"),
        ("image/jpeg", b"MM\0*\0\0\0\x08\0\1\x88\x25\0\4\0\0\0\1\0\0\0\x08"),
        ("image/jpeg", b"8BIM\x04\x04"),
        ("image/jpeg", b"<x:xmpmeta " * 500),
        ("video/mp4", camera.video(place=False)),
        ("video/mp4", b"\0\0\0\1moov" + b"\xff" * 8),
        ("video/mp4", b"\xff\xff\xff\xffloci"),
        ("video/webm", b"\x1a\x45\xdf\xa3" + bytes(300)),
        ("audio/mpeg", b"ID3" + bytes(200)),
        ("image/png", b""),
    ],
)
def test_nothing_is_found_where_nothing_is(kind: str, data: bytes) -> None:
    left = without_place(kind, data)
    assert left == data or data.startswith(b"MM")
    assert len(left) == len(data)


def test_masks_over_pieces() -> None:
    data = bytes(range(100))
    masks = [Mask(10, 20, b"ab"), Mask(40, 5), Mask(98, 2, b"z")]
    whole = masked(data, 0, masks)
    for step in (1, 3, 7, 64):
        pieces = [masked(data[at : at + step], at, masks) for at in range(0, 100, step)]
        assert b"".join(pieces) == whole
    assert whole[10:14] == b"abab"
    assert filled(b"abc", 2, 4) == b"cabc"
