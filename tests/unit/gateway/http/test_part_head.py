"""Headers with parameters are parsed in linear time."""

from __future__ import annotations

import time

import pytest

from gateway.http.part_head import parameters

LONG = 40_000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a/b;" + " " * LONG + "x", None),
        ("a/b; x" + " " * LONG + "y", None),
        ("a/b; x=" + " " * LONG + '"', None),
        ("a/b; x=y" + " " * LONG + "z", None),
        ("a/b" + "\t " * LONG + "z", None),
        ("a/b" + " ;" * LONG + "z", None),
        ('a/b; x="' + "\\a" * LONG, None),
        ("a/b;" + " " * LONG, ("a/b", {})),
        ("a/b;" + " " * LONG + "; x=y", ("a/b", {"x": "y"})),
        ("a/b; x = y" + "\t" * LONG + ' ;z="\\""', ("a/b", {"x": "y", "z": '"\\""'})),
    ],
    ids=lambda value: value[:14] if isinstance(value, str) else "",
)
def test_long_headers(text: str, found: object) -> None:
    begun = time.process_time()
    assert parameters(text) == found
    assert time.process_time() - begun < 5  # it took 20 s of CPU and more
