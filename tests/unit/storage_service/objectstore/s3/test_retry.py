from __future__ import annotations

import pytest

from storage_service.objectstore.errors import AccessDenied, StoreThrottled, StoreTimeout, StoreUnavailable
from storage_service.objectstore.s3 import calls
from storage_service.objectstore.s3.calls import RetryPolicy


class Attempts:
    """Fails with the given errors, then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.slept: list[float] = []

    async def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BASE_DELAY", 0.1)
    attempts = Attempts(StoreUnavailable(), StoreTimeout(), StoreUnavailable())
    assert await RetryPolicy(4, sleep=attempts.sleep).run(attempts) == "done"
    assert len(attempts.slept) == 3
    assert all(0 <= delay <= limit for delay, limit in zip(attempts.slept, (0.1, 0.4, 1.6), strict=True))


async def test_the_store_may_ask_for_more_time_but_not_for_ever() -> None:
    attempts = Attempts(StoreThrottled(retry_after=2), StoreThrottled(retry_after=900))
    assert await RetryPolicy(3, sleep=attempts.sleep).run(attempts) == "done"
    assert attempts.slept == [2, calls.MAX_DELAY]


async def test_what_cannot_pass_is_raised_at_once() -> None:
    attempts = Attempts(AccessDenied(), StoreUnavailable())
    with pytest.raises(AccessDenied):
        await RetryPolicy(4, sleep=attempts.sleep).run(attempts)
    assert attempts.slept == []


async def test_an_unknown_outcome_is_not_forgotten() -> None:
    attempts = Attempts(StoreTimeout(outcome_unknown=True), StoreThrottled())
    with pytest.raises(StoreThrottled) as caught:
        await RetryPolicy(2, sleep=attempts.sleep).run(attempts)
    assert caught.value.outcome_unknown


async def test_a_bug_is_no_reason_to_repeat() -> None:
    attempts = Attempts(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await RetryPolicy(4, sleep=attempts.sleep).run(attempts)
