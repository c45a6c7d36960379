"""Secrets of webhooks and what they sign, by Standard Webhooks 1.0 (standardwebhooks.com).

Unlike tokens they have to be read again to sign, so they are kept, sealed. Several sign after a rotation:
a receiver accepts whichever it knows.
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
"""Rotations in a row don't pile up: more than so many never sign."""
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
        """As receivers keep it."""
        return PREFIX + base64.b64encode(self.key).decode("ascii")


class SealedSecrets:
    """Seals and opens those of one webhook together; all replicas share `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._sealed = Sealed(secret, _LABEL)

    def seal(self, kept: Sequence[Secret], owner_id: str, webhook_id: str) -> bytes:
        """Opens for this webhook only."""
        content = json.dumps([[base64.b64encode(one.key).decode("ascii"), one.until] for one in kept])
        return self._sealed.seal(content.encode(), owner_id.encode(), webhook_id.encode())

    def open(self, sealed: bytes, owner_id: str, webhook_id: str, now: float) -> list[Secret]:
        """Those that sign at `now`, newest first. Raises ValueError where the secret was replaced."""
        content = self._sealed.open(sealed, owner_id.encode(), webhook_id.encode())
        found = [Secret(base64.b64decode(key), until) for key, until in json.loads(content)]
        return [one for one in found if one.until is None or one.until > now]

    def fingerprint(self, request: bytes) -> bytes:
        """What two requests are compared by."""
        return hmac.digest(self._sealed.key, b"request\0" + request, "sha256")


def rotated(kept: Sequence[Secret], fresh: Secret, until: float) -> list[Secret]:
    """`fresh` first; the others end at `until`, if not sooner."""
    old = [Secret(one.key, until if one.until is None else min(one.until, until)) for one in kept]
    return [fresh, *old][:MOST]


def signature(kept: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: one signature for each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(one.key, signed, "sha256") for one in kept)
    return " ".join("v1," + base64.b64encode(digest).decode("ascii") for digest in digests)
