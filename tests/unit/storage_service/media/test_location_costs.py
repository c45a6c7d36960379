"""The cost of searching hostile pictures for places: linear, within a budget."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

import pytest

from storage_service.media.frames import TooMuch
from storage_service.media.location import Budget, Mask, in_bytes, masks_of
from tests.unit.storage_service.media.test_location import Held

GPS_ENTRY: Final = struct.pack("<HHII", 0x8825, 4, 1, 8)
SET: Final = b"\x1c\x02\x5a\0\x0c8BIM\x04\x04\0\0\x7f\xff\xff\xff"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BOMB: Final = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(4 << 20)))
COSTLY: Final[dict[str, Callable[[], bytes]]] = {
    "a directory of directories": lambda: b"II*\0\x08\0\0\0" + struct.pack("<H", 1024) + GPS_ENTRY * 1024,
    "many structures": lambda: b"II*\0\x08\0\0\0" * 1_100_000,
    "many places": lambda: b"8BIM\x04\x04\0\0\x7f\xff\xff\xff" + b"\x1c\x02\x5a\0\1x" * 110_000,
    "many packed texts": lambda: _png(*[BOMB] * 30),
    "many movie places": lambda: b"\0\0\0\0ftyp" + bytes(16) + b"ftyp" + b"+11+111" * 110_000,
}


@pytest.mark.parametrize("case", COSTLY)
def test_the_budget_is_spent(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget.__init__, "__defaults__", (1_000_000,))
    with pytest.raises(TooMuch):
        masks_of("image/jpeg", Held(COSTLY[case]()))


@pytest.mark.parametrize(
    "part", [b"<RDF ", b"<x:xmpmeta>", b"</RDF", b"</x:RDF   ", b"<RDF ></", b"<RDF>" + b" " * 200_000 + b"<"]
)
def test_tags_without_a_partner_are_passed_once(part: bytes) -> None:
    """Without the rule, the test would not end: each tag caused a quarter of a megabyte to be read."""
    data = part * ((1 << 20) // len(part))
    assert list(in_bytes(data, Budget())) == []
    assert len(list(in_bytes(data + b"<rdf:RDF >gps</rdf:RDF >", Budget()))) == 1


def test_packets_are_found_in_turn() -> None:
    packet = b"<x:xmpmeta><rdf:RDF>city</rdf:RDF >"
    far = b"<rdf:RDF>" + bytes(262_145) + b"</rdf:RDF>"
    plain = b"<RDF>nothing</RDF>"
    data = packet + far + plain + packet + b"</x:xmpmeta>"
    begins = (0, len(packet + far + plain))
    assert list(in_bytes(data, Budget())) == [Mask(at, len(packet), b" ") for at in begins]


def test_data_sets_in_data_sets_are_read_once() -> None:
    """Each contains the beginning of a block that extends to the end."""
    found = list(in_bytes(SET + SET * 5000, Budget()))
    assert len(found) == 5000


def test_sums_of_many_chunks_with_places() -> None:
    chunks = [_chunk(b"tEXt", b"<RDF >gps</RDF>"), _chunk(b"IDAT", b"<RDF >gps</RDF>")] * 400
    masks = masks_of("image/png", Held(_png(*chunks)))
    assert len(masks) == 2 * 400
    assert {mask.offset % len(chunks[0] + chunks[1]) for mask in masks} == {16, 31}
