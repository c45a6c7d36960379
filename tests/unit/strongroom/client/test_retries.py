"""Which errors are retried, after which pause, and until when."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import pytest

from strongroom import errors
from strongroom.client.retries import Attempts, Deadline, RetryPolicy, may_repeat
from strongroom.client.tokens import Tokens

AGAIN = {
    *("DATABASE_UNAVAILABLE", "OBJECT_STORE_THROTTLED", "OBJECT_STORE_UNAVAILABLE", "OVERLOADED"),
    *("SERVICE_UNAVAILABLE", "RATE_LIMITED", "REQUEST_IN_PROGRESS", "UPLOAD_SUPERSEDED"),
    *("INTERNAL_TOKEN_INVALID", "SCANNER_UNAVAILABLE"),
}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for; none is made."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


def attempts(
    policy: RetryPolicy | None = None,
    *,
    tokens: Tokens | None = None,
    timeout: float | None = None,
    safe: bool = True,
) -> Attempts:
    return Attempts(policy or RetryPolicy(), tokens or Tokens(None), Deadline(timeout), safe=safe)


def test_only_what_may_pass_is_tried_again() -> None:
    again = {kind("x").reason_name for kind in errors.REASONS.values() if may_repeat(kind("x"))}
    assert again == AGAIN


async def test_pauses_double_with_jitter_and_end_with_the_error(pauses: list[float]) -> None:
    trying = attempts(RetryPolicy(attempts=5, initial_backoff=1, max_backoff=3))
    last = errors.ServiceUnavailable("gone")
    for _ in range(4):
        await trying.pause(errors.ServiceUnavailable("gone"))
    with pytest.raises(errors.ServiceUnavailable) as caught:
        await trying.pause(last)
    assert caught.value is last
    ceilings = [1, 2, 3, 3]
    assert all(ceiling / 2 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))


async def test_what_the_service_asks_for_is_never_undercut(pauses: list[float]) -> None:
    await attempts().pause(errors.Overloaded("busy", retry_after=7.0))
    assert 7.0 <= pauses[0] <= 7.0 + RetryPolicy().initial_backoff


async def test_waiting_for_an_earlier_attempt_does_not_use_up_tries(pauses: list[float]) -> None:
    trying = attempts(RetryPolicy(attempts=2, max_wait=60))
    for _ in range(11):
        await trying.pause(errors.RequestInProgress("running", retry_after=5.0))
    with pytest.raises(errors.RequestInProgress):
        await trying.pause(errors.RequestInProgress("running", retry_after=5.0))
    assert sum(pauses) <= 60
    assert len(pauses) == 11


async def test_whoever_wants_to_know_is_told(pauses: list[float]) -> None:
    told: list[tuple[errors.StrongroomError, float]] = []
    trying = attempts(RetryPolicy(attempts=2, on_retry=lambda error, delay: told.append((error, delay))))
    gone = errors.ServiceUnavailable("gone")
    await trying.pause(gone)
    assert told == [(gone, pauses[0])]


async def test_the_defaults_outlast_a_restart_of_a_service(pauses: list[float]) -> None:
    trying = attempts()
    for _ in range(RetryPolicy().attempts - 1):
        await trying.pause(errors.ServiceUnavailable("gone"))
    assert sum(pauses) > 20


async def test_progress_begins_the_count_again(pauses: list[float]) -> None:
    trying = attempts(RetryPolicy(attempts=2))
    for _ in range(5):
        await trying.pause(errors.ServiceUnavailable("gone"))
        trying.progressed()
    assert len(pauses) == 5


async def test_no_pause_reaches_past_the_deadline(pauses: list[float]) -> None:
    with pytest.raises(errors.Overloaded):
        await attempts(timeout=5.0).pause(errors.Overloaded("busy", retry_after=6.0))
    assert pauses == []


@pytest.mark.parametrize(
    ("policy", "safe"), [(RetryPolicy(attempts=1), True), (RetryPolicy(), False)], ids=["off", "unsafe"]
)
async def test_nothing_is_repeated_when_that_is_off_or_unsafe(
    policy: RetryPolicy, safe: bool, pauses: list[float]
) -> None:
    for error in (errors.ServiceUnavailable("gone"), errors.RequestInProgress("running")):
        with pytest.raises(type(error)):
            await attempts(policy, safe=safe).pause(error)
    assert pauses == []


async def test_a_refused_token_is_renewed_once(pauses: list[float]) -> None:
    made = iter(("first", "second"))
    tokens = Tokens(lambda: next(made))
    assert await tokens.current() == "first"
    trying = attempts(tokens=tokens, safe=False)
    await trying.pause(errors.TokenExpired("expired"))
    assert await tokens.current() == "second"
    with pytest.raises(errors.TokenExpired):
        await trying.pause(errors.TokenExpired("expired"))
    assert pauses == []


async def test_a_fixed_token_can_not_be_renewed() -> None:
    with pytest.raises(errors.TokenExpired):
        await attempts(tokens=Tokens("fixed")).pause(errors.TokenExpired("expired"))


async def test_a_deadline_runs_down_to_zero() -> None:
    assert Deadline(None).remaining() is None
    deadline = Deadline(0.02)
    seen = []
    for _ in range(4):
        seen.append(deadline.remaining() or 0.0)
        await asyncio.sleep(0.01)
    assert seen[-1] == 0.0
    assert all(later <= earlier for earlier, later in pairwise(seen))


def test_what_is_longer_than_anybody_waits_has_no_end() -> None:
    assert Deadline(math.inf).remaining() is None
    assert Deadline(1e300).remaining() is None
    assert 0 < (Deadline(3600).remaining() or 0) <= 3600
