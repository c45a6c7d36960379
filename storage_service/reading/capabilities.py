"""Capabilities: tokens in URLs, for browsers that send no bearer token. Whoever has one may do what it says.

Nobody reads them but us (a link shows its visitors neither who owns the file nor its id), nobody changes or
makes them, and the same content is always the same token, so that its URL stays the same in caches:
AES-SIV (RFC 5297), authenticated and deterministic encryption, of the library cryptography. Each kind has a
key of its own, derived from a secret with the kind's label, so none passes for another, nor for a JWT. The
key's id stands before the ciphertext: secrets are replaced one after the other, and what the old ones made
goes on holding for as long as they are named.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from strongroom.errors import TokenInvalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

#: Of base64url.
MAX_CHARACTERS: Final = 1024
_ID_BYTES: Final = 4


class Capabilities:
    """Makes and opens the tokens of one kind."""

    def __init__(self, secrets: Sequence[str], label: str) -> None:
        """``secrets``: the first one makes tokens, all of them open them. ``label``: names the kind."""
        self._label = label.encode()
        keys = [hmac.digest(secret.encode(), self._label, "sha512") for secret in secrets]
        self._keys = {hmac.digest(key, b"key id", "sha256")[:_ID_BYTES]: key for key in reversed(keys)}
        self._current = hmac.digest(keys[0], b"key id", "sha256")[:_ID_BYTES]
        self._ciphers: dict[bytes, AESSIV] = {}

    def seal(self, content: bytes) -> str:
        """The token of ``content`` (not empty): unreserved characters of a URL, always the same."""
        sealed = self._cipher(self._current).encrypt(content, [self._label])
        return base64.urlsafe_b64encode(self._current + sealed).rstrip(b"=").decode()

    def open(self, token: str) -> bytes:
        """What a token was made of. Raises TokenInvalid: it is none of this kind, or of another secret."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        raw = _decoded(token)
        if raw[:_ID_BYTES] not in self._keys:
            raise _refused()
        try:
            return self._cipher(raw[:_ID_BYTES]).decrypt(raw[_ID_BYTES:], [self._label])
        except (InvalidTag, ValueError):
            raise _refused() from None

    def _cipher(self, key_id: bytes) -> AESSIV:
        found = self._ciphers.get(key_id)
        if found is None:
            # Loaded by the first token: megabytes that a process without links never uses.
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

            found = self._ciphers[key_id] = AESSIV(self._keys[key_id])
        return found


def _decoded(token: str) -> bytes:
    """Canonical, unpadded base64url: no two URLs for one token."""
    try:
        if len(token) > MAX_CHARACTERS:
            raise _refused()
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise _refused() from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise _refused()
    return raw


def _refused() -> TokenInvalid:
    return TokenInvalid("The token was refused: this installation has not made it.")
