"""Tokens of shares: 160 random bits.

The hash is stored; an encrypted copy only while a repeat of the request that created the token must get the
same answer.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

from servicekit.sealing import Sealed

TOKEN_BYTES: Final = 20
_LABEL: Final = b"strongroom share tokens 1"


def new_token() -> str:
    """27 characters of base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).rstrip(b"=").decode("ascii")


def hash_of(token: str) -> bytes:
    """SHA-256. A token is random, so no slow hash is needed."""
    return hashlib.sha256(token.encode()).digest()


class SealedTokens:
    """Encrypted copies for repeats; all replicas share `secret`, and `old` ones open, too."""

    def __init__(self, secret: bytes, *old: bytes) -> None:
        self._sealed = Sealed(secret, _LABEL, *old)
        self.fingerprint = self._sealed.fingerprint
        self.is_fingerprint = self._sealed.is_fingerprint

    def seal(self, token: str, owner_id: str, request_id: str) -> bytes:
        """Encrypt a copy, readable only for the same owner and request."""
        return self._sealed.seal(token.encode(), owner_id.encode(), request_id.encode())

    def open(self, sealed: bytes, owner_id: str, request_id: str) -> str | None:
        """The token; None if the secret was replaced meanwhile."""
        try:
            return self._sealed.open(sealed, owner_id.encode(), request_id.encode()).decode()
        except ValueError:
            return None
