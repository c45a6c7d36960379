"""Which keys a verification judges, and which it ignores."""

from __future__ import annotations

import pytest

from metadata_service.files import layouts
from storage_service.verifying.keyspace import GENERATIONS, ROOTS, is_ours


@pytest.mark.parametrize(
    "key",
    [
        "uploads/u1/a.bin",
        "paths/u1/deep/er/a.txt",
        "projects/u1/site/index.html",
        "segments/5a/000",
        "u1/text-to-image/2026-01-01-a.png",
        "=75sers/image-to-video/a.mp4",
        "temp/2026/01/01/a.txt",
    ],
)
def test_ours(key: str) -> None:
    assert is_ours(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "uploads",
        "uploads/",
        "logs/app.log",
        "strongroom-doctor/probe",
        "u1/text-to-image",
        "u1/text-to-image/",
        "u1/text-to-image/deeper/a.png",
        "u1/text-to-speech/a.wav",
        "Uploads/u1/a.bin",
        "/uploads/a.bin",
    ],
)
def test_not_ours(key: str) -> None:
    assert not is_ours(key)


def test_every_layout_is_known() -> None:
    assert layouts.ROOTS == ROOTS
    assert set(layouts.GENERATION_TYPES.values()) == GENERATIONS
