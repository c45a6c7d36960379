"""Tokens of shares: 160 random bits. Kept is their hash; a copy, encrypted, only where a repeat of the
request that made one has to answer the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from servicekit.sealing import Sealed

TOKEN_BYTES: Final = 20
_LABEL: Final = b"strongroom share tokens 1"


def new_token() -> str:
    """27 characters of base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).rstrip(b"=").decode("ascii")


def hash_of(token: str) -> bytes:
    """SHA-256: a token is random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode()).digest()


class SealedTokens:
    """Copies for repeats; all replicas share `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._sealed = Sealed(secret, _LABEL)

    def seal(self, token: str, owner_id: str, request_id: str) -> bytes:
        """The copy: opens for the same owner and request only."""
        return self._sealed.seal(token.encode(), owner_id.encode(), request_id.encode())

    def open(self, sealed: bytes, owner_id: str, request_id: str) -> str | None:
        """The token; None where the secret was replaced meanwhile."""
        try:
            return self._sealed.open(sealed, owner_id.encode(), request_id.encode()).decode()
        except ValueError:
            return None

    def fingerprint(self, request: bytes) -> bytes:
        """What two requests are compared by. Keyed: one with a password holds nothing to guess it by."""
        return hmac.digest(self._sealed.key, b"request\0" + request, "sha256")
