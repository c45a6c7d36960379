"""The ``Idempotency-Key`` header: the caller's name for one request, however often it is sent."""

from __future__ import annotations

import re
from typing import Final

from gateway.http.exchange import Exchange
from strongroom.errors import InvalidField

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def idempotency_key(exchange: Exchange) -> str:
    """The key, for ``UploadSpec.request_id``; ``""`` when none was sent.

    :raises InvalidField: not 1-255 visible ASCII characters.
    """
    key = exchange.header("idempotency-key")
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise InvalidField(
            "Idempotency-Key must be 1 to 255 visible ASCII characters, a UUID for example.",
            field="Idempotency-Key",
            rule="string.pattern",
        )
    return key
