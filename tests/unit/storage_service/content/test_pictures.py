"""Picture sizes from headers; bombs and empty pictures are refused."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.content.picture_sizes import _READERS, UNKNOWN, NoPicture, size_of
from storage_service.content.pictures import wants_more
from storage_service.content.types import ContentRules, detect
from strongroom.errors import ContentTypeMismatch, PictureRefused
from strongroom.metadata.v1.target_pb2 import (
    EventMediaTarget,
    FileTarget,
    GenerationTarget,
    ProfilePictureTarget,
    UploadSpec,
    UploadTarget,
)

TARGETS: Final = {
    "generation": UploadTarget(generation=GenerationTarget()),
    "event_media": UploadTarget(event_media=EventMediaTarget()),
    "profile_picture": UploadTarget(profile_picture=ProfilePictureTarget()),
}
RULES: Final = ContentRules(dict.fromkeys(TARGETS, ("image/*", "video/*")))


def png(width: int, height: int) -> bytes:
    header = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + bytes(40)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(width: int, height: int, *before: bytes, marker: int = 0xC0) -> bytes:
    frame = segment(marker, struct.pack(">BHHB3B", 8, height, width, 1, 1, 17, 0))
    return b"\xff\xd8" + b"".join(before) + frame + b"\xff\xda\x00\x08" + bytes(60)


def gif(width: int, height: int, frame: tuple[int, int] = (1, 1)) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    extension = b"\x21\xf9\x04\x00\x00\x00\x00\x00"
    return screen + extension + b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02D\x01\x00;"


def riff(kind: bytes, content: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def webp(width: int, height: int, kind: bytes = b"VP8X") -> bytes:
    if kind == b"VP8X":
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        return riff(kind, b"\x10\0\0\0" + sides)
    if kind == b"VP8L":
        return riff(kind, b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + bytes(8))
    return riff(b"VP8 ", b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(8))


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IIIIiiHH", 90, 0, 54, 40, width, height, 1, 24) + bytes(40)


def tiff(width: int, height: int, order: str = "<") -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height)]
    mark = b"II" if order == "<" else b"MM"
    fields = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return mark + struct.pack(f"{order}HIH", 42, 8, 2) + fields + bytes(8)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def heif(width: int, height: int, brand: bytes = b"heic") -> bytes:
    sizes = box(b"ispe", struct.pack(">III", 0, 64, 64)) + box(b"ispe", struct.pack(">III", 0, width, height))
    meta = box(b"meta", bytes(4) + box(b"hdlr", bytes(24)) + box(b"iprp", box(b"ipco", sizes)))
    return box(b"ftyp", brand + bytes(4) + b"mif1" + brand) + meta + box(b"mdat", bytes(80))


def ico(width: int, height: int) -> bytes:
    inside = png(width, height)
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + inside


BIG: Final = {
    "image/png": png(30_000, 30_000),
    "image/jpeg": jpeg(65_000, 65_000),
    "image/gif": gif(60_000, 60_000),
    "image/webp": webp(16_384 * 4, 16_384),
    "image/bmp": bmp(20_000, -20_000),
    "image/tiff": tiff(20_000, 20_000),
    "image/heic": heif(20_000, 20_000),
    "image/avif": heif(20_000, 20_000, b"avif"),
    "image/x-icon": ico(20_000, 20_000),
}
EXIF: Final = segment(0xE1, b"Exif\0\0" + jpeg(160, 120)[:80] + bytes(60_000))


def check(kind: str, head: bytes, family: str = "event_media") -> str:
    return RULES.describe(UploadSpec(target=TARGETS[family], content_type=kind, filename="a"), head)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("image/png", png(7, 5)),
        ("image/jpeg", jpeg(7, 5)),
        ("image/jpeg", jpeg(7, 5, EXIF, marker=0xC2)),
        ("image/jpeg", jpeg(7, 5, segment(0xE0, b"JFIF"), b"\xff\xff\xff", segment(0xDB, bytes(65)))),
        ("image/gif", gif(7, 5)),
        ("image/webp", webp(7, 5)),
        ("image/webp", webp(7, 5, b"VP8L")),
        ("image/webp", webp(7, 5, b"VP8 ")),
        ("image/bmp", bmp(7, -5)),
        ("image/tiff", tiff(7, 5)),
        ("image/tiff", tiff(7, 5, ">")),
    ],
)
def test_sizes(kind: str, head: bytes) -> None:
    assert size_of(kind, head) == (7, 5)


def test_sizes_of_what_is_put_together() -> None:
    assert size_of("image/heic", heif(4032, 3024)) == (4032, 3024)
    assert size_of("image/avif", heif(800, 600, b"avif")) == (800, 600)
    assert size_of("image/gif", gif(10, 10, (60_000, 50_000))) == (60_000, 50_000)
    assert size_of("image/x-icon", ico(16, 16)) == (256, 256)


@pytest.mark.parametrize("family", TARGETS)
@pytest.mark.parametrize("kind", BIG)
def test_bombs(kind: str, family: str) -> None:
    with pytest.raises(PictureRefused, match="100000000") as refused:
        check(kind, BIG[kind], family)
    assert refused.value.metadata["rule"] == "pixels"
    assert refused.value.metadata["limit"] == "100000000"


def test_a_photo_of_fifty_megapixels_passes() -> None:
    for kind, head in {"image/jpeg": jpeg(8192, 6144, EXIF), "image/heic": heif(8192, 6144)}.items():
        assert check(kind, head) == kind
    with pytest.raises(PictureRefused):
        check("image/jpeg", jpeg(65_000, 65_000, EXIF))
    assert check("image/png", png(10_000, 10_000)) == "image/png"
    with pytest.raises(PictureRefused):
        check("image/png", png(10_000, 10_001))


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        *((kind, b"") for kind in BIG),
        ("image/png", png(0, 5)),
        ("image/png", png(7, 5)[:12]),
        ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(60)),
        ("image/jpeg", b"\xff\xd8\xff\xd9"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(200) + b"\xff\xd9"),
        ("image/jpeg", jpeg(7, 5, EXIF)[:60_000]),
        ("image/gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"),
        ("image/gif", b"GIF8"),
        ("image/webp", b"RIFF\x04\0\0\0WEBPnone"),
        ("image/webp", webp(7, 5)[:20]),
        ("image/bmp", b"BM" + bytes(40)),
        ("image/tiff", b"II*\0\0\0\0\0"),
        ("image/heic", heif(7, 5)[:24]),
        ("image/svg+xml", b"<html></html>"),
        ("image/x-icon", b"words"),
        ("image/x-new", b"words"),
        ("image/x-new", b""),
    ],
)
def test_what_is_no_picture(kind: str, head: bytes) -> None:
    with pytest.raises((PictureRefused, ContentTypeMismatch)) as refused:
        check(kind, head)
    if isinstance(refused.value, PictureRefused):
        assert refused.value.metadata["rule"] == "no_picture"


def test_pictures_that_nobody_here_reads() -> None:
    assert check("image/x-canon-cr3", bytes(range(256))) == "image/x-canon-cr3"
    assert check("image/svg+xml", b"<?xml version='1.0'?><svg/>") == "image/svg+xml; charset=utf-8"


def test_other_families_and_types_are_not_looked_at() -> None:
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), content_type="image/png", filename="a")
    assert RULES.describe(spec, b"") == RULES.describe(spec, BIG["image/png"]) == "image/png"
    assert check("video/mp4", b"\0\0\0\x18ftypisom" + bytes(90)) == "video/mp4"


def test_a_header_further_back_is_waited_for() -> None:
    profile = [segment(0xE2, b"ICC_PROFILE\0" + bytes(65_000))] * 9
    late = jpeg(65_000, 65_000, *profile)
    spec = UploadSpec(target=TARGETS["generation"], content_type="image/jpeg")
    assert RULES.wants_more(spec, late[:65_536])
    assert not RULES.wants_more(spec, late)
    with pytest.raises(PictureRefused, match="65000 x 65000"):
        RULES.describe(spec, late)
    assert not wants_more("image/jpeg", b"\xff\xd8" + segment(0xFE, bytes(65_000)) * 17)


@given(st.sampled_from(sorted(_READERS)), st.binary(max_size=200), st.integers(0, 120), st.data())
def test_any_bytes_are_answered(kind: str, noise: bytes, cut: int, data: st.DataObject) -> None:
    """The result is a size in pixels, unknown, not known yet, or no picture, whatever the header contains."""
    head = BIG.get(kind, noise)[:cut] + noise if data.draw(st.booleans()) else noise
    try:
        size = size_of(kind, head)
    except NoPicture:
        return
    assert size is None or size == UNKNOWN or min(size) > 0


def test_files_of_a_corpus() -> None:
    """STRONGROOM_CONTENT_CORPUS names a folder: its pictures are recognised, with plausible sizes."""
    folder = os.environ.get("STRONGROOM_CONTENT_CORPUS")
    paths = [path for path in Path(folder).rglob("*.*") if path.is_file()] if folder else []
    heads = [jpeg(7, 5), png(7, 5), *(path.read_bytes() for path in paths if "filetype" in str(path))]
    for head in heads:
        kind = (detect(head) or ("",))[0]
        if kind in _READERS:
            assert 0 < max(size_of(kind, head) or UNKNOWN) < 20_000, kind


@pytest.mark.parametrize("segment", [b"\xff\xe0\x00\x02", b"\xff\xe0\x00\x00", b"\xff\x01", b"\xff\xd0\0"])
def test_segments_without_end_are_no_picture(segment: bytes) -> None:
    with pytest.raises(NoPicture):
        size_of("image/jpeg", b"\xff\xd8" + segment * 10_000 + b"\xff\xc0\x00\x11\x08\x00\x02\x00\x03")


def test_a_jpeg_of_filling_is_waited_for() -> None:
    assert size_of("image/jpeg", b"\xff\xd8" + b"\xff" * 100_000) is None


def test_boxes_without_end_are_no_picture() -> None:
    with pytest.raises(NoPicture):
        size_of("image/avif", b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * 40_000)


@pytest.mark.parametrize(("count", "honest"), [(1000, True), (1100, False)])
def test_on_the_way_to_a_size_are_some_dozens_of_boxes(count: int, honest: bool) -> None:
    head = heif(7, 5)[:24] + b"\0\0\0\x08free" * count + heif(7, 5)[24:]
    if honest:
        assert size_of("image/heic", head) == (64, 64)
    else:
        with pytest.raises(NoPicture):
            size_of("image/heic", head)


@pytest.mark.parametrize(("count", "honest"), [(256, True), (257, False), (65_535, False)])
def test_an_icon_has_no_thousands_of_pictures(count: int, honest: bool) -> None:
    head = struct.pack("<HHH", 0, 1, count) + b"\x10\x10" + bytes(10) + struct.pack("<I", 1 << 24)
    head += head[6:] * (count - 1)
    if honest:
        assert size_of("image/x-icon", head) == (16, 16)
    else:
        with pytest.raises(NoPicture):
            size_of("image/x-icon", head)


@pytest.mark.parametrize("filling", [b"\x21\xfe\x00", b"\x21\xfe" + b"\x01-" * 50 + b"\0"])
def test_a_gif_of_blocks_without_end_is_looked_at_as_far_as_its_first_ten_thousand(filling: bytes) -> None:
    whole = gif(10, 10, (60_000, 50_000))
    screen, frames = whole[:19], whole[19:]
    assert size_of("image/gif", screen + filling * 100 + frames) == (60_000, 50_000)
    assert size_of("image/gif", gif(10, 10)[:-1] + filling * 10_001 + frames) == (10, 10)
