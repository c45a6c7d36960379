"""The statements that the gateway signs, and which of them services accept."""

from __future__ import annotations

import time

import pytest

from servicekit import context
from servicekit.auth import credentials as module
from servicekit.auth.credentials import GATEWAY, GatewayCredential
from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind, outgoing_metadata

SECRET = "a secret of more than sixteen bytes"
TOKEN = "a.b.c"


@pytest.fixture
def credential() -> GatewayCredential:
    return GatewayCredential(SECRET)


def test_it_tells_when_this_very_token_came_in(credential: GatewayCredential) -> None:
    arrived = time.time() - 3600
    text = credential.vouch(TOKEN, arrived)
    assert credential.proves(text)
    assert GatewayCredential(SECRET).arrival(text, TOKEN) == pytest.approx(arrived, abs=0.01)
    assert credential.arrival(text, "a.b.d") is None


@pytest.mark.parametrize(
    ("at", "value"), [(0, "9999999999"), (1, "1"), (1, "x"), (2, "00"), (3, "00"), (3, "")]
)
def test_nothing_of_it_can_be_changed(credential: GatewayCredential, at: int, value: str) -> None:
    fields = credential.vouch(TOKEN, time.time()).split(".")
    fields[at] = value
    assert credential.arrival(".".join(fields), TOKEN) is None
    assert not credential.proves(".".join(fields))


@pytest.mark.parametrize("text", ["", "x", "1.x", "1.2.3.4", "....", "1.1.1.1.1"])
def test_rubbish_proves_nothing(credential: GatewayCredential, text: str) -> None:
    assert not credential.proves(text)
    assert credential.arrival(text, TOKEN) is None


def test_another_secret_proves_nothing(credential: GatewayCredential) -> None:
    text = GatewayCredential("another secret of some length").vouch(TOKEN, time.time())
    assert credential.arrival(text, TOKEN) is None


@pytest.mark.parametrize("seconds", [-25 * 3600.0, 3600.0], ids=["too long ago", "to come"])
def test_a_moment_that_cannot_be_is_not_believed(credential: GatewayCredential, seconds: float) -> None:
    assert credential.arrival(credential.vouch(TOKEN, time.time() + seconds), TOKEN) is None


def test_an_old_word_is_not_believed(credential: GatewayCredential, monkeypatch: pytest.MonkeyPatch) -> None:
    text = credential.vouch(TOKEN, time.time())
    later = time.time() + module.PERIOD_SECONDS + module.SKEW_SECONDS + 10
    assert credential.clock_differs(text) is None
    monkeypatch.setattr(time, "time", lambda: later)
    assert credential.arrival(text, TOKEN) is None
    assert credential.clock_differs(text) == module.PERIOD_SECONDS + module.SKEW_SECONDS + 10 + 1
    for other in ("", "x", "1.x", GatewayCredential("another secret of some length").mint(), f"{text}x"):
        assert credential.clock_differs(other) is None


@pytest.mark.parametrize(
    ("begins", "expires", "vouched"),
    [
        (0, 3600, False),
        (0, 20, True),  # it will have expired when the body is there
        (0, -20, True),  # it has
        (-1, 3600, True),  # by a clock that is behind it does not hold yet
        (-3600, 3600, False),
    ],
)
def test_the_gateway_says_so_of_tokens_whose_dates_are_near(
    credential: GatewayCredential, begins: float, expires: float, *, vouched: bool
) -> None:
    now = time.time()
    principal = Principal("ann", token=TOKEN, begins=now + begins if begins else 0, expires=now + expires)
    with bind(RequestContext("id", principal=principal, arrived=now - 30, gateway=credential)):
        sent = dict(outgoing_metadata(context.current_principal()))[GATEWAY]
    assert credential.proves(sent)
    assert (credential.arrival(sent, TOKEN) is not None) == vouched
