"""Page tokens (AIP-158): the position after the last row of a page, signed, and bound to the query it belongs
to.

The position is a key (keyset), so pages stay stable while rows come and go. A token carries 128 bits of
HMAC-SHA256 over the query and the position; one of another query, owner or deployment is refused like a
forged one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final

from strongroom.errors import InvalidPageToken

_MAC_BYTES: Final = 16
_PURPOSE: Final = b"strongroom page token 1"


def page_size(wanted: int, *, default: int, largest: int) -> int:
    """0 means the default; too much is lowered (AIP-158). Negative ones are refused by the schema."""
    return min(wanted or default, largest)


class PageTokens:
    """Makes and reads tokens; all replicas share `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def seal(self, query: Sequence[object], position: Sequence[str]) -> str:
        """A token for the page after `position`. `query` is everything that decides which rows there are."""
        payload = json.dumps(list(position), ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(query, payload) + payload).rstrip(b"=").decode("ascii")

    def open(self, query: Sequence[object], token: str) -> list[str]:
        """The position in a token of this very query. Raises InvalidPageToken."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _invalid() from error
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(query, payload)):
            raise _invalid()
        position: list[str] = json.loads(payload)
        return position

    def _mac(self, query: Sequence[object], payload: bytes) -> bytes:
        bound = json.dumps(list(query)).encode()
        framed = len(bound).to_bytes(4, "big") + bound + payload
        return hmac.digest(self._key, framed, hashlib.sha256)[:_MAC_BYTES]


def _invalid() -> InvalidPageToken:
    return InvalidPageToken(
        "This page token is not one of ours, or belongs to another query; start from the first page."
    )
