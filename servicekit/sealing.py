"""What only we can read and make: sealed content, and the tokens in URLs that are made of it (capabilities).

AES-SIV (RFC 5297), of the library cryptography: authenticated and deterministic encryption. No nonce to
keep; the same content is always the same bytes, 16 longer than it. Each kind of thing has a key of its own,
derived from a secret with the kind's label, so none passes for another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from strongroom.errors import TokenInvalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


class Sealed:
    """Seals and opens values of one kind. ``key``: 64 bytes, derived from the secret."""

    def __init__(self, secret: bytes, label: bytes) -> None:
        """``label`` names the kind: none opens as another, whose key is another one."""
        self.key = hmac.digest(secret, label, "sha512")
        self._label = label

    def seal(self, content: bytes, *bound_to: bytes) -> bytes:
        """Seal ``content`` (not empty); opening it needs the same ``bound_to``."""
        return self._cipher.encrypt(content, [self._label, *bound_to])

    def open(self, sealed: bytes, *bound_to: bytes) -> bytes:
        """The sealed content. Raises ValueError: another secret, bound to something else, or damaged."""
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


#: Characters of base64url.
MAX_CHARACTERS: Final = 1024
_ID_BYTES: Final = 4


class Capabilities:
    """Makes and opens the tokens of one kind, for URLs of browsers that send no bearer token. Whoever has one
    may do what it says.

    Nobody reads them but us (a link shows its visitors neither who owns the file nor its id), nobody changes
    or makes them, and the same content is always the same token, so that its URL stays the same in caches.
    The secret's id stands before what is sealed: secrets are replaced one after the other, and what the old
    ones made goes on holding for as long as they are named.
    """

    def __init__(self, secrets: Sequence[str], label: str) -> None:
        """``secrets``: the first one makes tokens, all of them open them. ``label``: names the kind."""
        ciphers = [Sealed(secret.encode(), label.encode()) for secret in secrets]
        self._ciphers = {_key_id(cipher): cipher for cipher in reversed(ciphers)}
        self._current = _key_id(ciphers[0])

    def seal(self, content: bytes) -> str:
        """The token of ``content`` (not empty): unreserved characters of a URL, always the same."""
        sealed = self._ciphers[self._current].seal(content)
        return base64.urlsafe_b64encode(self._current + sealed).rstrip(b"=").decode()

    @property
    def key_id(self) -> bytes:
        """The id of the secret that makes tokens."""
        return self._current

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
    """Canonical, unpadded base64url: a token has only one URL."""
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
