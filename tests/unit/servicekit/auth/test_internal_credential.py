"""Authentication between services, with different clocks and secrets."""

from __future__ import annotations

import time
from collections.abc import Iterator

import jwt
import pytest
from structlog.testing import capture_logs

from servicekit.auth import credentials
from servicekit.auth.credentials import InternalCredential
from servicekit.auth.tokens import ClaimRules, VerificationKey, parse, verified_claims
from strongroom.errors import InternalTokenInvalid, TokenInvalid

SECRET = "another secret of thirty-two bytes"
NOW = 1_800_000_000


class Clock:
    """``time.time`` of this process, set by the test."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _nothing_logged_yet() -> Iterator[None]:
    credentials._logged.clear()
    yield
    credentials._logged.clear()


def refused(token: str, secret: str = SECRET) -> dict[str, str]:
    with pytest.raises(InternalTokenInvalid) as caught:
        InternalCredential(secret).verify(token)
    assert caught.value.retry_after
    return caught.value.metadata


def test_it_is_good_for_a_minute_and_reused_for_half_of_it(clock: Clock) -> None:
    credential = InternalCredential(SECRET)
    minted = credential.mint()
    clock.now += 29
    assert credential.mint() == minted
    clock.now += 2
    assert credential.mint() != minted
    assert InternalCredential(SECRET, "metadata_service").verify(minted) == "storage_service"
    unpacked = jwt.decode(minted, options={"verify_signature": False})
    assert unpacked["exp"] - unpacked["iat"] == 60


@pytest.mark.parametrize("skew", [-300, -240, -45, -5, 0, 45, 70, 240, 300])
@pytest.mark.parametrize("age", [0, 29])
def test_clocks_may_differ_by_five_minutes(clock: Clock, skew: int, age: int) -> None:
    credential = InternalCredential(SECRET)
    credential.mint()
    clock.now += age
    minted = credential.mint()
    clock.now += skew
    assert InternalCredential(SECRET).verify(minted) == "storage_service"


@pytest.mark.parametrize("skew", [-86_400, -3600, -600, 600, 3600, 86_400])
def test_beyond_the_log_says_by_how_much(clock: Clock, skew: int) -> None:
    minted = InternalCredential(SECRET).mint()
    clock.now += skew
    with capture_logs() as lines:
        assert refused(minted) == {"cause": "clock", "seconds": str(abs(skew))}
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("internal_credential_refused", "error")
    assert f"the clocks differ by {abs(skew)} s" in line["why"]


def test_a_clock_that_is_set_back_makes_a_new_one(clock: Clock) -> None:
    credential = InternalCredential(SECRET)
    credential.mint()
    clock.now -= 3600
    assert InternalCredential(SECRET).verify(credential.mint()) == "storage_service"


def test_another_secret_is_named_once_for_many_refusals(clock: Clock) -> None:
    minted = InternalCredential("some other secret of 32 bytes, yes").mint()
    with capture_logs() as lines:
        for _ in range(20):
            assert refused(minted) == {"cause": "secret"}
    (line,) = lines
    assert line["log_level"] == "error"
    assert "STRONGROOM_INTERNAL_SECRET differs" in line["why"]


def test_while_a_secret_is_replaced_both_are_accepted_and_the_current_one_signs(clock: Clock) -> None:
    old, new = SECRET, "some other secret of 32 bytes, yes"
    before, during = InternalCredential(old, new), InternalCredential(new, old)
    for service in (before, during):
        assert before.verify(service.mint()) == during.verify(service.mint()) == "storage_service"
    assert InternalCredential(new).verify(during.mint()) == "storage_service"
    assert refused(during.mint(), old) == {"cause": "secret"}
    minted = before.mint()
    clock.now += 3600
    with pytest.raises(InternalTokenInvalid) as caught:
        during.verify(minted)
    assert caught.value.metadata == {"cause": "clock", "seconds": "3600"}


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "é", "x" * 9000])
def test_what_is_no_token(clock: Clock, token: str) -> None:
    """Any caller can send it, so it is no error of the installation."""
    with capture_logs() as lines:
        assert refused(token) == {"cause": "form"}
    assert [line["log_level"] for line in lines] == ["warning"]


def test_a_user_token_is_no_internal_credential_nor_the_other_way_round() -> None:
    credential = InternalCredential(SECRET)
    now = int(time.time())
    of_user = jwt.encode({"sub": "alice", "iat": now, "exp": now + 60}, SECRET, "HS256")
    assert refused(of_user) == {"cause": "form"}
    rules = ClaimRules(max_lifetime=3600)
    key, minted = VerificationKey(SECRET.encode(), frozenset({"HS256"})), parse(credential.mint())
    with pytest.raises(TokenInvalid) as caught:
        verified_claims(minted, key, rules)
    assert caught.value.metadata == {"claim": "aud"}
    long_lived = {"aud": "strongroom-internal", "sub": "storage_service", "iat": now, "exp": now + 6000}
    assert refused(jwt.encode(long_lived, SECRET, "HS256"))["cause"] == "clock"
