"""Tokens to principals: the admin role, and which results are cached for how long."""

from __future__ import annotations

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from servicekit.auth import authenticator as module
from servicekit.auth import tokens
from servicekit.auth.authenticator import Authenticator, InternalCredential
from servicekit.auth.credentials import LEEWAY_SECONDS
from servicekit.auth.principal import Principal, effective_owner, only_admins
from servicekit.settings import CommonSettings
from strongroom.errors import (
    InternalTokenInvalid,
    PermissionDenied,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    UserMismatch,
)
from tests.unit.servicekit.forge import SECRET, token

INTERNAL = "another secret of thirty-two bytes"


def authenticator(**changes: Any) -> Authenticator:
    given = {"jwt_secret": SECRET, "internal_secret": INTERNAL, **changes}
    return Authenticator.from_settings(CommonSettings(**given))


async def test_headers() -> None:
    who = await authenticator().authenticate({"authorization": f"Bearer {token()}", "host": "x"})
    assert (who.subject, who.is_admin, who.internal) == ("alice", False, None)


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
async def test_the_scheme_is_case_insensitive(prefix: str) -> None:
    text = token()
    assert (await authenticator().verify(prefix + text)).token == text


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Token x",
        "x",
        "Bearer\tx",
        "Bearer a b",
        "Bearer, x",
        "Bearer=x",
        "Bearer \tx",
    ],
)
async def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(TokenInvalid):
        await authenticator().verify(value)


@pytest.mark.parametrize("missing", [None, ""])
async def test_no_token(missing: str | None) -> None:
    with pytest.raises(TokenMissing):
        await authenticator().verify(missing)
    assert await authenticator(auth="optional").verify(missing) == Principal("anonymous")


def test_optional_auth_is_announced() -> None:
    with capture_logs() as lines:
        authenticator(auth="optional")
    assert [(line["log_level"], "anonymous" in line["event"]) for line in lines] == [("warning", True)]


def test_short_secrets_are_warned_about() -> None:
    with capture_logs() as lines:
        authenticator()
        assert lines == []
        authenticator(jwt_secret="twenty bytes, no more")
    assert ["STRONGROOM_JWT_SECRET" in line["event"] for line in lines] == [True]


@pytest.mark.parametrize(
    ("claims", "is_admin"),
    [
        ({"roles": ["user", "admin"]}, True),
        ({"role": "admin"}, True),
        ({"roles": ["administrator"]}, False),
        ({"roles": "admin"}, False),
        ({"roles": {"admin": True}}, False),
        ({"role": ["admin"]}, False),
        ({"role": "Admin"}, False),
        ({"scope": "admin"}, False),
        ({}, False),
    ],
)
async def test_the_admin_role(claims: dict[str, Any], is_admin: bool) -> None:
    who = await authenticator().verify(f"Bearer {token(**claims)}")
    assert who.is_admin is is_admin


async def test_internal_credentials() -> None:
    minted = InternalCredential(INTERNAL).mint()
    known = authenticator()
    for _ in range(2):  # the second time from memory
        assert await known.verify(None, minted) == Principal("", internal="storage_service")
    both = await known.verify(f"Bearer {token()}", minted)
    assert (both.subject, both.internal) == ("alice", "storage_service")
    with pytest.raises(InternalTokenInvalid):
        await known.verify(f"Bearer {token()}", minted + "x")
    with pytest.raises(InternalTokenInvalid) as caught:
        await authenticator(internal_secret=None).verify(None, minted)
    assert caught.value.metadata == {"cause": "unset"}


async def test_an_expired_user_token_is_refused_also_with_a_credential() -> None:
    minted = InternalCredential(INTERNAL).mint()
    with pytest.raises(TokenExpired):
        await authenticator().verify(f"Bearer {token(exp=1, iat=None)}", minted)


async def test_a_token_must_hold_when_the_request_came_in() -> None:
    now = time.time()
    expired = f"Bearer {token(exp=now - 60, iat=now - 600)}"
    known = authenticator()
    assert (await known.verify(expired, arrived=now - 70)).subject == "alice"
    for arrived in (None, now, now - 50):
        with pytest.raises(TokenExpired):
            await known.verify(expired, arrived=arrived)


async def test_a_service_vouches_for_the_token_that_it_has_seen() -> None:
    now = time.time()
    expired = token(exp=now - 60, iat=now - 600)
    service = InternalCredential(INTERNAL)
    known = authenticator()
    for _ in range(2):
        who = await known.verify(f"Bearer {expired}", service.vouch(expired, now - 70))
        assert (who.subject, who.internal) == ("alice", "storage_service")
    ahead = token(nbf=now + 240, iat=now + 240, exp=now + 600)  # by our clock, which is behind
    assert (await known.verify(f"Bearer {ahead}", service.vouch(ahead, now + 241))).subject == "alice"
    with pytest.raises(TokenExpired):
        await known.verify(f"Bearer {expired}")


