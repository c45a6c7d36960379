"""How the gateway proves to the services that a call has been counted already.

What the gateway lets in is not counted again: a user would get less through it than past it, and to the
services everybody would come from the gateway's own address. The proof opens nothing else: whoever steals it
is still asked for a token.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final

#: Seconds for which one proof is sent; it is good for ``SKEW_SECONDS`` around that, as clocks differ.
PERIOD_SECONDS: Final = 60
SKEW_SECONDS: Final = 300


class GatewayCredential:
    """``<time>.<HMAC-SHA-256 of it>`` with STRONGROOM_GATEWAY_SECRET."""

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()
        self._minted = ""
        self._minted_at = 0
        self._known = ""

    def mint(self) -> str:
        """The proof of this minute."""
        period = int(time.time()) // PERIOD_SECONDS * PERIOD_SECONDS
        if period != self._minted_at:
            self._minted, self._minted_at = f"{period}.{self._signature(period)}", period
        return self._minted

    def proves(self, text: str) -> bool:
        """Whether ``text`` was minted with this secret, within the last minutes. Never raises: a call
        without a proof is counted like anybody's.
        """
        moment, _, signature = text.partition(".")
        if not (moment.isascii() and moment.isdigit() and len(moment) < 13):
            return False
        if abs(time.time() - int(moment)) > PERIOD_SECONDS + SKEW_SECONDS:
            return False
        if text == self._known:
            return True
        if not hmac.compare_digest(signature.encode(), self._signature(int(moment)).encode()):
            return False
        self._known = text
        return True

    def _signature(self, moment: int) -> str:
        return hmac.new(self._key, f"strongroom-gateway:{moment}".encode(), hashlib.sha256).hexdigest()
