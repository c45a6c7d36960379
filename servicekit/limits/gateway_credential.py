"""How the gateway proves to the services that a call has been counted already, and when it came in.

What the gateway lets in is not counted again: a user would get less through it than past it, and to the
services everybody would come from the gateway's own address. And who may do something is decided once, when
the request arrives at the gateway: for a token that expires about now (or has just begun to hold) the proof
also names the SHA-256 of that very token and the moment at which the gateway has verified it. It opens
nothing else: whoever steals it is still asked for a token, whose signature is checked all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final

from servicekit.arrivals import digest_of, is_possible

#: Seconds for which one proof is sent; it is good for ``SKEW_SECONDS`` around that, as clocks differ.
PERIOD_SECONDS: Final = 60
SKEW_SECONDS: Final = 300


class GatewayCredential:
    """``<time>[.<arrival in ms>.<SHA-256 of the token>].<HMAC-SHA-256 of that>`` with
    STRONGROOM_GATEWAY_SECRET.
    """

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

    def vouch(self, token: str, arrived: float) -> str:
        """As ``mint``, with the word that this bearer token held at ``arrived`` (seconds since 1970)."""
        said = f"{int(time.time())}.{int(arrived * 1000)}.{digest_of(token).hex()}"
        return f"{said}.{self._signature(said)}"

    def proves(self, text: str) -> bool:
        """Whether ``text`` was made with this secret, within the last minutes. Never raises: a call
        without a proof is counted like anybody's.
        """
        said, _, signature = text.rpartition(".")
        moment = said.partition(".")[0]
        if not (moment.isascii() and moment.isdigit() and len(moment) < 13):
            return False
        if abs(time.time() - int(moment)) > PERIOD_SECONDS + SKEW_SECONDS:
            return False
        if text == self._known:
            return True
        if not hmac.compare_digest(signature.encode(), self._signature(said).encode()):
            return False
        self._known = text
        return True

    def arrival(self, text: str, token: str) -> float | None:
        """The moment at which the gateway has verified ``token``, seconds since 1970; None where ``text``
        says nothing of this very token, or proves nothing.
        """
        fields = text.split(".")
        if len(fields) != 4 or fields[2] != digest_of(token).hex() or not self.proves(text):
            return None
        arrived = int(fields[1]) / 1000
        return arrived if is_possible(arrived) else None

    def _signature(self, said: object) -> str:
        return hmac.new(self._key, f"strongroom-gateway:{said}".encode(), hashlib.sha256).hexdigest()
