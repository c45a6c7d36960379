"""Secrets of webhooks and their signatures, by Standard Webhooks 1.0 (standardwebhooks.com).

Unlike tokens, secrets must be readable to sign, so they are stored sealed. After a rotation several sign: a
receiver accepts any it knows.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from servicekit.sealing import Sealed

SECRET_BYTES: Final = 32
PREFIX: Final = "whsec_"
MOST: Final = 5
"""The most secrets that sign, however many rotations follow each other."""
_LABEL: Final = b"strongroom webhook secrets 1"


@dataclass(frozen=True, slots=True)
class Secret:
    """`until`: seconds since 1970; None: the newest, which signs until it is replaced."""

    key: bytes
    until: float | None = None

    @classmethod
    def new(cls) -> Self:
        """256 random bits."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def shown(self) -> str:
        """The secret in the form receivers store."""
        return PREFIX + base64.b64encode(self.key).decode("ascii")


class SealedSecrets:
    """Seals all secrets of a webhook together; all replicas share `secret`, and `old` ones open, too."""

    def __init__(self, secret: bytes, *old: bytes) -> None:
        self._sealed = Sealed(secret, _LABEL, *old)
        self.fingerprint = self._sealed.fingerprint
        self.is_fingerprint = self._sealed.is_fingerprint

    def seal(self, kept: Sequence[Secret], owner_id: str, webhook_id: str) -> bytes:
        """Seal them, readable for this webhook only."""
        content = json.dumps([[base64.b64encode(one.key).decode("ascii"), one.until] for one in kept])
        return self._sealed.seal(content.encode(), owner_id.encode(), webhook_id.encode())

    def resealed(self, sealed: bytes, owner_id: str, webhook_id: str) -> bytes | None:
        """What an old secret has sealed, sealed with the current one.

        None if none opens it, or the current one sealed it: it would seal it to the same bytes.
        """
        bound_to = owner_id.encode(), webhook_id.encode()
        try:
            again = self._sealed.seal(self._sealed.open(sealed, *bound_to), *bound_to)
        except ValueError:
            return None
        return again if again != sealed else None

    def open(self, sealed: bytes, owner_id: str, webhook_id: str, now: float) -> list[Secret]:
        """The secrets that sign at `now`, newest first. Raises ValueError if `secret` was replaced."""
        content = self._sealed.open(sealed, owner_id.encode(), webhook_id.encode())
        found = [Secret(base64.b64decode(key), until) for key, until in json.loads(content)]
        return [one for one in found if one.until is None or one.until > now]


def rotated(kept: Sequence[Secret], fresh: Secret, until: float) -> list[Secret]:
    """`fresh` first; the others end at `until`, or earlier."""
    old = [Secret(one.key, until if one.until is None else min(one.until, until)) for one in kept]
    return [fresh, *old][:MOST]


def signature(kept: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: one signature for each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(one.key, signed, "sha256") for one in kept)
    return " ".join("v1," + base64.b64encode(digest).decode("ascii") for digest in digests)
