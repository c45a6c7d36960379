"""Link tokens: sealed, always the same, of one kind, and still valid after their secret was replaced."""

from __future__ import annotations

import re
import time

import pytest

from servicekit.auth.credentials import InternalCredential
from servicekit.sealing import Capabilities
from storage_service.reading.links import LinkClaims, LinkTokens
from storage_service.reading.previews import Preview, PreviewTokens
from storage_service.reading.signer import rounded_end, rounded_start, step_of
from strongroom.errors import TokenInvalid

SECRET, OLD = "a secret of links, 0123456789", "an older secret, 0123456789"
FILE, CONTENT = "7e57d004-2b97-4e7a-b45f-5387367791cd", "0b0c0d0e-2b97-4e7a-b45f-5387367791cd"
CLAIMS = LinkClaims("ada", FILE, CONTENT, 0, 0)
VARIETIES = (
    CLAIMS,
    LinkClaims("ü b/c|auth0", FILE, "", 3, 2**32 - 1),
    LinkClaims("x" * 255, FILE, CONTENT, 1, 2, expires=2**40),
    LinkClaims("ada", FILE, CONTENT, 0, 1, attachment=True),
    LinkClaims("ada", FILE, "", 1, 0, expires=1, attachment=True),
)


@pytest.mark.parametrize("claims", VARIETIES)
def test_a_token_says_what_it_was_made_of(claims: LinkClaims) -> None:
    tokens = LinkTokens(SECRET)
    token = tokens.sign(claims)
    assert LinkTokens(SECRET).read(token) == claims
    assert LinkTokens(SECRET).sign(claims) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", token)


def test_different_claims_are_different_tokens() -> None:
    tokens = LinkTokens(SECRET)
    assert len({tokens.sign(claims) for claims in VARIETIES}) == len(VARIETIES)


def test_no_character_of_it_can_be_changed() -> None:
    tokens = LinkTokens(SECRET)
    token = tokens.sign(CLAIMS)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    for wrong in (*changed, "", "A", token[:-1], f"{token}A", f"{token}=", f" {token}", "ä" * 30, "A" * 5000):
        with pytest.raises(TokenInvalid):
            tokens.read(wrong)


def test_no_other_token_passes_for_one_and_it_passes_for_no_other() -> None:
    link = LinkTokens(SECRET).sign(CLAIMS)
    preview = PreviewTokens(SECRET).sign(Preview("ada", "my-site", 3), int(time.time()) + 60)
    for foreign in (preview, InternalCredential(SECRET).mint(), Capabilities([SECRET], "x").seal(b"x" * 60)):
        with pytest.raises(TokenInvalid):
            LinkTokens(SECRET).read(foreign)
    with pytest.raises(TokenInvalid):
        PreviewTokens(SECRET).opened(link)


def test_secrets_are_replaced_one_after_the_other() -> None:
    before, after = LinkTokens(OLD), LinkTokens(SECRET, OLD)
    assert after.read(before.sign(CLAIMS)) == CLAIMS
    assert after.sign(CLAIMS) == LinkTokens(SECRET).sign(CLAIMS)
    with pytest.raises(TokenInvalid):
        LinkTokens(SECRET).read(before.sign(CLAIMS))
    with pytest.raises(TokenInvalid):
        before.read(after.sign(CLAIMS))


@pytest.mark.parametrize("seconds", [1, 3, 4, 60, 900, 3600, 86_400, 604_800])
def test_a_rounded_life_is_never_shorter_than_asked_for(seconds: int) -> None:
    step = step_of(seconds)
    ends = [
        rounded_end(1_800_000_000.9 + moment, seconds)
        for moment in range(0, 2 * seconds, max(1, seconds // 50))
    ]
    for moment, end in zip(range(0, 2 * seconds, max(1, seconds // 50)), ends, strict=True):
        assert 0 <= end - (1_800_000_000 + moment) - seconds <= max(step, 0)
    assert ends == sorted(ends)
    assert step <= 3600
    assert rounded_start(1_800_000_000.9, seconds) <= 1_800_000_000


def test_moments_of_one_step_have_one_end() -> None:
    begin = rounded_start(1_800_000_000, 3600)
    assert {rounded_end(begin + moment, 3600) for moment in range(900)} == {begin + 4500}
    assert rounded_end(begin + 900, 3600) == begin + 5400
