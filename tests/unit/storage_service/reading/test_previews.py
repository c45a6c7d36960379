"""A preview token opens exactly the files that it names, until it expires; no other token replaces it."""

from __future__ import annotations

import time

import jwt
import pytest

from servicekit.auth.authenticator import Authenticator, InternalCredential
from servicekit.auth.keys import StaticKey
from servicekit.auth.tokens import CLOCK_SKEW_SECONDS, ClaimRules, VerificationKey
from storage_service.reading.previews import MAX_SECONDS, PAGE_SECONDS, Preview, Previews, PreviewTokens
from strongroom.errors import InternalTokenInvalid, TokenExpired, TokenInvalid
from strongroom.storage.v1.preview_pb2 import DownloadPreviewRequest

SECRET = "a secret of the services, 0123456789"
ADA = Preview("ada", "my-site", 3)


@pytest.fixture
def tokens() -> PreviewTokens:
    return PreviewTokens(SECRET)


def soon() -> int:
    return int(time.time()) + 60


def test_a_token_says_what_it_opens(tokens: PreviewTokens) -> None:
    project = "0b7c3c1e-1111-4000-8000-000000000000"
    for preview in (ADA, Preview("ü b/c", "x", 2**53), Preview("ü b/c", "x" * 128, 2**53, project)):
        assert tokens.opened(tokens.sign(preview, soon())).preview == preview


def test_a_token_is_one_path_segment(tokens: PreviewTokens) -> None:
    assert set(tokens.sign(Preview("ü/?#", "x", 1), soon())) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


def test_it_expires(tokens: PreviewTokens) -> None:
    with pytest.raises(TokenExpired, match="preview URL"):
        tokens.opened(tokens.sign(ADA, int(time.time())))


def test_it_does_not_hold_for_long(tokens: PreviewTokens) -> None:
    with pytest.raises(TokenInvalid):
        tokens.opened(tokens.sign(ADA, int(time.time()) + MAX_SECONDS + CLOCK_SKEW_SECONDS + 60))


def test_no_byte_of_it_can_be_changed(tokens: PreviewTokens) -> None:
    token = tokens.sign(ADA, soon())
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(TokenInvalid):
            tokens.opened(changed)


def test_another_secret_opens_nothing(tokens: PreviewTokens) -> None:
    with pytest.raises(TokenInvalid):
        PreviewTokens(f"{SECRET}!").opened(tokens.sign(ADA, soon()))


def test_no_other_token_passes_for_one(tokens: PreviewTokens) -> None:
    claims = {"sub": "ada", "slug": "my-site", "ver": 1, "aud": "strongroom-preview", "exp": soon()}
    for token in (
        InternalCredential(SECRET).mint(),
        jwt.encode(claims, SECRET, algorithm="HS256"),
        "",
        "a.b.c",
    ):
        with pytest.raises(TokenInvalid):
            tokens.opened(token)


async def test_it_passes_for_no_other(tokens: PreviewTokens) -> None:
    """A preview token is refused where another kind is expected, even if an operator has set one secret for
    all kinds.
    """
    token = tokens.sign(ADA, soon())
    with pytest.raises(InternalTokenInvalid):
        InternalCredential(SECRET).verify(token)
    key = VerificationKey(SECRET.encode(), frozenset({"HS256"}))
    users = Authenticator(
        StaticKey(key), ClaimRules(max_lifetime=86_400), optional=False, internal=InternalCredential(SECRET)
    )
    with pytest.raises(TokenInvalid):
        await users.verify(f"Bearer {token}")
    with pytest.raises(InternalTokenInvalid):
        await users.verify(None, token)


async def test_what_a_page_sees_holds_for_minutes(tokens: PreviewTokens) -> None:
    previews = Previews(None, None, tokens)  # type: ignore[arg-type]
    long = tokens.sign(ADA, int(time.time()) + MAX_SECONDS)
    request = DownloadPreviewRequest(token=long, path="a", for_page=True)
    (only,) = [message async for message in previews.messages(request)]
    assert time.time() < tokens.opened(only.page_token).expires <= time.time() + PAGE_SECONDS
    assert tokens.opened(only.page_token).preview == ADA
