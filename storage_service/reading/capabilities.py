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
from typing import Final

from servicekit.sealing import Sealed
from strongroom.errors import TokenInvalid

#: Of base64url.
MAX_CHARACTERS: Final = 1024
_ID_BYTES: Final = 4


class Capabilities:
    """Makes and opens the tokens of one kind."""

    def __init__(self, secrets: Sequence[str], label: str) -> None:
        """``secrets``: the first one makes tokens, all of them open them. ``label``: names the kind."""
        ciphers = [Sealed(secret.encode(), label.encode()) for secret in secrets]
        self._ciphers = {_key_id(cipher): cipher for cipher in reversed(ciphers)}
        self._current = _key_id(ciphers[0])

    def seal(self, content: bytes) -> str:
        """The token of ``content`` (not empty): unreserved characters of a URL, always the same."""
        sealed = self._ciphers[self._current].seal(content)
        return base64.urlsafe_b64encode(self._current + sealed).rstrip(b"=").decode()

    def open(self, token: str) -> bytes:
        """What a token was made of. Raises TokenInvalid: it is none of this kind, or of another secret."""
        raw = _decoded(token)
        cipher = self._ciphers.get(raw[:_ID_BYTES])
        if cipher is None:
            raise _refused()
        try:
            return cipher.open(raw[_ID_BYTES:])
        except ValueError:
            raise _refused() from None


def _key_id(cipher: Sealed) -> bytes:
    return hmac.digest(cipher.key, b"key id", "sha256")[:_ID_BYTES]


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
