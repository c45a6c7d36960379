"""A batch's items have their own keys, derived from the batch's."""

from __future__ import annotations

from gateway.families.generations.routes import _key_of_item


def test_short_ones_are_as_ever() -> None:
    assert _key_of_item("k", 0) == "k#0"
    assert _key_of_item("k" * 240, 49) == "k" * 240 + "#49"


def test_long_ones_that_begin_alike_stay_apart() -> None:
    one, other = (_key_of_item("k" * 254 + end, 49) for end in "ab")
    assert one != other
    assert max(len(one), len(other)) <= 255
