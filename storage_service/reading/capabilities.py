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
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from servicekit.sealing import Sealed
from strongroom.errors import TokenInvalid
from strongroom.metadata.v1.file_pb2 import LinkStamp

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

    @property
    def key_id(self) -> bytes:
        """Of the secret that makes tokens."""
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


_LABEL: Final = "strongroom links 1"
_FORM: Final = struct.Struct(">B16s16sIIQ")
_NEWEST: Final = 1
_ATTACHMENT: Final = 2
_NO_CONTENT: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """``content_id`` empty: whatever the file's content is. ``expires``: seconds since 1970, 0: not by
    itself. ``attachment``: browsers save it.
    """

    owner_id: str
    file_id: str
    content_id: str
    file_epoch: int
    owner_epoch: int
    expires: int = 0
    attachment: bool = False

    @property
    def stamp(self) -> LinkStamp:
        """What the file's has to be."""
        return LinkStamp(content_id=self.content_id, file_epoch=self.file_epoch, owner_epoch=self.owner_epoch)


class LinkTokens:
    """Makes and reads them."""

    def __init__(self, *secrets: str) -> None:
        self._capabilities = Capabilities(secrets, _LABEL)

    @property
    def key_id(self) -> bytes:
        """Another one, and the same claims make another token."""
        return self._capabilities.key_id

    def sign(self, claims: LinkClaims) -> str:
        """The token; always the same for the same claims."""
        flags = (0 if claims.content_id else _NEWEST) | (_ATTACHMENT if claims.attachment else 0)
        content = UUID(claims.content_id).bytes if claims.content_id else _NO_CONTENT
        numbers = (claims.file_epoch, claims.owner_epoch, claims.expires)
        head = _FORM.pack(flags, UUID(claims.file_id).bytes, content, *numbers)
        return self._capabilities.seal(head + claims.owner_id.encode())

    def read(self, token: str) -> LinkClaims:
        """Raises TokenInvalid."""
        content = self._capabilities.open(token)
        if len(content) <= _FORM.size:
            raise TokenInvalid("The token was refused: this installation has not made it.")
        flags, file_id, content_id, file_epoch, owner_epoch, expires = _FORM.unpack_from(content)
        return LinkClaims(
            owner_id=content[_FORM.size :].decode(),
            file_id=str(UUID(bytes=file_id)),
            content_id="" if flags & _NEWEST else str(UUID(bytes=content_id)),
            file_epoch=file_epoch,
            owner_epoch=owner_epoch,
            expires=expires,
            attachment=bool(flags & _ATTACHMENT),
        )
