"""Tickets: how a page's ``EventSource``, which can't send headers, authenticates.

A ticket contains the caller's own token, encrypted and dated (Fernet, of the library cryptography). It only
opens event streams, for ``TICKET_SECONDS``. As part of a URL it may end up in a proxy's log: only the
gateways can decrypt it, it expires soon, and it never outlives the token. Nothing is stored, and the gateway
gets no right to act for anybody.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Final, Self

from strongroom.errors import TokenExpired, TokenInvalid

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from gateway.config import GatewaySettings

TICKET_SECONDS: Final = 60
#: Longer than any ticket: tokens have at most 8 KiB; base64 and encryption add 40 %.
MAX_TICKET: Final = 12 * 1024
_LABEL: Final = b"strongroom tickets of event streams 1"


class Tickets:
    """Makes and opens tickets. ``key``: 32 bytes, the same in all gateways. Tickets of ``old`` ones open."""

    def __init__(self, key: bytes, *old: bytes) -> None:
        self._keys = (key, *old)

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> Self:
        """Derive the key from a secret that all gateways share: the internal one, that of tokens, or (where
        tokens are under public keys) that of the gateways.

        If there is none, tickets are only valid at the gateway that made them.
        """
        secret = settings.jwt_secret or settings.gateway_secret
        other = secret.get_secret_value().encode() if secret is not None else secrets.token_bytes(32)
        shared = [one.encode() for one in settings.internal_secrets()] or [other]
        return cls(*(hmac.digest(one, _LABEL, "sha256") for one in shared))

    def make(self, token: str) -> tuple[str, int]:
        """A ticket for the caller with ``token`` (empty: none is needed), and its expiry in seconds since
        1970.
        """
        now = int(time.time())
        return self._seal().encrypt_at_time(token.encode(), now).decode(), now + TICKET_SECONDS

    def open(self, ticket: str) -> str:
        """The token in the ticket.

        :raises TokenInvalid: not a valid ticket.
        :raises TokenExpired: it has expired.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see _seal

        seal, sealed = self._seal(), ticket.encode("ascii", "replace")[:MAX_TICKET]
        try:
            token = seal.decrypt(sealed).decode()
        except InvalidToken:
            raise TokenInvalid(
                "The ticket was refused: this installation has not made it; get a new one."
            ) from None
        made = seal.extract_timestamp(sealed)
        if time.time() >= made + TICKET_SECONDS:
            raise TokenExpired(
                "The ticket has expired; get a new one by POST /api/notifications/ticket, and open the stream"
                " with it at once."
            )
        return token

    def _seal(self) -> MultiFernet:
        # Imported at the first ticket: it takes 8 MiB that most gateways never need.
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in self._keys])
