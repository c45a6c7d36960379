"""Sources of tokens, and when they are renewed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import jwt
import pytest

from strongroom import errors
from strongroom.client.tokens import Token, Tokens, development_token

SECRET = "a-secret-for-tests-that-is-long-enough"


def made(lifetime: float) -> str:
    return jwt.encode({"sub": "a", "exp": int(time.time() + lifetime)}, SECRET, algorithm="HS256")


async def test_fixed_and_missing_tokens() -> None:
    assert await Tokens("abc").current() == "abc"
    assert await Tokens(None).current() is None
    assert not Tokens("abc").renew_after(errors.TokenExpired("x"))


async def test_a_function_is_asked_once_for_as_long_as_its_token_holds() -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append(threading.current_thread().name)
        return made(3600)

    tokens = Tokens(ask)
    answers = await asyncio.gather(*(tokens.current() for _ in range(10)))
    assert len(set(answers)) == 1
    assert len(asked) == 1
    assert asked[0] != threading.main_thread().name


async def test_a_token_that_is_about_to_run_out_is_replaced() -> None:
    coming = iter((made(20), made(3600), made(3600)))
    tokens = Tokens(lambda: next(coming))
    first, second, third = [await tokens.current() for _ in range(3)]
    assert first != second == third


async def test_async_functions_and_tokens_that_are_no_jwt() -> None:
    count = 0

    async def ask() -> str:
        nonlocal count
        count += 1
        return f"opaque-{count}"

    tokens = Tokens(ask)
    assert [await tokens.current(), await tokens.current()] == ["opaque-1", "opaque-1"]
    assert tokens.renew_after(errors.TokenInvalid("refused"))
    assert await tokens.current() == "opaque-2"
    assert not tokens.renew_after(errors.PermissionDenied("no"))


async def test_what_the_function_raises_comes_out() -> None:
    def ask() -> str:
        raise ConnectionError("identity provider is down")

    with pytest.raises(ConnectionError, match="identity provider"):
        await Tokens(ask).current()


@pytest.mark.parametrize("given", [lambda text: text, lambda text: lambda: text])
async def test_what_no_header_carries_is_no_token(given: Callable[[str], Token]) -> None:
    assert await Tokens(given(" opaque\r\n")).current() == "opaque"
    for text, said in (("opa\nque", "characters"), ("opäque", "characters"), ("Bearer opaque", "Bearer")):
        with pytest.raises(errors.TokenInvalid, match=said):
            await Tokens(given(text)).current()


def test_a_development_token_says_what_it_is_told() -> None:
    token = development_token(SECRET, "alice", ttl_seconds=60, role="admin", audience="here")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="here")
    assert claims["exp"] - claims["iat"] == 60
    assert {key: claims[key] for key in ("sub", "role", "aud")} == {
        "sub": "alice",
        "role": "admin",
        "aud": "here",
    }
    assert set(jwt.decode(development_token(SECRET, "a"), SECRET, algorithms=["HS256"])) == {
        "sub",
        "iat",
        "exp",
    }


@pytest.mark.parametrize(("secret", "sub", "ttl"), [("", "a", 1), (SECRET, "", 1), (SECRET, "a", 0)])
def test_a_development_token_needs_everything(secret: str, sub: str, ttl: int) -> None:
    with pytest.raises(ValueError, match="needs a secret"):
        development_token(secret, sub, ttl_seconds=ttl)


@pytest.mark.parametrize("sub", [" a", "a ", "a\nb", "\u200ba", "a" * 256, "\udcff"])
def test_no_token_is_made_for_whom_the_services_take_none(sub: str) -> None:
    with pytest.raises(ValueError, match="no user has such a name"):
        development_token(SECRET, sub)
