"""The table gives puremagic's results."""

from __future__ import annotations

import random
from collections.abc import Iterator

import puremagic

from storage_service.content.sniffing import content_types


def _by_puremagic(head: bytes) -> list[str]:
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return []
    return [match.mime_type for match in matches if match.confidence >= 0.3 and match.mime_type]


def _heads() -> Iterator[bytes]:
    chance = random.Random(7)
    yield from (chance.randbytes(size) for size in (0, 1, 2, 3, 8, 40, 600, 4096))
    for row in puremagic.magic_header_array[::3]:
        yield chance.randbytes(row.offset) + row.byte_match
        yield (bytes(row.offset) + row.byte_match + chance.randbytes(64))[:4096]
    for row in puremagic.magic_footer_array:
        yield row.byte_match
        yield chance.randbytes(600) + row.byte_match + bytes(max(0, -row.offset - len(row.byte_match)))
    for beginning, rows in puremagic.multi_part_dict.items():
        for row in rows[:5]:
            if row.offset >= 0:
                yield (beginning + bytes(4096))[: row.offset] + row.byte_match


def test_the_table_answers_as_puremagic_does() -> None:
    wrong = [head[:40] for head in _heads() if content_types(head) != _by_puremagic(head)]
    assert wrong == []


def test_likeliest_first() -> None:
    assert content_types(b"\x89PNG\r\n\x1a\n" + bytes(32))[0] == "image/png"
    assert content_types(b"no signature") == []
