"""No request of a test ends by the speed of the machine: httpx would give up after five seconds, of which
tests/conftest.py makes more for all of them.
"""

from __future__ import annotations

import httpx

from tests.stack import PATIENCE


def test_requests_wait_long_unless_they_are_told() -> None:
    with httpx.Client() as client:
        assert client.timeout == httpx.Timeout(PATIENCE)
    request = httpx.AsyncClient().build_request("GET", "http://localhost")
    assert set(request.extensions["timeout"].values()) == {PATIENCE}
