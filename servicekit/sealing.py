"""AES-SIV (RFC 5297), of the library cryptography: authenticated and deterministic encryption. No nonce to
keep; the same content is always the same bytes, 16 longer than it.
"""

from __future__ import annotations

import hmac
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


class Sealed:
    """Seals and opens what one kind of thing needs. ``key``: 64 bytes, derived from the secret."""

    def __init__(self, secret: bytes, label: bytes) -> None:
        """``label`` names the kind: none opens as another, whose key is another one."""
        self.key = hmac.digest(secret, label, "sha512")
        self._label = label

    def seal(self, content: bytes, *bound_to: bytes) -> bytes:
        """``content`` (not empty), sealed; opens only together with the same ``bound_to``."""
        return self._cipher.encrypt(content, [self._label, *bound_to])

    def open(self, sealed: bytes, *bound_to: bytes) -> bytes:
        """What was sealed. Raises ValueError: with another secret or bound to something else, or damaged."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        try:
            return self._cipher.decrypt(sealed, [self._label, *bound_to])
        except InvalidTag:
            raise ValueError("it was sealed with another secret, or damaged") from None

    @cached_property
    def _cipher(self) -> AESSIV:
        # Loaded by the first use: megabytes that a process which seals nothing never needs.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

        return AESSIV(self.key)
