"""What an object carries is for us alone: S3 shows an object's metadata to whoever gets the object, behind a
signed URL or a CDN, and prompts are nobody's business.

AES-SIV (RFC 5297) of the library cryptography, as links are sealed: no nonce to keep, the same content is the
same text. The key is derived from the secret of the services; without it a spec is lost, the file is not.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_LABEL: Final = b"strongroom objects 1"


class Sealing:
    """One instance per process; `secret`: `STRONGROOM_INTERNAL_SECRET`."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _LABEL, "sha512")
        self._cipher: AESSIV | None = None

    def seal(self, content: bytes) -> bytes:
        """16 bytes longer than `content`, which is not empty."""
        return self._loaded().encrypt(content, [_LABEL])

    def open(self, sealed: bytes) -> bytes:
        """What was sealed. Raises ValueError: with another secret, or it was damaged."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _loaded

        try:
            return self._loaded().decrypt(sealed, [_LABEL])
        except InvalidTag:
            raise ValueError("it was sealed with another secret, or damaged") from None

    def _loaded(self) -> AESSIV:
        if self._cipher is None:
            # Loaded by the first upload: megabytes that `migrate` never uses.
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

            self._cipher = AESSIV(self._key)
        return self._cipher
