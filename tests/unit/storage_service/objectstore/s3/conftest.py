from __future__ import annotations

import pytest

from storage_service.objectstore.s3 import calls


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make retries follow without a delay."""
    monkeypatch.setattr(calls, "BASE_DELAY", 0.0)
