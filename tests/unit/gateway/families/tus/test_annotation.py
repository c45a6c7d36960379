"""The tus metadata that is stored with an upload."""

from __future__ import annotations

import pytest

from gateway.families.tus.metadata import Annotation


def test_there_and_back() -> None:
    for annotation in (Annotation(), Annotation("a Zm9v"), Annotation("a Zm9v", "final;/files/a")):
        assert Annotation.decode(annotation.encode()) == annotation


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"1",
        b'{"tus": 1}',
        b'{"tus": null}',
        b'{"tus": {"metadata": "a\\r\\nSet-Cookie: b"}}',
        b'{"tus": {"metadata": ["a"], "concat": 1}}',
        b"[" * 100_000,
    ],
)
def test_those_of_other_doors_never_reach_a_header(raw: bytes) -> None:
    assert Annotation.decode(raw) == Annotation()
