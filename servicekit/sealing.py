"""Sealed content, which only this installation can read and make, and tokens in URLs made of it
(capabilities).

AES-SIV (RFC 5297), from the library cryptography: authenticated and deterministic encryption. No nonce is
needed; the same content always gives the same bytes, 16 more than its own. Each kind of content has a key of
its own, derived from a secret with the kind's label, so that none can be used as another.
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

    def __init__(self, secret: bytes, label: bytes, *old: bytes) -> None:
        """``label`` names the kind: with another label nothing opens, because the key is another one.
        ``old``: former secrets (or the next one), whose values open, too.
        """
        self.key = hmac.digest(secret, label, "sha512")
        self._old = tuple(hmac.digest(one, label, "sha512") for one in old)
        self._label = label

    def seal(self, content: bytes, *bound_to: bytes) -> bytes:
        """Seal ``content`` (not empty); opening it needs the same ``bound_to``."""
        return self._cipher.encrypt(content, [self._label, *bound_to])

    def open(self, sealed: bytes, *bound_to: bytes) -> bytes:
        """The sealed content. Raises ValueError: another secret, bound to something else, or damaged."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _aes_siv

        for cipher in (self._cipher, *self._old_ciphers):
            try:
                return cipher.decrypt(sealed, [self._label, *bound_to])
            except InvalidTag:
                continue
        raise ValueError("it was sealed with another secret, or damaged")

    def fingerprint(self, request: bytes) -> bytes:
        """The fingerprint by which requests are compared. It is keyed, so that a password can't be guessed
        from it.
        """
        return _fingerprint(self.key, request)

    def is_fingerprint(self, known: bytes, request: bytes) -> bool:
        """Whether ``known`` is the fingerprint of ``request``, with the current secret or an old one."""
        return any(hmac.compare_digest(known, _fingerprint(key, request)) for key in (self.key, *self._old))

    @cached_property
    def _cipher(self) -> AESSIV:
        return _aes_siv(self.key)

    @cached_property
    def _old_ciphers(self) -> list[AESSIV]:
        return [_aes_siv(key) for key in self._old]


def _fingerprint(key: bytes, request: bytes) -> bytes:
    return hmac.digest(key, b"request\0" + request, "sha256")


def _aes_siv(key: bytes) -> AESSIV:
    # Imported at the first use: it takes megabytes that many processes never need.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

    return AESSIV(key)


#: Characters of base64url.
MAX_CHARACTERS: Final = 1024
_ID_BYTES: Final = 4


class Capabilities:
    """Makes and opens the tokens of one kind, for URLs used by browsers without a bearer token. Every holder
    of a token may do what it says.

    Only this installation can read tokens (a link shows its visitors neither the file's owner nor its id),
    change or make them. The same content always gives the same token, so that its URL stays the same in
    caches. The secret's id precedes the sealed content: secrets can be replaced one after the other, and
    tokens of old secrets stay valid as long as these are configured.
    """

    def __init__(self, secrets: Sequence[str], label: str) -> None:
        """``secrets``: the first one makes tokens, all of them open tokens. ``label``: names the kind."""
        ciphers = [Sealed(secret.encode(), label.encode()) for secret in secrets]
        self._ciphers = {_key_id(cipher): cipher for cipher in reversed(ciphers)}
        self._current = _key_id(ciphers[0])

    def seal(self, content: bytes) -> str:
        """The token for ``content`` (not empty): unreserved URL characters, always the same."""
        sealed = self._ciphers[self._current].seal(content)
        return base64.urlsafe_b64encode(self._current + sealed).rstrip(b"=").decode()

    @property
    def key_id(self) -> bytes:
        """The id of the secret that makes tokens."""
        return self._current

    def open(self, token: str) -> bytes:
        """The content of a token. Raises TokenInvalid: it is of another kind or another secret."""
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
    return TokenInvalid(
        "The token was refused: this installation has not made it. Copy all of the URL, or get a new one."
    )
