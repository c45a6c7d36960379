"""What readers cause for an object at most once an hour."""

from __future__ import annotations

import pytest

from storage_service.objectstore.values import ObjectRef
from storage_service.reading.throttle import AGAIN_SECONDS, RETRY_SECONDS, Throttle

REF = ObjectRef("uploads/a", "v")


def test_it_is_due_again_after_an_hour_and_sooner_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("storage_service.reading.throttle.time.monotonic", lambda: now)
    done = Throttle()
    assert (done.is_due(REF), REF in done) == (True, False)
    done.begun(REF)
    assert (done.is_due(REF), REF in done) == (False, True)
    done.failed(REF)
    now = RETRY_SECONDS - 1
    assert not done.is_due(REF)
    now = RETRY_SECONDS
    assert done.is_due(REF)
    done.begun(REF)
    now += AGAIN_SECONDS - 1
    assert not done.is_due(REF)
    now += 1
    assert (done.is_due(REF), REF in done) == (True, True)


def test_the_oldest_are_forgotten_first() -> None:
    done = Throttle(most=10)
    refs = [ObjectRef(f"uploads/{number}", "v") for number in range(50)]
    for ref in refs:
        done.begun(ref)
        done.begun(refs[0])  # again and again, so it is never the oldest
    assert [ref for ref in refs if ref in done] == [refs[0], *refs[-9:]]
