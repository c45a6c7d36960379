"""No temporary error is a 4xx."""

from __future__ import annotations

import pytest
from grpc import StatusCode

from gateway.families.tus.errors import as_tus, past_the_length, speaks_tus
from strongroom.errors import REASONS, ChecksumMismatch, RateLimited, SizeMismatch, StrongroomError
from tests.unit.gateway.calls import make_call

TRANSIENT = [
    kind
    for kind in REASONS.values()
    if kind.code in {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED} or kind.http_status in {429, 504}
]


@pytest.mark.parametrize("kind", TRANSIENT)
def test_transient_errors_are_5xx(kind: type[StrongroomError]) -> None:
    found = as_tus(kind("It passes.", retry_after=2.0))
    assert found.http_status in {502, 503}
    assert found.retry_after == 2.0


def test_a_limit_is_named() -> None:
    found = as_tus(RateLimited("Too many.", retry_after=2.0, metadata={"limit": "user_requests"}))
    assert (found.http_status, found.metadata["limit"]) == (503, "user_requests")


def test_past_the_length_says_the_limit() -> None:
    found = past_the_length(SizeMismatch("Too many.", metadata={"expected": "7"}))
    assert (found.http_status, found.metadata["limit"]) == (413, "7")


async def test_a_wrong_checksum_is_460() -> None:
    async def handler(call: object) -> None:
        raise ChecksumMismatch("Wrong.", metadata={"algorithm": "sha1"})

    reply = await speaks_tus(handler)(make_call())  # type: ignore[arg-type]
    assert reply.status == 460
    assert b'"status": 460' in reply.body
