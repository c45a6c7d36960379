"""Links that redirect to the store: exactly as long as both the link and the signed URL are valid."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from gateway.families.links.reading import redirection
from strongroom.storage.v1.link_pb2 import DownloadLinkResponse


def led_on(found: DownloadLinkResponse, cache: int = 3600) -> dict[bytes, bytes]:
    reply = redirection(found, cache)
    assert reply.status == 302
    return dict(reply.headers)


def found(
    *, url_left: int | None = None, link_left: int | None = None, newest: bool = False
) -> DownloadLinkResponse:
    made = DownloadLinkResponse(url="https://store.test/x?X-Amz-Signature=0", newest=newest)
    now = int(time.time())
    if url_left is not None:
        made.url_expire_time.FromSeconds(now + url_left)
    if link_left is not None:
        made.expire_time.FromSeconds(now + link_left)
    return made


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (partial(found, url_left=900), 870),
        (partial(found, url_left=86_400), 3600),
        (partial(found, url_left=900, link_left=100), 100),
        (found, 3600),
        (partial(found, link_left=50), 50),
    ],
)
def test_kept_by_caches_while_both_hold(ask: Callable[[], DownloadLinkResponse], most: int) -> None:
    asked = ask()  # now, not when the tests were collected
    headers = led_on(asked)
    assert headers[b"location"] == asked.url.encode()
    told = headers[b"cache-control"].decode()
    assert told.startswith("private, max-age=")
    assert most - 60 <= int(told.rpartition("=")[2]) <= most


@pytest.mark.parametrize(
    "ask",
    [partial(found, url_left=20), partial(found, url_left=900, newest=True), partial(found, link_left=0)],
)
def test_kept_by_nobody(ask: Callable[[], DownloadLinkResponse]) -> None:
    assert led_on(ask())[b"cache-control"] == b"no-store"
