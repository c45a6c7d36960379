"""malloc is tuned if it is glibc's."""

from __future__ import annotations

import os
import platform

import pytest

from servicekit.serving.memory import tune_malloc


def test_only_glibc_is_tuned() -> None:
    assert tune_malloc() == (platform.libc_ver()[0] == "glibc")


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> str:
        raise ValueError(name)

    monkeypatch.setattr(os, "confstr", unknown)
    assert tune_malloc() is False