@pytest.mark.parametrize(
    "wrong", ["another token", "after its end", "too long ago", "to come", "no number", "secret"]
)
async def test_what_nobody_can_vouch_for(wrong: str) -> None:
    now = time.time()
    expired = token(exp=now - 60, iat=now - 600)
    service = InternalCredential(INTERNAL)
    word = {
        "another token": lambda: service.vouch(token(), now - 70),
        "after its end": lambda: service.vouch(expired, now - 30),
        "too long ago": lambda: service.vouch(expired, now - 3 * 86_400),
        "to come": lambda: service.vouch(expired, now + 86_400),
        "no number": lambda: service.vouch(expired, True),
        "secret": lambda: InternalCredential("of another installation").vouch(expired, now - 70),
    }[wrong]()
    with pytest.raises(InternalTokenInvalid if wrong == "secret" else TokenExpired):
        await authenticator().verify(f"Bearer {expired}", word)
    forged = token(sub="bob", exp=now - 60, iat=now - 600)[:-6] + "AAAAAA"
    with pytest.raises(TokenInvalid):
        await authenticator().verify(f"Bearer {forged}", service.vouch(forged, now - 70))


class Counter:
    """Counts how often signatures are checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        real = tokens.verified_claims

        def counted(*arguments: Any, **named: Any) -> Any:
            self.times += 1
            return real(*arguments, **named)

        monkeypatch.setattr(module, "verified_claims", counted)


class Clock:
    """``time.time`` with an offset."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = time.time
        self.offset = 0.0
        monkeypatch.setattr(time, "time", lambda: real() + self.offset)


async def test_a_token_is_verified_once_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    counter, clock, known = Counter(monkeypatch), Clock(monkeypatch), authenticator()
    header = f"Bearer {token(exp=int(time.time()) + 3000)}"
    for _ in range(5):
        await known.verify(header)
    assert counter.times == 1
    clock.offset = module.CACHE_SECONDS + 1
    await known.verify(header)
    assert counter.times == 2


async def test_a_remembered_token_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, known = Clock(monkeypatch), authenticator()
    header = f"Bearer {token(exp=int(time.time()) + 100)}"
    await known.verify(header)
    clock.offset = 106  # the leeway included
    with pytest.raises(TokenExpired):
        await known.verify(header)


async def test_a_remembered_credential_of_a_service_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, known = Clock(monkeypatch), authenticator()
    header, minted = f"Bearer {token(exp=int(time.time()) + 3000)}", InternalCredential(INTERNAL).mint()
    for clock.offset in (0, 200, 380):
        assert (await known.verify(header, minted)).internal == "storage_service"
    clock.offset = 60 + LEEWAY_SECONDS + 1
    with pytest.raises(InternalTokenInvalid):
        await known.verify(header, minted)


async def test_a_credential_for_a_single_call_is_not_kept() -> None:
    known, text, service = authenticator(), token(), InternalCredential(INTERNAL)
    await known.verify(f"Bearer {text}", service.mint())
    for past in range(5):
        await known.verify(f"Bearer {text}", service.vouch(text, time.time() - past))
    assert len(known._known_internal) == 1


async def test_memory_is_bounded_and_refused_tokens_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_SIZE", 10)
    known = authenticator()
    for number in range(50):
        await known.verify(f"Bearer {token(n=number)}")
        with pytest.raises(TokenInvalid):
            await known.verify(f"Bearer {token(sub='', n=number)}")
    assert len(known._known) == 10


async def test_without_any_key_no_token_is_good() -> None:
    with pytest.raises(TokenInvalid):
        await authenticator(jwt_secret=None, auth="optional").verify(f"Bearer {token()}")


def test_principals_hide_their_token() -> None:
    assert "eyJ" not in repr(Principal("alice", token="eyJabc"))


def test_owners() -> None:
    alice, admin = Principal("alice"), Principal("root", is_admin=True)
    assert effective_owner(alice, "") == effective_owner(alice, "alice") == "alice"
    assert effective_owner(admin, "bob") == "bob"
    assert effective_owner(admin, "") == "root"
    with pytest.raises(UserMismatch):
        effective_owner(alice, "bob")
    with pytest.raises(UserMismatch):
        effective_owner(Principal("", internal="storage_service"), "bob")
    with pytest.raises(TokenMissing):
        effective_owner(Principal("", internal="storage_service"), "")


def test_what_only_admins_may() -> None:
    assert only_admins(Principal("root", is_admin=True)) == "root"
    for other in (Principal("alice"), Principal(""), Principal("", internal="storage_service")):
        with pytest.raises(
            PermissionDenied, match=r"Only admins may do this: .* a token with the admin role"
        ):
            only_admins(other)
        with pytest.raises(
            PermissionDenied, match=r"^Only admins may restore \(strays .* users\): .* token .*admin role\.$"
        ):
            only_admins(other, "restore (strays are files of all users)")


@pytest.mark.parametrize(
    ("header", "said"),
    [("Basic YTpi", "must read"), ("Bearer ", "must read"), ("Bearer Bearer eyJ", "Bearer before it twice")],
)
def test_a_header_of_another_form_is_told(header: str, said: str) -> None:
    with pytest.raises(TokenInvalid, match=said):
        module.bearer(header)
