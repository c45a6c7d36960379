"""Times in stores' replies: as ``email.utils`` reads them, and RFC 9110's form without it."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

import pytest

from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.s3.headers import object_info


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 01 Jan 2026 00:00:00 GMT",
        "Sun, 29 Feb 2032 23:59:59 GMT",
        "Wed, 31 Dec 2025 12:34:56 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Thu, 01 Jan 2026 02:00:00 +0200",
    ],
)
def test_every_form_is_read(text: str) -> None:
    found = object_info("k", {"content-length": "1", "last-modified": text}).last_modified
    wanted = parsedate_to_datetime(text)
    assert found == (wanted if wanted.tzinfo else wanted.astimezone(UTC))
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["Thu, 32 Jan 2026 00:00:00 GMT", "Thu, 01 Foo 2026 00:00:00 GMT", "Thu, 01 Jan 2026 25:00:00 GMT", "x"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(StoreUnavailable):
        object_info("k", {"content-length": "1", "last-modified": text})
